//! Writing to the terminal.

use std::io::{self, Write};

use dilithion_pow::PowMode;
use serde_json::Value;

/// Writes a line to standard output. A closed pipe is no error: the reader has had enough.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Writes a whole text to standard output as it is.
pub(super) fn say_bytes(text: &[u8]) {
    let _ = io::stdout().lock().write_all(text);
}

/// Writes a line to standard error.
pub(super) fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes a value as indented JSON to standard output.
pub(super) fn say_json(value: &Value) {
    say(&format!("{value:#}"));
}

/// The mode of commands that hash a bounded number of headers.
pub(super) const ONE_OFF_POW: PowMode = PowMode::Light;
