//! How much of the chain a node fetches, and the way of a node that fetches headers only.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::coordinator::MAX_BEHIND_WHEN_COMPLETE;
use super::{Coordinator, IbdState, Trigger};

/// How much of the chain a node fetches (spec: requirements M6; `full` and `collect` of the design documents).
#[doc(alias = "collect")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncMode {
    /// Headers and blocks.
    #[default]
    Full,
    /// Headers, which are proved; then the node holds in `IDLE`, and follows what is announced, until
    /// [`Order::SyncNow`](super::Order::SyncNow) makes it [`Full`](Self::Full).
    Headers,
}

/// Not the name of a [`SyncMode`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the modes are full and headers")]
pub struct UnknownMode;

impl SyncMode {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Full, Self::Headers];

    /// Its name in settings and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Headers => "headers",
        }
    }
}

impl fmt::Display for SyncMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for SyncMode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|mode| mode.name() == text).ok_or(UnknownMode)
    }
}

impl Coordinator {
    /// The mode; an order may have changed it since the start.
    #[must_use]
    pub fn mode(&self) -> SyncMode {
        self.mode
    }

    /// Whether everything is here that the mode asks for, as far as connected peers have told.
    #[must_use]
    pub fn is_in_sync(&self) -> bool {
        match self.mode {
            SyncMode::Full => self.state == IbdState::Complete,
            SyncMode::Headers => self.state == IbdState::Idle && self.collected,
        }
    }

    /// Every header of the best chain is proved, and it has the work that a chain must have.
    pub(super) fn headers_are_proved(&self) -> bool {
        self.headers.has_minimum_work() && self.headers.ready_height() == self.headers.best_height()
    }

    /// What leads on in a node that fetches headers only. What leads out of `IDLE` excludes what leads back.
    pub(super) fn trigger_for_headers(&self, now: Duration) -> Option<Trigger> {
        match self.state {
            IbdState::Idle => {
                let best = self.headers.best_height();
                let ahead = self.peers.values().any(|peer| peer.is_ahead_of(best));
                // Headers that are announced one by one are proved without leaving the state.
                let unproved = best.0.saturating_sub(self.headers.ready_height().0);
                let behind = ahead || unproved > MAX_BEHIND_WHEN_COMPLETE || !self.collected;
                behind.then_some(Trigger::PeerAhead)
            }
            IbdState::Connecting => Some(Trigger::PeerConnected),
            _ => (self.headers_are_proved() && self.headers_caught_up(now)).then_some(Trigger::HeadersProved),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_have_names() {
        assert!(SyncMode::ALL.into_iter().all(|mode| mode.to_string().parse() == Ok(mode)));
        assert_eq!("collect".parse::<SyncMode>(), Err(UnknownMode));
        assert_eq!(SyncMode::default(), SyncMode::Full);
    }
}
