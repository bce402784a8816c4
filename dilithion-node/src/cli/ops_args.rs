//! What operators need: settings of `run` for limits, hooks, logs and the background; the journal; the settings themselves.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{ChainArgs, RunArgs};
use crate::hook::{HookCommand, HookLimits, HookOptions, Hooks};
use crate::journal::LineHash;
use crate::limits::Limits;

/// Settings of `run` that operators need.
#[derive(Args, Clone, Debug)]
pub struct OpsArgs {
    /// Read settings from this file [default: dilithion.toml in the data directory, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Check all settings, show them, and end
    #[arg(long)]
    pub dry_run: bool,
    /// The name of this run in the journal [default: `run_` and the date and time]
    #[arg(long, value_name = "NAME")]
    pub run_id: Option<String>,

    /// Memory at most, MiB; mapped files do not count; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_memory_mb: u64,
    /// Open files and connections at most [default: as the system allows, up to 4096]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub max_fds: u64,
    /// Processor time at most, seconds; the system then ends the node; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_cpu_sec: u64,

    /// Run this program for each block once in sync; %s is its id
    #[arg(long, value_name = "PROG")]
    pub blocknotify: Option<HookCommand>,
    /// Run this program when blocks are disconnected; %s is the height that stays
    #[arg(long, value_name = "PROG")]
    pub reorgnotify: Option<HookCommand>,
    /// Run this program when the sync changes its state; %s is the state
    #[arg(long, value_name = "PROG")]
    pub statenotify: Option<HookCommand>,
    /// Run this program when something is wrong; %s is what
    #[arg(long, value_name = "PROG")]
    pub alertnotify: Option<HookCommand>,
    /// Run this program when the node stops
    #[arg(long, value_name = "PROG")]
    pub shutdownnotify: Option<HookCommand>,
    /// Run this program before the node starts, and do not start unless it succeeds
    #[arg(long, value_name = "PROG")]
    pub startup_gate: Option<HookCommand>,
    /// How long a hook may run, seconds
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub hook_timeout: u64,
    /// How long a hook has to end after SIGTERM, seconds
    #[arg(long, value_name = "S", default_value_t = 5)]
    pub hook_grace: u64,
    /// Memory of a hook at most, MiB; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub hook_max_memory_mb: u64,
    /// Processor time of a hook at most, seconds; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub hook_max_cpu_sec: u64,
    /// Start no hook, and record that each succeeded
    #[arg(long, env = "DILITHION_MOCK_HOOKS")]
    pub dry_run_hooks: bool,

    /// Log to this file instead of standard output; SIGHUP opens it anew
    #[arg(long, value_name = "FILE")]
    pub logfile: Option<PathBuf>,
    /// Log JSON objects, one a line
    #[arg(long)]
    pub json_logs: bool,
    /// End with exit code 3 when the node fails; without it the node stays up and tells why over HTTP until it is stopped
    #[arg(long)]
    pub exit_on_error: bool,
    /// Return when the node runs, and leave it in the background; logs to debug.log in the data directory
    #[arg(long)]
    pub daemon: bool,
    /// This process is the one in the background.
    #[arg(long, hide = true)]
    pub daemon_child: bool,
}

impl OpsArgs {
    /// The process's limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let Self { max_memory_mb, max_fds, max_cpu_sec, .. } = *self;
        Limits { max_memory_mb, max_fds, max_cpu_sec }
    }

    /// The hooks.
    #[must_use]
    pub fn hooks(&self) -> Hooks {
        Hooks {
            block: self.blocknotify.clone(),
            reorg: self.reorgnotify.clone(),
            state: self.statenotify.clone(),
            alert: self.alertnotify.clone(),
            shutdown: self.shutdownnotify.clone(),
            startup_gate: self.startup_gate.clone(),
            options: HookOptions {
                timeout: Duration::from_secs(self.hook_timeout),
                grace: Duration::from_secs(self.hook_grace),
                limits: HookLimits {
                    max_memory_mb: self.hook_max_memory_mb,
                    max_cpu_sec: self.hook_max_cpu_sec,
                },
                ..HookOptions::default()
            },
            dry_run: self.dry_run_hooks,
        }
    }
}

/// What `journal` does.
#[derive(Debug, Subcommand)]
pub enum JournalWhat {
    /// Check that no record was changed, left out or put in; exit code 1 if there is no journal, 2 if it is broken
    Verify {
        #[command(flatten)]
        /// The journal.
        journal: JournalArgs,
        /// The hash that its last record should have, as state.json showed it
        #[arg(long, value_name = "HASH")]
        expect_head: Option<LineHash>,
    },
    /// Show its last records
    Tail {
        #[command(flatten)]
        /// The journal.
        journal: JournalArgs,
        /// How many
        #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
        lines: usize,
        /// As they stand in the file
        #[arg(long)]
        json: bool,
    },
    /// Check it and add it up
    Replay {
        #[command(flatten)]
        /// The journal.
        journal: JournalArgs,
    },
}

/// Which journal.
#[derive(Args, Clone, Debug)]
pub struct JournalArgs {
    /// The file; rotated files beside it are read first [default: the one in the data directory]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    /// The network and its data.
    pub chain: ChainArgs,
}

/// Options of `config`.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    /// Show each setting with its value and where that comes from; this is the default
    #[arg(long)]
    pub print: bool,
    /// Write a settings file with every setting explained
    #[arg(long, conflicts_with = "print")]
    pub template: bool,
    #[command(flatten)]
    /// The settings.
    pub run: RunArgs,
}
