//! On what, and of what, the figures are.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// What has to be said beside any figure.
#[derive(Serialize)]
pub(crate) struct Machine {
    processor: String,
    threads: usize,
    memory_mib: u64,
    kernel: String,
    rustc: String,
    /// Flags beyond those of the workspace's bench profile.
    flags: String,
    /// The commit, with `-dirty` if there was more.
    commit: String,
}

impl Machine {
    /// Looks at this machine and this checkout. What cannot be found out is empty.
    pub(crate) fn look(root: &Path) -> Self {
        let line = |file: &str, key: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.trim_start_matches([' ', '\t', ':']).trim().to_owned()
        };
        let memory = line("/proc/meminfo", "MemTotal");
        let kib: u64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
        Self {
            processor: line("/proc/cpuinfo", "model name"),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kib >> 10,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            rustc: said(Command::new("rustc").arg("--version")),
            flags: std::env::var("RUSTFLAGS").unwrap_or_default(),
            commit: said(Command::new("git").current_dir(root).args(["describe", "--always", "--dirty"])),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, threads, memory_mib, kernel, rustc, flags, commit } = self;
        write!(f, "{processor}, {threads} threads, {memory_mib} MiB, Linux {kernel}; {rustc}")?;
        if !flags.is_empty() {
            write!(f, " {flags}")?;
        }
        write!(f, "; {commit}")
    }
}

fn said(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}
