//! Where an address lies in the tables.

use std::net::SocketAddr;

use dilithion_wire::sha3_256;

use crate::net::{Host, NetGroup};

/// Buckets of addresses that work (spec: wire §4).
pub(super) const TRIED_BUCKETS: u16 = 256;
/// Buckets of addresses that we only heard of (spec: wire §4).
pub(super) const NEW_BUCKETS: u16 = 1024;
/// Addresses in a bucket (spec: wire §4).
const BUCKET_SIZE: u16 = 64;
/// Buckets that the addresses of one network can reach once they work, as in Bitcoin Core.
const TRIED_BUCKETS_PER_GROUP: u16 = 8;
/// Buckets that all a network tells of can reach, as in Bitcoin Core.
const NEW_BUCKETS_PER_SOURCE: u16 = 64;

/// A place for one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    pub(super) tried: bool,
    pub(super) bucket: u16,
    pub(super) position: u16,
}

/// Chooses slots in a way that only the holder of the key can foresee.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotKey(pub(super) [u8; 32]);

impl SlotKey {
    /// A number below `range` for some bytes; each `purpose` has its own numbers.
    fn number(&self, purpose: &[u8], parts: &[&[u8]], range: u16) -> u16 {
        let mut bytes = [&self.0[..], purpose].concat();
        for part in parts {
            // With its length, so that no two lists of parts read the same.
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(*part);
        }
        let [a, b, c, d, ..] = sha3_256(&bytes);
        u16::try_from(u32::from_le_bytes([a, b, c, d]) % u32::from(range)).unwrap_or(0)
    }

    /// The slot of an address that a source told of.
    pub(super) fn new_slot(&self, address: SocketAddr, source: Host) -> Slot {
        let (group, source) = (NetGroup::of(address).to_bytes(), source.group().to_bytes());
        let reachable = self.number(b"of source", &[&group, &source], NEW_BUCKETS_PER_SOURCE);
        let bucket = self.number(b"new", &[&source, &reachable.to_le_bytes()], NEW_BUCKETS);
        self.slot(false, bucket, address)
    }

    /// The slot of an address that works.
    pub(super) fn tried_slot(&self, address: SocketAddr) -> Slot {
        let reachable = self.number(b"of group", &[&bytes(address)], TRIED_BUCKETS_PER_GROUP);
        let group = NetGroup::of(address).to_bytes();
        let bucket = self.number(b"tried", &[&group, &reachable.to_le_bytes()], TRIED_BUCKETS);
        self.slot(true, bucket, address)
    }

    fn slot(&self, tried: bool, bucket: u16, address: SocketAddr) -> Slot {
        let parts: &[&[u8]] = &[&[u8::from(tried)], &bucket.to_le_bytes(), &bytes(address)];
        Slot { tried, bucket, position: self.number(b"position", parts, BUCKET_SIZE) }
    }

    /// A number for spreading retries of an address.
    pub(super) fn jitter(&self, address: SocketAddr, attempts: u32) -> u8 {
        let parts: &[&[u8]] = &[&bytes(address), &attempts.to_le_bytes()];
        u8::try_from(self.number(b"jitter", parts, u16::from(u8::MAX) + 1)).unwrap_or(0)
    }
}

fn bytes(address: SocketAddr) -> Vec<u8> {
    address.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const KEY: SlotKey = SlotKey([7; 32]);

    fn address(a: u8, b: u8, c: u8, d: u8) -> SocketAddr {
        SocketAddr::from(([a, b, c, d], 8444))
    }

    #[test]
    fn a_source_reaches_64_buckets_and_a_network_8() {
        let source = Host::of(address(9, 9, 9, 9).ip());
        let told = (0..=u16::MAX).map(u16::to_be_bytes).map(|[high, low]| address(1 + high / 2, low, 3, 4));
        let new: BTreeSet<u16> = told.map(|address| KEY.new_slot(address, source).bucket).collect();
        assert!(new.len() <= usize::from(NEW_BUCKETS_PER_SOURCE) && new.len() > 40, "{}", new.len());
        let own = (0..=u16::MAX).map(u16::to_be_bytes).map(|[high, low]| address(1, 2, high, low));
        let tried: BTreeSet<u16> = own.map(|address| KEY.tried_slot(address).bucket).collect();
        assert!(tried.len() <= usize::from(TRIED_BUCKETS_PER_GROUP) && tried.len() > 4, "{}", tried.len());
    }

    #[test]
    fn the_key_decides() {
        let (one, other) = (SlotKey([1; 32]), SlotKey([2; 32]));
        let differs = (0..20)
            .filter(|n| one.tried_slot(address(*n, 1, 1, 1)) != other.tried_slot(address(*n, 1, 1, 1)));
        assert!(differs.count() > 15);
    }
}
