//! What happens when the connected chain and the best header chain part.

use dilithion_wire::{BlockHash, Height};

use super::mutation::Mutation;
use super::{Action, Coordinator, StoreJob, SyncFailure, SyncMode};

impl Coordinator {
    /// Whether our tip is known not to lie on the best header chain. A height that is not known yet is no fork.
    pub(super) fn is_off_best_chain(&self) -> bool {
        self.headers.claimed_hash_at_height(self.tip.0) != Some(self.tip.1)
    }

    /// Leaves our branch once the better one is proved to carry more work; mere claims never cost us a block.
    pub(super) fn check_fork(&mut self, off_best: bool, out: &mut Vec<Action>) {
        if self.disconnecting {
            return;
        }
        if off_best && self.headers.height_of(&self.tip.1).is_none() {
            return self.leave_false_branch(out);
        }
        if off_best && self.headers.is_invalid(&self.tip.1) {
            return self.leave_invalid_branch(out);
        }
        if self.bodies.validating_len() == 0 {
            // None of theirs is connected; what an earlier run may have stored of them goes.
            out.extend(self.condemned.drain(..).map(|(_, hash)| Action::Store(StoreJob::ForgetHeader(hash))));
        }
        if self.has(Mutation::TakeUnknownForFork) && self.headers.hash_at_height(self.tip.0).is_none() {
            return self.rewind_to(self.tip.0.prev().unwrap_or_default(), out);
        }
        if !off_best {
            self.by_order = false;
            return;
        }
        // Blocks that cannot be replaced are better than none.
        if self.mode == SyncMode::Headers {
            return;
        }
        let Some(fork) = self.headers.fork_point(&self.tip.1, &self.headers.best_hash()) else { return };
        // Proved, and so is all below it, or a checkpoint vouches for that.
        let proved = self.headers.hash_at_height(self.headers.connectable_height());
        let proved_work = proved.and_then(|hash| self.headers.chain_work(&hash));
        let our_work = self.headers.chain_work(&self.tip.1);
        if proved_work.is_none() || (our_work.is_some() && proved_work <= our_work) {
            return;
        }
        let depth = self.tip.0.0.saturating_sub(fork.0);
        match self.config.max_reorg_depth {
            Some(limit) if self.was_complete && !self.by_order && depth > limit => {
                out.push(Action::ForkDetected { height: fork });
                self.failure = Some(SyncFailure::DeepFork { fork, depth, limit });
            }
            _ => self.rewind_to(fork, out),
        }
    }

    /// Our tip is not known to the header chain any more: a header that a checkpoint vouched for proved false after its
    /// block had been connected. Neither that block nor those on it may be taken for the real ones later.
    fn leave_false_branch(&mut self, out: &mut Vec<Action>) {
        let lowest = self.condemned.iter().filter_map(|(height, _)| height.prev()).min();
        let Some(parent) = lowest.filter(|parent| *parent < self.tip.0) else { return };
        self.rewind_to(parent, out);
        out.extend(self.condemned.drain(..).map(|(_, hash)| Action::Store(StoreJob::ForgetHeader(hash))));
    }

    pub(super) fn rewind_to(&mut self, fork: Height, out: &mut Vec<Action>) {
        out.push(Action::ForkDetected { height: fork });
        out.push(Action::Store(StoreJob::DisconnectTo(fork)));
        self.disconnecting = true;
        self.generation += 1;
        self.bodies.clear();
        self.window.reset(fork.next());
        self.scheduled_to = fork;
    }

    /// The best header chain now differs above `fork`: whatever was scheduled there names other blocks.
    pub(super) fn on_best_chain_changed(&mut self, fork: Height) {
        self.stored_headers_to = self.stored_headers_to.min(fork);
        // Blocks in validation go on: if they end on the branch that is left, the fork check rewinds them.
        self.window.truncate(fork);
        self.bodies.truncate_waiting(fork);
        self.scheduled_to = self.scheduled_to.min(fork).max(self.tip.0);
    }

    pub(super) fn on_disconnected(&mut self, tip: (Height, BlockHash), blocks: &[(Height, BlockHash)]) {
        self.disconnecting = false;
        self.tip = tip;
        self.scheduled_to = tip.0;
        // Should the chain turn back, they need not be fetched again. Those of false headers are being forgotten.
        for (_, hash) in blocks.iter().filter(|(_, hash)| self.headers.is_verified(hash)) {
            self.bodies.remember_stored(*hash);
        }
    }
}
