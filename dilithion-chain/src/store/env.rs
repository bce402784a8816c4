//! The LMDB environment: every transaction of this crate is begun and ended here.
//!
//! A closure passed to [`Environment::read`], [`Environment::scan`] or [`Environment::write`] must not begin another
//! transaction: a map that waits to be moved would deadlock with it.

use std::convert::Infallible;
use std::fmt;
use std::path::Path;

use heed::{CompactionOption, Env, EnvOpenOptions, MdbError, RoTxn, WithoutTls};

use super::map::{self, GRANULE, Map, Pass};
use super::pages;
use super::tables::{TABLES, Tables};
use super::txn::RwTxn;
use crate::error::StoreError;

/// Name of LMDB's data file inside the store's directory.
pub(crate) const DATA_FILE: &str = "data.mdb";
/// Name of LMDB's reader table inside the store's directory.
pub(crate) const READERS_FILE: &str = "lock.mdb";

/// Reader slots, shared by all processes. Every read lives as long as one function, so this bounds concurrent calls.
const MAX_READERS: u32 = 512;
/// How often a read follows a writer in another process that grows the map under its feet, before it gives up.
const MAX_RESIZE_RETRIES: usize = 16;

/// An open environment with its tables and its map.
pub(crate) struct Environment {
    env: Env<WithoutTls>,
    pub(crate) tables: Tables,
    map: Map,
    #[cfg(feature = "fault-injection")]
    pub(crate) faults: super::faults::Faults,
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
        pages::check_metas(&dir.join(DATA_FILE))?;
        let data = dir.join(DATA_FILE).metadata().map_or(0, |meta| meta.len());
        let size = usize::try_from(data).unwrap_or(usize::MAX).max(map_size).max(GRANULE);
        let mut options = options();
        options.map_size(size.checked_next_multiple_of(GRANULE).ok_or(StoreError::MapLimit)?);
        let env = map::open(&options, dir)?;
        env.clear_stale_readers()?;
        let tables = Tables::create(&env)?;
        let map = Map::of(&env);
        Ok(Self::with(env, tables, map))
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
        check_metas_beside_a_writer(&dir.join(DATA_FILE))?;
        let mut options = options();
        map::forbid_writing(&mut options);
        let env = map::open(&options, dir)?;
        let map = Map::of(&env);
        // The writer may have grown its map since the line above.
        let tables = follow(&env, &map, || {
            let _pass = map.enter()?;
            Tables::open(&env)
        })?;
        Ok(Self::with(env, tables, map))
    }

    fn with(env: Env<WithoutTls>, tables: Tables, map: Map) -> Self {
        Self {
            env,
            tables,
            map,
            #[cfg(feature = "fault-injection")]
            faults: super::faults::Faults::default(),
        }
    }

    /// Runs `f` in a read transaction: one consistent snapshot, ended when `f` returns. It should take no longer than
    /// some microseconds, since everybody waits for it when the map has to move.
    pub(crate) fn read<R>(&self, f: impl FnOnce(&RoTxn) -> Result<R, StoreError>) -> Result<R, StoreError> {
        self.snapshot(Map::enter, f)
    }

    /// Like [`Self::read`] for what reads much of the store: only the writer waits for it.
    pub(crate) fn scan<R>(&self, f: impl FnOnce(&RoTxn) -> Result<R, StoreError>) -> Result<R, StoreError> {
        self.snapshot(Map::enter_long, f)
    }

    fn snapshot<'a, R>(
        &'a self,
        enter: impl Fn(&'a Map) -> Result<Pass<'a>, StoreError>,
        f: impl FnOnce(&RoTxn) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        let (_pass, txn) = follow(&self.env, &self.map, || {
            let pass = enter(&self.map)?;
            match self.env.read_txn() {
                // Processes that were killed leave their slots behind.
                Err(heed::Error::Mdb(MdbError::ReadersFull)) => {
                    self.env.clear_stale_readers()?;
                    Ok((pass, self.env.read_txn()?))
                }
                txn => Ok((pass, txn?)),
            }
        })?;
        let result = f(&txn);
        // The transaction ends before its pass does.
        drop(txn);
        result
    }

    /// Runs `f` in a write transaction and commits it durably if `f` returns `Ok`; otherwise nothing is changed.
    /// When the map is full, it grows and `f` runs again from the start, in a new transaction.
    pub(crate) fn write<R>(
        &self,
        mut f: impl FnMut(&mut RwTxn) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        let Ok(value) = self.try_write(|txn| f(txn).map(Ok::<R, Infallible>))?;
        Ok(value)
    }

    /// Like [`Self::write`] for an operation that may find out that it must not be done: nothing is changed then either.
    pub(crate) fn try_write<R, A>(
        &self,
        mut f: impl FnMut(&mut RwTxn) -> Result<Result<R, A>, StoreError>,
    ) -> Result<Result<R, A>, StoreError> {
        loop {
            match self.write_once(&mut f) {
                Err(StoreError::Lmdb(heed::Error::Mdb(MdbError::MapFull))) => self.map.grow(&self.env)?,
                result => return result,
            }
        }
    }

    fn write_once<R, A>(
        &self,
        f: impl FnOnce(&mut RwTxn) -> Result<Result<R, A>, StoreError>,
    ) -> Result<Result<R, A>, StoreError> {
        let _pass = self.map.enter()?;
        // A reader that was killed would keep all that is freed from now on from being used again. Asking costs a
        // system call for every other process that reads.
        self.env.clear_stale_readers()?;
        let mut txn = RwTxn::begin(
            &self.env,
            #[cfg(feature = "fault-injection")]
            &self.faults,
        )?;
        let result = f(&mut txn)?;
        if result.is_ok() {
            txn.commit()?;
        }
        Ok(result)
    }

    /// Writes a compacted copy of the last committed state into `file`. Only the writer waits for it, and only if it
    /// has to grow the map.
    pub(crate) fn copy_to(&self, file: &mut std::fs::File) -> Result<(), StoreError> {
        follow(&self.env, &self.map, || {
            let _pass = self.map.enter_long()?;
            Ok(self.env.copy_to_file(file, CompactionOption::Enabled)?)
        })
    }

    /// Checks the pages of the state that a transaction sees; `None` if that state was replaced too soon.
    pub(crate) fn check_pages(&self, txn: &RoTxn) -> Result<Option<()>, StoreError> {
        let txnid = u64::try_from(txn.id()).unwrap_or(u64::MAX);
        pages::check_snapshot(&self.env.path().join(DATA_FILE), txnid)
    }

    /// Size of the map in bytes: the address space reserved, not the file.
    pub(crate) fn map_size(&self) -> usize {
        self.map.size()
    }
}

/// A writer replaces the meta pages in turn, so that reading both may catch two that do not fit together.
fn check_metas_beside_a_writer(data: &Path) -> Result<(), StoreError> {
    for _ in 1..MAX_RESIZE_RETRIES {
        if pages::check_metas(data).is_ok() {
            return Ok(());
        }
    }
    pages::check_metas(data)
}

/// Runs `attempt`, and again with a bigger map for as long as another process is found to have grown its own.
fn follow<R>(
    env: &Env<WithoutTls>,
    map: &Map,
    mut attempt: impl FnMut() -> Result<R, StoreError>,
) -> Result<R, StoreError> {
    for _ in 0..MAX_RESIZE_RETRIES {
        match attempt() {
            Err(StoreError::Lmdb(heed::Error::Mdb(MdbError::MapResized))) => map.adopt(env)?,
            result => return result,
        }
    }
    Err(StoreError::Lmdb(MdbError::MapResized.into()))
}

fn options() -> EnvOpenOptions<WithoutTls> {
    // A reader slot belongs to its transaction, not to its thread: any thread may read at any time.
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.max_dbs(TABLES).max_readers(MAX_READERS);
    options
}
