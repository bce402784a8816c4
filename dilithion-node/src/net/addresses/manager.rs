//! The tables of addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use dilithion_wire::{Address, Services, TimedAddress};
use serde::{Deserialize, Serialize};

use super::KnownAddress;
use super::slot::{NEW_BUCKETS, Slot, SlotKey, TRIED_BUCKETS};
use crate::net::{Host, NetGroup};

/// Random picks before going through the table from a random place.
const RANDOM_PICKS: usize = 50;
/// Newcomers that wait for the address in their slot to be tested, at most.
const MAX_CONTESTED: usize = 10;
/// Part of the book that one `getaddr` is told, per cent, as in Bitcoin Core.
const TOLD_PER_CENT: usize = 23;
/// Addresses in the answer to `getaddr` at most (spec: wire §2).
const MAX_TOLD: usize = 1000;
/// A time further in the future is not believed.
const MAX_FUTURE: u64 = 10 * 60;
/// What is not believed is taken to have been seen so long ago, as in Bitcoin Core.
const DOUBTFUL_AGE: u64 = 5 * 24 * 60 * 60;

/// Known addresses: which nodes there may be, and which to try next.
///
/// Made as Bitcoin Core's against eclipse. Addresses lie in buckets that a secret key chooses by the network they are in
/// and the network that told of them, so that one network, or one liar, reaches only a few buckets; picking goes by
/// bucket, so that filling them brings little. Addresses that once worked are kept apart, and yield only to others that
/// work when they no longer do.
///
/// Times are in seconds since 1970; `random` is asked for numbers that peers cannot foresee.
#[doc(alias = "CAddrMan")]
#[derive(Clone, Debug)]
pub(crate) struct AddressManager {
    key: SlotKey,
    /// Whether addresses of this machine are as good as others.
    local_too: bool,
    entries: BTreeMap<SocketAddr, KnownAddress>,
    slots: BTreeMap<Slot, SocketAddr>,
    /// Addresses that turned out to be ours.
    own: BTreeSet<SocketAddr>,
    /// Addresses that work, whose slot among such is taken.
    contested: Vec<SocketAddr>,
}

/// What is kept on disk.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::net) struct SavedAddresses {
    key: [u8; 32],
    addresses: Vec<KnownAddress>,
    /// Peers to begin with: those of the last run.
    pub(in crate::net) anchors: Vec<SocketAddr>,
}

impl AddressManager {
    /// An empty book. `key` decides who lies where: 32 bytes that nobody else knows. `local_too` takes addresses of this
    /// machine for routable ones.
    #[must_use]
    pub(crate) fn new(key: [u8; 32], local_too: bool) -> Self {
        let (entries, slots, own, contested) = Default::default();
        Self { key: SlotKey(key), local_too, entries, slots, own, contested }
    }

    pub(in crate::net) fn from_saved(saved: &SavedAddresses, local_too: bool) -> Self {
        let mut book = Self::new(saved.key, local_too);
        // Those that work first: nobody takes their place.
        for tried in [true, false] {
            for known in saved.addresses.iter().filter(|known| known.tried == tried) {
                let slot = book.slot_of(known);
                if book.is_welcome(known.address) && !book.slots.contains_key(&slot) {
                    book.slots.insert(slot, known.address);
                    book.entries.insert(known.address, *known);
                }
            }
        }
        book
    }

    pub(in crate::net) fn to_saved(&self, anchors: Vec<SocketAddr>) -> SavedAddresses {
        SavedAddresses { key: self.key.0, addresses: self.entries.values().copied().collect(), anchors }
    }

    /// How many addresses are known.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What is known about an address.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn get(&self, address: &SocketAddr) -> Option<&KnownAddress> {
        self.entries.get(address)
    }

    /// Takes in what a peer told; returns how many addresses are new to us.
    pub(crate) fn add(&mut self, told: &[TimedAddress], source: Host, now: u64) -> usize {
        let useful = told.iter().filter(|one| one.address.services.contains(Services::NETWORK));
        useful
            .filter(|one| {
                let seen = u64::from(one.time);
                let seen = if seen > now + MAX_FUTURE { now.saturating_sub(DOUBTFUL_AGE) } else { seen };
                self.add_one(one.address.to_socket_addr(), source, seen, now)
            })
            .count()
    }

    /// Takes in an address that somebody trusted names, such as a seed.
    pub(crate) fn add_trusted(&mut self, address: SocketAddr, now: u64) -> bool {
        self.add_one(address, Host::of(address.ip()), now, now)
    }

    fn add_one(&mut self, address: SocketAddr, source: Host, seen: u64, now: u64) -> bool {
        if !self.is_welcome(address) {
            return false;
        }
        if let Some(known) = self.entries.get_mut(&address) {
            known.last_seen = known.last_seen.max(seen);
            return false;
        }
        let (last_try, last_success, attempts, tried) = (0, 0, 0, false);
        let known =
            KnownAddress { address, source, last_seen: seen, last_try, last_success, attempts, tried };
        let slot = self.slot_of(&known);
        let occupant = self.slots.get(&slot).and_then(|occupant| self.entries.get(occupant));
        if known.is_terrible(now) || occupant.is_some_and(|occupant| !occupant.is_terrible(now)) {
            return false;
        }
        if let Some(occupant) = self.slots.insert(slot, address) {
            self.entries.remove(&occupant);
        }
        self.entries.insert(address, known);
        true
    }

    fn is_welcome(&self, address: SocketAddr) -> bool {
        let local = Host::of(address.ip()).is_local();
        let reachable = if local { self.local_too } else { Address::from(address).is_routable() };
        reachable && address.port() != 0 && !self.own.contains(&address)
    }

    /// An address was chosen, and is not chosen again for a while, whether it is dialled or not.
    pub(crate) fn chosen(&mut self, address: SocketAddr, now: u64) {
        if let Some(known) = self.entries.get_mut(&address) {
            known.last_try = now;
        }
    }

    /// An address is dialled now.
    pub(crate) fn attempt(&mut self, address: SocketAddr, now: u64) {
        if let Some(known) = self.entries.get_mut(&address) {
            known.last_try = now;
            known.attempts = known.attempts.saturating_add(1);
        }
    }

    /// A handshake with a dialled address was completed.
    pub(crate) fn good(&mut self, address: SocketAddr, now: u64) {
        let Some(known) = self.entries.get_mut(&address) else { return };
        known.last_success = now;
        known.last_seen = now;
        known.attempts = 0;
        if known.tried {
            // It has been tested, and keeps its slot.
            let slot = self.key.tried_slot(address);
            self.contested.retain(|rival| self.key.tried_slot(*rival) != slot);
            return;
        }
        if !self.slots.contains_key(&self.key.tried_slot(address)) {
            self.promote(address);
        } else if self.contested.len() < MAX_CONTESTED && !self.contested.contains(&address) {
            self.contested.push(address);
        }
    }

    /// A dialled address did not answer, or not as a node does. If another that works waits for its slot, that gets it.
    pub(crate) fn failed(&mut self, address: SocketAddr, now: u64) {
        let slot = self.key.tried_slot(address);
        if self.slots.get(&slot) != Some(&address) {
            return;
        }
        let Some(place) = self.contested.iter().position(|rival| self.key.tried_slot(*rival) == slot) else {
            return;
        };
        let rival = self.contested.remove(place);
        self.slots.remove(&slot);
        if let Some(old) = self.entries.remove(&address) {
            // Back among those we heard of, if there is room.
            self.add_one(address, old.source, old.last_seen, now);
        }
        self.promote(rival);
    }

    fn promote(&mut self, address: SocketAddr) {
        let Some(known) = self.entries.get_mut(&address) else { return };
        let old = self.key.new_slot(address, known.source);
        known.tried = true;
        self.slots.remove(&old);
        self.slots.insert(self.key.tried_slot(address), address);
    }

    /// An address turned out to be ours: never again.
    pub(crate) fn is_own(&mut self, address: SocketAddr) {
        if let Some(known) = self.entries.remove(&address) {
            let slot = self.slot_of(&known);
            self.slots.remove(&slot);
        }
        self.own.insert(address);
    }

    /// An address to dial: with even odds one that worked or one that did not yet, none that must wait, and none in
    /// the networks `taken`.
    pub(crate) fn pick(
        &self,
        taken: &BTreeSet<NetGroup>,
        now: u64,
        random: &mut impl FnMut() -> u64,
    ) -> Option<SocketAddr> {
        let fits = |known: &KnownAddress| {
            !taken.contains(&NetGroup::of(known.address)) && self.retry_at(known) <= now
        };
        for _ in 0..RANDOM_PICKS {
            let tried = random().is_multiple_of(2);
            if let Some(known) = self.random_entry(tried, random).filter(|known| fits(known)) {
                return Some(known.address);
            }
        }
        // Few are known, or few fit: the first that fits, from anywhere on.
        let start = random_slot(random().is_multiple_of(2), random);
        let around = self.slots.range(start..).chain(self.slots.range(..start));
        around
            .filter_map(|(_, address)| self.entries.get(address))
            .find(|known| fits(known))
            .map(|known| known.address)
    }

    /// An address to test: one that blocks the slot of another that works, or one that we only heard of. Those `in_use`
    /// need no test, or cannot have one now.
    pub(crate) fn pick_to_test(
        &self,
        in_use: impl Fn(SocketAddr) -> bool,
        now: u64,
        random: &mut impl FnMut() -> u64,
    ) -> Option<SocketAddr> {
        let occupants =
            self.contested.iter().filter_map(|rival| self.slots.get(&self.key.tried_slot(*rival)));
        if let Some(blocking) = occupants.copied().find(|address| !in_use(*address)) {
            return Some(blocking);
        }
        let picks = (0..RANDOM_PICKS).filter_map(|_| self.random_entry(false, random));
        let mut waiting = picks.filter(|known| self.retry_at(known) <= now).map(|known| known.address);
        waiting.find(|address| !in_use(*address))
    }

    /// When the next address outside the networks `taken` may be dialled, if there is one.
    #[must_use]
    pub(crate) fn next_retry(&self, taken: &BTreeSet<NetGroup>) -> Option<u64> {
        let free = self.entries.values().filter(|known| !taken.contains(&NetGroup::of(known.address)));
        free.map(|known| self.retry_at(known)).min()
    }

    /// What to tell a peer that asks: a part of the book, so that it cannot be read as a whole.
    pub(crate) fn sample(&self, now: u64, random: &mut impl FnMut() -> u64) -> Vec<TimedAddress> {
        let mut fit: Vec<_> = self.entries.values().filter(|known| !known.is_terrible(now)).collect();
        let count = (fit.len() * TOLD_PER_CENT).div_ceil(100).min(MAX_TOLD);
        fit.sort_by_cached_key(|_| random());
        fit.truncate(count);
        let told = |known: &KnownAddress| TimedAddress {
            time: u32::try_from(known.last_seen).unwrap_or(u32::MAX),
            address: known.address.into(),
        };
        fit.into_iter().map(told).collect()
    }

    fn retry_at(&self, known: &KnownAddress) -> u64 {
        known.retry_at(self.key.jitter(known.address, known.attempts))
    }

    fn slot_of(&self, known: &KnownAddress) -> Slot {
        if known.tried {
            self.key.tried_slot(known.address)
        } else {
            self.key.new_slot(known.address, known.source)
        }
    }

    /// An entry of a random bucket of one table, or of the next bucket that is not empty.
    fn random_entry(&self, tried: bool, random: &mut impl FnMut() -> u64) -> Option<&KnownAddress> {
        let start = random_slot(tried, random);
        let whole = |bucket| {
            let first = Slot { tried, bucket, position: 0 };
            first..=Slot { position: u16::MAX, ..first }
        };
        let (first, last) = (Slot { tried, bucket: 0, position: 0 }, *whole(u16::MAX).end());
        let (slot, _) =
            self.slots.range(start..=last).next().or_else(|| self.slots.range(first..=last).next())?;
        let bucket: Vec<&SocketAddr> =
            self.slots.range(whole(slot.bucket)).map(|(_, address)| address).collect();
        let place = usize::try_from(random() % bucket.len() as u64).unwrap_or(0);
        self.entries.get(*bucket.get(place)?)
    }
}

/// The beginning of a random bucket.
fn random_slot(tried: bool, random: &mut impl FnMut() -> u64) -> Slot {
    let buckets = if tried { TRIED_BUCKETS } else { NEW_BUCKETS };
    let bucket = u16::try_from(random() % u64::from(buckets)).unwrap_or(0);
    Slot { tried, bucket, position: 0 }
}

#[cfg(test)]
mod tests;
