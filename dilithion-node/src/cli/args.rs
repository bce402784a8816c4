//! The commands. Scripts rely on these names.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use super::bench_args::{BenchWhat, SimArgs};
use super::chain_args::ChainArgs;
use super::ops_args::{ConfigArgs, JournalWhat};
use super::query_args::{InspectWhat, QueryWhat};
use super::run_args::RunArgs;
use super::submit::SubmitArgs;

/// A Dilithion node. Without a command it runs the demo.
#[derive(Debug, Parser)]
#[command(name = "dilithion-node", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node until SIGINT or SIGTERM
    Run(Box<RunArgs>),
    /// Import block records: for each block a u32 LE length and the payload of its `block` message
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        /// The network and its data.
        chain: ChainArgs,
    },
    /// Export the chain as block records
    Export {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        /// The network and its data.
        chain: ChainArgs,
    },
    /// Decode hex (`-` reads it from standard input) and print it as JSON
    Inspect {
        #[command(subcommand)]
        /// What the bytes are.
        what: InspectWhat,
        #[command(flatten)]
        /// The network whose limits and proof of work apply.
        chain: ChainArgs,
    },
    /// Read from the store, also while a node runs
    Query {
        #[command(subcommand)]
        /// What to read.
        what: QueryWhat,
        #[command(flatten)]
        /// The network and its data.
        chain: ChainArgs,
    },
    /// Let a message wait for a block, whether a node runs or not; prints its id. On private networks only
    Submit(SubmitArgs),
    /// Walk the store and check that it is a chain
    CheckChain {
        /// Compute the RandomX hash of every header again
        #[arg(long)]
        pow: bool,
        /// If the store is damaged, cut it back to the last block up to which it is sound; no node may be running
        #[arg(long)]
        repair: bool,
        #[command(flatten)]
        /// The network and its data.
        chain: ChainArgs,
    },
    /// Write a compact, consistent copy of the store into a new directory, also while a node runs
    Backup {
        /// The directory, which must not exist
        dir: PathBuf,
        #[command(flatten)]
        /// The network and its data.
        chain: ChainArgs,
    },
    /// Measure how fast this machine is
    Bench {
        #[command(subcommand)]
        /// What to measure.
        what: BenchWhat,
    },
    /// Run whole networks of nodes in virtual time and check that nothing goes wrong
    Sim(SimArgs),
    /// Read a journal of what a node did
    Journal {
        #[command(subcommand)]
        /// What to do with it.
        what: JournalWhat,
    },
    /// Show the settings of `run`, and where each comes from
    Config(Box<ConfigArgs>),
    /// Sync two fresh nodes from a third on this machine and show how
    Demo,
    /// Write completions of this command line for a shell to standard output
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual as a page for `man` to standard output
    Man {
        /// Write a page for each command into this directory instead, which must exist
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use dilithion_wire::Height;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn unknown_options_are_errors() {
        assert!(Cli::try_parse_from(["dilithion-node", "run", "--nonsense"]).is_err());
        assert!(Cli::try_parse_from(["dilithion-node", "run", "--network", "moon"]).is_err());
    }

    #[test]
    fn chain_options_may_stand_before_and_after_the_inner_command() {
        for line in [
            "dilithion-node query --datadir /tmp/x hash 5",
            "dilithion-node query hash 5 --datadir /tmp/x",
            "dilithion-node query hash --height 5 --datadir /tmp/x",
        ] {
            let Some(Command::Query { what, chain }) = Cli::try_parse_from(line.split(' ')).unwrap().command
            else {
                panic!("not query");
            };
            assert!(matches!(what, QueryWhat::Hash { at } if at.get() == Some(Height(5))));
            assert_eq!(chain.datadir, Some("/tmp/x".into()));
        }
    }
}
