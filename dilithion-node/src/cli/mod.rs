//! The command line. `main.rs` calls [`main`] and nothing else.
//!
//! This module is the part of the crate that prints and that uses `anyhow`; the rest is a library.

mod args;
mod bench;
mod bench_args;
mod bench_ibd;
mod chain_args;
mod chain_files;
mod check_chain;
mod demo;
mod ending;
mod http_args;
mod http_client;
mod inspect;
mod journal;
mod logging;
mod ops_args;
mod packaging;
mod produce_args;
mod progress;
mod query;
mod query_args;
mod run;
mod run_args;
mod settings;
mod signals;
mod sim;
mod submit;
mod submit_http;
mod term;

use std::process::ExitCode;

pub use args::{Cli, Command};
pub use bench_args::{BenchWhat, SimArgs};
pub use bench_ibd::{IbdArgs, IbdMode};
pub use chain_args::{ChainArgs, Network};
pub use http_args::HttpArgs;
pub use ops_args::{ConfigArgs, JournalArgs, JournalWhat, OpsArgs};
pub use produce_args::ProduceArgs;
pub use query_args::{AtHeight, InspectWhat, QueryWhat};
pub use run_args::RunArgs;
pub use submit::SubmitArgs;

use self::ending::NodeFailed;
use crate::journal::JournalError;

/// Exit code of a command that failed.
const FAILURE: u8 = 1;
/// Exit code for input that makes no sense; clap uses the same for unknown options.
const BAD_INPUT: u8 = 2;
/// Exit code for a journal that is not what was written (spec: requirements M2).
const BROKEN_JOURNAL: u8 = 2;
/// Exit code of a node that failed, or whose store is damaged: to start it again is of no use (spec: requirements M6, M18).
const BROKEN_NODE: u8 = 3;

/// Input that the user has to correct, as opposed to something that failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BadInput(String);

/// Parses the arguments, runs the command and returns its exit code. Without arguments it runs the demo.
#[must_use]
pub fn main() -> ExitCode {
    let done = settings::parse().and_then(|(cli, settings)| dispatch(cli, &settings));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            term::complain(&format!("error: {error:#}"));
            ExitCode::from(exit_code(&error))
        }
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref() {
        Some(JournalError::Broken(_)) => BROKEN_JOURNAL,
        _ if error.is::<BadInput>() => BAD_INPUT,
        _ if error.is::<NodeFailed>() => BROKEN_NODE,
        _ => FAILURE,
    }
}

fn dispatch(cli: Cli, settings: &settings::Settings) -> anyhow::Result<()> {
    match cli.command.unwrap_or(Command::Demo) {
        Command::Run(args) => run::run(&args, settings),
        Command::Journal { what } => journal::journal(&what),
        Command::Config(args) => {
            settings.show(args.template);
            Ok(())
        }
        Command::Import { file, chain } => chain_files::import(&file, &chain),
        Command::Export { file, chain } => chain_files::export(&file, &chain),
        Command::Inspect { what, chain } => inspect::inspect(&what, &chain),
        Command::Query { what, chain } => query::query(&what, &chain),
        Command::Submit(args) => submit::submit(&args),
        Command::CheckChain { pow, repair, chain } => check_chain::check_chain(pow, repair, &chain),
        Command::Backup { dir, chain } => query::backup(&dir, &chain),
        Command::Bench { what } => bench::bench(&what),
        Command::Sim(args) => sim::sim(&args),
        Command::Demo => demo::demo(),
        Command::Completions { shell } => {
            packaging::completions(shell);
            Ok(())
        }
        Command::Man { dir } => packaging::man(dir.as_deref()),
    }
}
