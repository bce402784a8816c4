//! What the coordinator knows about each connected peer.

use std::time::Duration;

use dilithion_wire::{BlockHash, Height};

/// Shortest time between two `getdata` messages to one peer: 20 a second, under half of the 50 that a C++ node
/// tolerates (spec: wire §4).
pub(super) const GETDATA_INTERVAL: Duration = Duration::from_millis(50);

/// A `getheaders` unanswered for this long is given to another peer.
pub(super) const HEADERS_TIMEOUT: Duration = Duration::from_secs(30);

/// A `getheaders` unanswered for this long no longer keeps us from asking another peer as well.
pub(super) const HEADERS_PATIENCE: Duration = Duration::from_secs(2);

/// A peer that failed this many requests in a row is disconnected.
pub(super) const MAX_CONSECUTIVE_STALLS: u32 = 3;

/// Shortest time between two `getheaders` to one peer that do not continue a full batch.
pub(super) const GETHEADERS_INTERVAL: Duration = Duration::from_secs(1);

/// Shortest time between two announcements to one peer. With three `headers` in any two seconds we stay within what S
/// peers tolerate (spec: wire §4).
pub(super) const ANNOUNCE_INTERVAL: Duration = Duration::from_millis(700);

/// The same while we are syncing ourselves: those who sync from us need not wait until we are done.
pub(super) const ANNOUNCE_INTERVAL_SYNCING: Duration = Duration::from_secs(10);

/// Headers that our clock takes for the future's are asked for again after this: it, or theirs, may be set meanwhile.
pub(super) const FUTURE_HEADERS_INTERVAL: Duration = Duration::from_secs(10);

/// A peer that sent this many bodies that do not belong to their headers does not do so in good faith.
pub(super) const MAX_WRONG_BODIES: u32 = 3;

/// Where the exchange of headers with a peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadersExchange {
    /// Nothing asked.
    Quiet,
    /// `getheaders` sent at this time.
    Asked(Duration),
    /// Its batch waits for the hashes that decide whether to keep it.
    Proving,
}

/// One peer, as far as syncing is concerned.
#[derive(Clone, Debug)]
pub(super) struct SyncPeer {
    /// The height it claims: from its `version`, raised by what it shows.
    pub(super) claimed_height: Height,
    /// The best block that it has shown to have; blocks are requested only up to where its chain is ours.
    pub(super) known: Option<(Height, BlockHash)>,
    /// How far full batches of the present exchange have led; one that leads no further is not followed up.
    pub(super) followed_to: Height,
    /// Where our exchange of headers stands.
    pub(super) headers: HeadersExchange,
    /// It has been asked for headers at least once.
    pub(super) asked: bool,
    /// It answered that it has nothing beyond what we know; cleared by announcements.
    pub(super) exhausted: bool,
    /// It spoke of a block that we do not know, and has not been asked about it yet.
    pub(super) hinted: bool,
    /// `getheaders` in a row that it let time out.
    pub(super) header_stalls: u32,
    /// Block requests in a row that it let time out or answered with a wrong body.
    pub(super) block_stalls: u32,
    /// Bodies that it sent and that did not belong to their headers.
    pub(super) wrong_bodies: u32,
    /// The earliest time of the next `getdata` to it.
    pub(super) next_getdata: Duration,
    /// The earliest time of the next `getheaders` to it that does not continue a full batch.
    pub(super) next_getheaders: Duration,
    /// The last block that was announced to it, and when.
    pub(super) announced: Option<(BlockHash, Duration)>,
}

impl SyncPeer {
    pub(super) fn new(start_height: Height) -> Self {
        Self {
            claimed_height: start_height,
            known: None,
            followed_to: Height::GENESIS,
            headers: HeadersExchange::Quiet,
            asked: false,
            exhausted: false,
            hinted: false,
            wrong_bodies: 0,
            header_stalls: 0,
            block_stalls: 0,
            next_getdata: Duration::ZERO,
            next_getheaders: Duration::ZERO,
            announced: None,
        }
    }

    /// The peer showed that it has this block.
    pub(super) fn has_shown(&mut self, hash: BlockHash, height: Height) {
        if self.known.is_none_or(|(known, _)| height >= known) {
            self.known = Some((height, hash));
        }
        self.claimed_height = self.claimed_height.max(height);
    }

    /// Whether our exchange of headers is too fresh to ask somebody else.
    pub(super) fn is_answering(&self, now: Duration) -> bool {
        match self.headers {
            HeadersExchange::Quiet => false,
            HeadersExchange::Asked(since) => now.saturating_sub(since) < HEADERS_PATIENCE,
            HeadersExchange::Proving => true,
        }
    }

    /// Whether it may have headers above `known`.
    pub(super) fn is_ahead_of(&self, known: Height) -> bool {
        self.hinted || (!self.exhausted && self.claimed_height > known)
    }
}
