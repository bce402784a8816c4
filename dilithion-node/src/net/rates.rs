//! How often a peer may say what. No IO.
//!
//! The limits are those at which M nodes score (spec: wire §4), or above them where they have none, so no node of the
//! network comes near them. What answers a message of ours is never counted.

use std::time::Duration;

use dilithion_wire::{Command, Misbehaviour};

use super::TokenBucket;

/// The reference nodes' windows of "one second" count over up to two.
const WINDOW: f64 = 2.0;

/// `inv` messages per second (spec: wire §4, M). S nodes send one for each transaction.
const INV_PER_SECOND: f64 = 200.0;
/// Items of `inv` at once: one message of the largest size (spec: wire §2).
const INV_ITEMS: f64 = 50_000.0;
/// Items of `inv` per second beyond that.
const INV_ITEMS_PER_SECOND: f64 = 1000.0;
/// `getdata` messages per second (spec: wire §4).
const GETDATA_PER_SECOND: f64 = 50.0;
/// `headers` messages per second that announce (spec: wire §4, M).
const HEADERS_PER_SECOND: f64 = 10.0;
/// `addr` messages per second that nobody asked for: one in ten seconds (spec: wire §4).
const ADDR_PER_SECOND: f64 = 0.1;
/// Addresses at once: the answer to our one `getaddr` (spec: wire §2).
const ADDRESSES: f64 = 1000.0;
/// Addresses per second beyond that, as in Bitcoin Core.
const ADDRESSES_PER_SECOND: f64 = 0.1;
/// Blocks at once that nobody asked for. S nodes may push what they mine (spec: reference-node §3).
const PUSHED_BLOCKS: f64 = 50.0;
/// Blocks per second that nobody asked for.
const PUSHED_BLOCKS_PER_SECOND: f64 = 5.0;
/// Compact blocks at once; each makes us look through the pending pool, and none is asked for.
const COMPACT_BLOCKS: f64 = 5.0;
/// Compact blocks per second: far more than any chain has.
const COMPACT_BLOCKS_PER_SECOND: f64 = 0.5;
/// `getheaders` at once. A peer that syncs from us asks once for each 2000 headers.
const GETHEADERS: f64 = 100.0;
/// `getheaders` per second.
const GETHEADERS_PER_SECOND: f64 = 20.0;
/// Messages of any other kind at once; pings among them.
const OTHERS: f64 = 1000.0;
/// Messages of any other kind per second: ten times what a latency probe sends.
const OTHERS_PER_SECOND: f64 = 1000.0;

/// Bytes at once that nobody asked for: a block of the largest size that somebody pushes.
const BYTES: f64 = 8.0 * 1024.0 * 1024.0;
/// Bytes per second that nobody asked for. Their checksum takes half a per cent of a core, whatever they are.
const BYTES_PER_SECOND: f64 = 2.0 * 1024.0 * 1024.0;

/// What is to be done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is handled.
    Pass,
    /// It is handled after this time, in which nothing more is read from this peer.
    Wait(Duration),
    /// It is handled, and costs its sender.
    Score(Misbehaviour),
    /// It is forgotten, and may cost its sender.
    Drop(Option<Misbehaviour>),
}

/// The limits of one host and how far each is used up.
#[derive(Clone, Debug)]
pub(crate) struct PeerRates {
    inv: TokenBucket,
    inv_items: TokenBucket,
    getdata: TokenBucket,
    headers: TokenBucket,
    addr: TokenBucket,
    addresses: TokenBucket,
    blocks: TokenBucket,
    compact_blocks: TokenBucket,
    getheaders: TokenBucket,
    others: TokenBucket,
    bytes: TokenBucket,
}

impl Default for PeerRates {
    fn default() -> Self {
        let windowed = |per_second: f64| TokenBucket::new(WINDOW * per_second, per_second);
        Self {
            inv: windowed(INV_PER_SECOND),
            inv_items: TokenBucket::new(INV_ITEMS, INV_ITEMS_PER_SECOND),
            getdata: windowed(GETDATA_PER_SECOND),
            headers: windowed(HEADERS_PER_SECOND),
            addr: TokenBucket::new(1.0, ADDR_PER_SECOND),
            addresses: TokenBucket::new(ADDRESSES, ADDRESSES_PER_SECOND),
            blocks: TokenBucket::new(PUSHED_BLOCKS, PUSHED_BLOCKS_PER_SECOND),
            compact_blocks: TokenBucket::new(COMPACT_BLOCKS, COMPACT_BLOCKS_PER_SECOND),
            getheaders: TokenBucket::new(GETHEADERS, GETHEADERS_PER_SECOND),
            others: TokenBucket::new(OTHERS, OTHERS_PER_SECOND),
            bytes: TokenBucket::new(BYTES, BYTES_PER_SECOND),
        }
    }
}

impl PeerRates {
    /// Another connection of its host begins. What a C++ node says once after each handshake is never too much: its own
    /// address. How many addresses are taken in does not change with it.
    pub(crate) fn on_connection(&mut self) {
        self.addr.fill_to(1.0);
    }

    /// Whether nothing is used up.
    pub(super) fn is_fresh(&self, now: Duration) -> bool {
        let Self { inv, inv_items, getdata, headers, addr, addresses, blocks, .. } = self;
        let Self { compact_blocks, getheaders, others, bytes, .. } = self;
        let counted = [inv, inv_items, getdata, headers, addr, addresses, blocks];
        let rest = [compact_blocks, getheaders, others, bytes];
        counted.into_iter().chain(rest).all(|bucket| bucket.is_full(now))
    }

    /// Decides about a message with so many bytes of payload; `answers` says whether it answers one of ours.
    pub(crate) fn on_message(
        &mut self,
        command: &Command,
        bytes: usize,
        answers: bool,
        now: Duration,
    ) -> Verdict {
        if answers {
            return Verdict::Pass;
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let wait = self.bytes.take_on_credit(bytes.into(), now);
        match self.on_kind(command, now) {
            Verdict::Pass if !wait.is_zero() => Verdict::Wait(wait),
            Verdict::Wait(time) => Verdict::Wait(time.max(wait)),
            verdict => verdict,
        }
    }

    fn on_kind(&mut self, command: &Command, now: Duration) -> Verdict {
        let (bucket, excess) = match command.as_str() {
            "inv" => (&mut self.inv, Verdict::Drop(Some(Misbehaviour::InvRate))),
            // Served all the same: a peer that syncs too eagerly is to get its blocks.
            "getdata" => (&mut self.getdata, Verdict::Score(Misbehaviour::GetDataRate)),
            "headers" => (&mut self.headers, Verdict::Drop(Some(Misbehaviour::HeadersRate))),
            "addr" => (&mut self.addr, Verdict::Drop(Some(Misbehaviour::AddrRate))),
            "block" => (&mut self.blocks, Verdict::Drop(None)),
            "cmpctblock" => (&mut self.compact_blocks, Verdict::Drop(None)),
            "getheaders" => return Self::paced(&mut self.getheaders, now),
            _ => return Self::paced(&mut self.others, now),
        };
        if bucket.take(1.0, now) { Verdict::Pass } else { excess }
    }

    /// Whether so many items of an `inv` are within the limit.
    pub(crate) fn on_inv_items(&mut self, items: usize, now: Duration) -> bool {
        let items = u32::try_from(items).unwrap_or(u32::MAX);
        self.inv_items.take(items.into(), now)
    }

    /// How many of so many addresses are taken in.
    pub(crate) fn on_addresses(&mut self, addresses: usize, now: Duration) -> usize {
        self.addresses.take_some(addresses, now)
    }

    /// Nothing is lost, and a flood slows down its own sender only.
    fn paced(bucket: &mut TokenBucket, now: Duration) -> Verdict {
        match bucket.take_on_credit(1.0, now) {
            Duration::ZERO => Verdict::Pass,
            time => Verdict::Wait(time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    /// How many of these messages pass at once, and what becomes of the next.
    fn flood(command: Command) -> (usize, Verdict) {
        let mut rates = PeerRates::default();
        let mut passed = 0;
        loop {
            match rates.on_message(&command, 8, false, NOW) {
                Verdict::Pass => passed += 1,
                verdict => return (passed, verdict),
            }
        }
    }

    #[test]
    fn floods_of_each_kind_have_their_limit_and_their_price() {
        assert_eq!(flood(Command::INV), (400, Verdict::Drop(Some(Misbehaviour::InvRate))));
        assert_eq!(flood(Command::GETDATA), (100, Verdict::Score(Misbehaviour::GetDataRate)));
        assert_eq!(flood(Command::HEADERS), (20, Verdict::Drop(Some(Misbehaviour::HeadersRate))));
        assert_eq!(flood(Command::ADDR), (1, Verdict::Drop(Some(Misbehaviour::AddrRate))));
        assert_eq!(flood(Command::BLOCK), (50, Verdict::Drop(None)));
        assert_eq!(flood(Command::CMPCTBLOCK), (5, Verdict::Drop(None)));
        assert_eq!(flood(Command::GETHEADERS), (100, Verdict::Wait(Duration::from_millis(50))));
        assert_eq!(flood(Command::PING), (1000, Verdict::Wait(Duration::from_millis(1))));
    }

    #[test]
    fn bug_185_answers_are_not_counted() {
        let mut rates = PeerRates::default();
        assert!(
            (0..10_000).all(|_| rates.on_message(&Command::HEADERS, 162_003, true, NOW) == Verdict::Pass)
        );
        assert_eq!(rates.on_message(&Command::HEADERS, 81, false, NOW), Verdict::Pass);
    }

    #[test]
    fn bytes_that_nobody_asked_for_are_paced_whatever_they_are() {
        let mut rates = PeerRates::default();
        assert_eq!(rates.on_message(&Command::TX, 8 << 20, false, NOW), Verdict::Pass);
        let second = Duration::from_secs(1);
        assert_eq!(rates.on_message(&Command::TX, 2 << 20, false, NOW), Verdict::Wait(second));
        assert_eq!(rates.on_message(&Command::PING, 8, false, NOW + 2 * second), Verdict::Pass);
    }

    #[test]
    fn a_reconnection_may_tell_its_address_and_gains_nothing_else() {
        let mut rates = PeerRates::default();
        assert!(rates.is_fresh(NOW));
        assert_eq!(rates.on_addresses(2000, NOW), 1000);
        for _ in 0..100 {
            rates.on_connection();
            assert_eq!(rates.on_message(&Command::ADDR, 31, false, NOW), Verdict::Pass);
            assert_eq!(rates.on_addresses(1, NOW), 0);
        }
        assert!(!rates.is_fresh(NOW + Duration::from_secs(9999)) && rates.is_fresh(NOW * 110));
    }

    #[test]
    fn one_large_inv_passes_and_not_another() {
        let mut rates = PeerRates::default();
        assert!(rates.on_inv_items(50_000, NOW));
        assert!(!rates.on_inv_items(50_000, NOW) && !rates.on_inv_items(1, NOW));
        assert!(rates.on_inv_items(1000, NOW + Duration::from_secs(1)));
    }
}
