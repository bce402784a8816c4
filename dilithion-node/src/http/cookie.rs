//! By what the operator is known: a token in a file that only his account can read, drawn anew at each start, as in
//! Bitcoin Core.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The file, in the data directory.
pub const COOKIE_FILE: &str = ".cookie";
/// The user name that stands before the token in the file, as Bitcoin Core has it.
pub const COOKIE_USER: &str = "__cookie__";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

/// Who may act on the node.
#[derive(Debug)]
pub struct Credentials {
    file: PathBuf,
    token: String,
    user: Option<(String, String)>,
}

impl Credentials {
    /// Draws a token and writes it to the data directory, readable for the owner alone.
    ///
    /// # Errors
    /// If there is no randomness, or the file cannot be written.
    pub fn create(datadir: &Path, user: Option<(String, String)>) -> io::Result<Self> {
        let token = hex::encode(random_bytes::<TOKEN_BYTES>()?);
        let file = datadir.join(COOKIE_FILE);
        // A temporary file has mode 0600 from its creation on; renaming it keeps that, whatever was there before.
        let mut written = tempfile::NamedTempFile::new_in(datadir)?;
        written.write_all(format!("{COOKIE_USER}:{token}").as_bytes())?;
        written.persist(&file).map_err(|failed| failed.error)?;
        Ok(Self { file, token, user })
    }

    /// Whether an `Authorization` header opens the door: `Bearer TOKEN`, or `Basic` with the content of the file or
    /// the configured name and password.
    #[must_use]
    pub fn accept(&self, authorization: Option<&HeaderValue>) -> bool {
        let Some((scheme, value)) = authorization.and_then(|value| value.to_str().ok()?.split_once(' '))
        else {
            return false;
        };
        if scheme.eq_ignore_ascii_case("bearer") {
            return same(value.trim().as_bytes(), self.token.as_bytes());
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return false;
        }
        let Ok(given) = STANDARD.decode(value.trim()) else { return false };
        let cookie = format!("{COOKIE_USER}:{}", self.token);
        let by_password =
            |(name, password): &(String, String)| same(&given, format!("{name}:{password}").as_bytes());
        same(&given, cookie.as_bytes()) || self.user.as_ref().is_some_and(by_password)
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        // A token that opens nothing any more; if the file cannot be removed, the next start replaces it. It may be
        // another run's by now.
        let own = std::fs::read_to_string(&self.file).is_ok_and(|content| content.ends_with(&self.token));
        if own {
            let _ = std::fs::remove_file(&self.file);
        }
    }
}

/// Random bytes of the operating system.
///
/// # Errors
/// If it has none.
pub(super) fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(bytes)
}

/// Compares in a time that does not tell where the difference is.
fn same(given: &[u8], expected: &[u8]) -> bool {
    let difference = given.iter().zip(expected).fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == expected.len() && std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn header(text: &str) -> HeaderValue {
        text.parse().unwrap()
    }

    fn basic(text: &str) -> HeaderValue {
        header(&format!("Basic {}", STANDARD.encode(text)))
    }

    #[test]
    fn the_cookie_is_private_fresh_and_goes_with_the_server() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(COOKIE_FILE);
        std::fs::write(&file, "__cookie__:old").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let first = Credentials::create(dir.path(), None).unwrap();
        let content = std::fs::read_to_string(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(first.accept(Some(&basic(&content))));
        let second = Credentials::create(dir.path(), None).unwrap();
        assert!(!second.accept(Some(&basic(&content))), "drawn anew");
        drop(first);
        assert!(file.exists(), "the first one's end does not take away the second one's cookie");
        drop(second);
        assert!(!file.exists());
    }

    #[test]
    fn only_the_right_words_open_the_door() {
        let dir = tempfile::tempdir().unwrap();
        let user = Some(("ann".to_owned(), "pass:word".to_owned()));
        let credentials = Credentials::create(dir.path(), user).unwrap();
        let token = credentials.token.clone();
        assert_eq!(token.len(), 2 * TOKEN_BYTES);
        for good in [
            header(&format!("bearer {token}")),
            basic("ann:pass:word"),
            basic(&format!("__cookie__:{token}")),
        ] {
            assert!(credentials.accept(Some(&good)), "{good:?}");
        }
        let almost = format!("Bearer {}", &token[1..]);
        for bad in
            [header(&almost), header("Bearer"), header("Bearer "), header("Digest x"), header("Basic %%")]
        {
            assert!(!credentials.accept(Some(&bad)), "{bad:?}");
        }
        for bad in ["ann:pass", "ann:pass:word:", ":", "", &format!("ann:{token}")] {
            assert!(!credentials.accept(Some(&basic(bad))), "{bad:?}");
        }
        assert!(!credentials.accept(None));
        assert!(!credentials.accept(Some(&HeaderValue::from_bytes(b"Bearer \xff").unwrap())));
    }
}
