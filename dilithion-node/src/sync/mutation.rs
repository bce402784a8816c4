//! Faults that can be put into a coordinator on purpose: proof that the simulator would find them. Outside unit tests
//! none of them exists.

use super::Coordinator;

/// A deliberate fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// What is in flight from a peer that is gone stays so (bug 261).
    KeepInFlightOfLostPeers,
    /// A block that a peer failed is asked of the same peer again (trap T7).
    AskTheSamePeerAgain,
    /// A height whose id is not proved yet is taken for a fork (trap T2).
    TakeUnknownForFork,
    /// Peers' room is counted before requests that timed out are taken from them.
    CountBeforeTimeouts,
    /// Blocks that come after their time-out are thrown away (bug 156).
    DropLateBlocks,
}

impl Coordinator {
    /// Whether this fault was put into this coordinator.
    #[cfg(test)]
    pub(super) fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Whether this fault was put into this coordinator.
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the same call as in unit tests")]
    pub(super) const fn has(&self, _: Mutation) -> bool {
        false
    }
}
