//! A consistent copy of a store that is in use.

use std::fs::{self, File};
use std::path::Path;

use crate::error::StoreError;
use crate::store::env::{DATA_FILE, Environment, READERS_FILE};

/// What the copy is called until it is whole.
const PARTIAL_FILE: &str = "data.mdb.partial";

/// Copies the store into a new directory.
pub(crate) fn copy(store: &Environment, dir: &Path) -> Result<(), StoreError> {
    on(dir, fs::create_dir(dir))?;
    let copied = fill(store, dir);
    if copied.is_err() {
        // The directory was made here, so nothing else can be in it; the first failure is the one to report.
        let _ = fs::remove_dir_all(dir);
    }
    copied
}

fn fill(store: &Environment, dir: &Path) -> Result<(), StoreError> {
    let partial = dir.join(PARTIAL_FILE);
    let mut file = on(&partial, File::options().read(true).write(true).create_new(true).open(&partial))?;
    store.copy_to(&mut file)?;
    on(&partial, file.sync_all())?;
    // Readers of a store expect LMDB's reader table, which may be empty.
    let readers = dir.join(READERS_FILE);
    on(&readers, File::create_new(&readers))?;
    on(&partial, fs::rename(&partial, dir.join(DATA_FILE)))?;
    on(dir, File::open(dir).and_then(|dir| dir.sync_all()))
}

fn on<T>(path: &Path, result: std::io::Result<T>) -> Result<T, StoreError> {
    result.map_err(|source| StoreError::Io { path: path.to_owned(), source })
}
