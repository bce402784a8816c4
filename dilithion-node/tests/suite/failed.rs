//! The real program when its node cannot go on (requirement M6): here because the best chain leaves its own too far down.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dilithion_node::Node;
use dilithion_wire::ChainParams;
use serde_json::Value;

use crate::http::client::{Answer, auth, request};
use crate::miner::{Mined, Miner};
use crate::process::{RunningNode, program, testdata};
use crate::wire_peer::listening;

/// A network like the recorded one, whose nodes go back two blocks at most.
struct Shallow {
    file: PathBuf,
    miner: Miner,
}

impl Shallow {
    fn new(folder: &Path) -> Self {
        let recorded = std::fs::read_to_string(testdata("private.toml")).unwrap();
        let text = recorded.replace("[consensus]\n", "[consensus]\nmax_reorg_depth = 2\n");
        let params = Arc::new(ChainParams::from_toml(&text).unwrap());
        assert_eq!(params.consensus.max_reorg_depth, Some(2));
        let file = folder.join("shallow.toml");
        std::fs::write(&file, text).unwrap();
        // The key of RandomX is that of all networks.
        assert_eq!(params.randomx_key, Miner::shared().params.randomx_key);
        Self { file, miner: Miner { params, hasher: Arc::clone(&Miner::shared().hasher) } }
    }

    /// A node in this process with a chain.
    async fn node(&self, datadir: &Path, chain: &Mined) -> (Node, SocketAddr) {
        let node = listening(&self.miner, datadir, chain).await;
        let address = node.listening().unwrap();
        (node, address)
    }

    /// The program, connected to a node.
    fn run(&self, datadir: &Path, peer: SocketAddr, args: &[&str]) -> RunningNode {
        let mut command = program();
        command.args(["run", "--no-listen", "--no-seeds", "--rpcport=0"]).args(args);
        command.arg("--chain").arg(&self.file).arg("--datadir").arg(datadir);
        command.arg(format!("--connect={peer}"));
        RunningNode::of(command)
    }
}

async fn get(http: SocketAddr, path: &str) -> Answer {
    request(http, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
}

fn json(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// It stays up and tells why, or ends with exit code 3 if it was told to.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_node_tells_why_or_ends_with_exit_code_3() {
    let folder = tempfile::tempdir().unwrap();
    let network = Shallow::new(folder.path());
    let common = network.miner.extend(&network.miner.genesis(), 1, 0);
    let (ours, theirs) = (network.miner.extend(&common, 4, 1), network.miner.extend(&common, 6, 2));
    let (first, ours_at) = network.node(&folder.path().join("ours"), &ours).await;
    let (second, theirs_at) = network.node(&folder.path().join("theirs"), &theirs).await;
    for (name, args) in [("stays", &[][..]), ("ends", &["--exit-on-error"])] {
        let datadir = folder.path().join(name);
        let mut node = network.run(&datadir, ours_at, args);
        let http = node.http();
        node.wait_for("→ COMPLETE");
        assert_eq!(get(http, "/healthy").await.status, 200);

        let body = format!(r#"{{"address":"{theirs_at}"}}"#);
        let head = format!("Host: localhost\r\nContent-Length: {}\r\n{}", body.len(), auth(&datadir));
        let post = format!("POST /api/v1/action/add_peer HTTP/1.1\r\n{head}\r\n{body}");
        assert_eq!(request(http, &post).await.status, 200);
        node.wait_for("→ ERROR");
        if args.is_empty() {
            node.wait_for("nothing is connected any more");
            let status = get(http, "/api/v1/status").await.json();
            assert_eq!((&status["state"], &status["status"]), (&"ERROR".into(), &"error".into()));
            assert_eq!(status["chain_height"], ours.height().0, "nothing is lost");
            let why = status["waiting_for"].as_str().unwrap();
            assert!(why.contains("leaves ours at height 1, 4 blocks below our tip"), "{why}");
            let healthy = get(http, "/healthy").await;
            assert_eq!(healthy.status, 503);
            assert!(healthy.text().contains("leaves ours at height 1"), "{}", healthy.text());
            assert_eq!(get(http, "/ready").await.status, 503);
            let order =
                format!("POST /api/v1/action/sync_now HTTP/1.1\r\nHost: localhost\r\n{}\r\n", auth(&datadir));
            assert_eq!(request(http, &order).await.status, 409);
            node.terminate();
        }
        assert_eq!(node.finish().code(), Some(3), "{}", node.lines.join("\n"));
        let state = json(&datadir.join("state.json"));
        assert_eq!((&state["status"], &state["current_stage"]), (&"error".into(), &"error".into()));
        let journal = std::fs::read_to_string(datadir.join("events.jsonl")).unwrap();
        let error = journal.lines().find(|line| line.contains("\"event_type\":\"error\"")).unwrap();
        assert!(error.contains("leaves ours at height 1"), "{error}");
    }
    first.stop().await;
    second.stop().await;
}
