//! `demo`: the demo with bars on a terminal, with plain lines otherwise.

use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::term::say;
use crate::demo::{DemoProgress, DemoReport, run};

/// Without a terminal, a line is printed each time this part of the chain has been connected.
const LINES: u64 = 10;
/// The names of the syncing nodes.
const NODES: [&str; 2] = ["B", "C"];

pub(super) fn demo() -> anyhow::Result<()> {
    say("Three nodes on loopback: A has a recorded chain, B syncs from A, C syncs from A and B.");
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("net").build()?;
    say("A imports its chain and proves every header ...");
    let report = if std::io::stdout().is_terminal() {
        let mut bars = Bars::new()?;
        let report = runtime.block_on(run(folder.path(), |height, nodes| bars.show(height, nodes)));
        bars.finish();
        report?
    } else {
        let mut lines = Lines::default();
        runtime.block_on(run(folder.path(), |height, nodes| lines.show(height, nodes)))?
    };
    summarize(&report);
    Ok(())
}

fn summarize(report: &DemoReport) {
    let seconds = report.elapsed.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = |count: u64| count as f64 / seconds;
    say(&format!("All three nodes are at height {}, tip {}", report.height, report.tip));
    say(&format!("Unspent outputs (count, total, digest): {}", report.utxo));
    say(&format!(
        "B and C: {} blocks and {} hashes in {seconds:.1} s: {:.1} blocks/s, {:.1} hashes/s",
        report.blocks,
        report.hashes,
        rate(report.blocks),
        rate(report.hashes)
    ));
    say(&format!("B answered during its sync: {}", report.latency));
}

/// Six bars, three for each node.
struct Bars {
    bars: Vec<[ProgressBar; 3]>,
}

impl Bars {
    fn new() -> anyhow::Result<Self> {
        let style =
            ProgressStyle::with_template("{prefix:>16} [{bar:40}] {pos}/{len}")?.progress_chars("=> ");
        let all = MultiProgress::new();
        let bar = |node: &str, what: &str| {
            let bar = ProgressBar::new(0).with_style(style.clone()).with_prefix(format!("{node} {what}"));
            all.add(bar)
        };
        let bars =
            NODES.iter().map(|node| ["headers", "hashes", "blocks"].map(|what| bar(node, what))).collect();
        Ok(Self { bars })
    }

    fn show(&mut self, height: u64, nodes: [DemoProgress; 2]) {
        for (bars, node) in self.bars.iter().zip(nodes) {
            for (bar, position) in bars.iter().zip([node.headers, node.hashes, node.blocks]) {
                bar.set_length(height);
                bar.set_position(position.min(height));
            }
        }
    }

    fn finish(&self) {
        self.bars.iter().flatten().for_each(ProgressBar::abandon);
    }
}

/// Lines for logs and pipes.
#[derive(Default)]
struct Lines {
    shown: Option<u64>,
}

impl Lines {
    fn show(&mut self, height: u64, nodes: [DemoProgress; 2]) {
        let done: u64 = nodes.iter().map(|node| node.blocks).sum();
        let step = done * LINES / (height * 2).max(1);
        if self.shown == Some(step) {
            return;
        }
        self.shown = Some(step);
        for (name, node) in NODES.iter().zip(nodes) {
            say(&format!(
                "{name}: headers {}/{height}, hashes {}, blocks {}/{height}",
                node.headers, node.hashes, node.blocks
            ));
        }
    }
}
