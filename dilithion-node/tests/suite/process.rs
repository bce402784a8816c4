//! The real program, as child processes on loopback.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

/// The height of the recorded chain's tip.
pub const RECORDED_HEIGHT: u32 = 500;
/// Its unspent outputs: count, total, digest.
pub const RECORDED_UTXO: &str =
    "660 2504999975310 2b12b19a5bdd9733b9dd9b9204e5e9333754a7371f6b5a547f1644dbcd5f0088";

/// A file of the test data.
pub fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(name)
}

/// A free port on loopback.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The program.
pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_dilithion-node"))
}

/// The program with the recorded chain's network and a data directory.
pub fn on_recorded_chain(command: &str, datadir: &Path) -> Command {
    let mut program = program();
    program.arg(command).arg("--chain").arg(testdata("private.toml")).arg("--datadir").arg(datadir);
    program
}

/// What a finished command wrote to standard output; it must have succeeded.
pub fn stdout_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    text(&output.stdout)
}

pub fn stderr_of(output: &Output) -> String {
    text(&output.stderr)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap().trim_end().to_owned()
}

pub fn query(datadir: &Path, what: &[&str]) -> String {
    stdout_of(on_recorded_chain("query", datadir).args(what))
}

pub fn import_recorded(datadir: &Path) {
    stdout_of(on_recorded_chain("import", datadir).arg(testdata("recorded-500.dat")));
}

/// A running node, killed when dropped.
pub struct RunningNode {
    child: Child,
    log: BufReader<ChildStdout>,
    pub lines: Vec<String>,
}

impl RunningNode {
    /// Starts `run` with these arguments.
    pub fn start(datadir: &Path, args: &[String]) -> Self {
        let mut command = on_recorded_chain("run", datadir);
        command.args(["--no-seeds", "--bind", "127.0.0.1"]).args(args);
        Self::of(command)
    }

    /// Starts any command that runs on.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stdout.take().unwrap());
        Self { child, log, lines: Vec::new() }
    }

    /// The next line of its log; `None` if it has ended.
    pub fn next_line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.log.read_line(&mut line).unwrap() > 0).then(|| {
            let line = line.trim_end().to_owned();
            self.lines.push(line.clone());
            line
        })
    }

    /// Reads the log until a line contains this.
    pub fn wait_for(&mut self, needle: &str) {
        while let Some(line) = self.next_line() {
            if line.contains(needle) {
                return;
            }
        }
        panic!("the log ended without {needle:?}:\n{}", self.lines.join("\n"));
    }

    /// Where its HTTP server listens.
    pub fn http(&mut self) -> SocketAddr {
        self.wait_for("[HTTP] Listening on ");
        self.lines.last().unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        terminate(self.pid());
    }

    /// Sends SIGKILL and reaps.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Reads the rest of the log and waits for the end.
    pub fn finish(&mut self) -> ExitStatus {
        while self.next_line().is_some() {}
        self.child.wait().unwrap()
    }
}

/// Sends SIGTERM to a process.
pub fn terminate(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asserts that these appear in the log in this order, each in a line of its own.
pub fn assert_in_order(lines: &[String], expected: &[&str]) {
    let mut rest = lines.iter();
    for needle in expected {
        assert!(
            rest.any(|line| line.contains(needle)),
            "{needle:?} missing in order in:\n{}",
            lines.join("\n")
        );
    }
}
