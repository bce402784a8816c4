//! The coordinator's dealings in headers: asking, taking in, proving, persisting, serving.

use std::time::Duration;

use dilithion_chain::StoredHeader;
use dilithion_headers::{Accepted, Effects, HeadersError, JobPriority};
use dilithion_wire::{BlockHash, BlockHeader, GetHeaders, Height, MAX_HEADERS_PER_MESSAGE, Message, PeerId};

use super::peers::{
    FUTURE_HEADERS_INTERVAL, GETHEADERS_INTERVAL, HEADERS_TIMEOUT, HeadersExchange, MAX_CONSECUTIVE_STALLS,
    SyncPeer,
};
use super::{Action, Coordinator, StoreJob, SyncMode};
use crate::clock::Now;

/// Proved headers are handed to the store this often at most, so that a commit is shared by many.
const STORE_HEADERS_INTERVAL: Duration = Duration::from_secs(1);

impl Coordinator {
    /// Whether headers that were asked for are expected any moment.
    pub(super) fn is_exchanging_headers(&self, now: Duration) -> bool {
        self.peers.values().any(|peer| peer.is_answering(now))
    }

    /// No peer is known to have headers that we lack, and none is being asked.
    pub(super) fn headers_caught_up(&self, now: Duration) -> bool {
        let best = self.headers.best_height();
        !self.is_exchanging_headers(now) && !self.peers.values().any(|peer| peer.is_ahead_of(best))
    }

    pub(super) fn on_headers(
        &mut self,
        peer: PeerId,
        headers: &[BlockHeader],
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let Some(sync_peer) = self.peers.get_mut(&peer) else { return };
        let before = std::mem::replace(&mut sync_peer.headers, HeadersExchange::Quiet);
        if headers.is_empty() {
            // It has our best header, or its own tip lies below on the same chain. What it has shown may be less, a block of
            // the middle; but if that is on another chain, so is the rest.
            let height = sync_peer.claimed_height.min(self.headers.best_height());
            let is_ours =
                |(known, hash)| known < height && self.headers.claimed_hash_at_height(known) == Some(hash);
            if sync_peer.known.is_none_or(is_ours) {
                sync_peer.known = self.headers.claimed_hash_at_height(height).map(|hash| (height, hash));
            }
            sync_peer.exhausted = true;
            sync_peer.header_stalls = 0;
            return;
        }
        match self.headers.queue_headers(peer, headers, now.unix) {
            Ok(queued) => {
                sync_peer.header_stalls = 0;
                if !queued.jobs.is_empty() {
                    sync_peer.headers = HeadersExchange::Proving;
                    self.hash(queued.jobs, out);
                }
                self.apply_effects(queued.effects, now, out);
            }
            // An announcement that came before the answer to our request, which tells what lies between, unless the
            // announced block is younger than it.
            Err(HeadersError::Unconnected { .. }) if before != HeadersExchange::Quiet => {
                sync_peer.headers = before;
                sync_peer.hinted = true;
            }
            Err(error) => self.on_bad_headers(peer, error, now.mono, out),
        }
    }

    fn on_bad_headers(&mut self, peer: PeerId, error: HeadersError, now: Duration, out: &mut Vec<Action>) {
        if matches!(error, HeadersError::Unconnected { .. }) {
            // They attach to something we have not seen: ask for what lies between.
            return self.ask_after_announcement(peer, now, out);
        }
        if error.is_back_pressure() || matches!(error, HeadersError::ConflictingClaim { .. }) {
            // Asked again when proofs have caught up, or have told which of two claims is the true one.
            self.ask_later(peer, now + GETHEADERS_INTERVAL);
        } else if error.is_from_the_future() {
            self.ask_later(peer, now + FUTURE_HEADERS_INTERVAL);
        } else if let Some(sync_peer) = self.peers.get_mut(&peer) {
            sync_peer.exhausted = true;
        }
        if let Some(misbehaviour) = error.misbehaviour() {
            out.push(Action::Misbehaved { peer, misbehaviour });
        }
        if let Some(job) = error.into_job() {
            self.hash(vec![job], out);
        }
    }

    /// Acts on what the header chain reports.
    pub(super) fn apply_effects(&mut self, effects: Effects, now: Now, out: &mut Vec<Action>) {
        for claim in effects.false_claims {
            if let Some(sync_peer) = self.peers.get_mut(&claim.peer) {
                sync_peer.headers = HeadersExchange::Quiet;
                sync_peer.exhausted = true;
            }
            out.push(Action::CancelHashes { peer: claim.peer });
            let mut wanted = self.headers.outstanding_jobs();
            // What decides about a batch may be shared: others wait for hashes that were asked for in this name.
            wanted.retain(|job| job.peer == claim.peer || job.priority == JobPriority::Tip);
            self.hash(wanted, out);
            out.push(Action::Misbehaved { peer: claim.peer, misbehaviour: claim.misbehaviour });
            self.condemned.push((claim.height, claim.hash));
            self.ask_everybody_again();
        }
        for dropped in effects.dropped {
            if let Some(sync_peer) = self.peers.get_mut(&dropped.peer) {
                sync_peer.headers = HeadersExchange::Quiet;
            }
            self.on_bad_headers(dropped.peer, dropped.error, now.mono, out);
        }
        self.hash(effects.jobs, out);
        if let Some(change) = effects.best_changed {
            self.on_best_chain_changed(change.fork);
        }
        for accepted in effects.accepted {
            self.on_headers_accepted(&accepted, now.mono, out);
        }
    }

    fn on_headers_accepted(&mut self, accepted: &Accepted, now: Duration, out: &mut Vec<Action>) {
        if accepted.count > 0 {
            self.keep_background_held(now);
        }
        let Some(sync_peer) = self.peers.get_mut(&accepted.peer) else { return };
        sync_peer.has_shown(accepted.last, accepted.last_height);
        sync_peer.headers = HeadersExchange::Quiet;
        let leads_on = accepted.full && accepted.last_height > sync_peer.followed_to;
        // Short of its claim, it is asked once more; an answer without anything new settles it.
        sync_peer.exhausted =
            !leads_on && (accepted.count == 0 || sync_peer.claimed_height <= accepted.last_height);
        if leads_on && self.paused {
            sync_peer.hinted = true;
        } else if leads_on {
            sync_peer.followed_to = accepted.last_height;
            let locator = self.headers.locator_from(&accepted.last);
            self.ask_headers(accepted.peer, locator, now, out);
        }
    }

    /// A peer announced blocks by id, without their headers.
    pub(super) fn on_announced(
        &mut self,
        peer: PeerId,
        blocks: &[BlockHash],
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let known = blocks.iter().filter_map(|hash| Some((self.headers.height_of(hash)?, *hash)));
        let highest = known.max_by_key(|(height, _)| *height);
        let unknown = blocks.iter().any(|hash| self.headers.height_of(hash).is_none());
        let Some(sync_peer) = self.peers.get_mut(&peer) else { return };
        if let Some((height, hash)) = highest {
            sync_peer.has_shown(hash, height);
        }
        if unknown {
            self.ask_after_announcement(peer, now.mono, out);
        }
    }

    /// Asks a peer for what it announced, unless it was just asked.
    pub(super) fn ask_after_announcement(&mut self, peer: PeerId, now: Duration, out: &mut Vec<Action>) {
        let Some(sync_peer) = self.peers.get_mut(&peer) else { return };
        sync_peer.exhausted = false;
        if sync_peer.headers != HeadersExchange::Quiet || now < sync_peer.next_getheaders {
            // It is asked when its turn comes.
            sync_peer.hinted = true;
            return;
        }
        self.begin_exchange(peer, now, out);
    }

    fn ask_later(&mut self, peer: PeerId, not_before: Duration) {
        if let Some(sync_peer) = self.peers.get_mut(&peer) {
            sync_peer.hinted = true;
            sync_peer.next_getheaders = not_before;
        }
    }

    /// Keeps one request for headers under way: to a peer that is ahead, else to one that was never asked. A peer that
    /// takes its time does not keep the others from being asked.
    pub(super) fn drive_headers(&mut self, now: Duration, out: &mut Vec<Action>) {
        if self.is_exchanging_headers(now) {
            return;
        }
        let best = self.headers.best_height();
        let ready = |peer: &SyncPeer| peer.headers == HeadersExchange::Quiet && now >= peer.next_getheaders;
        let quiet = || self.peers.iter().filter(|(_, peer)| ready(peer));
        let ahead = quiet()
            .filter(|(_, peer)| peer.is_ahead_of(best))
            .min_by_key(|(id, peer)| (peer.header_stalls, std::cmp::Reverse(peer.claimed_height), **id));
        let next = ahead.or_else(|| quiet().find(|(_, peer)| !peer.asked));
        if let Some(peer) = next.map(|(id, _)| *id) {
            self.begin_exchange(peer, now, out);
        }
    }

    /// Asks a peer for what follows our best chain.
    fn begin_exchange(&mut self, peer: PeerId, now: Duration, out: &mut Vec<Action>) {
        if let Some(sync_peer) = self.peers.get_mut(&peer) {
            if self.paused {
                sync_peer.hinted = true;
                return;
            }
            sync_peer.next_getheaders = now + GETHEADERS_INTERVAL;
            sync_peer.followed_to = Height::GENESIS;
            sync_peer.hinted = false;
        }
        let locator = self.headers.locator();
        self.ask_headers(peer, locator, now, out);
    }

    /// The best chain lost headers: peers that had nothing to add to it may have now.
    pub(super) fn ask_everybody_again(&mut self) {
        for peer in self.peers.values_mut() {
            peer.exhausted = false;
            // What is under way answers for the chain that fell. Whose best block fell with it, under another's false header,
            // may have nothing that others do not show first: it is asked all the same, or nothing is ever asked of it.
            let fallen = peer.known.is_some_and(|(_, hash)| self.headers.height_of(&hash).is_none());
            peer.hinted |= fallen || matches!(peer.headers, HeadersExchange::Asked(_));
            if fallen {
                peer.known = None;
            }
        }
    }

    fn ask_headers(&mut self, peer: PeerId, locator: Vec<BlockHash>, now: Duration, out: &mut Vec<Action>) {
        let Some(sync_peer) = self.peers.get_mut(&peer) else { return };
        sync_peer.headers = HeadersExchange::Asked(now);
        sync_peer.asked = true;
        let message = Message::GetHeaders(GetHeaders { locator, stop: BlockHash::ZERO });
        out.push(Action::Send { peer, message });
    }

    /// Gives up on `getheaders` that were not answered in time.
    pub(super) fn check_headers_timeouts(&mut self, now: Duration, out: &mut Vec<Action>) {
        for (id, peer) in &mut self.peers {
            let HeadersExchange::Asked(since) = peer.headers else { continue };
            if now.saturating_sub(since) < HEADERS_TIMEOUT {
                continue;
            }
            peer.headers = HeadersExchange::Quiet;
            peer.header_stalls += 1;
            if peer.header_stalls >= MAX_CONSECUTIVE_STALLS {
                out.push(Action::Disconnect { peer: *id, reason: "stalled: headers not delivered" });
            }
        }
    }

    /// Hands headers proved since the last time to the store, so that no restart proves them again.
    pub(super) fn store_proved_headers(&mut self, off_best: bool, now: Duration, out: &mut Vec<Action>) {
        let ready = self.headers.ready_height();
        // In a node that fetches nothing else, the last of them do not wait for others.
        let last = self.mode == SyncMode::Headers && self.headers_are_proved();
        let due = last || now.saturating_sub(self.headers_stored_at) >= STORE_HEADERS_INTERVAL;
        if ready <= self.stored_headers_to || !due {
            return;
        }
        // Connecting a block stores its header as it is then: proved, unless a checkpoint vouched for it. On a branch
        // that is not ours, nothing is connected.
        let connected = if off_best { Height::GENESIS } else { self.tip.0 };
        let vouched = self.headers.last_checkpoint().unwrap_or(Height::GENESIS);
        let headers: Vec<StoredHeader> = (self.stored_headers_to.0 + 1..=ready.0)
            .map(Height)
            .filter(|height| *height > connected || *height <= vouched)
            .filter_map(|height| {
                let hash = self.headers.hash_at_height(height)?;
                let header = self.headers.header(&hash)?;
                Some(StoredHeader { header, hash, height, verified: true })
            })
            .collect();
        self.stored_headers_to = ready;
        self.headers_stored_at = now;
        if !headers.is_empty() {
            out.push(Action::Store(StoreJob::StoreHeaders(headers)));
        }
    }

    /// Answers a peer's `getheaders` from the connected chain; an empty answer says that we have no more.
    pub(super) fn serve_headers(
        &mut self,
        peer: PeerId,
        locator: &[BlockHash],
        stop: &BlockHash,
        out: &mut Vec<Action>,
    ) {
        let headers = self.headers.headers_after(locator, stop, &self.tip.1, MAX_HEADERS_PER_MESSAGE);
        out.push(Action::Send { peer, message: Message::Headers(headers) });
    }
}
