//! The file that holds the key of an identity: made at the first start, and read at each.
//!
//! Each line is the hexadecimal digits of a key, a seed of 32 bytes or a secret key of 4032; empty lines and those that begin
//! with `#` are passed over. The first key is the miner's. Any others are keys of the network's seeds, in any order: whoever
//! runs a private network can attest registrations with them. No error tells what a line holds.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use dilithion_chain::mining::{KeyError, MinerKey};
use dilithion_wire::ChainParams;
use thiserror::Error;

use super::MinerIdentity;
use crate::durable;

/// Longest key file in bytes: a miner's key and those of a dozen seeds.
const MAX_FILE_BYTES: u64 = 128 * 1024;
/// The bits of a file's mode that let others than its owner in.
const OTHERS: u32 = 0o077;
/// The bits of a file's mode that say who may do what.
const PERMISSIONS: u32 = 0o777;
/// What a line begins with that is for people.
const COMMENT: char = '#';

/// Why an identity cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The file cannot be read.
    #[error("cannot read the key file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// There is no file, and none can be made.
    #[error("cannot make the key file {}: {source}", path.display())]
    Make {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Others can read the key.
    #[error("the key file {} is open to others (mode {mode:o}); chmod 600 closes it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file is too long to be one.
    #[error("{} has more than {MAX_FILE_BYTES} bytes: this is no key file", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// The file has no key.
    #[error("the key file {} holds no key", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A line is no key, or a new key cannot be made.
    #[error("line {line} of the key file {}: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
        /// What is wrong with it.
        source: KeyError,
    },
    /// A key behind the first is not one of the network's seeds.
    #[error("line {line} of the key file {}: {network} has no seed with this key", path.display())]
    NoSeed {
        /// The file.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
        /// The network.
        network: String,
    },
}

impl MinerIdentity {
    /// The identity of a key file. If there is none, it is made with a new key, whole or not at all, and for its owner only.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] if the file cannot be read or made, if others can read it, or if it is something else.
    pub fn open_or_create(path: &Path, params: &ChainParams) -> Result<Self, IdentityError> {
        match read(path)? {
            Some(text) => parse(path, &text, params),
            None => {
                create(path, params)?;
                // Another process may have been first: whatever is there now counts.
                let text = read(path)?.ok_or_else(|| IdentityError::Read {
                    path: path.to_owned(),
                    source: ErrorKind::NotFound.into(),
                })?;
                parse(path, &text, params)
            }
        }
    }
}

/// What a file says; `None` if there is none.
fn read(path: &Path) -> Result<Option<String>, IdentityError> {
    let failed = |source| IdentityError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mode = file.metadata().map_err(failed)?.permissions().mode() & PERMISSIONS;
    if mode & OTHERS != 0 {
        return Err(IdentityError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    let length = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if u64::try_from(length).is_ok_and(|length| length <= MAX_FILE_BYTES) {
        Ok(Some(text))
    } else {
        Err(IdentityError::TooLong { path: path.to_owned() })
    }
}

fn parse(path: &Path, text: &str, params: &ChainParams) -> Result<MinerIdentity, IdentityError> {
    let lines = (1..).zip(text.lines().map(str::trim));
    let mut keys =
        lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(COMMENT)).map(|(line, digits)| {
            match MinerKey::from_text(digits) {
                Ok(key) => Ok((line, key)),
                Err(source) => Err(IdentityError::Key { path: path.to_owned(), line, source }),
            }
        });
    let (_, miner) = keys.next().ok_or_else(|| IdentityError::Empty { path: path.to_owned() })??;
    let known = params.attestation.as_ref().map_or(&[][..], |rules| &rules.public_keys);
    let seed = |key: &MinerKey| known.iter().position(|known| known[..] == key.public_key()[..]);
    let mut seeds = Vec::new();
    for entry in keys {
        let (line, key) = entry?;
        let number = seed(&key).and_then(|number| u8::try_from(number).ok());
        let number = number.ok_or_else(|| IdentityError::NoSeed {
            path: path.to_owned(),
            line,
            network: params.name.clone(),
        })?;
        seeds.push((number, key));
    }
    Ok(MinerIdentity::new(miner, seeds))
}

/// Makes a file with a new key, unless somebody else has made one meanwhile.
fn create(path: &Path, params: &ChainParams) -> Result<(), IdentityError> {
    let no_key = |source| IdentityError::Key { path: path.to_owned(), line: 1, source };
    let key = MinerKey::generate().map_err(no_key)?;
    let digits = key.to_text().map_err(no_key)?;
    let identity = key.identity();
    let text = format!(
        "{COMMENT} The secret key of {identity}, which makes blocks on {}.\n\
         {COMMENT} Who has it can make them as well; without it nobody can.\n{digits}\n",
        params.name
    );
    let failed = |source| IdentityError::Make { path: path.to_owned(), source };
    if write_new(path, text.as_bytes()).map_err(failed)? {
        tracing::info!("Made a key for identity {identity}: {}", path.display());
    }
    Ok(())
}

/// Makes a file that appears whole, for its owner only; `false` if there is one.
fn write_new(path: &Path, content: &[u8]) -> io::Result<bool> {
    // It has mode 0600 from the beginning.
    let mut file = tempfile::NamedTempFile::new_in(durable::folder_of(path))?;
    file.write_all(content)?;
    durable::sync_data(file.as_file())?;
    match file.persist_noclobber(path) {
        Ok(_) => durable::sync_folder_of(path).map(|()| true),
        Err(failed) if failed.error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(failed) => Err(failed.error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    fn params() -> ChainParams {
        let text = include_str!("../../../testdata/private-m/private-m.toml");
        let mut params = ChainParams::from_toml(text).unwrap();
        let keys = (0..4).map(|seed| seed_key(seed).public_key().to_vec());
        params.attestation.as_mut().unwrap().public_keys = keys.collect();
        params
    }

    fn seed_key(number: u8) -> MinerKey {
        MinerKey::from_seed(&[100 + number; 32]).unwrap()
    }

    fn digits(byte: u8) -> String {
        format!("{byte:02x}").repeat(32)
    }

    fn written(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_is_made_once_and_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("miner.key");
        let made = MinerIdentity::open_or_create(&path, &params()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & PERMISSIONS, durable::PRIVATE_MODE);
        assert!(text.contains(&made.id().to_string()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
        let again = MinerIdentity::open_or_create(&path, &params()).unwrap();
        assert_eq!(again.id(), made.id());
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert!(!write_new(&path, b"other").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        // Whatever shows it by mistake: what hides secrets finds the key, and debug output has none.
        let secret = text.lines().last().unwrap();
        assert!(!crate::redact::redact(&text).contains(&secret[..64]));
        assert!(!format!("{made:?}").contains(&secret[..64]));
    }

    #[test]
    fn the_first_key_is_the_miners_and_the_others_are_seeds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("miner.key");
        written(&path, &format!("# mine\n{}\n\n  {}\n{}", digits(7), digits(102), digits(100)), 0o400);
        let identity = MinerIdentity::open_or_create(&path, &params()).unwrap();
        assert_eq!(identity.id(), MinerKey::from_seed(&[7; 32]).unwrap().identity());
        assert_eq!(identity.seeds().collect::<Vec<_>>(), [2, 0]);
    }

    #[test]
    fn what_is_no_key_file_is_refused_without_showing_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("miner.key");
        let mut without = params();
        without.attestation = None;
        let both = format!("{}\n{}", digits(7), digits(100));
        for (text, mode, params, expected) in [
            (digits(7), 0o640, params(), "open to others (mode 640)"),
            ("# nothing\n".to_owned(), 0o600, params(), "holds no key"),
            (format!("\n{}f", digits(7)), 0o600, params(), "line 2 of the key file"),
            (format!("{}\n{}", digits(7), digits(8)), 0o600, params(), "private-m has no seed with this key"),
            (both, 0o600, without, "line 2 of the key file"),
            ("0".repeat(200_000), 0o600, params(), "more than 131072 bytes"),
        ] {
            written(&path, &text, mode);
            let error = MinerIdentity::open_or_create(&path, &params).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("0707"), "{error}");
        }
        let nowhere = MinerIdentity::open_or_create(&dir.path().join("none/miner.key"), &params());
        assert!(matches!(nowhere, Err(IdentityError::Make { .. })));
        let folder = MinerIdentity::open_or_create(dir.path(), &params()).unwrap_err();
        assert!(matches!(folder, IdentityError::Exposed { .. } | IdentityError::Read { .. }));
    }
}
