//! The LMDB environment, and the one rule its map depends on: nobody moves the map while a transaction is open.
//!
//! Every transaction of this crate is begun and ended inside [`Environment::read`] or [`Environment::write`], which
//! hold the gate shared; the map is resized with the gate held exclusively. All `unsafe` of the crate is here.
//! A closure passed to either must not begin another transaction (a waiting resize would deadlock with it).

use std::fmt;
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use heed::{Env, EnvFlags, EnvOpenOptions, MdbError, RoTxn, RwTxn, WithoutTls};

use super::tables::{TABLES, Tables};
use crate::error::StoreError;

/// Name of LMDB's data file inside the store's directory.
pub(crate) const DATA_FILE: &str = "data.mdb";
/// Name of LMDB's reader table inside the store's directory.
pub(crate) const READERS_FILE: &str = "lock.mdb";

/// Reader slots, shared by all processes. Every read lives as long as one function, so this bounds concurrent calls.
const MAX_READERS: u32 = 512;
/// Map sizes are multiples of this, which is a multiple of every page size in use (4, 16 and 64 KiB).
const MAP_GRANULE: usize = 1 << 20;
/// How often a read follows a writer in another process that grows the map under its feet, before it gives up.
const MAX_RESIZE_RETRIES: usize = 16;

/// An open environment with its tables and the gate before its map.
pub(crate) struct Environment {
    env: Env<WithoutTls>,
    pub(crate) tables: Tables,
    gate: RwLock<()>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("path", &self.env.path()).finish_non_exhaustive()
    }
}

impl Environment {
    /// Opens the environment for writing and creates what is missing. The caller holds the directory's lock.
    /// The map starts with `map_size` bytes, or what the data needs if that is more, and doubles when full.
    pub(crate) fn create(dir: &Path, map_size: usize) -> Result<Self, StoreError> {
        let data = dir.join(DATA_FILE).metadata().map_or(0, |meta| meta.len());
        let size = usize::try_from(data).unwrap_or(usize::MAX).max(map_size).max(MAP_GRANULE);
        let mut options = options();
        options.map_size(size.checked_next_multiple_of(MAP_GRANULE).ok_or(StoreError::MapLimit)?);
        let env = open(&options, dir)?;
        env.clear_stale_readers()?;
        let tables = Tables::create(&env)?;
        Ok(Self { env, tables, gate: RwLock::default() })
    }

    /// Opens an existing environment for reading, beside a writer in another process or without one.
    pub(crate) fn open_read_only(dir: &Path) -> Result<Self, StoreError> {
        // LMDB would create a missing file even here, so look first.
        for name in [DATA_FILE, READERS_FILE] {
            let path = dir.join(name);
            if !path.is_file() {
                return Err(StoreError::NoStore { missing: path });
            }
        }
        let mut options = options();
        #[expect(unsafe_code, reason = "LMDB flags")]
        // SAFETY: READ_ONLY weakens no guarantee; only flags that skip syncs or locks do.
        unsafe {
            options.flags(EnvFlags::READ_ONLY);
        }
        let env = open(&options, dir)?;
        let tables = Tables::open(&env)?;
        Ok(Self { env, tables, gate: RwLock::default() })
    }

    /// Runs `f` in a read transaction: one consistent snapshot, ended when `f` returns.
    pub(crate) fn read<R>(&self, f: impl FnOnce(&RoTxn) -> Result<R, StoreError>) -> Result<R, StoreError> {
        for _ in 0..MAX_RESIZE_RETRIES {
            let open = self.enter();
            match self.env.read_txn() {
                Ok(txn) => return f(&txn),
                Err(heed::Error::Mdb(MdbError::MapResized)) => {
                    drop(open);
                    self.resize(|_| Some(ADOPT))?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Lmdb(MdbError::MapResized.into()))
    }

    /// Runs `f` in a write transaction and commits it durably if `f` returns `Ok`; otherwise nothing is changed.
    /// When the map is full, it is doubled and `f` runs again from the start, in a new transaction.
    pub(crate) fn write<R>(
        &self,
        mut f: impl FnMut(&mut RwTxn) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        loop {
            match self.write_once(&mut f) {
                Err(StoreError::Lmdb(heed::Error::Mdb(MdbError::MapFull))) => {
                    self.resize(|size| size.checked_mul(2))?;
                }
                result => return result,
            }
        }
    }

    fn write_once<R>(&self, f: impl FnOnce(&mut RwTxn) -> Result<R, StoreError>) -> Result<R, StoreError> {
        let _open = self.enter();
        let mut txn = self.env.write_txn()?;
        let value = f(&mut txn)?;
        txn.commit()?;
        Ok(value)
    }

    /// Size of the map in bytes: the address space reserved, not the file.
    pub(crate) fn map_size(&self) -> usize {
        let _open = self.enter();
        self.env.info().map_size
    }

    fn enter(&self) -> RwLockReadGuard<'_, ()> {
        // The gate guards no data, so a panic while it was held leaves nothing half done.
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn resize(&self, new_size: impl FnOnce(usize) -> Option<usize>) -> Result<(), StoreError> {
        let _alone: RwLockWriteGuard<'_, ()> = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let size = new_size(self.env.info().map_size).ok_or(StoreError::MapLimit)?;
        #[expect(unsafe_code, reason = "LMDB cannot check that no transaction is open")]
        // SAFETY: transactions live only inside `read` and `write_once`, each with the gate held shared; it is held
        // exclusively here, so no transaction of this process is open. Other processes have maps of their own.
        unsafe {
            self.env.resize(size)?;
        }
        Ok(())
    }
}

/// Asks LMDB for the map size that the last committed transaction recorded.
const ADOPT: usize = 0;

fn options() -> EnvOpenOptions<WithoutTls> {
    // A reader slot belongs to its transaction, not to its thread: any thread may read at any time.
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.max_dbs(TABLES).max_readers(MAX_READERS);
    options
}

fn open(options: &EnvOpenOptions<WithoutTls>, dir: &Path) -> Result<Env<WithoutTls>, StoreError> {
    #[expect(unsafe_code, reason = "LMDB maps a file that another process could write to")]
    // SAFETY: nothing but LMDB writes to the data file. Writers are kept to one by the directory's lock file, readers
    // and writer agree through LMDB's reader table, and no flag that skips locks or syncs is ever set.
    let env = unsafe { options.open(dir) };
    env.map_err(|error| match error {
        heed::Error::EnvAlreadyOpened => StoreError::AlreadyOpen { dir: dir.to_owned() },
        error => StoreError::Lmdb(error),
    })
}
