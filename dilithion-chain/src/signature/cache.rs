//! Signatures that are known to be valid, so that nobody verifies them twice.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use siphasher::sip128::{Hasher128, SipHasher24};

use super::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES};

/// How many signatures a cache remembers unless it is told otherwise: some megabytes.
pub const DEFAULT_CACHE_ENTRIES: usize = 1 << 17;

/// A set of signatures that were verified, for all who meet them again: a transaction is verified when it arrives, and
/// its block need not do so a second time. Clones share one set.
///
/// It holds a bounded number of entries: when it is full, the older half goes. An entry is a keyed hash (SipHash-2-4 of
/// 128 bits, its key random and never shown) of message, public key and signature, so nobody can prepare a signature
/// that passes for another.
#[derive(Clone)]
pub struct SignatureCache {
    shared: Arc<Shared>,
}

struct Shared {
    key: (u64, u64),
    generations: Mutex<Generations>,
}

/// Entries come into `young`; when that is half of what is allowed, it takes the place of `old`.
struct Generations {
    half: usize,
    young: HashSet<u128>,
    old: HashSet<u128>,
}

impl SignatureCache {
    /// A cache of at most so many entries. One without room for two remembers nothing.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        // Each state that the standard library makes has a secret of its own, from the system's random numbers.
        let random = || RandomState::new().build_hasher().finish();
        let generations =
            Mutex::new(Generations { half: entries / 2, young: HashSet::new(), old: HashSet::new() });
        Self { shared: Arc::new(Shared { key: (random(), random()), generations }) }
    }

    /// Whether this signature was [`insert`](Self::insert)ed and is still remembered.
    #[must_use]
    pub fn contains(
        &self,
        message: &[u8; 32],
        public_key: &[u8; PUBLIC_KEY_BYTES],
        signature: &[u8; SIGNATURE_BYTES],
    ) -> bool {
        // Hashing five kilobytes is not free, and during a long import there is nothing to be found.
        if self.is_empty() {
            return false;
        }
        let entry = self.entry(message, public_key, signature);
        let generations = self.lock();
        generations.young.contains(&entry) || generations.old.contains(&entry)
    }

    /// Remembers a signature. It must be valid.
    pub fn insert(
        &self,
        message: &[u8; 32],
        public_key: &[u8; PUBLIC_KEY_BYTES],
        signature: &[u8; SIGNATURE_BYTES],
    ) {
        let entry = self.entry(message, public_key, signature);
        let mut generations = self.lock();
        if generations.half == 0 {
            return;
        }
        if generations.young.len() >= generations.half {
            generations.old = mem::take(&mut generations.young);
        }
        generations.young.insert(entry);
    }

    /// How many signatures are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        let generations = self.lock();
        generations.young.len().saturating_add(generations.old.len())
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn entry(
        &self,
        message: &[u8; 32],
        public_key: &[u8; PUBLIC_KEY_BYTES],
        signature: &[u8; SIGNATURE_BYTES],
    ) -> u128 {
        let (low, high) = self.shared.key;
        let mut hasher = SipHasher24::new_with_keys(low, high);
        // All three have one length each, so nothing can slip from one to the next.
        hasher.write(message);
        hasher.write(public_key);
        hasher.write(signature);
        hasher.finish128().as_u128()
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        // Each change is one insertion or one exchange: a panic cannot leave half of it.
        self.shared.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SignatureCache {
    fn default() -> Self {
        Self::new(DEFAULT_CACHE_ENTRIES)
    }
}

/// Without the key.
impl fmt::Debug for SignatureCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignatureCache").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    const KEY: [u8; PUBLIC_KEY_BYTES] = [1; PUBLIC_KEY_BYTES];
    const SIGNATURE: [u8; SIGNATURE_BYTES] = [2; SIGNATURE_BYTES];

    fn message(number: usize) -> [u8; 32] {
        let mut message = [0; 32];
        message[..8].copy_from_slice(&number.to_le_bytes());
        message
    }

    fn holds(cache: &SignatureCache, number: usize) -> bool {
        cache.contains(&message(number), &KEY, &SIGNATURE)
    }

    #[test]
    fn every_byte_counts() {
        let cache = SignatureCache::default();
        cache.insert(&message(1), &KEY, &SIGNATURE);
        assert!(holds(&cache, 1));
        assert!(!holds(&cache, 2));
        let mut key = KEY;
        key[PUBLIC_KEY_BYTES - 1] ^= 1;
        assert!(!cache.contains(&message(1), &key, &SIGNATURE));
        let mut signature = SIGNATURE;
        signature[SIGNATURE_BYTES - 1] ^= 1;
        assert!(!cache.contains(&message(1), &KEY, &signature));
    }

    #[test]
    fn clones_share_what_they_know() {
        let cache = SignatureCache::default();
        cache.clone().insert(&message(1), &KEY, &SIGNATURE);
        assert!(holds(&cache, 1));
        assert!(!holds(&SignatureCache::default(), 1));
    }

    #[test]
    fn no_two_caches_have_the_same_key() {
        let one = SignatureCache::default().entry(&message(1), &KEY, &SIGNATURE);
        let other = SignatureCache::default().entry(&message(1), &KEY, &SIGNATURE);
        assert_ne!(one, other);
    }

    #[test]
    fn a_cache_without_room_remembers_nothing() {
        let cache = SignatureCache::new(1);
        cache.insert(&message(1), &KEY, &SIGNATURE);
        assert!(cache.is_empty());
    }

    quickcheck! {
        fn the_latest_half_is_remembered_and_never_more_than_all(entries: u8, count: u8) -> bool {
            let (entries, count) = (usize::from(entries % 16).max(2), usize::from(count % 64));
            let cache = SignatureCache::new(entries);
            (0..count).all(|number| {
                cache.insert(&message(number), &KEY, &SIGNATURE);
                let latest = (number + 1).saturating_sub(entries / 2);
                cache.len() <= entries && (latest..=number).all(|number| holds(&cache, number))
            })
        }
    }
}
