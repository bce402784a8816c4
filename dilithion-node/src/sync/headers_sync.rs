//! The coordinator's dealings in headers: asking, taking in, proving, persisting, serving.

use std::time::Duration;

use dilithion_chain::StoredHeader;
use dilithion_headers::{Accepted, Effects, HeadersError};
use dilithion_wire::{BlockHash, BlockHeader, GetHeaders, Height, MAX_HEADERS_PER_MESSAGE, Message, PeerId};

use super::peers::{GETHEADERS_INTERVAL, HEADERS_TIMEOUT, HeadersExchange, MAX_CONSECUTIVE_STALLS};
use super::{Action, Coordinator};
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
        sync_peer.headers = HeadersExchange::Quiet;
        if headers.is_empty() {
            // It has our best header, or its own tip lies below on the same chain.
            let height = sync_peer.claimed_height.min(self.headers.best_height());
            sync_peer.known = sync_peer.known.or(self.headers.claimed_hash_at_height(height));
            sync_peer.exhausted = true;
            sync_peer.stalls = 0;
            return;
        }
        match self.headers.queue_headers(peer, headers, now.unix) {
            Ok(queued) => {
                sync_peer.stalls = 0;
                if !queued.jobs.is_empty() {
                    sync_peer.headers = HeadersExchange::Proving;
                    out.push(Action::Hash(queued.jobs));
                }
                self.apply_effects(queued.effects, now, out);
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
            self.ask_later(peer, now);
        } else if let Some(sync_peer) = self.peers.get_mut(&peer) {
            sync_peer.exhausted = true;
        }
        if let Some(misbehaviour) = error.misbehaviour() {
            out.push(Action::Misbehaved { peer, misbehaviour });
        }
        if let Some(job) = error.into_job() {
            out.push(Action::Hash(vec![job]));
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
            wanted.retain(|job| job.peer == claim.peer);
            if !wanted.is_empty() {
                out.push(Action::Hash(wanted));
            }
            out.push(Action::Misbehaved { peer: claim.peer, misbehaviour: claim.misbehaviour });
            self.leave_false_branch(&claim, out);
        }
        for dropped in effects.dropped {
            if let Some(sync_peer) = self.peers.get_mut(&dropped.peer) {
                sync_peer.headers = HeadersExchange::Quiet;
            }
            self.on_bad_headers(dropped.peer, dropped.error, now.mono, out);
        }
        if !effects.jobs.is_empty() {
            out.push(Action::Hash(effects.jobs));
        }
        if let Some(change) = effects.best_changed {
            self.on_best_chain_changed(change.fork);
        }
        for accepted in effects.accepted {
            self.on_headers_accepted(&accepted, now.mono, out);
        }
    }

    fn on_headers_accepted(&mut self, accepted: &Accepted, now: Duration, out: &mut Vec<Action>) {
        let Some(sync_peer) = self.peers.get_mut(&accepted.peer) else { return };
        sync_peer.has_shown(accepted.last, accepted.last_height);
        sync_peer.headers = HeadersExchange::Quiet;
        sync_peer.exhausted = !accepted.full;
        if accepted.full {
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
            return;
        }
        sync_peer.next_getheaders = now + GETHEADERS_INTERVAL;
        let locator = self.headers.locator();
        self.ask_headers(peer, locator, now, out);
    }

    fn ask_later(&mut self, peer: PeerId, now: Duration) {
        if let Some(sync_peer) = self.peers.get_mut(&peer) {
            sync_peer.next_getheaders = now + GETHEADERS_INTERVAL;
        }
    }

    /// Keeps one request for headers under way: to a peer that is ahead, else to one that was never asked. A peer that
    /// takes its time does not keep the others from being asked.
    pub(super) fn drive_headers(&mut self, now: Duration, out: &mut Vec<Action>) {
        if self.is_exchanging_headers(now) {
            return;
        }
        let best = self.headers.best_height();
        let quiet = || self.peers.iter().filter(|(_, peer)| peer.headers == HeadersExchange::Quiet);
        let ahead = quiet()
            .filter(|(_, peer)| peer.is_ahead_of(best))
            .min_by_key(|(id, peer)| (peer.stalls, std::cmp::Reverse(peer.claimed_height), **id));
        let next = ahead.or_else(|| quiet().find(|(_, peer)| !peer.asked));
        let Some((peer, sync_peer)) = next.map(|(id, peer)| (*id, peer)) else { return };
        if now < sync_peer.next_getheaders {
            return;
        }
        let locator = self.headers.locator();
        self.ask_headers(peer, locator, now, out);
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
            peer.stalls += 1;
            if peer.stalls >= MAX_CONSECUTIVE_STALLS {
                out.push(Action::Disconnect { peer: *id, reason: "stalled: headers not delivered" });
            }
        }
    }

    /// Hands headers proved since the last time to the store, so that no restart proves them again.
    pub(super) fn store_proved_headers(&mut self, now: Duration, out: &mut Vec<Action>) {
        let ready = self.headers.ready_height();
        if ready <= self.stored_headers_to
            || now.saturating_sub(self.headers_stored_at) < STORE_HEADERS_INTERVAL
        {
            return;
        }
        // Connecting a block stores its header as it is then: proved, unless a checkpoint vouched for it. On a branch
        // that is not ours, nothing is connected.
        let connected = if self.is_off_best_chain() { Height::GENESIS } else { self.tip.0 };
        let vouched = self.config.last_checkpoint.unwrap_or(Height::GENESIS);
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
            out.push(Action::StoreHeaders(headers));
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
