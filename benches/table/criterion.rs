//! What criterion has left in its folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;

/// How long all benchmarks may take: what is older than the newest figure by more is of another run.
const RUN: Duration = Duration::from_secs(12 * 3600);

/// A benchmark's result.
pub(crate) struct Figure {
    /// As given on the command line to run it alone.
    pub(crate) name: String,
    /// Nanoseconds of one iteration: the mean.
    pub(crate) nanos: f64,
    /// What one iteration works through, if that was said.
    pub(crate) work: Option<Work>,
    written: SystemTime,
}

/// What an iteration works through.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) enum Work {
    /// Bytes, however they are shown.
    #[serde(alias = "BytesDecimal")]
    Bytes(u64),
    /// Things: messages, blocks, hashes.
    Elements(u64),
}

impl Work {
    fn amount(self) -> u64 {
        match self {
            Self::Bytes(amount) | Self::Elements(amount) => amount,
        }
    }
}

impl Figure {
    /// As people want it: a rate where there is one, else a time; and its unit.
    pub(crate) fn shown(&self) -> (f64, &'static str) {
        match self.work {
            Some(Work::Bytes(_)) => (1e9 / self.nanos_each(), "B/s"),
            Some(Work::Elements(_)) => (1e9 / self.nanos_each(), "/s"),
            None => (self.nanos, "ns"),
        }
    }

    /// Nanoseconds for one byte or thing; of the whole iteration, if it is not said what it works through.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(crate) fn nanos_each(&self) -> f64 {
        self.nanos / self.work.map_or(1, Work::amount).max(1) as f64
    }
}

#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
    throughput: Option<Work>,
}

#[derive(Deserialize)]
struct Estimates {
    mean: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// All figures of the last run, by name.
pub(crate) fn figures(folder: &Path) -> Vec<Figure> {
    let mut found = Vec::new();
    collect(folder, &mut found);
    let newest = found.iter().map(|figure| figure.written).max();
    found.retain(|figure| newest.is_none_or(|newest| figure.written + RUN >= newest));
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn collect(folder: &Path, found: &mut Vec<Figure>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        if path.file_name().is_some_and(|name| name == "new") {
            found.extend(read(&path));
        } else {
            collect(&path, found);
        }
    }
}

fn read(folder: &Path) -> Option<Figure> {
    let text = |name: &str| -> Option<(PathBuf, String)> {
        let path = folder.join(name);
        let text = fs::read_to_string(&path).ok()?;
        Some((path, text))
    };
    let (_, benchmark) = text("benchmark.json")?;
    let (path, estimates) = text("estimates.json")?;
    let benchmark: Benchmark = serde_json::from_str(&benchmark).ok()?;
    let estimates: Estimates = serde_json::from_str(&estimates).ok()?;
    let written = path.metadata().and_then(|metadata| metadata.modified()).ok()?;
    let Benchmark { full_id, throughput } = benchmark;
    Some(Figure { name: full_id, nanos: estimates.mean.point_estimate, work: throughput, written })
}
