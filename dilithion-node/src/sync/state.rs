//! The states of initial block download and what leads from one to another, as data.

use std::fmt;

use thiserror::Error;

/// Where a node stands in initial block download (IBD).
#[doc(alias = "IBDState")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IbdState {
    /// No peer is known to be ahead of us; in a node that fetches headers only, of its headers.
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
    /// Something failed that only the operator can mend; nothing is connected any more.
    Error,
}

/// What makes a state give way to another. The coordinator finds out which is due; [`TRANSITIONS`] says what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trigger {
    /// The store or hashing failed, or a fork is too deep to follow.
    Failed,
    /// The last peer is gone, or there was none.
    PeersLost,
    /// A peer, or a header, is ahead of the connected chain.
    PeerAhead,
    /// There is a usable connection.
    PeerConnected,
    /// There are blocks to fetch.
    BlocksMissing,
    /// Every block of the header chain is here, and some wait for validation.
    AllReceived,
    /// The best chain that anybody told us of is connected.
    CaughtUp,
    /// Every header that anybody told us of is proved, and blocks are not wanted (spec: requirements M6).
    HeadersProved,
}

/// What a trigger means in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The state changes.
    Become(IbdState),
    /// It does not.
    Stay,
    /// The trigger cannot come in this state; if it does, something is wrong with the node.
    Illegal,
}

/// A trigger that cannot come in a state.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{trigger:?} cannot come in state {state}")]
pub struct IllegalTrigger {
    /// The state.
    pub state: IbdState,
    /// What came.
    pub trigger: Trigger,
}

/// What each trigger means in each state: rows are states, columns triggers, both in the order of their `ALL`.
pub const TRANSITIONS: [[Outcome; 8]; 7] = {
    use IbdState::{BlocksDownload, BlocksValidate, Complete, Connecting, Error, HeadersSync, Idle};
    use Outcome::{Become, Illegal, Stay};
    let fail = Become(Error);
    let lost = Become(Connecting);
    let sync = Become(HeadersSync);
    let load = Become(BlocksDownload);
    let work = Become(BlocksValidate);
    let done = Become(Complete);
    let hold = Become(Idle);
    [
        // Failed, PeersLost, PeerAhead, PeerConnected, BlocksMissing, AllReceived, CaughtUp, HeadersProved
        [fail, Stay, lost, Stay, Illegal, Illegal, Stay, Stay], // Idle
        [fail, Stay, Stay, sync, Illegal, Illegal, Illegal, Illegal], // Connecting
        [fail, lost, Stay, Stay, load, Stay, done, hold],       // HeadersSync
        [fail, lost, Stay, Stay, Stay, work, done, Illegal],    // BlocksDownload
        [fail, lost, Stay, Stay, load, Stay, done, Illegal],    // BlocksValidate
        [fail, lost, sync, Stay, Stay, Stay, Stay, Illegal],    // Complete
        [Stay, Stay, Stay, Stay, Stay, Stay, Stay, Stay],       // Error
    ]
};

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

    /// What a trigger means in this state, by [`TRANSITIONS`].
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        reason = "the table has a row for each state and a column for each trigger"
    )]
    pub const fn outcome(self, trigger: Trigger) -> Outcome {
        TRANSITIONS[self as usize][trigger as usize]
    }

    /// The state that a trigger leads to; `None` if it changes nothing.
    ///
    /// # Errors
    /// [`IllegalTrigger`] if it cannot come in this state.
    pub const fn on(self, trigger: Trigger) -> Result<Option<Self>, IllegalTrigger> {
        match self.outcome(trigger) {
            Outcome::Become(next) => Ok(Some(next)),
            Outcome::Stay => Ok(None),
            Outcome::Illegal => Err(IllegalTrigger { state: self, trigger }),
        }
    }

    /// Whether some trigger leads from this state to `next`.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        Trigger::ALL.into_iter().any(|trigger| self.outcome(trigger) == Outcome::Become(next))
    }

    /// Whether blocks are requested in this state.
    #[must_use]
    pub const fn downloads_blocks(self) -> bool {
        matches!(self, Self::BlocksDownload | Self::BlocksValidate | Self::Complete)
    }
}

impl Trigger {
    /// All triggers, in the order of the table's columns.
    pub const ALL: [Self; 8] = [
        Self::Failed,
        Self::PeersLost,
        Self::PeerAhead,
        Self::PeerConnected,
        Self::BlocksMissing,
        Self::AllReceived,
        Self::CaughtUp,
        Self::HeadersProved,
    ];
}

impl fmt::Display for IbdState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs() -> impl Iterator<Item = (IbdState, Trigger)> {
        IbdState::ALL
            .into_iter()
            .flat_map(|state| Trigger::ALL.into_iter().map(move |trigger| (state, trigger)))
    }

    #[test]
    fn rows_and_columns_are_in_the_order_of_the_lists() {
        assert!(IbdState::ALL.into_iter().enumerate().all(|(row, state)| state as usize == row));
        assert!(Trigger::ALL.into_iter().enumerate().all(|(column, trigger)| trigger as usize == column));
    }

    /// Requirement M6: each pair means something, and one that cannot come is an error and no panic.
    #[test]
    fn each_pair_of_state_and_trigger_is_defined() {
        for (state, trigger) in pairs() {
            match state.outcome(trigger) {
                Outcome::Become(next) => {
                    assert_ne!(next, state, "{state} to itself is no transition");
                    assert_eq!(state.on(trigger), Ok(Some(next)));
                }
                Outcome::Stay => assert_eq!(state.on(trigger), Ok(None)),
                Outcome::Illegal => {
                    let error = state.on(trigger).unwrap_err();
                    assert_eq!(error, IllegalTrigger { state, trigger });
                    assert!(error.to_string().contains(state.name()));
                }
            }
        }
    }

    #[test]
    fn error_is_final_and_reachable_from_everywhere() {
        for state in IbdState::ALL {
            assert_eq!(state.may_become(IbdState::Error), state != IbdState::Error);
            assert!(!IbdState::Error.may_become(state));
        }
    }

    /// Trap T9: each state but the last has a way on, and a way back when all peers are lost.
    #[test]
    fn no_state_is_a_dead_end_but_error() {
        for state in IbdState::ALL.into_iter().filter(|state| *state != IbdState::Error) {
            assert!(IbdState::ALL.into_iter().any(|next| next != IbdState::Error && state.may_become(next)));
            let waits = matches!(state, IbdState::Idle | IbdState::Connecting);
            assert_eq!(state.may_become(IbdState::Connecting), state != IbdState::Connecting, "{state}");
            assert_eq!(state.on(Trigger::PeersLost), Ok((!waits).then_some(IbdState::Connecting)));
        }
    }

    /// Requirement M6: a node that fetches headers only holds in `IDLE`, and goes on from there.
    #[test]
    fn headers_alone_lead_back_to_idle() {
        use Trigger::{HeadersProved, PeerAhead, PeerConnected};
        let mut state = IbdState::Idle;
        for trigger in [PeerAhead, PeerConnected, HeadersProved] {
            state = state.on(trigger).unwrap().unwrap();
        }
        assert_eq!(state, IbdState::Idle);
        let others = IbdState::ALL.into_iter().filter(|state| *state != IbdState::HeadersSync);
        assert!(others.into_iter().all(|state| !state.may_become(IbdState::Idle)));
    }

    /// Requirements 000-072 to 000-083: the path of a whole sync.
    #[test]
    fn a_sync_walks_through_all_states() {
        use Trigger::{AllReceived, BlocksMissing, CaughtUp, PeerAhead, PeerConnected};
        let path = [PeerAhead, PeerConnected, BlocksMissing, AllReceived, CaughtUp, PeerAhead];
        let mut state = IbdState::Idle;
        let states = path.map(|trigger| {
            state = state.on(trigger).unwrap().unwrap();
            state.name()
        });
        assert_eq!(
            states,
            ["CONNECTING", "HEADERS_SYNC", "BLOCKS_DOWNLOAD", "BLOCKS_VALIDATE", "COMPLETE", "HEADERS_SYNC"]
        );
    }
}
