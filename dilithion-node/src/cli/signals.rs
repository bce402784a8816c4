//! The signals that a node heeds.

use std::future::ready;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::logging::Log;

/// The signals that a node heeds: from now on none of them ends the program by itself.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Must be called on a tokio runtime.
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Completes when the node is to stop, and tells why.
    pub(super) async fn stop(&mut self, log: &Log) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => log.reopen(),
            }
        }
    }

    /// Why the node is to stop, if that has been said already.
    pub(super) async fn pending(&mut self, log: &Log) -> Option<&'static str> {
        tokio::select! {
            biased;
            signal = self.stop(log) => Some(signal),
            () = ready(()) => None,
        }
    }
}
