//! The map of the environment, and the one rule it depends on: nobody moves it while a transaction is open.
//!
//! Every transaction of this crate is begun and ended under a [`Pass`] of the [`Map`]; the map is moved while there is
//! none. There are two kinds, so that moving the map stops nobody for longer than a call that takes microseconds: a
//! move first waits for the long passes to end, during which short ones come and go as ever, and only then for the
//! short ones. All `unsafe` of the crate is here.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use heed::{Env, EnvFlags, EnvOpenOptions, WithoutTls};

use crate::error::StoreError;

/// Map sizes are multiples of this, which is a multiple of every page size in use (4, 16 and 64 KiB).
pub(super) const GRANULE: usize = 1 << 20;
/// Address space that growing leaves to the rest of the process.
const SPARE: usize = 64 << 20;
/// Asks LMDB for the map size that the last committed transaction recorded.
const ADOPT: usize = 0;

/// Who may touch the map, and whether it is there.
#[derive(Debug, Default)]
pub(super) struct Map {
    short: RwLock<()>,
    long: RwLock<()>,
    /// Size of the map in bytes.
    size: AtomicUsize,
    /// LMDB gave the old map back and got no new one: the environment must not be touched any more.
    lost: AtomicBool,
}

/// While it lives the map stays where it is.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    _guard: RwLockReadGuard<'a, ()>,
}

impl Map {
    /// The map of a freshly opened environment.
    pub(super) fn of(env: &Env<WithoutTls>) -> Self {
        Self { size: AtomicUsize::new(env.info().map_size), ..Self::default() }
    }

    /// Size of the map in bytes: the address space reserved, not the file.
    pub(super) fn size(&self) -> usize {
        self.size.load(Ordering::Acquire)
    }

    /// Entry for a transaction that ends soon.
    pub(super) fn enter(&self) -> Result<Pass<'_>, StoreError> {
        self.pass(&self.short)
    }

    /// Entry for a transaction that reads much of the store.
    pub(super) fn enter_long(&self) -> Result<Pass<'_>, StoreError> {
        self.pass(&self.long)
    }

    fn pass<'a>(&'a self, gate: &'a RwLock<()>) -> Result<Pass<'a>, StoreError> {
        // The gate guards no data, so a panic while it was held leaves nothing half done.
        let guard = gate.read().unwrap_or_else(PoisonError::into_inner);
        if self.lost.load(Ordering::Acquire) {
            return Err(StoreError::MapLost);
        }
        Ok(Pass { _guard: guard })
    }

    /// Doubles the map, or enlarges it by as much as the address space has room for without starving others.
    pub(super) fn grow(&self, env: &Env<WithoutTls>) -> Result<(), StoreError> {
        let size = self.size();
        // LMDB unmaps before it maps and cannot go back, so whether there is room is found out first. The old map
        // is still there meanwhile, which errs on the safe side.
        let mut more = size.max(GRANULE);
        while more >= GRANULE {
            let bigger = size.checked_add(more).and_then(|bigger| bigger.checked_next_multiple_of(GRANULE));
            if let Some(bigger) = bigger.filter(|bigger| has_room(bigger.saturating_add(SPARE))) {
                return self.resize(env, bigger);
            }
            more /= 2;
        }
        Err(StoreError::MapLimit)
    }

    /// Makes the map as big as the last committed transaction, in another process, needs it.
    pub(super) fn adopt(&self, env: &Env<WithoutTls>) -> Result<(), StoreError> {
        self.resize(env, ADOPT)
    }

    fn resize(&self, env: &Env<WithoutTls>, size: usize) -> Result<(), StoreError> {
        let _no_long = self.long.write().unwrap_or_else(PoisonError::into_inner);
        let _no_short = self.short.write().unwrap_or_else(PoisonError::into_inner);
        if self.lost.load(Ordering::Acquire) {
            return Err(StoreError::MapLost);
        }
        #[expect(unsafe_code, reason = "LMDB cannot check that no transaction is open")]
        // SAFETY: transactions of this process live only under a pass, and both gates are held exclusively here, so
        // none is open. Other processes have maps of their own. That there is a map to replace was checked above.
        let resized = unsafe { env.resize(size) };
        if let Err(error) = resized {
            self.lost.store(true, Ordering::Release);
            return Err(error.into());
        }
        self.size.store(env.info().map_size, Ordering::Release);
        Ok(())
    }
}

/// Opens an environment.
pub(super) fn open(options: &EnvOpenOptions<WithoutTls>, dir: &Path) -> Result<Env<WithoutTls>, StoreError> {
    #[expect(unsafe_code, reason = "LMDB maps a file that another process could write to")]
    // SAFETY: nothing but LMDB writes to the data file. Writers are kept to one by the directory's lock file, readers
    // and writer agree through LMDB's reader table, and no flag that skips locks or syncs is ever set.
    let env = unsafe { options.open(dir) };
    env.map_err(|error| match error {
        heed::Error::EnvAlreadyOpened => StoreError::AlreadyOpen { dir: dir.to_owned() },
        error => error.into(),
    })
}

/// Makes the environment one that is only read.
pub(super) fn forbid_writing(options: &mut EnvOpenOptions<WithoutTls>) {
    #[expect(unsafe_code, reason = "LMDB flags")]
    // SAFETY: READ_ONLY weakens no guarantee; only flags that skip syncs or locks do.
    unsafe {
        options.flags(EnvFlags::READ_ONLY);
    }
}

/// Whether the address space has room for a map of this size.
#[cfg(unix)]
fn has_room(len: usize) -> bool {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

    #[expect(unsafe_code, reason = "asks the system for a mapping")]
    // SAFETY: the address is left to the system and the mapping cannot be accessed, so it aliases nothing.
    let probe = unsafe {
        mmap_anonymous(std::ptr::null_mut(), len, ProtFlags::empty(), MapFlags::PRIVATE | MapFlags::NORESERVE)
    };
    let Ok(start) = probe else { return false };
    #[expect(unsafe_code, reason = "gives the mapping back")]
    // SAFETY: exactly what was just mapped, and nobody else knows of it.
    let freed = unsafe { munmap(start, len) };
    freed.is_ok()
}

/// Whether the address space has room for a map of this size: found out by trying elsewhere.
#[cfg(not(unix))]
const fn has_room(_len: usize) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(dir: &Path) -> (Env<WithoutTls>, Map) {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(GRANULE);
        let env = open(&options, dir).unwrap();
        let map = Map::of(&env);
        (env, map)
    }

    /// More than any processor can address.
    const ABSURD: usize = 1 << 62;

    #[test]
    fn what_there_is_no_room_for_is_not_tried() {
        assert!(has_room(GRANULE));
        assert!(!has_room(ABSURD));
    }

    #[test]
    fn a_map_that_is_lost_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let (env, map) = environment(dir.path());
        assert!(matches!(map.resize(&env, ABSURD), Err(StoreError::Lmdb(_))));
        assert!(matches!(map.enter(), Err(StoreError::MapLost)));
        assert!(matches!(map.enter_long(), Err(StoreError::MapLost)));
        assert!(matches!(map.grow(&env), Err(StoreError::MapLost)));
        drop(env);
        // The files are as they were.
        let (env, map) = environment(dir.path());
        let _pass = map.enter().unwrap();
        env.read_txn().unwrap();
    }

    #[test]
    fn short_passes_go_on_while_a_move_waits_for_a_long_one() {
        let dir = tempfile::tempdir().unwrap();
        let (env, map) = environment(dir.path());
        let (env, map) = (&env, &map);
        let long = map.enter_long().unwrap();
        std::thread::scope(|scope| {
            let mover = scope.spawn(move || map.grow(env));
            // Whether the mover waits already or not: nobody is kept out.
            for _ in 0..1000 {
                drop(map.enter().unwrap());
                std::thread::yield_now();
            }
            assert_eq!(map.size(), GRANULE);
            drop(long);
            mover.join().unwrap().unwrap();
        });
        assert_eq!(map.size(), 2 * GRANULE);
    }
}
