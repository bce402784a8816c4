//! What holds after every event, whatever the peers do. The simulator checks it; so may any driver.

use std::time::Duration;

use dilithion_blockwindow::BlockState;
use dilithion_wire::{BlockHash, Height, PeerId};

use super::{Coordinator, DOWNLOAD_AHEAD, MAX_RECEIVED_BYTES, MAX_VALIDATING};

/// An invariant that does not hold: a fault in this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {detail}")]
pub struct Broken {
    /// The invariant.
    pub rule: &'static str,
    /// How it is broken.
    pub detail: String,
}

fn broken(rule: &'static str, detail: String) -> Result<(), Broken> {
    Err(Broken { rule, detail })
}

impl Coordinator {
    /// Whether the body of a block is here: waiting, in validation, or on its way back from the store.
    #[must_use]
    pub fn has_body(&self, hash: &BlockHash) -> bool {
        let height = self.headers.height_of(hash);
        height.and_then(|height| self.bodies.get(height)).is_some_and(|block| block.hash == *hash)
    }

    /// Whether another peer than this one has shown to have the block of a height.
    #[must_use]
    pub fn has_other_source(&self, peer: PeerId, height: Height) -> bool {
        self.peers.iter().any(|(id, other)| *id != peer && self.common_height(other) >= height)
    }

    /// The invariants that cost next to nothing.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check_invariants(&self, now: Duration) -> Result<(), Broken> {
        let window = &self.window;
        // The window has forgotten what is in validation of a chain that was left.
        let off_best = self.is_off_best_chain();
        let left = if self.validates_best_chain(off_best) { 0 } else { self.bodies.validating_len() };
        let received = window.received_len();
        if received > self.bodies.len() || received < self.bodies.len() - left {
            let detail = format!("{} heights received, {} bodies", window.received_len(), self.bodies.len());
            return broken("each received height has its body", detail);
        }
        let scheduled = (self.scheduled_to.0.saturating_sub(self.tip.0.0)) as usize;
        if !self.disconnecting && !off_best && window.len() < scheduled {
            let detail = format!("{} heights of {scheduled} scheduled ones are tracked", window.len());
            return broken("nothing is lost", detail);
        }
        let limit = self.config.window.max_in_flight_per_peer;
        if let Some(id) = self.peers.keys().find(|id| window.in_flight_of(**id) > limit) {
            let detail = format!("{} blocks in flight from {id}", window.in_flight_of(*id));
            return broken("in-flight per peer stays within its limit", detail);
        }
        self.check_bounds()?;
        self.check_flow(now)
    }

    /// Every queue within its bound.
    fn check_bounds(&self) -> Result<(), Broken> {
        // What was in flight when the limit was reached may still come, and one more block to make progress.
        let in_flight = self.peers.len().max(1) * self.config.window.max_in_flight_per_peer;
        let slack = in_flight * self.bodies.largest();
        let bytes = self.bodies.bytes();
        if bytes > MAX_RECEIVED_BYTES + slack || self.bodies.validating_len() > MAX_VALIDATING {
            return broken("queues stay within their bounds", format!("{bytes} bytes of bodies"));
        }
        if self.window.len() > DOWNLOAD_AHEAD as usize + MAX_VALIDATING {
            return broken(
                "queues stay within their bounds",
                format!("{} heights tracked", self.window.len()),
            );
        }
        Ok(())
    }

    /// Requirement 000-095: while something is to be fetched and somebody could be asked, somebody is.
    fn check_flow(&self, now: Duration) -> Result<(), Broken> {
        let Some(lowest) = self.window.lowest_pending() else { return Ok(()) };
        let idle = self.state.downloads_blocks() && !self.disconnecting && self.window.in_flight_len() == 0;
        if !idle || self.request_limit() == 0 {
            return Ok(());
        }
        let mut sources = self.peers.values().filter(|peer| self.common_height(peer) >= lowest).peekable();
        // One that may not be asked yet may be the only one that has not failed this block.
        if sources.peek().is_some() && sources.all(|peer| now >= peer.next_getdata) {
            return broken("downloads never idle", format!("nobody is asked for block {lowest}"));
        }
        Ok(())
    }

    /// All invariants, also those that take a walk over everything.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn audit(&self, now: Duration) -> Result<(), Broken> {
        self.check_invariants(now)?;
        let off_best = self.is_off_best_chain();
        for height in self.bodies.heights() {
            let received = matches!(self.window.state(height), Some(BlockState::Received { .. }));
            if !received && (self.bodies.is_waiting(height) || self.validates_best_chain(off_best)) {
                return broken("each body has its received height", format!("{height} has a body"));
            }
        }
        if self.disconnecting || off_best {
            return Ok(());
        }
        let scheduled = (self.tip.0.0 + 1..=self.scheduled_to.0).map(Height);
        for height in scheduled {
            if self.window.state(height).is_none() {
                return broken("nothing is lost", format!("height {height} is scheduled and not tracked"));
            }
        }
        for height in self.bodies.heights() {
            let expected = self.headers.claimed_hash_at_height(height);
            if let Some(block) = self.bodies.get(height).filter(|block| expected != Some(block.hash)) {
                // Blocks in validation may be of a chain that was left: they are rewound when they are answered.
                if !self.bodies.is_validating(height) {
                    return broken(
                        "bodies are those of the best chain",
                        format!("{} at {height}", block.hash),
                    );
                }
            }
        }
        Ok(())
    }
}
