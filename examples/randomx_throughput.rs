//! Hashes per second of this machine:
//! `randomx_throughput [--mode light|fast] [--threads N] [--seconds S] [--json]`.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use dilithion_pow::{Throughput, ThroughputOptions};

fn main() -> anyhow::Result<()> {
    let mut options = ThroughputOptions::default();
    let mut as_json = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{name} needs a value"));
        match name.as_str() {
            "--mode" => options.randomx.mode = value()?.parse()?,
            "--threads" => options.threads = Some(value()?.parse().context("--threads")?),
            "--seconds" => options.duration = Duration::try_from_secs_f64(value()?.parse()?)?,
            "--json" => as_json = true,
            _ => bail!("unknown option {name}"),
        }
    }
    let start = Instant::now();
    let measured = Throughput::measure(options, || start.elapsed())?;
    println!("{}", if as_json { measured.to_json() } else { measured.to_string() });
    Ok(())
}
