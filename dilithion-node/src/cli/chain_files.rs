//! `import` and `export`.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use dilithion_wire::Height;
use indicatif::{ProgressBar, ProgressStyle};

use super::ChainArgs;
use super::query::open_reader;
use super::term::{ONE_OFF_POW, complain, say};
use crate::clock::{Clock, SystemClock};
use crate::import::{self, ImportReport};
use crate::node::randomx;
use crate::records::write_record;

/// Bytes read from or written to a record file at a time.
const FILE_BUFFER: usize = 1 << 20;

pub(super) fn import(file: &Path, chain: &ChainArgs) -> anyhow::Result<()> {
    let config = chain.node_config()?;
    let input = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let input = BufReader::with_capacity(FILE_BUFFER, input);
    let hasher = randomx(&config.params, ONE_OFF_POW, config.threads)?;
    let style = ProgressStyle::with_template("{spinner} {pos} blocks imported, {per_sec}, {elapsed}")?;
    let bar = ProgressBar::new_spinner().with_style(style);
    let now = SystemClock::new().now().unix;
    let imported =
        import::import(&config, hasher, now, input, |report| bar.set_position(report.connected as u64));
    bar.finish_and_clear();
    let report = match imported {
        Ok(report) => report,
        Err(error) => {
            // Without a store there is no tip to tell of; the error says so.
            if let Ok(tip) = open_reader(&config).and_then(|store| Ok(store.tip()?)) {
                complain(&format!("stopped; the tip is {} at height {}", tip.hash, tip.height));
            }
            return Err(error.into());
        }
    };
    let tip = open_reader(&config)?.tip()?;
    let ImportReport { connected, known } = report;
    say(&format!(
        "imported {connected} blocks ({known} known already); tip {} at height {}",
        tip.hash, tip.height
    ));
    Ok(())
}

pub(super) fn export(file: &Path, chain: &ChainArgs) -> anyhow::Result<()> {
    let config = chain.node_config()?;
    let store = open_reader(&config)?;
    let tip = store.tip()?;
    let context = || format!("cannot write {}", file.display());
    let output = File::create(file).with_context(context)?;
    let mut output = BufWriter::with_capacity(FILE_BUFFER, output);
    for height in (0..=tip.height.0).map(Height) {
        let hash = store.hash_at(height)?.with_context(|| format!("no block at height {height}"))?;
        let payload = store.block_payload(&hash)?.with_context(|| format!("no body at height {height}"))?;
        write_record(&mut output, &payload).with_context(context)?;
    }
    output.flush().with_context(context)?;
    say(&format!("exported {} blocks, tip {}", u64::from(tip.height.0) + 1, tip.hash));
    Ok(())
}
