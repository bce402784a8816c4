//! A node as a process of its own, seen from outside: its figures over HTTP, what it uses in `/proc`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use dilithion_pow::PowMode;
use serde_json::json;

use crate::cli::http_client::HttpClient;

/// How often a node that starts is asked whether it is there.
const START_INTERVAL: Duration = Duration::from_millis(50);
/// Attempts in which it has to be there: a minute.
const START_ATTEMPTS: u32 = 1200;
/// Field of `/proc/PID/stat` with the time in user mode, counted from the one behind the name; that in the kernel is next.
const STAT_UTIME: usize = 11;

/// What a node says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub(super) hashes: u64,
    /// Blocks that came when they were asked for.
    pub(super) delivered: u64,
    /// Blocks that came once more.
    pub(super) redundant: u64,
    /// Whether it hashes with the dataset.
    pub(super) fast: bool,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) cpu: Duration,
    /// Bytes.
    pub(super) peak_rss: u64,
}

/// Killed when dropped.
pub(super) struct NodeProcess {
    child: Child,
    datadir: PathBuf,
    /// Where it listens for peers.
    pub(super) address: SocketAddr,
    http: HttpClient,
}

impl NodeProcess {
    /// Starts a node that dials nobody, and waits until it answers.
    pub(super) fn start(
        chain: &Path,
        datadir: &Path,
        pow: PowMode,
        threads: Option<NonZeroUsize>,
    ) -> anyhow::Result<Self> {
        let (address, http) = (free_address()?, free_address()?);
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("run").arg("--chain").arg(chain).arg("--datadir").arg(datadir);
        command.args(["--no-seeds", "--quiet", "--bind", "127.0.0.1"]);
        command.arg(format!("--port={}", address.port())).arg(format!("--rpcport={}", http.port()));
        command.arg(format!("--pow={pow}"));
        if let Some(threads) = threads {
            command.arg(format!("--threads={threads}"));
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let http = HttpClient::new(http.port());
        let mut node = Self { child, datadir: datadir.to_owned(), address, http };
        for _ in 0..START_ATTEMPTS {
            if let Some(status) = node.child.try_wait()? {
                bail!("the node ended with {status}");
            }
            if node.figures().is_ok() && TcpStream::connect(node.address).is_ok() {
                return Ok(node);
            }
            std::thread::sleep(START_INTERVAL);
        }
        bail!("the node does not answer");
    }

    /// Asks for its figures.
    pub(super) fn figures(&self) -> anyhow::Result<Figures> {
        let metrics = self.http.get("/metrics")?.success()?;
        let value = |name: &str| number_of(&metrics, name).with_context(|| format!("no {name}"));
        let blocks = |event: &str| value(&format!("dilithion_block_requests_total{{event=\"{event}\"}}"));
        Ok(Figures {
            hashes: value("dilithion_hashes_total")?,
            delivered: blocks("delivered")?,
            redundant: blocks("redundant")?,
            fast: value("dilithion_hash_mode{mode=\"fast\"}")? == 1,
        })
    }

    /// The height of its chain: it is asked this all the time, and the rest of its figures take it longer.
    pub(super) fn height(&self) -> anyhow::Result<u32> {
        let answer: serde_json::Value = serde_json::from_str(&self.http.get("/height")?.success()?)?;
        let height = answer.get("height").and_then(serde_json::Value::as_u64).context("no height")?;
        Ok(u32::try_from(height)?)
    }

    /// Tells it to connect to a peer.
    pub(super) fn add_peer(&self, address: SocketAddr) -> anyhow::Result<()> {
        let body = json!({ "address": address }).to_string();
        let answer = self.http.post("/api/v1/action/add_peer", &self.datadir, &body)?;
        answer.success().map(drop)
    }

    /// What it has used since it started.
    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let stat = fs::read_to_string(process.join("stat"))?;
        let status = fs::read_to_string(process.join("status"))?;
        usage_of(&stat, &status).context("cannot read /proc")
    }

    /// Ends it as its operator would.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the node ended with {status}");
        }
        Ok(())
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // It may have ended already: then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// The value of a figure in the text format of Prometheus.
fn number_of(metrics: &str, name: &str) -> Option<u64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

fn usage_of(stat: &str, status: &str) -> Option<Usage> {
    // The name may contain anything, but nothing behind it contains a parenthesis.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
    let ticks = ticks(STAT_UTIME)? + ticks(STAT_UTIME + 1)?;
    let per_second = rustix::param::clock_ticks_per_second();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = peak.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(Usage { cpu: Duration::from_millis(ticks * 1000 / per_second.max(1)), peak_rss: kib << 10 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_their_whole_name() {
        let metrics = "# HELP a_total x\na_total_of 3\na_total 12\nb{event=\"x\"} 4\n";
        assert_eq!(number_of(metrics, "a_total"), Some(12));
        assert_eq!(number_of(metrics, "b{event=\"x\"}"), Some(4));
        assert_eq!(number_of(metrics, "b"), None);
    }

    #[test]
    fn times_and_peak_are_read_whatever_the_process_is_called() {
        let stat = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        let usage = usage_of(stat, "Name:\tx\nVmHWM:\t    2048 kB\n").unwrap();
        assert_eq!(usage.peak_rss, 2 << 20);
        assert_eq!(usage.cpu, Duration::from_millis(200_000 / rustix::param::clock_ticks_per_second()));
        assert!(usage_of("nonsense", "").is_none());
    }
}
