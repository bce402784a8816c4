//! The address manager of a running node, and the file that keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dilithion_wire::TimedAddress;
use tokio::sync::Notify;

use super::addresses::SavedAddresses;
use super::{AddressManager, Host, MAX_ANCHORS, NetGroup, saved};
use crate::random::random_u64;

/// The file of the addresses, in the data directory.
pub(super) const ADDRESS_FILE: &str = "peers.json";

/// Everybody is told the same addresses for so long, in seconds, so that asking over and over, from many hosts, does not
/// show the whole book (about what Bitcoin Core does).
const ANSWER_LIFETIME: u64 = 24 * 60 * 60;

/// Or until the book is so many times as large: what a node tells that has just begun is next to nothing. From the first
/// address to a full book these are 17 answers.
const ANSWER_GROWTH: usize = 2;

/// Known addresses and those that are in use. The lock is held for one operation on the book.
#[derive(Debug)]
pub(super) struct AddressBook {
    file: Option<PathBuf>,
    state: Mutex<State>,
    /// Rings when there may be somebody new to dial.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    book: AddressManager,
    /// Dialled or connected, with their networks.
    in_use: BTreeMap<SocketAddr, NetGroup>,
    /// Peers of the last run that are to be dialled first.
    anchors: Vec<SocketAddr>,
    told: Option<Told>,
}

/// What whoever asks is told.
#[derive(Debug)]
struct Told {
    addresses: Vec<TimedAddress>,
    /// Until then, in seconds since 1970.
    until: u64,
    /// And until so many addresses are known.
    outgrown: usize,
}

impl AddressBook {
    /// With the addresses of an earlier run. A file that makes no sense is reported, and replaced in time.
    pub(super) fn load(file: Option<PathBuf>, local_too: bool) -> Self {
        let loaded = file.as_deref().map_or(Ok(None), saved::load::<SavedAddresses>);
        let loaded = loaded.unwrap_or_else(|error| {
            tracing::warn!("[P2P] Cannot read {}: {error}", file.clone().unwrap_or_default().display());
            None
        });
        let (book, anchors) = match loaded {
            Some(saved) => (AddressManager::from_saved(&saved, local_too), saved.anchors),
            None => (AddressManager::new(random_key(), local_too), Vec::new()),
        };
        let state = State { book, in_use: BTreeMap::new(), anchors, told: None };
        Self { file, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Takes in what a peer told.
    pub(super) fn add(&self, told: &[TimedAddress], source: Host, now: u64) -> usize {
        let added = self.lock().book.add(told, source, now);
        if added > 0 {
            self.changed.notify_one();
        }
        added
    }

    /// Takes in what a seed, or the operator, names.
    pub(super) fn add_trusted(&self, address: SocketAddr, now: u64) {
        if self.lock().book.add_trusted(address, now) {
            self.changed.notify_one();
        }
    }

    /// The next address to dial, which from now on is in use: first the anchors, then the book's choice.
    pub(super) fn take(&self, now: u64) -> Option<SocketAddr> {
        let mut state = self.lock();
        let taken: BTreeSet<NetGroup> = state.in_use.values().copied().collect();
        let anchor = state.anchors.pop().filter(|anchor| !taken.contains(&NetGroup::of(*anchor)));
        let address = anchor.or_else(|| state.book.pick(&taken, now, &mut random_u64))?;
        state.begin(address, now);
        Some(address)
    }

    /// An address to test, which from now on is in use. Hosts that are `connected` are not tested.
    pub(super) fn take_to_test(&self, connected: &BTreeSet<Host>, now: u64) -> Option<SocketAddr> {
        let mut state = self.lock();
        let in_use = |address: SocketAddr| {
            state.in_use.contains_key(&address) || connected.contains(&Host::of(address.ip()))
        };
        let address = state.book.pick_to_test(in_use, now, &mut random_u64)?;
        state.begin(address, now);
        Some(address)
    }

    /// An address that was taken is really dialled.
    pub(super) fn attempt(&self, address: SocketAddr, now: u64) {
        self.lock().book.attempt(address, now);
    }

    /// A connection to an address ended, or did not come about; `worked` tells whether its handshake was completed.
    pub(super) fn release(&self, address: SocketAddr, worked: bool, now: u64) {
        let mut state = self.lock();
        state.in_use.remove(&address);
        if !worked {
            state.book.failed(address, now);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// A handshake with a dialled address was completed.
    pub(super) fn good(&self, address: SocketAddr, now: u64) {
        self.lock().book.good(address, now);
    }

    /// An address is ours.
    pub(super) fn is_own(&self, address: SocketAddr) {
        self.lock().book.is_own(address);
    }

    /// What to tell a peer that asks.
    pub(super) fn sample(&self, now: u64) -> Vec<TimedAddress> {
        let mut state = self.lock();
        let known = state.book.len();
        let lasting = |told: &&Told| now < told.until && known < told.outgrown;
        if let Some(told) = state.told.as_ref().filter(lasting) {
            return told.addresses.clone();
        }
        let addresses = state.book.sample(now, &mut random_u64);
        // A book that is still empty is asked again.
        state.told = (!addresses.is_empty()).then(|| Told {
            addresses: addresses.clone(),
            until: now.saturating_add(ANSWER_LIFETIME),
            outgrown: known.saturating_mul(ANSWER_GROWTH),
        });
        addresses
    }

    /// How many addresses are known.
    pub(super) fn len(&self) -> usize {
        self.lock().book.len()
    }

    /// Completes when there may be somebody to dial: one is new or free again, or a pause has ended.
    pub(super) async fn wait(&self, now: u64) {
        let next = {
            let state = self.lock();
            state.book.next_retry(&state.in_use.values().copied().collect())
        };
        let pause = async {
            match next {
                Some(at) => tokio::time::sleep(Duration::from_secs(at.saturating_sub(now).max(1))).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = pause => {}
            () = self.changed.notified() => {}
        }
    }

    /// Writes the book, with peers to begin with next time: these, and of the last run's those that were not dialled yet.
    pub(super) async fn save(&self, anchors: Vec<SocketAddr>) {
        let Some(file) = self.file.clone() else { return };
        let content = {
            let state = self.lock();
            let unused = state.anchors.iter().copied();
            let anchors = anchors.into_iter().chain(unused).take(MAX_ANCHORS).collect();
            state.book.to_saved(anchors)
        };
        let path = file.clone();
        // A task that is not run any more means that the runtime is shutting down.
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || saved::save(&path, &content)).await {
            tracing::warn!("[P2P] Cannot write {}: {error}", file.display());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin(&mut self, address: SocketAddr, now: u64) {
        self.book.chosen(address, now);
        self.in_use.insert(address, NetGroup::of(address));
    }
}

fn random_key() -> [u8; 32] {
    let mut key = [0; 32];
    for part in key.chunks_exact_mut(size_of::<u64>()) {
        part.copy_from_slice(&random_u64().to_le_bytes());
    }
    key
}

#[cfg(test)]
mod tests;
