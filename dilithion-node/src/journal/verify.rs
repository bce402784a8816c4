//! Tells whether lines are the journal that was written.

use thiserror::Error;

use super::chain::LineHash;
use super::record::{Record, SchemaError};

/// What a sound journal contains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records.
    pub events: u64,
    /// Runs of the node that wrote them.
    pub runs: u64,
    /// Hash of the last record.
    pub head: Option<LineHash>,
    /// The records begin in the middle of a journal whose oldest files were rotated away.
    pub continued: bool,
}

/// Why a line does not hold.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Fault {
    /// It is no record.
    #[error("{0}")]
    Schema(#[from] SchemaError),
    /// It does not end with a line feed: the last write was cut short.
    #[error("cut short")]
    Torn,
    /// It, or what stood between it and its neighbour, is not what was written.
    #[error("its hash is {actual}, and the next record says {claimed:?}")]
    Changed {
        /// Of the line as it is.
        actual: LineHash,
        /// What the next line says.
        claimed: String,
    },
    /// It does not follow the line before.
    #[error("it follows {claimed:?}, and the record before is {actual}")]
    Misplaced {
        /// Of the line before.
        actual: LineHash,
        /// What this line says.
        claimed: String,
    },
    /// The first record of a journal does not name its run.
    #[error("the first record follows {claimed:?} and not its run {run_id:?}")]
    Start {
        /// What it says.
        claimed: String,
        /// Its run.
        run_id: String,
    },
    /// The last record is not the one that was expected.
    #[error("the last record is {actual}, expected is {expected}")]
    Head {
        /// Of the last line.
        actual: LineHash,
        /// What the caller knows.
        expected: LineHash,
    },
}

/// The first line that does not hold.
#[derive(Debug, Error)]
#[error("line {line}: {fault}")]
pub struct Broken {
    /// Counted from 1, over all files that were read.
    pub line: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// A break between two lines, of which the next line tells which one was changed.
#[derive(Debug)]
struct Suspicion {
    /// The later of the two.
    line: u64,
    /// Of the earlier one.
    actual: LineHash,
    claimed: String,
}

/// Looks at the lines of a journal in order.
///
/// Between two records that do not hold together, either the first was changed or what the second says of it. The record
/// after them decides: had the second been changed, it would not hold to the third either.
#[derive(Debug, Default)]
pub struct Verifier {
    report: Report,
    run_id: String,
    suspicion: Option<Suspicion>,
    /// The file may begin in the middle of a journal.
    may_continue: bool,
}

impl Verifier {
    /// A verifier of a journal from its first record on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A verifier of a journal whose oldest files are gone, so that nothing vouches for its first record's predecessor.
    #[must_use]
    pub fn continued() -> Self {
        Self { may_continue: true, ..Self::default() }
    }

    /// Looks at the next line, without its line feed, and returns its record.
    ///
    /// # Errors
    /// [`Broken`], which may be the line before.
    pub fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<Record<'a>, Broken> {
        let line = self.report.events + 1;
        let record = Record::decode(bytes);
        if let Some(Suspicion { line: later, actual, claimed }) = self.suspicion.take() {
            let holds =
                record.as_ref().is_ok_and(|record| Some(&*record.prev_hash) == self.head_text().as_deref());
            return Err(if holds {
                Broken { line: later - 1, fault: Fault::Changed { actual, claimed } }
            } else {
                Broken { line: later, fault: Fault::Misplaced { actual, claimed } }
            });
        }
        let record = record.map_err(|fault| Broken { line, fault: fault.into() })?;
        match self.report.head {
            None => self.check_start(&record).map_err(|fault| Broken { line, fault })?,
            Some(actual) if actual.to_string() != record.prev_hash => {
                let claimed = record.prev_hash.to_string();
                self.suspicion = Some(Suspicion { line, actual, claimed });
            }
            Some(_) => {}
        }
        if self.run_id != record.run_id || self.report.runs == 0 {
            record.run_id.as_ref().clone_into(&mut self.run_id);
            self.report.runs += 1;
        }
        self.report.events = line;
        self.report.head = Some(LineHash::of(bytes));
        Ok(record)
    }

    fn check_start(&mut self, record: &Record<'_>) -> Result<(), Fault> {
        if record.prev_hash == record.run_id {
            return Ok(());
        }
        if self.may_continue && record.prev_hash.parse::<LineHash>().is_ok() {
            self.report.continued = true;
            return Ok(());
        }
        Err(Fault::Start { claimed: record.prev_hash.to_string(), run_id: record.run_id.to_string() })
    }

    fn head_text(&self) -> Option<String> {
        self.report.head.map(|head| head.to_string())
    }

    /// Ends the journal. `torn` tells that bytes without a line feed follow; `expected` is the hash of the last record, if
    /// the caller knows it.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn finish(self, torn: bool, expected: Option<LineHash>) -> Result<Report, Broken> {
        if let Some(Suspicion { line, actual, claimed }) = self.suspicion {
            // Without a further record only the caller's knowledge tells which of the two was changed; the earlier one has
            // more bytes that may have been.
            let last_is_changed = expected.is_some() && expected != self.report.head;
            return Err(if last_is_changed {
                Broken { line, fault: Fault::Misplaced { actual, claimed } }
            } else {
                Broken { line: line - 1, fault: Fault::Changed { actual, claimed } }
            });
        }
        if torn {
            return Err(Broken { line: self.report.events + 1, fault: Fault::Torn });
        }
        match (self.report.head, expected) {
            (Some(actual), Some(expected)) if actual != expected => {
                Err(Broken { line: self.report.events, fault: Fault::Head { actual, expected } })
            }
            (None, Some(expected)) => {
                Err(Broken { line: 0, fault: Fault::Head { actual: LineHash::of(b""), expected } })
            }
            _ => Ok(self.report),
        }
    }
}
