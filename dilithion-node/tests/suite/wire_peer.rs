//! A peer that speaks to a real node over TCP, byte by byte if need be.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use dilithion_node::import::import;
use dilithion_node::net::NetConfig;
use dilithion_node::{Node, NodeConfig};
use dilithion_wire::{Address, ChainParams, Message, MessageCodec, RawMessage, Services, VersionMessage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::codec::{Decoder, Encoder};

use crate::miner::{Mined, Miner};

/// One end of a TCP connection to a node.
pub struct RawPeer {
    pub stream: TcpStream,
    codec: MessageCodec,
    buffer: BytesMut,
    params: Arc<ChainParams>,
}

impl RawPeer {
    pub async fn connect(node: &Node, miner: &Miner) -> Self {
        Self::from(1, node, miner).await
    }

    /// From 127.0.0.`last`.
    pub async fn from(last: u8, node: &Node, miner: &Miner) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(local(last), 0)).unwrap();
        let stream = socket.connect(node.listening().unwrap()).await.unwrap();
        Self::over(stream, &miner.params)
    }

    pub fn over(stream: TcpStream, params: &Arc<ChainParams>) -> Self {
        let params = Arc::clone(params);
        Self { stream, codec: MessageCodec::new(params.magic), buffer: BytesMut::new(), params }
    }

    pub fn framed(&self, message: &Message) -> Vec<u8> {
        self.framed_raw(message.to_raw())
    }

    pub fn framed_raw(&self, message: RawMessage) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        MessageCodec::new(self.params.magic).encode(message, &mut bytes).unwrap();
        bytes.to_vec()
    }

    /// Sends bytes while reading whatever comes, up to this message or the end. Tells whether it came, and whether the
    /// node closed the connection.
    pub async fn exchange(&mut self, bytes: &[u8], last: &RawMessage) -> (bool, bool) {
        let Self { stream, codec, buffer, .. } = self;
        let (mut read, mut write) = stream.split();
        let reading = async {
            loop {
                while let Some(raw) = codec.decode(buffer).unwrap() {
                    if raw == *last {
                        return (true, false);
                    }
                }
                if read.read_buf(buffer).await.unwrap_or(0) == 0 {
                    return (false, true);
                }
            }
        };
        // The node may close before it has read all.
        let (_, seen) = tokio::join!(write.write_all(bytes), reading);
        seen
    }

    pub async fn send(&mut self, message: &Message) {
        let bytes = self.framed(message);
        self.send_bytes(&bytes).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends a message to a node that may have closed the connection.
    pub async fn send_if_open(&mut self, message: RawMessage) {
        let bytes = self.framed_raw(message);
        // That it is closed shows when it is read from.
        let _ = self.stream.write_all(&bytes).await;
    }

    /// Reads what is there, or comes first; tells whether the connection is open.
    pub async fn read_some(&mut self) -> bool {
        let open = self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) > 0;
        while self.codec.decode(&mut self.buffer).unwrap().is_some() {}
        open
    }

    /// The next message; `None` if the node has closed the connection.
    pub async fn receive(&mut self) -> Option<RawMessage> {
        loop {
            if let Some(raw) = self.codec.decode(&mut self.buffer).unwrap() {
                return Some(raw);
            }
            // A node that closes with our bytes unread resets the connection; that is closed as well.
            if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    pub async fn receive_message(&mut self) -> Option<Message> {
        let raw = self.receive().await?;
        Some(raw.decode(&self.params.limits).unwrap())
    }

    /// Reads on until this command comes.
    pub async fn wait_for(&mut self, command: &str) -> Message {
        loop {
            let raw = self.receive().await.unwrap_or_else(|| panic!("closed before '{command}'"));
            if raw.command.as_str() == command {
                return raw.decode(&self.params.limits).unwrap();
            }
        }
    }

    pub async fn is_closed(&mut self) -> bool {
        while self.receive().await.is_some() {}
        true
    }

    pub async fn shake_hands(&mut self) {
        self.send(&version(0)).await;
        self.wait_for("verack").await;
        self.send(&Message::Verack).await;
        // Sent when the handshake is complete.
        self.wait_for("sendheaders").await;
    }

    pub async fn assert_alive(&mut self, nonce: u64) {
        self.send(&Message::Ping(nonce)).await;
        assert_eq!(self.wait_for("pong").await, Message::Pong(nonce));
    }
}

pub fn version(start_height: i32) -> Message {
    let address = Address::from(SocketAddr::from(([127, 0, 0, 1], 1)));
    Message::Version(VersionMessage {
        version: 70001,
        services: Services::NETWORK,
        time: 1_700_000_000,
        receiver: address,
        sender: address,
        nonce: 4711,
        user_agent: "/test:1.0/".to_owned(),
        start_height,
        relay: true,
        genesis: None,
    })
}

/// 127.0.0.`last`.
pub fn local(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// A node that has this chain and listens.
pub async fn listening(miner: &Miner, datadir: &Path, chain: &Mined) -> Node {
    node_with(miner, datadir, chain, NetConfig::default()).await
}

/// The same with other connections.
pub async fn node_with(miner: &Miner, datadir: &Path, chain: &Mined, net: NetConfig) -> Node {
    started(config(miner, datadir, net), miner, chain).await
}

/// A node that listens.
pub fn config(miner: &Miner, datadir: &Path, net: NetConfig) -> NodeConfig {
    let mut config = NodeConfig::new(Arc::clone(&miner.params), datadir);
    config.net = NetConfig { listen: Some(SocketAddr::new(local(1), 0)), ..net };
    config.hasher = Some(Arc::clone(&miner.hasher));
    config
}

/// A node with a chain.
pub async fn started(config: NodeConfig, miner: &Miner, chain: &Mined) -> Node {
    let (importing, hasher, records) = (config.clone(), Arc::clone(&miner.hasher), chain.records());
    let late = u64::from(chain.blocks.last().unwrap().header.time);
    let imported = move || import(&importing, hasher, late, &records[..], |_| {}).map(drop);
    tokio::task::spawn_blocking(imported).await.unwrap().unwrap();
    Node::start(config).await.unwrap()
}
