//! `import` and `export`.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use dilithion_pow::{PoolConfig, PowPool};
use dilithion_wire::Height;
use indicatif::{ProgressBar, ProgressStyle};

use super::ChainArgs;
use super::term::{ONE_OFF_POW, complain, say};
use crate::clock::{Clock, SystemClock};
use crate::import::Importer;
use crate::node::{load_headers, open_chainstate, randomx};
use crate::records::write_record;

/// Bytes read from or written to a record file at a time.
const FILE_BUFFER: usize = 1 << 20;

pub(super) fn import(file: &Path, chain: &ChainArgs) -> anyhow::Result<()> {
    let config = chain.node_config()?;
    let input = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut chain = open_chainstate(&config)?;
    let mut headers = load_headers(&config.params, &chain.reader())?;
    let hasher = randomx(&config.params, ONE_OFF_POW, config.threads)?;
    let pool = PowPool::new(PoolConfig::default(), Arc::clone(&hasher), |_| {})?;
    let style = ProgressStyle::with_template("{spinner} {pos} blocks imported, {per_sec}, {elapsed}")?;
    let bar = ProgressBar::new_spinner().with_style(style);
    let mut importer = Importer {
        chain: &mut chain,
        headers: &mut headers,
        pool: &pool,
        limits: &config.params.limits,
        unix_time: SystemClock::new().now().unix,
    };
    let input = BufReader::with_capacity(FILE_BUFFER, input);
    let report = importer.import(input, |report, _| bar.set_position(report.connected as u64));
    bar.finish_and_clear();
    let tip = chain.tip();
    match report {
        Ok(report) => {
            say(&format!(
                "imported {} blocks ({} known already); tip {} at height {}",
                report.connected, report.known, tip.hash, tip.height
            ));
            Ok(())
        }
        Err(error) => {
            complain(&format!("stopped; the tip is {} at height {}", tip.hash, tip.height));
            Err(error.into())
        }
    }
}

pub(super) fn export(file: &Path, chain: &ChainArgs) -> anyhow::Result<()> {
    let config = chain.node_config()?;
    let store = super::query::open_reader(&config)?;
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
