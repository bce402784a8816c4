//! `bench ibd`: a full sync between two processes on loopback, measured from outside.

mod child;
mod report;

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use dilithion_chain::{ChainReader, Tip};
use dilithion_pow::{PowMode, Throughput, ThroughputOptions};
use dilithion_wire::{ChainParams, Height};
use tokio_util::sync::CancellationToken;

use self::child::NodeProcess;
use self::report::{Report, Run};
use super::term::{complain, say};
use crate::clock::{Clock, SystemClock};
use crate::node::NodeConfig;
use crate::probe::{Latency, measure_ping};

/// The syncing node is asked how far it is whenever this part of the time so far has passed again: the error of the time that
/// is measured, while the questions themselves take next to nothing.
const LOOK_FRACTION: u32 = 200;
/// But not sooner than this.
const MIN_LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// How often a third connection pings the syncing node.
const PING_INTERVAL: Duration = Duration::from_millis(10);
/// How long the hash rate is measured before and after each sync: the mean is the limit that the sync is held against.
const RATE_TIME: Duration = Duration::from_secs(5);
/// A sync that takes longer than this has stopped.
const SYNC_TIMEOUT: Duration = Duration::from_secs(3600);
/// Heights 0…500 of a recorded private chain, if no other is given.
const RECORDED_CHAIN: &[u8] = include_bytes!("../../../assets/recorded-500.dat");
/// Its parameters.
const RECORDED_PARAMS: &str = include_str!("../../../assets/private.toml");

/// What is proved in a sync, and with how much memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IbdMode {
    /// The tip is a checkpoint: the way of blocks is measured, without proof of work
    Checkpointed,
    /// Every header is proved with the 256 MiB cache
    Light,
    /// Every header is proved with the 2 GiB dataset, which is built before the sync
    Fast,
}

impl IbdMode {
    fn pow(self) -> PowMode {
        match self {
            Self::Checkpointed | Self::Light => PowMode::Light,
            Self::Fast => PowMode::Fast,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Checkpointed => "checkpointed",
            Self::Light => "light",
            Self::Fast => "fast",
        }
    }
}

/// Options of `bench ibd`.
#[derive(Args, Debug)]
pub struct IbdArgs {
    /// Block records, as `export` writes them [default: 500 recorded blocks]
    #[arg(requires = "chain")]
    pub file: Option<PathBuf>,
    /// The chain file (TOML) with their network's parameters
    #[arg(long, value_name = "FILE", requires = "file")]
    pub chain: Option<PathBuf>,
    /// What to prove; may be repeated
    #[arg(long, value_enum, default_values = ["checkpointed", "light"])]
    pub mode: Vec<IbdMode>,
    /// Syncs in each mode, of which the medians are shown
    #[arg(long, value_name = "N", default_value = "5")]
    pub runs: NonZeroUsize,
    /// Nodes to sync from: the network allows each to be asked for 320 blocks a second
    #[arg(long, value_name = "N", default_value = "1")]
    pub sources: NonZeroUsize,
    /// Hash threads of the syncing node [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Print a JSON object on one line
    #[arg(long)]
    pub json: bool,
    /// Write that object to a file, too
    #[arg(long, value_name = "FILE")]
    pub json_file: Option<PathBuf>,
}

pub(super) fn bench_ibd(args: &IbdArgs) -> anyhow::Result<()> {
    let bench = Bench::prepare(args)?;
    let mut report = Report::new(&bench.tip, bench.sources.len());
    for mode in &args.mode {
        for run in 1..=args.runs.get() {
            let figures = bench.sync(*mode).with_context(|| format!("{} mode, run {run}", mode.name()))?;
            if !args.json {
                complain(&format!("{} {run}/{}: {figures}", mode.name(), args.runs));
            }
            report.add(*mode, figures);
        }
    }
    if let Some(file) = &args.json_file {
        fs::write(file, report.to_json() + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    say(&if args.json { report.to_json() } else { report.to_string() });
    Ok(())
}

/// Sources that have the whole chain, and what it takes to start nodes that do not.
struct Bench {
    folder: tempfile::TempDir,
    params: ChainParams,
    tip: Tip,
    threads: Option<NonZeroUsize>,
    sources: Vec<NodeProcess>,
    clock: SystemClock,
}

impl Bench {
    fn prepare(args: &IbdArgs) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let text = match &args.chain {
            Some(file) => {
                fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
            }
            None => RECORDED_PARAMS.to_owned(),
        };
        let params = ChainParams::from_toml(&text)?;
        fs::write(chain_file(folder.path(), false), &text)?;
        let file = match &args.file {
            Some(file) => file.clone(),
            None => {
                let file = folder.path().join("recorded.dat");
                fs::write(&file, RECORDED_CHAIN)?;
                file
            }
        };
        let first = NodeConfig::new(params.clone().into(), folder.path().join("source 1"));
        import(&file, &chain_file(folder.path(), false), &first.datadir)?;
        let tip = ChainReader::open(&first.chainstate_dir())?.tip()?;
        let checkpoint = format!("\n[[checkpoints]]\nheight = {}\nhash = \"{}\"\n", tip.height, tip.hash);
        fs::write(chain_file(folder.path(), true), text + &checkpoint)?;
        let datadirs = (1..=args.sources.get()).map(|number| folder.path().join(format!("source {number}")));
        let datadirs: Vec<_> = datadirs.collect();
        for datadir in datadirs.iter().skip(1) {
            copy_files(
                &first.chainstate_dir(),
                &NodeConfig::new(first.params.clone(), datadir).chainstate_dir(),
            )?;
        }
        let start = |datadir: &PathBuf| {
            NodeProcess::start(&chain_file(folder.path(), false), datadir, PowMode::Light, None)
        };
        let sources = datadirs.iter().map(start).collect::<anyhow::Result<_>>()?;
        Ok(Self { folder, params, tip, threads: args.threads, sources, clock: SystemClock::new() })
    }

    /// Syncs a fresh node from the sources.
    fn sync(&self, mode: IbdMode) -> anyhow::Result<Run> {
        let chain = chain_file(self.folder.path(), mode == IbdMode::Checkpointed);
        let datadir = self.folder.path().join("syncing");
        let rate_before = self.hash_rate(mode)?;
        let node = NodeProcess::start(&chain, &datadir, mode.pow(), self.threads)?;
        while mode == IbdMode::Fast && !node.figures()?.fast {
            std::thread::sleep(PING_INTERVAL);
        }
        let before = (node.figures()?, node.usage()?);
        let pings = self.ping(&node)?;
        let began = self.clock.now().mono;
        for source in &self.sources {
            node.add_peer(source.address)?;
        }
        self.wait_for_tip(&node, began)?;
        let wall = self.clock.now().mono - began;
        let usage = node.usage()?;
        let after = node.figures()?;
        let latency = pings.finish()?;
        node.stop()?;
        fs::remove_dir_all(&datadir)?;
        let hashes = after.hashes - before.0.hashes;
        let rate_after = self.hash_rate(mode)?;
        Ok(Run {
            wall,
            cpu: usage.cpu.saturating_sub(before.1.cpu),
            peak_rss: usage.peak_rss,
            blocks: self.tip.height.0,
            hashes,
            hash_rate: rate_before.zip(rate_after).map(|(before, after)| f64::midpoint(before, after)),
            latency,
            duplicates: after.delivered + after.redundant - u64::from(self.tip.height.0),
        })
    }

    /// Hashes per second while nothing else goes on; none where next to nothing is hashed.
    fn hash_rate(&self, mode: IbdMode) -> anyhow::Result<Option<f64>> {
        if mode == IbdMode::Checkpointed {
            return Ok(None);
        }
        let mut options =
            ThroughputOptions { threads: self.threads, duration: RATE_TIME, ..ThroughputOptions::default() };
        options.randomx.mode = mode.pow();
        let measured = Throughput::measure(options, || self.clock.now().mono).context("cannot hash")?;
        Ok(Some(measured.hashes_per_second()))
    }

    fn wait_for_tip(&self, node: &NodeProcess, began: Duration) -> anyhow::Result<()> {
        loop {
            let height = Height(node.height()?);
            if height >= self.tip.height {
                return Ok(());
            }
            let elapsed = self.clock.now().mono - began;
            if elapsed > SYNC_TIMEOUT {
                bail!("the sync stands at height {height}");
            }
            std::thread::sleep((elapsed / LOOK_FRACTION).max(MIN_LOOK_INTERVAL));
        }
    }

    fn ping(&self, node: &NodeProcess) -> anyhow::Result<Pings> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let done = CancellationToken::new();
        let (params, address, stop) = (self.params.clone(), node.address, done.clone());
        let measured =
            runtime.spawn(async move { measure_ping(&params, address, PING_INTERVAL, stop).await });
        Ok(Pings { runtime, done, measured })
    }
}

/// A connection that pings the syncing node.
struct Pings {
    runtime: tokio::runtime::Runtime,
    done: CancellationToken,
    measured: tokio::task::JoinHandle<Result<Latency, crate::probe::ProbeError>>,
}

impl Pings {
    fn finish(self) -> anyhow::Result<Latency> {
        self.done.cancel();
        Ok(self.runtime.block_on(self.measured)??)
    }
}

fn chain_file(folder: &Path, checkpointed: bool) -> PathBuf {
    folder.join(if checkpointed { "checkpointed.toml" } else { "chain.toml" })
}

fn copy_files(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn import(file: &Path, chain: &Path, datadir: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("import").arg(file).arg("--chain").arg(chain).arg("--datadir").arg(datadir);
    let output = command.output()?;
    if !output.status.success() {
        bail!("the import failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
