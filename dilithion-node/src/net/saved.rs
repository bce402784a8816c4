//! Small JSON files that are replaced as a whole.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest file that is read: far above what the node writes.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Reads a file; `None` if there is none.
///
/// # Errors
///
/// If it cannot be read or is not what was written.
pub(super) fn load<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    Ok(Some(serde_json::from_str(&text)?))
}

/// Replaces a file: a kill at any moment leaves the old content or the new.
///
/// # Errors
///
/// If the file cannot be written.
pub(super) fn save<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec_pretty(value)?)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The new name has to reach the disk as well.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_a_missing_one_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below").join("numbers.json");
        assert_eq!(load::<Vec<u32>>(&path).unwrap(), None);
        for numbers in [vec![1, 2], vec![3]] {
            save(&path, &numbers).unwrap();
            assert_eq!(load::<Vec<u32>>(&path).unwrap(), Some(numbers));
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
        fs::write(&path, "[1, 2").unwrap();
        assert!(load::<Vec<u32>>(&path).is_err());
    }
}
