//! An HTTP client that can also misbehave.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use base64::Engine;
use dilithion_node::http::{COOKIE_FILE, HttpConfig, HttpServer, Services};
use dilithion_node::net::NetConfig;
use dilithion_node::{Node, NodeHandle};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::miner::{Mined, Miner};
use crate::wire_peer::{config, listening};

/// A node with its server.
pub struct Served {
    pub node: Node,
    pub server: HttpServer,
    pub dir: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Served {
    pub async fn start(chain: &Mined) -> Self {
        Self::with(chain, Services::new, |_| {}).await
    }

    /// On another network.
    pub async fn on(miner: &Miner, chain: &Mined) -> Self {
        Self::start_with(miner, chain, Services::new, |_| {}).await
    }

    /// With other parts than the node's own, and another configuration.
    pub async fn with(
        chain: &Mined,
        services: impl FnOnce(NodeHandle) -> Services,
        change: impl FnOnce(&mut HttpConfig),
    ) -> Self {
        Self::start_with(Miner::shared(), chain, services, change).await
    }

    async fn start_with(
        miner: &Miner,
        chain: &Mined,
        services: impl FnOnce(NodeHandle) -> Services,
        change: impl FnOnce(&mut HttpConfig),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = listening(miner, dir.path(), chain).await;
        Self::serve(node, dir, services, change)
    }

    fn serve(
        node: Node,
        dir: tempfile::TempDir,
        services: impl FnOnce(NodeHandle) -> Services,
        change: impl FnOnce(&mut HttpConfig),
    ) -> Self {
        let mut config = HttpConfig::new(0, dir.path());
        change(&mut config);
        let server = HttpServer::start(config, services(node.handle())).unwrap();
        Self { node, server, dir }
    }

    /// The same after a restart.
    pub async fn restarted(self, miner: &Miner) -> Self {
        let Self { node, server, dir } = self;
        tokio::task::spawn_blocking(|| server.stop()).await.unwrap();
        node.stop().await;
        let node = Node::start(config(miner, dir.path(), NetConfig::default())).await.unwrap();
        Self::serve(node, dir, Services::new, |_| {})
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub fn auth(&self) -> String {
        auth(self.dir.path())
    }

    pub async fn get(&self, path: &str) -> Answer {
        request(self.address(), &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
    }

    /// The JSON of a path that must answer with 200.
    pub async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    pub async fn post(&self, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n");
        request(self.address(), &(head + body)).await
    }

    /// An action with the token.
    pub async fn act(&self, action: &str, body: &str) -> Answer {
        self.post(&format!("/api/v1/action/{action}"), &self.auth(), body).await
    }

    /// What is sent to the RPC, with the token.
    pub async fn rpc_raw(&self, body: &str) -> Answer {
        self.post("/", &format!("{}X-Dilithion-RPC: 1\r\n", self.auth()), body).await
    }

    /// A call: its result, or its error.
    pub async fn rpc(&self, method: &str, params: Value) -> Result<Value, Value> {
        let call = serde_json::json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let answer = self.rpc_raw(&call.to_string()).await;
        assert_eq!(answer.status, 200, "{method}: {answer:?}");
        let mut answer = answer.json();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&"2.0".into(), &7.into()));
        if answer["error"].is_null() { Ok(answer["result"].take()) } else { Err(answer["error"].take()) }
    }

    pub async fn stop(self) {
        let Self { node, server, dir } = self;
        tokio::task::spawn_blocking(|| server.stop()).await.unwrap();
        assert!(!dir.path().join(COOKIE_FILE).exists());
        node.stop().await;
    }
}

/// The header that opens the door, by the file in the data directory.
pub fn auth(datadir: &Path) -> String {
    let cookie = std::fs::read_to_string(datadir.join(COOKIE_FILE)).unwrap();
    format!("Authorization: Basic {}\r\n", base64::engine::general_purpose::STANDARD.encode(cookie))
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The word for the error in the body.
    pub fn error(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }
}

/// Sends bytes on a connection of its own and reads the answer to its end.
pub async fn request(address: SocketAddr, bytes: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    read_answer(&mut stream).await.expect("an answer")
}

/// The next answer of a connection; `None` if the server closes it instead.
pub async fn read_answer(stream: &mut TcpStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let pair =
        |line: &str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let headers: BTreeMap<String, String> = lines.filter_map(pair).collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head_end + length {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "cut short");
    }
    Some(Answer { status, headers, body: bytes[head_end..head_end + length].to_vec() })
}
