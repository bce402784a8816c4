//! Files that survive: every wait for a disk of the operator's files is in here, and counted.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Files of a node are for its user only.
pub const PRIVATE_MODE: u32 = 0o600;

thread_local! {
    static WAITS: Cell<u64> = const { Cell::new(0) };
}

/// How often the calling thread has waited for a disk, through this module. The engine's thread never should.
#[must_use]
pub fn waits_of_this_thread() -> u64 {
    WAITS.get()
}

fn counted<T>(done: io::Result<T>) -> io::Result<T> {
    WAITS.set(WAITS.get() + 1);
    done
}

/// Waits until a file's content is on disk.
///
/// # Errors
/// What the system reports.
pub fn sync_data(file: &File) -> io::Result<()> {
    counted(file.sync_data())
}

/// Waits until the names in a file's folder are on disk.
///
/// # Errors
/// What the system reports.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    counted(File::open(folder_of(path))?.sync_all())
}

/// The folder that a file is in.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Replaces a file by one with this content. Whoever opens it sees the old file or the new one, whole, also after a loss
/// of power.
///
/// # Errors
/// What the system reports; the old file stays then, and nothing else.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = temporary_of(path);
    let write = || -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE_MODE).open(&temporary)?;
        file.write_all(content)?;
        counted(file.sync_all())?;
        std::fs::rename(&temporary, path)
    };
    if let Err(error) = write() {
        // What cannot be written mostly cannot be removed either; the first error is the one to tell.
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    sync_folder_of(path)
}

/// Where [`replace`] prepares a file.
#[must_use]
pub fn temporary_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_waits_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let before = waits_of_this_thread();
        replace(&path, b"one").unwrap();
        replace(&path, b"2").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"2");
        assert_eq!(waits_of_this_thread() - before, 4);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_failed_replacement_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        replace(&path, b"old").unwrap();
        // The temporary file cannot be made, because a folder has its name.
        std::fs::create_dir(temporary_of(&path)).unwrap();
        assert!(replace(&path, b"new").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
    }
}
