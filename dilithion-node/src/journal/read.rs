//! Reading a journal from its files, oldest first.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::chain::LineHash;
use super::files;
use super::record::{MAX_RECORD_BYTES, SchemaError};
use super::replay::Replay;
use super::verify::{Broken, Report, Verifier};

/// Why a journal cannot be written or read, or does not hold.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A file cannot be written or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An entry makes no record.
    #[error("{0}")]
    Entry(#[from] SchemaError),
    /// There is no such journal.
    #[error("there is no journal {}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is not what was written.
    #[error("the journal is broken: {0}")]
    Broken(#[from] Broken),
}

/// Verifies a journal, from its oldest rotated file on. `expected` is the hash of its last record, if the caller knows it.
///
/// # Errors
/// [`JournalError::Missing`], [`JournalError::Broken`], or if a file cannot be read.
pub fn verify(path: &Path, expected: Option<LineHash>) -> Result<Report, JournalError> {
    Ok(read(path, expected, |_| ())?.0)
}

/// Verifies a journal, and adds its records up.
///
/// # Errors
/// As [`verify()`].
pub fn replay(path: &Path) -> Result<(Report, Replay), JournalError> {
    let mut replay = Replay::default();
    let (report, ()) = read(path, None, |record| replay.apply(record))?;
    Ok((report, replay))
}

/// The last `count` records as lines for people, and as they stand in the file if `raw`. Not verified.
///
/// # Errors
/// [`JournalError::Missing`], or if a file cannot be read.
pub fn tail(path: &Path, count: usize, raw: bool) -> Result<Vec<String>, JournalError> {
    let mut last = VecDeque::with_capacity(count.min(1000));
    lines(path, |line| {
        last.push_back(line.to_vec());
        if last.len() > count {
            last.pop_front();
        }
        Ok(())
    })?;
    let show = |line: Vec<u8>| match super::Record::decode(&line) {
        Ok(record) if !raw => record.to_string(),
        _ => String::from_utf8_lossy(&line).into_owned(),
    };
    Ok(last.into_iter().map(show).collect())
}

fn read(
    path: &Path,
    expected: Option<LineHash>,
    mut with: impl FnMut(&super::Record<'_>),
) -> Result<(Report, ()), JournalError> {
    let (_, continued) = files::existing(path);
    let mut verifier = if continued { Verifier::continued() } else { Verifier::new() };
    let torn = lines(path, |line| {
        with(&verifier.line(line)?);
        Ok(())
    })?;
    Ok((verifier.finish(torn, expected)?, ()))
}

/// Calls `with` for each line of all files, and tells whether the last file ends within one.
fn lines(path: &Path, mut with: impl FnMut(&[u8]) -> Result<(), JournalError>) -> Result<bool, JournalError> {
    let (files, _) = files::existing(path);
    if files.is_empty() {
        return Err(JournalError::Missing { path: path.to_owned() });
    }
    let (mut line, mut torn) = (Vec::new(), false);
    for file in &files {
        let io = |source| JournalError::Io { path: file.clone(), source };
        let mut input = BufReader::new(File::open(file).map_err(io)?);
        loop {
            line.clear();
            // A line without end takes no more memory than a record may.
            let read =
                (&mut input).take(MAX_RECORD_BYTES as u64 + 2).read_until(b'\n', &mut line).map_err(io)?;
            let whole = line.pop_if(|byte| *byte == b'\n').is_some();
            if read == 0 {
                break;
            }
            // Only the last file may end within a line, because only there a write may have been cut short.
            torn = !whole && read <= MAX_RECORD_BYTES && files.last() == Some(file);
            if torn {
                break;
            }
            with(&line)?;
        }
    }
    Ok(torn)
}
