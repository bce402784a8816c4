//! The chain of hashes through the records.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::record::{Entry, Record, SchemaError};

/// SHA-256 of a record's line, line feed included. Displayed as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LineHash([u8; 32]);

impl LineHash {
    /// The hash of a line that is given without its line feed.
    #[must_use]
    pub fn of(line: &[u8]) -> Self {
        Self(Sha256::new().chain_update(line).chain_update(b"\n").finalize().into())
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LineHash({self})")
    }
}

/// Not 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a hash has 64 lower-case hex digits")]
pub struct ParseLineHashError;

impl FromStr for LineHash {
    type Err = ParseLineHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(ParseLineHashError);
        }
        hex::decode_to_array(text).map(Self).map_err(|_| ParseLineHashError)
    }
}

/// Turns entries into lines, each with the hash of the one before. Takes no clock: the caller says when.
///
/// ```
/// use dilithion_node::journal::{Chain, Entry, Level};
///
/// let mut chain = Chain::new("run_1".to_owned(), None);
/// let first = chain.line(&Entry::new("node_start", Level::Info, "hello"), "2026-02-20T07:45:38.307Z").unwrap();
/// assert!(first.ends_with("\"prev_hash\":\"run_1\"}\n"));
/// chain.accept(&first);
/// let second = chain.line(&Entry::new("node_stop", Level::Info, "bye"), "2026-02-20T07:45:38.308Z").unwrap();
/// assert!(second.contains(&chain.head().unwrap().to_string()));
/// ```
#[derive(Clone, Debug)]
pub struct Chain {
    run_id: String,
    head: Option<LineHash>,
}

impl Chain {
    /// A chain that goes on after `head`; `None` begins one.
    #[must_use]
    pub fn new(run_id: String, head: Option<LineHash>) -> Self {
        Self { run_id, head }
    }

    /// The hash of the last record.
    #[must_use]
    pub fn head(&self) -> Option<LineHash> {
        self.head
    }

    /// The line of the next record, line feed included. It is no part of the chain before [`Chain::accept`]: a line that
    /// could not be written must not be built upon.
    ///
    /// # Errors
    /// As [`Record::encode`].
    pub fn line(&self, entry: &Entry, ts: &str) -> Result<String, SchemaError> {
        let prev_hash = self.head.map_or_else(|| self.run_id.clone(), |head| head.to_string());
        let mut line = Record::new(entry, ts, &self.run_id, &prev_hash).encode()?;
        line.push('\n');
        Ok(line)
    }

    /// Takes a line of [`Chain::line`] into the chain, and returns its hash.
    pub fn accept(&mut self, line: &str) -> LineHash {
        let hash = LineHash::of(line.strip_suffix('\n').unwrap_or(line).as_bytes());
        self.head = Some(hash);
        hash
    }
}
