//! How fast this machine hashes.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use super::{DILITHION_KEY, Pages, RandomX, RandomXOptions};
use crate::thread::available_threads;
use crate::{HEADER_BYTES, Hasher, PowError, PowMode};

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThroughputOptions {
    /// How to hash. [`PowMode::Auto`] is light here, as nothing ever waits.
    pub randomx: RandomXOptions,
    /// Hashing threads, also at building the dataset; `None`: one per core.
    pub threads: Option<NonZeroUsize>,
    /// How long to hash; each thread finishes the hash it is at then.
    pub duration: Duration,
}

impl Default for ThroughputOptions {
    /// Light mode, all cores, ten seconds.
    fn default() -> Self {
        Self {
            randomx: RandomXOptions { mode: PowMode::Light, ..RandomXOptions::default() },
            threads: None,
            duration: Duration::from_secs(10),
        }
    }
}

/// Hashes per second of this machine, and what they were computed with.
///
/// ```no_run
/// use std::time::Instant;
///
/// use dilithion_pow::{Throughput, ThroughputOptions};
///
/// let start = Instant::now();
/// let measured = Throughput::measure(ThroughputOptions::default(), || start.elapsed())?;
/// println!("{measured}");
/// # Ok::<(), dilithion_pow::ThroughputError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throughput {
    /// [`PowMode::Light`] or [`PowMode::Fast`].
    pub mode: PowMode,
    /// Hashing threads.
    pub threads: usize,
    /// Pages below the cache or the dataset.
    pub pages: Pages,
    /// Time from the first hash to the end of the last.
    pub elapsed: Duration,
    /// Hashes of all threads in this time.
    pub hashes: u64,
    /// Time to build the dataset, in fast mode.
    pub dataset: Option<Duration>,
    /// Bytes of the cache or the dataset and of the threads' scratchpads.
    pub memory_bytes: usize,
}

/// Why there is nothing to measure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThroughputError {
    /// Hashing cannot start.
    #[error(transparent)]
    Pow(#[from] PowError),
    /// Fast mode was asked for and cannot be had.
    #[error("no fast mode: {0}")]
    NoDataset(String),
}

impl Throughput {
    /// Prepares RandomX with [`DILITHION_KEY`], and hashes on threads of its own until the time is over. `clock`
    /// tells the time since any start.
    ///
    /// # Errors
    /// Without memory for what was asked for.
    pub fn measure(
        options: ThroughputOptions,
        clock: impl Fn() -> Duration + Sync,
    ) -> Result<Self, ThroughputError> {
        let threads = options.threads.map_or_else(available_threads, NonZeroUsize::get);
        let randomx =
            RandomX::new(DILITHION_KEY, RandomXOptions { threads: options.threads, ..options.randomx })?;
        let begun = clock();
        let mode = randomx.wait_for_dataset();
        let dataset = (mode == PowMode::Fast).then(|| clock().saturating_sub(begun));
        let stats = randomx.stats();
        if options.randomx.mode == PowMode::Fast && mode != PowMode::Fast {
            return Err(ThroughputError::NoDataset(stats.reason.unwrap_or_default()));
        }
        let (hashes, elapsed) = run(&randomx, threads, options.duration, &clock)?;
        Ok(Self {
            mode,
            threads,
            pages: stats.pages.unwrap_or(Pages::Small),
            elapsed,
            hashes,
            dataset,
            memory_bytes: randomx.memory_bytes(threads),
        })
    }

    /// Hashes in a second, all threads together.
    #[must_use]
    pub fn hashes_per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { float(self.hashes) / seconds } else { 0.0 }
    }

    /// Nanoseconds from hash to hash, all threads together: `1e9 / hashes_per_second`.
    #[must_use]
    pub fn ns_per_hash(&self) -> f64 {
        self.elapsed.as_secs_f64() * 1e9 / float(self.hashes.max(1))
    }

    /// As a JSON object on one line: `mode`, `threads`, `pages`, `seconds`, `hashes`, `hashes_per_second`,
    /// `ns_per_hash`, `dataset_seconds` (null in light mode), `memory_bytes`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let Self { mode, threads, hashes, memory_bytes, .. } = self;
        let pages = match self.pages {
            Pages::Reserved => "reserved",
            Pages::Transparent => "transparent",
            Pages::Small => "small",
        };
        let seconds = self.elapsed.as_secs_f64();
        let dataset = self.dataset.map_or("null".to_owned(), |time| format!("{:.3}", time.as_secs_f64()));
        format!(
            "{{\"mode\":\"{mode}\",\"threads\":{threads},\"pages\":\"{pages}\",\"seconds\":{seconds:.3},\
             \"hashes\":{hashes},\"hashes_per_second\":{:.3},\"ns_per_hash\":{:.0},\
             \"dataset_seconds\":{dataset},\"memory_bytes\":{memory_bytes}}}",
            self.hashes_per_second(),
            self.ns_per_hash(),
        )
    }
}

impl fmt::Display for Throughput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, threads, pages, hashes, .. } = self;
        let rate = self.hashes_per_second();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let of_each = rate / (*threads).max(1) as f64;
        writeln!(f, "{mode} mode, threads: {threads}, {pages}, {} MiB", self.memory_bytes >> 20)?;
        if let Some(dataset) = self.dataset {
            writeln!(f, "dataset built in {:.1} s", dataset.as_secs_f64())?;
        }
        writeln!(f, "{hashes} hashes in {:.1} s", self.elapsed.as_secs_f64())?;
        write!(f, "{rate:.1} hashes/s, {of_each:.1} on each thread, {:.0} ns per hash", self.ns_per_hash())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
const fn float(hashes: u64) -> f64 {
    hashes as f64
}

/// Hashes on some threads until the time is over: the number, and the time it took.
fn run(
    randomx: &RandomX,
    threads: usize,
    duration: Duration,
    clock: &(impl Fn() -> Duration + Sync),
) -> Result<(u64, Duration), PowError> {
    let ready = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let work = |thread: usize| {
            let mut header = [0; HEADER_BYTES];
            header[..8].copy_from_slice(&thread.to_le_bytes());
            // The first hash touches the scratchpad.
            let worker = randomx.worker().map(|mut worker| {
                worker.hash(&header);
                worker
            });
            ready.wait();
            let mut worker = worker?;
            let end = clock() + duration;
            let mut hashes = 0_u64;
            while hashes == 0 || clock() < end {
                hashes += 1;
                header[72..].copy_from_slice(&hashes.to_le_bytes());
                worker.hash(&header);
            }
            Ok(hashes)
        };
        let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        ready.wait();
        let start = clock();
        let mut hashes = 0;
        for worker in workers {
            hashes += worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok((hashes, clock().saturating_sub(start)))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn hashes_until_the_clock_says_so() {
        let ticks = AtomicU64::new(0);
        let clock = || Duration::from_secs(ticks.fetch_add(1, Ordering::Relaxed));
        let options = ThroughputOptions {
            threads: Some(NonZeroUsize::MIN),
            duration: Duration::from_secs(4),
            ..ThroughputOptions::default()
        };
        let measured = Throughput::measure(options, clock).unwrap();
        // One look at the clock per hash; the start may be looked at by either thread first.
        assert!((3..=4).contains(&measured.hashes), "{measured:?}");
        assert_eq!((measured.mode, measured.threads, measured.dataset), (PowMode::Light, 1, None));
        assert_eq!(measured.memory_bytes, (256 + 2) << 20);
    }

    #[test]
    fn figures_agree_in_text_and_json() {
        let measured = Throughput {
            mode: PowMode::Fast,
            threads: 2,
            pages: Pages::Transparent,
            elapsed: Duration::from_secs(4),
            hashes: 1000,
            dataset: Some(Duration::from_millis(21_500)),
            memory_bytes: 2084 << 20,
        };
        assert_eq!(
            measured.to_json(),
            r#"{"mode":"fast","threads":2,"pages":"transparent","seconds":4.000,"hashes":1000,"#.to_owned()
                + r#""hashes_per_second":250.000,"ns_per_hash":4000000,"dataset_seconds":21.500,"#
                + r#""memory_bytes":2185232384}"#
        );
        assert_eq!(
            measured.to_string(),
            "fast mode, threads: 2, transparent huge pages, 2084 MiB\n\
             dataset built in 21.5 s\n\
             1000 hashes in 4.0 s\n\
             250.0 hashes/s, 125.0 on each thread, 4000000 ns per hash"
        );
        let light = Throughput { mode: PowMode::Light, dataset: None, ..measured };
        assert!(light.to_json().contains(r#""dataset_seconds":null,"#));
    }
}
