//! What a node dials, with a dialer that goes nowhere.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use dilithion_node::net::{DialFuture, Dialer, NetConfig};
use dilithion_node::{Node, NodeConfig};
use dilithion_wire::ChainParams;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// The address that the test's DNS knows for every name.
const RESOLVED: &str = "192.0.2.1:8444";

/// Reports what was asked for, and refuses.
struct RecordingDialer {
    asked: mpsc::UnboundedSender<String>,
    names: Mutex<Vec<String>>,
}

impl Dialer for RecordingDialer {
    fn dial(&self, address: SocketAddr) -> DialFuture<'_, TcpStream> {
        Box::pin(async move {
            self.asked.send(address.to_string()).unwrap();
            Err(io::Error::new(io::ErrorKind::ConnectionRefused, "this test dials nobody"))
        })
    }

    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> DialFuture<'a, Vec<SocketAddr>> {
        Box::pin(async move {
            self.names.lock().unwrap().push(format!("{host}:{port}"));
            Ok(vec![RESOLVED.parse().unwrap()])
        })
    }
}

async fn first_dials(net: NetConfig, count: usize) -> (Vec<String>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (asked, mut dials) = mpsc::unbounded_channel();
    let dialer = Arc::new(RecordingDialer { asked, names: Mutex::default() });
    let mut config = NodeConfig::new(Arc::new(ChainParams::mainnet()), folder.path());
    config.net = net;
    config.dialer = dialer.clone();
    let node = Node::start(config).await.unwrap();
    let mut dialled = Vec::new();
    while dialled.len() < count {
        dialled.push(dials.recv().await.unwrap());
    }
    node.stop().await;
    dialled.sort();
    let names = dialer.names.lock().unwrap().clone();
    (dialled, names)
}

#[tokio::test(flavor = "multi_thread")]
async fn mainnet_without_options_dials_its_seeds_and_resolves_its_names() {
    let net = NetConfig { use_seeds: true, ..NetConfig::default() };
    // Four fixed seeds, and the one address that all DNS seeds name.
    let (dialled, names) = first_dials(net, ChainParams::mainnet().seeds.len() + 1).await;
    for seed in
        ["138.197.68.128:8444", "167.172.56.119:8444", "165.22.103.114:8444", "134.199.159.83:8444", RESOLVED]
    {
        assert!(dialled.iter().any(|address| address == seed), "{seed} not in {dialled:?}");
    }
    assert_eq!(names.len(), ChainParams::mainnet().dns_seeds.len());
    assert!(names.contains(&"seed.dilithion.org:8444".to_owned()), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_dials_that_peer_and_nobody_else() {
    let peer = "127.0.0.1:9".parse().unwrap();
    let net = NetConfig { peers: vec![peer], ..NetConfig::default() };
    let (dialled, names) = first_dials(net, 2).await;
    assert_eq!(dialled, ["127.0.0.1:9", "127.0.0.1:9"], "tried, and tried again");
    assert!(names.is_empty());
}
