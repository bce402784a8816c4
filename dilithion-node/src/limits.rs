//! Limits that the process sets for itself, before it has a second thread; and what it can afford within them.

use std::fmt;

use dilithion_pow::PowMode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thiserror::Error;

/// The limit of open files is raised to this, if the system lets us (spec: requirements M5).
pub const DEFAULT_MAX_FDS: u64 = 4096;
/// Open files that are no connections: the store and its lock, the journal, the log, the status file and what is being
/// written beside them, pipes and output of hooks, the runtime's own, the HTTP server's
/// connections, peers that are being closed.
pub const RESERVED_FDS: u64 = 48;
/// Memory of the RandomX cache, MiB (spec: randomx).
const CACHE_MB: u64 = 256;
/// Memory of the RandomX dataset, MiB (spec: randomx).
const DATASET_MB: u64 = 2080;
/// Memory of a thread's stack and its RandomX scratchpad, MiB.
const PER_THREAD_MB: u64 = 4;
/// Memory of everything else: blocks and headers on their way, caches, queues of peers, MiB.
const BASE_MB: u64 = 384;
const BYTES_PER_MB: u64 = 1 << 20;

/// Limits to set; 0 leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory of the process, MiB. Files that are mapped, as the store is, do not count (`RLIMIT_DATA`).
    pub max_memory_mb: u64,
    /// Open files and connections. If 0, the limit is raised to [`DEFAULT_MAX_FDS`], or as far as the system lets us.
    pub max_fds: u64,
    /// Processor time, seconds; the system ends the process when it is used up.
    pub max_cpu_sec: u64,
}

/// Why a limit cannot be set or kept.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitError {
    /// The system does not allow it.
    #[error("the limit of {what} cannot be set to {asked}: {source} (the system allows {hard})")]
    Refused {
        /// What is limited, with its unit.
        what: &'static str,
        /// What was asked for.
        asked: u64,
        /// The system's limit, in the same unit.
        hard: Shown,
        /// The cause.
        source: rustix::io::Errno,
    },
    /// The node needs more memory than it may have.
    #[error("--max-memory-mb {asked} is too little: {needs}")]
    Memory {
        /// What it may have, MiB.
        asked: u64,
        /// What it needs.
        needs: MemoryNeeds,
    },
    /// No connection is left beside the files that the node needs.
    #[error(
        "{fds} open files are too few: the node needs {needed} without a single peer that connects to it"
    )]
    Files {
        /// What it may have.
        fds: u64,
        /// What it needs at least.
        needed: u64,
    },
}

/// A limit as people read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown(Option<u64>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(limit) => write!(f, "{limit}"),
            None => f.write_str("unlimited"),
        }
    }
}

/// A limit before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// What the system lets us have at most.
    pub hard: Shown,
    /// What it was.
    pub before: Shown,
    /// What it is.
    pub after: Shown,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.before == self.after {
            write!(f, "{}", self.after)
        } else {
            write!(f, "{} (was {})", self.after, self.before)
        }
    }
}

/// The limits in force. Displayed on one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Memory, MiB.
    pub memory_mb: Change,
    /// Open files.
    pub fds: Change,
    /// Processor time, seconds.
    pub cpu_sec: Change,
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory_mb, fds, cpu_sec } = self;
        write!(f, "open files {fds}, memory {memory_mb} MiB, processor time {cpu_sec} s")
    }
}

impl Limits {
    /// Sets the limits. Only what the process allows itself changes, and not what the system allows it.
    ///
    /// # Errors
    /// [`LimitError::Refused`], which names the limit.
    pub fn apply(self) -> Result<Applied, LimitError> {
        Ok(Applied {
            fds: match self.max_fds {
                0 => raise(Resource::Nofile, DEFAULT_MAX_FDS)?,
                asked => set(Resource::Nofile, asked, 1, FDS)?,
            },
            memory_mb: set(Resource::Data, self.max_memory_mb, BYTES_PER_MB, MEMORY)?,
            cpu_sec: set(Resource::Cpu, self.max_cpu_sec, 1, CPU)?,
        })
    }

    /// Checks that a node that hashes like this fits into the memory it may have.
    ///
    /// # Errors
    /// [`LimitError::Memory`].
    pub fn check_memory(self, mode: PowMode, threads: usize) -> Result<(), LimitError> {
        let needs = MemoryNeeds::of(mode, threads);
        let asked = self.max_memory_mb;
        if asked == 0 || asked >= needs.total_mb() {
            Ok(())
        } else {
            Err(LimitError::Memory { asked, needs })
        }
    }
}

const FDS: &str = "open files";
const MEMORY: &str = "memory (MiB)";
const CPU: &str = "processor time (s)";

impl Applied {
    /// How many peers may connect to us, if `outbound` connections and the node's files are to have room as well.
    ///
    /// # Errors
    /// [`LimitError::Files`] if it is none.
    pub fn inbound_budget(&self, outbound: usize) -> Result<usize, LimitError> {
        let Shown(Some(fds)) = self.fds.after else { return Ok(usize::MAX) };
        let needed = RESERVED_FDS.saturating_add(outbound as u64);
        match fds.checked_sub(needed).filter(|left| *left > 0) {
            Some(left) => Ok(usize::try_from(left).unwrap_or(usize::MAX)),
            None => Err(LimitError::Files { fds, needed: needed + 1 }),
        }
    }
}

/// What memory a node needs. Displayed as a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryNeeds {
    randomx_mb: u64,
    threads_mb: u64,
}

impl MemoryNeeds {
    /// Of a node with so many hash threads.
    #[must_use]
    pub fn of(mode: PowMode, threads: usize) -> Self {
        let randomx_mb = match mode {
            PowMode::Light => CACHE_MB,
            PowMode::Fast | PowMode::Auto => CACHE_MB + DATASET_MB,
        };
        Self { randomx_mb, threads_mb: PER_THREAD_MB.saturating_mul(threads as u64) }
    }

    /// All of it, MiB.
    #[must_use]
    pub const fn total_mb(self) -> u64 {
        self.randomx_mb.saturating_add(self.threads_mb).saturating_add(BASE_MB)
    }
}

impl fmt::Display for MemoryNeeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { randomx_mb, threads_mb } = self;
        write!(
            f,
            "RandomX {randomx_mb} + threads {threads_mb} + the rest {BASE_MB} = {} MiB",
            self.total_mb()
        )
    }
}

fn set(resource: Resource, asked: u64, unit: u64, what: &'static str) -> Result<Change, LimitError> {
    let old = getrlimit(resource);
    let in_unit = |limit: Option<u64>| Shown(limit.map(|limit| limit / unit));
    let (hard, before) = (in_unit(old.maximum), in_unit(old.current));
    if asked == 0 {
        return Ok(Change { hard, before, after: before });
    }
    let new = Rlimit { current: Some(asked.saturating_mul(unit)), maximum: old.maximum };
    setrlimit(resource, new).map_err(|source| LimitError::Refused { what, asked, hard, source })?;
    Ok(Change { hard, before, after: Shown(Some(asked)) })
}

/// Raises a limit to `wanted`, or as far as the system lets us; never lowers it.
fn raise(resource: Resource, wanted: u64) -> Result<Change, LimitError> {
    let Rlimit { current, maximum } = getrlimit(resource);
    let reachable = maximum.map_or(wanted, |hard| hard.min(wanted));
    match current {
        Some(current) if current < reachable => set(resource, reachable, 1, FDS),
        _ => set(resource, 0, 1, FDS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(fds: u64) -> Applied {
        let change = |limit| Change { hard: Shown(None), before: Shown(None), after: Shown(limit) };
        Applied { memory_mb: change(None), fds: change(Some(fds)), cpu_sec: change(None) }
    }

    /// Requirement M5: connections have what the node's own files leave.
    #[test]
    fn connections_have_what_is_left_of_the_files() {
        assert_eq!(applied(64).inbound_budget(10), Ok(6));
        assert_eq!(applied(4096).inbound_budget(10), Ok(4038));
        let error = applied(58).inbound_budget(10).unwrap_err();
        assert_eq!(error, LimitError::Files { fds: 58, needed: 59 });
    }

    /// Requirement M5: too little memory is refused with the sum.
    #[test]
    fn too_little_memory_is_refused_with_the_sum() {
        let limits = |max_memory_mb| Limits { max_memory_mb, ..Limits::default() };
        assert_eq!(limits(0).check_memory(PowMode::Fast, 8), Ok(()));
        assert_eq!(limits(648).check_memory(PowMode::Light, 2), Ok(()));
        let error = limits(647).check_memory(PowMode::Light, 2).unwrap_err().to_string();
        assert!(error.ends_with("RandomX 256 + threads 8 + the rest 384 = 648 MiB"), "{error}");
        assert!(limits(2500).check_memory(PowMode::Auto, 2).is_err());
    }

    /// Requirement M5: 0 leaves a limit, and what the system does not allow is an error that names it.
    #[test]
    fn nothing_is_silent() {
        let same = set(Resource::Core, 0, 1, "core files").unwrap();
        assert_eq!(same.before, same.after);
        // Lowered for this process, which has no use for core files; then asked for more than that.
        let old = getrlimit(Resource::Core);
        if old.maximum != Some(0) {
            setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).unwrap();
        }
        let error = set(Resource::Core, 5, 1, "core files").unwrap_err();
        assert!(
            error.to_string().contains("core files") && error.to_string().contains("allows 0"),
            "{error}"
        );
    }
}
