//! The states of initial block download and the transitions between them, as data.

use std::fmt;

/// Where a node stands in initial block download (IBD).
#[doc(alias = "IBDState")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IbdState {
    /// No peer is known to be ahead of us.
    Idle,
    /// A peer is, or was, ahead of us, and we wait for a usable connection.
    Connecting,
    /// Headers are being fetched.
    HeadersSync,
    /// Blocks are being fetched; headers may still be coming in.
    BlocksDownload,
    /// Every block is here; validation is catching up.
    BlocksValidate,
    /// Our chain is the best chain we know of.
    Complete,
    /// The store failed; nothing is connected any more.
    Error,
}

impl IbdState {
    /// All states, in the order of a sync.
    pub const ALL: [Self; 7] = [
        Self::Idle,
        Self::Connecting,
        Self::HeadersSync,
        Self::BlocksDownload,
        Self::BlocksValidate,
        Self::Complete,
        Self::Error,
    ];

    /// The name used in log lines, as the design documents write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "IDLE",
            Self::Connecting => "CONNECTING",
            Self::HeadersSync => "HEADERS_SYNC",
            Self::BlocksDownload => "BLOCKS_DOWNLOAD",
            Self::BlocksValidate => "BLOCKS_VALIDATE",
            Self::Complete => "COMPLETE",
            Self::Error => "ERROR",
        }
    }

    /// Whether a node may go from this state to `next`.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        TRANSITIONS.contains(&(self, next))
    }

    /// Whether blocks are requested and connected in this state.
    #[must_use]
    pub const fn downloads_blocks(self) -> bool {
        matches!(self, Self::BlocksDownload | Self::BlocksValidate | Self::Complete)
    }
}

impl fmt::Display for IbdState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Every legal transition. Any state may fail; losing all peers leads back to `CONNECTING`.
pub const TRANSITIONS: &[(IbdState, IbdState)] = {
    use IbdState::{BlocksDownload, BlocksValidate, Complete, Connecting, Error, HeadersSync, Idle};
    &[
        (Idle, Connecting),
        (Connecting, HeadersSync),
        (HeadersSync, Connecting),
        (HeadersSync, BlocksDownload),
        (HeadersSync, Complete),
        (BlocksDownload, Connecting),
        (BlocksDownload, BlocksValidate),
        (BlocksDownload, Complete),
        (BlocksValidate, Connecting),
        (BlocksValidate, BlocksDownload),
        (BlocksValidate, Complete),
        (Complete, Connecting),
        (Complete, HeadersSync),
        (Idle, Error),
        (Connecting, Error),
        (HeadersSync, Error),
        (BlocksDownload, Error),
        (BlocksValidate, Error),
        (Complete, Error),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_final_and_reachable_from_everywhere() {
        for state in IbdState::ALL {
            assert_eq!(state.may_become(IbdState::Error), state != IbdState::Error);
            assert!(!IbdState::Error.may_become(state));
        }
    }

    #[test]
    fn no_state_is_a_dead_end_but_error() {
        for state in IbdState::ALL.into_iter().filter(|state| *state != IbdState::Error) {
            assert!(TRANSITIONS.iter().any(|(from, to)| *from == state && *to != IbdState::Error), "{state}");
            assert!(!state.may_become(state), "{state} to itself is no transition");
        }
    }
}
