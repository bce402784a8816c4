//! What connections cost that come and go: a measurement, run by hand.
//!
//! ```text
//! cargo test --release -p dilithion-node --test suite soak_cycles -- --ignored --nocapture
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use dilithion_wire::ChainParams;
use tokio::net::TcpStream;

use crate::process::{RunningNode, free_address, import_recorded, testdata};
use crate::wire_peer::RawPeer;

/// Connections, one after another.
const CYCLES: [u32; 2] = [50, 5000];

fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the node lives").count()
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the node lives");
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    rss.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
#[ignore = "a measurement: see the module"]
fn connections_that_come_and_go_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    import_recorded(dir.path());
    let address = free_address();
    let args = [format!("--port={}", address.port()), "--quiet".to_owned(), "--no-rpc".to_owned()];
    let mut node = RunningNode::start(dir.path(), &args);
    let pid = node.pid();
    let params = std::fs::read_to_string(testdata("private.toml")).unwrap();
    let params = Arc::new(ChainParams::from_toml(&params).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let connect = async || loop {
        // The node may not listen yet.
        match TcpStream::connect(address).await {
            Ok(stream) => return RawPeer::over(stream, &params),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    runtime.block_on(async {
        // Those that come first set up what is set up once.
        connect().await.shake_hands().await;
        for cycles in CYCLES {
            let (files, memory, began) = (open_files(pid), resident_kib(pid), Instant::now());
            for _ in 0..cycles {
                connect().await.shake_hands().await;
            }
            let time = began.elapsed();
            // The node has seen the end of the last one when its file is closed.
            while open_files(pid) > files {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            println!(
                "{cycles} cycles: {:?} each; files {files} -> {}, {memory} -> {} KiB",
                time / cycles,
                open_files(pid),
                resident_kib(pid)
            );
        }
    });
    node.terminate();
    assert!(node.finish().success());
}
