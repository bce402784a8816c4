//! The options of commands that measure and simulate.

use std::num::NonZeroUsize;

use clap::{Args, Subcommand};
use dilithion_pow::PowMode;

use super::bench_ibd::IbdArgs;

/// Options of `sim`.
#[derive(Debug, Args)]
pub struct SimArgs {
    /// The seed of the first run; the others follow
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// How many seeds
    #[arg(long, value_name = "K", default_value_t = 1)]
    pub runs: u64,
    /// One scenario only [default: each of them with each seed]
    #[arg(long, value_name = "S")]
    pub scenario: Option<String>,
    /// Threads; the result does not depend on them
    #[arg(long, value_name = "N", default_value = "1")]
    pub jobs: NonZeroUsize,
    /// Keep the nodes' stores on disk, as a real node does
    #[arg(long)]
    pub disk: bool,
    /// End with a JSON object on one line
    #[arg(long)]
    pub json: bool,
    /// List the scenarios
    #[arg(long)]
    pub list: bool,
}

/// What `bench` measures.
#[derive(Debug, Subcommand)]
pub enum BenchWhat {
    /// RandomX hashes per second
    Pow {
        /// With the 256 MiB cache, or with the 2 GiB dataset, which is built first
        #[arg(long, value_name = "light|fast", default_value = "light")]
        mode: PowMode,
        /// Hash threads [default: one per core]
        #[arg(long, value_name = "N")]
        threads: Option<NonZeroUsize>,
        /// How long to hash
        #[arg(long, value_name = "S", default_value_t = 10.0)]
        seconds: f64,
        /// Print a JSON object on one line
        #[arg(long)]
        json: bool,
    },
    /// A full sync between two processes on this machine, and what limits it
    Ibd(IbdArgs),
}
