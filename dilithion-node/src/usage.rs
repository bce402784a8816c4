//! What the machine and this process use, from `/proc`.
//!
//! A sample is taken before and after a stage that takes time, never on a hot path: it costs about 0.1 ms. Two samples
//! make the `usage_delta` of a journal record. Where there is no `/proc`, keys are absent.

use std::borrow::Cow;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::journal::Counters;

/// Where Linux shows what it knows.
const PROC: &str = "/proc";
/// Fields of a processor line in `/proc/stat` that are time; guest time is contained in user time (proc(5)).
const CPU_FIELDS: usize = 8;
/// Of these, idle and waiting for a disk.
const IDLE_FIELDS: [usize; 2] = [3, 4];
/// `utime` and `stime` in `/proc/self/stat`, counted from the field after the program's name (proc(5)).
const SELF_TIME_FIELDS: [usize; 2] = [11, 12];
/// Kilobytes of a megabyte, as `/proc/meminfo` counts.
const KB_PER_MB: u64 = 1024;

/// What was used at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When, in monotonic time.
    pub at: Duration,
    /// What all processors have done.
    pub cpu: Option<CpuTicks>,
    /// Memory that programs can still have, MiB.
    pub mem_available_mb: Option<u64>,
    /// Processor time of this process, milliseconds.
    pub self_cpu_ms: Option<u64>,
}

/// Time of all processors since the machine started, in the kernel's ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTicks {
    /// Spent at work.
    pub busy: u64,
    /// All of it.
    pub total: u64,
}

/// Takes samples.
#[derive(Clone, Debug)]
pub struct Sampler {
    root: PathBuf,
}

impl Default for Sampler {
    fn default() -> Self {
        Self { root: PROC.into() }
    }
}

impl Sampler {
    /// A sampler that reads another folder than `/proc`.
    #[must_use]
    pub fn with_root(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// What is used now; `at` is the present moment in monotonic time.
    #[must_use]
    pub fn sample(&self, at: Duration) -> Sample {
        let read = |name| fs::read_to_string(self.root.join(name)).ok();
        let memory = read("meminfo").unwrap_or_default();
        Sample {
            at,
            cpu: read("stat").and_then(|stat| parse_cpu(&stat)),
            mem_available_mb: parse_memory(&memory, "MemAvailable:"),
            self_cpu_ms: read("self/stat").and_then(|stat| parse_self_time(&stat)),
        }
    }
}

fn parse_cpu(stat: &str) -> Option<CpuTicks> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Option<Vec<u64>> =
        line.split_ascii_whitespace().take(CPU_FIELDS).map(|field| field.parse().ok()).collect();
    let fields = fields?;
    let total: u64 = fields.iter().sum();
    let idle: u64 = IDLE_FIELDS.iter().filter_map(|field| fields.get(*field)).sum();
    Some(CpuTicks { busy: total - idle, total })
}

fn parse_memory(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    let kb: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kb / KB_PER_MB)
}

fn parse_self_time(stat: &str) -> Option<u64> {
    // The program's name may contain anything, but nothing after its closing parenthesis does.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    let ticks: Option<u64> =
        SELF_TIME_FIELDS.iter().map(|field| fields.get(*field)?.parse::<u64>().ok()).sum();
    Some(ticks? * 1000 / rustix::param::clock_ticks_per_second().max(1))
}

/// What was used between two samples, as the `usage_delta` of a journal record:
///
/// | key | what |
/// |---|---|
/// | `cpu_pct` | how busy the machine was, of all its processors; 0 if it was too short to tell |
/// | `memory_mb_delta` | by how many MiB the memory that programs can still have went down; negative if up |
/// | `self_cpu_ms` | processor time of this process |
/// | `wall_ms` | time that passed |
#[must_use]
pub fn delta(before: &Sample, after: &Sample) -> Counters {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let mut usage = Counters::new();
    if let (Some(before), Some(after)) = (before.cpu, after.cpu) {
        usage.insert(Cow::Borrowed("cpu_pct"), number(busy_percent(before, after)));
    }
    if let (Some(before), Some(after)) = (before.mem_available_mb, after.mem_available_mb) {
        usage.insert(Cow::Borrowed("memory_mb_delta"), number(before) - number(after));
    }
    if let (Some(before), Some(after)) = (before.self_cpu_ms, after.self_cpu_ms) {
        usage.insert(Cow::Borrowed("self_cpu_ms"), number(after.saturating_sub(before)));
    }
    let wall = after.at.saturating_sub(before.at).as_millis();
    usage.insert(Cow::Borrowed("wall_ms"), i64::try_from(wall).unwrap_or(i64::MAX));
    usage
}

/// How busy all processors were between two samples, 0 to 100.
#[must_use]
pub fn busy_percent(before: CpuTicks, after: CpuTicks) -> u64 {
    let total = after.total.saturating_sub(before.total);
    let busy = after.busy.saturating_sub(before.busy).min(total);
    (busy * 100).checked_div(total).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    const STAT: &str = "cpu  100 10 50 800 20 5 15 0 30 0\ncpu0 1 2 3 4 5 6 7\n";

    /// Requirements 002-038, M8.
    #[test]
    fn the_kernels_texts_are_read() {
        assert_eq!(parse_cpu(STAT), Some(CpuTicks { busy: 180, total: 1000 }));
        let memory = "MemTotal:       24576000 kB\nMemFree: 1 kB\nMemAvailable:   20480000 kB\n";
        assert_eq!(parse_memory(memory, "MemAvailable:"), Some(20_000));
        let stat = "7 (a) b) R 1 2 3 4 5 6 7 8 9 10 30 12 13 14";
        assert_eq!(parse_self_time(stat), Some(42_000 / rustix::param::clock_ticks_per_second()));
        for garbage in ["", "cpu", "cpu x", "MemAvailable:", "7 (a"] {
            assert_eq!(parse_cpu(garbage), None);
            assert_eq!(parse_memory(garbage, "MemAvailable:"), None);
            assert_eq!(parse_self_time(garbage), None);
        }
    }

    /// Requirements 002-039, 002-040, M8: both keys, the percentage within bounds.
    #[test]
    fn two_samples_make_the_keys_of_a_record() {
        let before = Sample {
            cpu: Some(CpuTicks { busy: 100, total: 1000 }),
            mem_available_mb: Some(500),
            self_cpu_ms: Some(10),
            ..Sample::default()
        };
        let after = Sample {
            at: Duration::from_millis(1500),
            cpu: Some(CpuTicks { busy: 150, total: 1200 }),
            mem_available_mb: Some(480),
            self_cpu_ms: Some(35),
        };
        let usage = delta(&before, &after);
        let of = |key: &str| usage[key];
        assert_eq!(
            (of("cpu_pct"), of("memory_mb_delta"), of("self_cpu_ms"), of("wall_ms")),
            (25, 20, 25, 1500)
        );
        assert_eq!(delta(&after, &before)["cpu_pct"], 0, "counters that go back, as of a machine that slept");
        assert_eq!(delta(&before, &before)["cpu_pct"], 0);
    }

    /// Requirement M8: a thread at work shows in this process's time, and the machine is no busier than busy.
    #[test]
    fn work_shows() {
        let (sampler, clock) = (Sampler::default(), SystemClock::new());
        let before = sampler.sample(clock.now().mono);
        let worked = loop {
            let sample = sampler.sample(clock.now().mono);
            if sample.self_cpu_ms > before.self_cpu_ms.map(|ms| ms + 100) {
                break sample;
            }
        };
        let usage = delta(&before, &worked);
        // One thread is less than a hundredth of a big machine.
        assert!((0..=100).contains(&usage["cpu_pct"]), "{usage:?}");
        assert!(usage["self_cpu_ms"] > 100);
    }

    /// Requirement M8: without `/proc` there are fewer keys, and no failure.
    #[test]
    fn without_proc_keys_are_absent() {
        let folder = tempfile::tempdir().unwrap();
        let sample = Sampler::with_root(folder.path()).sample(Duration::ZERO);
        assert_eq!(sample, Sample::default());
        let keys: Vec<_> = delta(&sample, &sample).into_keys().collect();
        assert_eq!(keys, ["wall_ms"]);
    }
}
