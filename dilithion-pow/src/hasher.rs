//! The proof-of-work function as the pool sees it.

mod mock;

use std::fmt;
use std::time::Duration;

pub use mock::MockHasher;

use crate::{Pages, PowError, PowMode};

/// Bytes of a block header, the input of the proof of work.
pub const HEADER_BYTES: usize = 80;

/// A proof-of-work hash in memory order; as a number it is little-endian.
pub type PowHash = [u8; 32];

/// A proof-of-work function, shared by all threads of a pool.
pub trait Hasher: Send + Sync + 'static {
    /// Makes the part that one thread needs for itself. Called on that thread; the worker never leaves it.
    /// One that panicked is thrown away and made anew.
    ///
    /// # Errors
    /// When the machine lacks what the worker needs.
    fn worker(&self) -> Result<Box<dyn HashWorker>, PowError>;

    /// Hears from time to time how many hashes wait, so that it may prepare for them. Must return at once.
    fn on_backlog(&self, queued: usize) {
        let _ = queued;
    }

    /// Hears from time to time what time it is (monotonic, since any start), so that it may give back what it
    /// has not needed for long. Must return at once.
    fn tick(&self, now: Duration) {
        let _ = now;
    }

    /// What to show about the function itself.
    fn stats(&self) -> HasherStats {
        HasherStats::default()
    }
}

/// One thread's part of a [`Hasher`].
pub trait HashWorker {
    /// The hash of any input.
    fn hash(&mut self, input: &[u8]) -> PowHash;
}

/// How a [`Hasher`] works at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct HasherStats {
    /// The mode asked for, where the function has modes.
    pub wanted: Option<PowMode>,
    /// The mode at work: [`PowMode::Light`] or [`PowMode::Fast`].
    pub active: Option<PowMode>,
    /// Pages below the memory that hashing reads now.
    pub pages: Option<Pages>,
    /// The dataset under construction: per cent done.
    pub dataset_percent: Option<u8>,
    /// Why it works like this, where that needs a word: the backlog, rate and memory that made it turn fast, the
    /// rest that made it light again, or what is missing.
    pub reason: Option<String>,
}

impl fmt::Display for HasherStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(wanted), Some(active)) = (self.wanted, self.active) else {
            return f.write_str("one mode");
        };
        write!(f, "{active} mode")?;
        if wanted != active {
            write!(f, " ({wanted} wanted)")?;
        }
        if let Some(pages) = self.pages {
            write!(f, ", {pages}")?;
        }
        if let Some(percent) = self.dataset_percent {
            write!(f, ", dataset {percent} % built")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, ", {reason}")?;
        }
        Ok(())
    }
}
