//! The journal: what the node did, in a file of which no record can be changed unseen.
//!
//! One JSON object a line, with thirteen fields in a fixed order (spec: operations §1.2). The last is the SHA-256 of the
//! line before, line feed included, so that each record vouches for all before it; the first record of a journal names its
//! run there. A restart goes on where the last run ended, and so does the file after a rotation.
//!
//! | part | what | IO |
//! |---|---|---|
//! | [`Entry`], [`Record`] | a record and its one encoding; strict about what it reads | none |
//! | [`Chain`] | turns entries into lines that hold together | none |
//! | [`Verifier`] | finds the line that was changed, left out or put in | none |
//! | [`Replay`] | what the records add up to | none |
//! | [`Journal`] | the file: recovery after a crash, rotation, a thread that waits for the disk | all |
//! | [`verify()`], [`replay()`], [`tail()`] | read a journal, rotated files first | reads |
//!
//! The chain alone cannot show that its end was cut off, or that all of it was written anew. That takes an anchor outside:
//! the hash of the last record, which the node shows in `state.json` and over HTTP. Whoever keeps one can ask
//! [`verify()`] for it.

mod chain;
mod files;
mod read;
mod record;
mod replay;
mod sync;
mod verify;
mod writer;

pub use self::chain::{Chain, LineHash, ParseLineHashError};
pub use self::files::{JOURNAL_FILE, KEPT_FILES, MAX_FILE_BYTES};
pub use self::read::{JournalError, replay, tail, verify};
pub use self::record::{Counters, Entry, Level, MAX_RECORD_BYTES, Record, SchemaError, VERSION};
pub use self::replay::Replay;
pub use self::verify::{Broken, Fault, Report, Verifier};
pub use self::writer::{Journal, JournalOptions, Page};

#[cfg(test)]
mod tests;
