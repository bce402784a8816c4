//! What the syncs of a benchmark took, and their medians.

use std::fmt;
use std::fs;
use std::time::Duration;

use dilithion_chain::Tip;
use serde_json::{Value, json};

use super::IbdMode;
use crate::probe::Latency;

/// One sync.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// From the order to connect to the last block.
    pub(super) wall: Duration,
    /// Processor time of the syncing node in this time.
    pub(super) cpu: Duration,
    /// Bytes, since the node started.
    pub(super) peak_rss: u64,
    pub(super) blocks: u32,
    pub(super) hashes: u64,
    /// Hashes per second of the same machine with nothing else to do, just before and after; without proof of work, none.
    pub(super) hash_rate: Option<f64>,
    /// Round trips of pings on another connection during the sync.
    pub(super) latency: Latency,
    /// Blocks that came more than once.
    pub(super) duplicates: u64,
}

impl Run {
    fn blocks_per_second(&self) -> f64 {
        f64::from(self.blocks) / self.wall.as_secs_f64()
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn hashes_per_second(&self) -> f64 {
        self.hashes as f64 / self.wall.as_secs_f64()
    }

    /// The time that the hashes alone would take, as a share of the time that the sync took.
    fn utilisation(&self) -> Option<f64> {
        self.hash_rate.map(|rate| self.hashes_per_second() / rate)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wall = self.wall.as_secs_f64();
        write!(
            f,
            "{wall:.2} s, {:.0} blocks/s, {:.0} hashes/s",
            self.blocks_per_second(),
            self.hashes_per_second()
        )?;
        if let Some(utilisation) = self.utilisation() {
            write!(f, " ({:.0} % of the limit)", utilisation * 100.0)?;
        }
        write!(f, ", {}", self.latency)
    }
}

/// All syncs, by mode, in the order in which they ran.
pub(super) struct Report {
    tip: Tip,
    sources: usize,
    modes: Vec<(IbdMode, Vec<Run>)>,
}

/// A figure of the report: its name in JSON, what people read, its unit.
struct Figure {
    key: &'static str,
    name: &'static str,
    unit: &'static str,
    decimals: usize,
    of: fn(&Run) -> Option<f64>,
}

const MIB: f64 = 1_048_576.0;

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
const FIGURES: [Figure; 10] = [
    Figure {
        key: "wall_seconds",
        name: "wall",
        unit: "s",
        decimals: 3,
        of: |run| Some(run.wall.as_secs_f64()),
    },
    Figure {
        key: "cpu_seconds",
        name: "processor",
        unit: "s",
        decimals: 2,
        of: |run| Some(run.cpu.as_secs_f64()),
    },
    Figure {
        key: "peak_rss_mib",
        name: "peak memory",
        unit: "MiB",
        decimals: 0,
        of: |run| Some(run.peak_rss as f64 / MIB),
    },
    Figure {
        key: "blocks_per_second",
        name: "blocks",
        unit: "/s",
        decimals: 0,
        of: |run| Some(run.blocks_per_second()),
    },
    Figure {
        key: "hashes_per_second",
        name: "hashes",
        unit: "/s",
        decimals: 1,
        of: |run| Some(run.hashes_per_second()),
    },
    Figure {
        key: "utilisation",
        name: "hash-limited time / wall",
        unit: "",
        decimals: 3,
        of: Run::utilisation,
    },
    Figure {
        key: "ping_p50_ms",
        name: "ping p50",
        unit: "ms",
        decimals: 2,
        of: |run| Some(millis(run.latency.p50)),
    },
    Figure {
        key: "ping_p99_ms",
        name: "ping p99",
        unit: "ms",
        decimals: 2,
        of: |run| Some(millis(run.latency.p99)),
    },
    Figure {
        key: "ping_max_ms",
        name: "ping max",
        unit: "ms",
        decimals: 2,
        of: |run| Some(millis(run.latency.max)),
    },
    Figure {
        key: "duplicates",
        name: "duplicate downloads",
        unit: "",
        decimals: 0,
        of: |run| Some(run.duplicates as f64),
    },
];

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The median of what runs say of a figure; none if they say nothing.
fn median(runs: &[Run], of: fn(&Run) -> Option<f64>) -> Option<f64> {
    let mut values: Vec<f64> = runs.iter().filter_map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// What the machine calls its processor; empty if it does not say.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    name.trim_start_matches(['\t', ' ', ':']).to_owned()
}

impl Report {
    pub(super) fn new(tip: &Tip, sources: usize) -> Self {
        Self { tip: *tip, sources, modes: Vec::new() }
    }

    pub(super) fn add(&mut self, mode: IbdMode, run: Run) {
        match self.modes.iter_mut().find(|(known, _)| *known == mode) {
            Some((_, runs)) => runs.push(run),
            None => self.modes.push((mode, vec![run])),
        }
    }

    pub(super) fn to_json(&self) -> String {
        let medians = |runs: &[Run]| {
            FIGURES.iter().map(|figure| (figure.key.to_owned(), json!(median(runs, figure.of)))).collect()
        };
        let modes: serde_json::Map<String, Value> = self
            .modes
            .iter()
            .map(|(mode, runs)| {
                (
                    mode.name().to_owned(),
                    json!({ "runs": runs.len(), "medians": Value::Object(medians(runs)) }),
                )
            })
            .collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "processor": processor(),
            "threads": std::thread::available_parallelism().map_or(1, usize::from),
            "height": self.tip.height.0,
            "tip": self.tip.hash.to_string(),
            "sources": self.sources,
            "modes": modes,
        })
        .to_string()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} blocks from {}; medians\n{:>26}", self.tip.height, self.sources, "")?;
        for (mode, runs) in &self.modes {
            write!(f, "{:>20}", format!("{} ({})", mode.name(), runs.len()))?;
        }
        for figure in &FIGURES {
            write!(f, "\n{:>26}", figure.name)?;
            for (_, runs) in &self.modes {
                let value = median(runs, figure.of)
                    .map_or("-".to_owned(), |value| format!("{value:.*} {}", figure.decimals, figure.unit));
                write!(f, "{:>20}", value.trim_end())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use dilithion_pow::Work;
    use dilithion_wire::{BlockHash, Height};

    use super::*;

    fn run(seconds: u64) -> Run {
        Run {
            wall: Duration::from_secs(seconds),
            cpu: Duration::from_secs(1),
            peak_rss: 300 << 20,
            blocks: 100,
            hashes: 100,
            hash_rate: Some(50.0),
            latency: Latency::default(),
            duplicates: 0,
        }
    }

    #[test]
    fn medians_are_of_each_figure_and_mode_by_itself() {
        let tip = Tip { height: Height(100), hash: BlockHash::default(), work: Work::default() };
        let mut report = Report::new(&tip, 2);
        for seconds in [2, 10, 4] {
            report.add(IbdMode::Light, run(seconds));
        }
        report.add(IbdMode::Checkpointed, Run { hash_rate: None, hashes: 0, ..run(1) });
        let json: Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(json["modes"]["light"]["medians"]["wall_seconds"], 4.0);
        assert_eq!(json["modes"]["light"]["medians"]["utilisation"], 0.5);
        assert_eq!(json["sources"], 2);
        assert_eq!(json["modes"]["checkpointed"]["medians"]["utilisation"], Value::Null);
        let text = report.to_string();
        assert!(text.contains("light (3)") && text.contains("4.000 s"), "{text}");
    }
}
