//! Tests that need a second process start this test binary again, to run a single ignored test in it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Names the store's directory for the child.
const DIR: &str = "DILITHION_CHAIN_TEST_DIR";

/// Starts the ignored test `name` in a process of its own, with its output piped.
pub(crate) fn spawn(name: &str, dir: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env("RUST_BACKTRACE", "0") // not from a process that is out of memory
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Like [`spawn`], with a signal ignored that would end the child when a file grows beyond its limit.
#[cfg(unix)]
pub(crate) fn spawn_with_file_limit(name: &str, dir: &Path) -> Child {
    Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env("RUST_BACKTRACE", "0") // not from a process that is out of memory
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// In the child: the directory it was given. `None` in a run of all ignored tests, where there is nothing to do.
pub(crate) fn given_dir() -> Option<PathBuf> {
    env::var_os(DIR).map(PathBuf::from)
}

/// In the child: tells the parent something, on a line of its own whatever the test harness has written.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
pub(crate) fn say(line: &str) {
    println!("\n{line}");
}
