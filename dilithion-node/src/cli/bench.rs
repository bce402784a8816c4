//! `bench`: how fast this machine is.

use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::Context;
use dilithion_pow::{PowMode, Throughput, ThroughputOptions};

use super::bench_ibd::bench_ibd;
use super::term::say;
use super::{BadInput, BenchWhat};
use crate::clock::{Clock, SystemClock};

pub(super) fn bench(what: &BenchWhat) -> anyhow::Result<()> {
    match what {
        BenchWhat::Pow { mode, threads, seconds, json } => pow(*mode, *threads, *seconds, *json),
        BenchWhat::Ibd(args) => bench_ibd(args),
    }
}

fn pow(mode: PowMode, threads: Option<NonZeroUsize>, seconds: f64, json: bool) -> anyhow::Result<()> {
    if mode == PowMode::Auto {
        return Err(BadInput("--mode is light or fast here".to_owned()).into());
    }
    let duration =
        Duration::try_from_secs_f64(seconds).map_err(|error| BadInput(format!("--seconds: {error}")))?;
    let mut options = ThroughputOptions { threads, duration, ..ThroughputOptions::default() };
    options.randomx.mode = mode;
    let clock = SystemClock::new();
    let measured = Throughput::measure(options, || clock.now().mono).context("cannot measure")?;
    say(&if json { measured.to_json() } else { measured.to_string() });
    Ok(())
}
