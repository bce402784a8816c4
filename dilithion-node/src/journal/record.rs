//! A record, and its one encoding.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use crate::redact::{limit, redact};

/// The schema's version (spec: operations §1.2, field 1).
pub const VERSION: &str = "1.0";
/// Longest line, line feed excluded (spec: operations §1.2, schema lock).
pub const MAX_RECORD_BYTES: usize = 1 << 20;
/// Longest `message`, in characters (spec: operations §1.2, field 8).
const MAX_MESSAGE: usize = 500;
/// Longest `error`, in characters (spec: operations §1.2, field 12).
const MAX_ERROR: usize = 200;
/// Longest path, in characters (spec: operations §1.2, field 11).
const MAX_PATH: usize = 100;
/// Most paths of a record, so that no record outgrows a line.
const MAX_PATHS: usize = 100;
/// Longest `stage` and `event_type`.
const MAX_NAME: usize = 40;
/// Length of `2026-02-20T07:45:38.307Z`.
const TIMESTAMP: &[u8] = b"dddd-dd-ddTdd:dd:dd.dddZ";

/// Names and numbers, ordered by name.
pub type Counters = BTreeMap<Cow<'static, str>, i64>;

/// How much a record matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// All is well.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
    /// Something was achieved.
    Success,
}

/// What happened, before it has a place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The sync under way or last done, counted from 1; 0 for what concerns the node.
    pub round: u64,
    /// The part of the node, or the state of the sync in lower case.
    pub stage: Cow<'static, str>,
    /// How much it matters.
    pub level: Level,
    /// The kind.
    pub event_type: Cow<'static, str>,
    /// One line for people; secrets are taken out, and it is cut to 500 characters.
    pub message: String,
    /// What changed, by name.
    pub counters: Counters,
    /// What it took, by name.
    pub usage: Counters,
    /// Files that came of it.
    pub artifacts: Vec<String>,
    /// What went wrong, if something did; treated like the message, and cut to 200 characters.
    pub error: Option<String>,
}

impl Entry {
    /// An entry of the node itself, without numbers.
    #[must_use]
    pub fn new(event_type: &'static str, level: Level, message: impl Into<String>) -> Self {
        Self {
            round: 0,
            stage: Cow::Borrowed("node"),
            level,
            event_type: Cow::Borrowed(event_type),
            message: message.into(),
            counters: Counters::new(),
            usage: Counters::new(),
            artifacts: Vec::new(),
            error: None,
        }
    }
}

/// A record as it stands in the file, field by field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record<'a> {
    /// [`VERSION`].
    #[serde(borrow)]
    pub event_version: Cow<'a, str>,
    /// When: ISO 8601, UTC, milliseconds.
    #[serde(borrow)]
    pub ts: Cow<'a, str>,
    /// The run of the node that wrote it.
    #[serde(borrow)]
    pub run_id: Cow<'a, str>,
    /// See [`Entry::round`].
    pub round: u64,
    /// See [`Entry::stage`].
    #[serde(borrow)]
    pub stage: Cow<'a, str>,
    /// See [`Entry::level`].
    pub level: Level,
    /// See [`Entry::event_type`].
    #[serde(borrow)]
    pub event_type: Cow<'a, str>,
    /// See [`Entry::message`].
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// See [`Entry::counters`].
    pub counters_delta: Counters,
    /// See [`Entry::usage`].
    pub usage_delta: Counters,
    /// See [`Entry::artifacts`].
    pub artifact_paths: Vec<String>,
    /// See [`Entry::error`]. The field is there in any case; `null` if nothing went wrong.
    #[serde(deserialize_with = "present")]
    pub error: Option<String>,
    /// The hash of the record before; the run's id in the first record of a journal.
    #[serde(borrow)]
    pub prev_hash: Cow<'a, str>,
}

/// Unlike what serde does by itself, a field that is missing is an error and not `None`.
fn present<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(input)
}

/// Why a line is not a record.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The line is longer than a record may be.
    #[error("the line has {0} bytes, more than {MAX_RECORD_BYTES}")]
    TooLong(usize),
    /// Not the JSON object that a record is.
    #[error("not a record: {0}")]
    Json(#[from] serde_json::Error),
    /// A version that this program does not know.
    #[error("version {0:?} instead of {VERSION:?}")]
    Version(String),
    /// A field does not have its form.
    #[error("the field {0:?} does not have its form")]
    Form(&'static str),
    /// The same record has another encoding.
    #[error("fields in another order, or written otherwise than the node does")]
    Encoding,
}

impl<'a> Record<'a> {
    /// A record with its place in the chain. Texts are cleaned here, so that none gets into a file without.
    #[must_use]
    pub fn new(entry: &'a Entry, ts: &'a str, run_id: &'a str, prev_hash: &'a str) -> Self {
        let text = |text: &'a str, max| match redact(text) {
            Cow::Borrowed(text) => limit(text, max),
            Cow::Owned(text) => Cow::Owned(limit(&text, max).into_owned()),
        };
        let paths = entry.artifacts.iter().take(MAX_PATHS).map(|path| text(path, MAX_PATH).into_owned());
        Self {
            event_version: Cow::Borrowed(VERSION),
            ts: Cow::Borrowed(ts),
            run_id: Cow::Borrowed(run_id),
            round: entry.round,
            stage: limit(&entry.stage, MAX_NAME),
            level: entry.level,
            event_type: limit(&entry.event_type, MAX_NAME),
            message: text(&entry.message, MAX_MESSAGE),
            counters_delta: entry.counters.clone(),
            usage_delta: entry.usage.clone(),
            artifact_paths: paths.collect(),
            error: entry.error.as_deref().map(|error| text(error, MAX_ERROR).into_owned()),
            prev_hash: Cow::Borrowed(prev_hash),
        }
    }

    /// The record's line, without the line feed.
    ///
    /// # Errors
    /// [`SchemaError::TooLong`], for a record of more numbers than any the node writes.
    pub fn encode(&self) -> Result<String, SchemaError> {
        let line = serde_json::to_string(self)?;
        if line.len() > MAX_RECORD_BYTES { Err(SchemaError::TooLong(line.len())) } else { Ok(line) }
    }

    /// Reads a line, without its line feed.
    ///
    /// # Errors
    /// [`SchemaError`] for anything that [`Record::encode`] would not have written.
    pub fn decode(line: &'a [u8]) -> Result<Self, SchemaError> {
        if line.len() > MAX_RECORD_BYTES {
            return Err(SchemaError::TooLong(line.len()));
        }
        let record: Self = serde_json::from_slice(line)?;
        if record.event_version != VERSION {
            return Err(SchemaError::Version(record.event_version.into_owned()));
        }
        let fits = |byte: u8, form: u8| if form == b'd' { byte.is_ascii_digit() } else { byte == form };
        let ts = record.ts.as_bytes();
        if ts.len() != TIMESTAMP.len() || !ts.iter().zip(TIMESTAMP).all(|(byte, form)| fits(*byte, *form)) {
            return Err(SchemaError::Form("ts"));
        }
        let is_name = |name: &str| {
            let ok = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(ok)
        };
        if !is_name(&record.stage) {
            return Err(SchemaError::Form("stage"));
        }
        if !is_name(&record.event_type) {
            return Err(SchemaError::Form("event_type"));
        }
        if serde_json::to_vec(&record)? != line {
            return Err(SchemaError::Encoding);
        }
        Ok(record)
    }
}

/// As a person reads it: time, level, kind, message, numbers, error.
impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Success => "success",
        };
        write!(f, "{} {level:<7} {:<18} {}", self.ts, self.event_type, self.message)?;
        for (name, number) in self.counters_delta.iter().chain(&self.usage_delta) {
            write!(f, " {name}={number}")?;
        }
        match &self.error {
            Some(error) => write!(f, " ({error})"),
            None => Ok(()),
        }
    }
}
