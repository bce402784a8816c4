//! The real program with its HTTP server.

use std::net::SocketAddr;
use std::path::Path;
use std::thread::JoinHandle;

use crate::process::{RunningNode, terminate};

/// The program with its HTTP server, its log being read.
pub struct Program {
    pid: u32,
    pub http: SocketAddr,
    log: Option<JoinHandle<(RunningNode, std::process::ExitStatus)>>,
}

impl Program {
    pub fn start(datadir: &Path, args: &[String]) -> Self {
        let mut node = RunningNode::start(datadir, &[&["--rpcport=0".to_owned()], args].concat());
        let http = node.http();
        let pid = node.pid();
        let log = std::thread::spawn(move || {
            let status = node.finish();
            (node, status)
        });
        Self { pid, http, log: Some(log) }
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Ends it by SIGTERM; its log.
    pub fn stop(self) -> Vec<String> {
        terminate(self.pid);
        self.ended()
    }

    /// Waits for its end, which must be a good one; its log.
    pub fn ended(mut self) -> Vec<String> {
        let (node, status) = self.log.take().unwrap().join().unwrap();
        assert_eq!(status.code(), Some(0), "{}", node.lines.join("\n"));
        node.lines.clone()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(log) = self.log.take().filter(|log| !log.is_finished()) {
            // It runs, so it can be told to end; what it logged is of no use to a test that has failed.
            terminate(self.pid);
            let _ = log.join();
        }
    }
}
