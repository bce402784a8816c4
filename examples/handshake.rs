//! Dials a node, shakes hands, asks for headers and prints what it says: `handshake IP:PORT [NETWORK]`.
//!
//! The network is a name or a chain file; without it, the testnet. All of this is `dilithion-wire` and a socket: the codec
//! does no I/O, so a blocking program can use it as well as one of tokio. To try it, with a node in another terminal:
//!
//! ```text
//! cargo run -p dilithion-node -- run --chain testdata/private.toml --datadir node --bind 127.0.0.1
//! cargo run -p examples --example handshake -- 127.0.0.1:28444 testdata/private.toml
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use bytes::BytesMut;
use dilithion_wire::{
    BlockHash, ChainParams, GetHeaders, Height, Message, MessageCodec, RawMessage, VersionMessage,
};
use tokio_util::codec::{Decoder, Encoder};

/// How long a node may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much is read at a time.
const READ: usize = 8192;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: handshake IP:PORT [NETWORK]";
    let node: SocketAddr = arguments.next().context(usage)?.parse().context(usage)?;
    let params = arguments.next().map_or_else(|| Ok(ChainParams::testnet()), |name| network(&name))?;

    let mut peer = Peer::dial(node, &params)?;
    let theirs = peer.shake_hands(node)?;
    println!("{} at height {}", theirs.user_agent.escape_debug(), theirs.start_height);

    // A locator ends with the genesis block, so that there is always something in common.
    let locator = vec![params.genesis.hash];
    peer.send(&Message::GetHeaders(GetHeaders { locator, stop: BlockHash::ZERO }))?;
    let headers = peer.wait_for(|message| match message {
        Message::Headers(headers) => Some(headers),
        _ => None,
    })?;
    println!("{} headers", headers.len());
    for (height, header) in (1..).zip(&headers).take(3) {
        println!("{height}: after {}, at {}", header.prev_hash, header.time);
    }
    Ok(())
}

fn network(name: &str) -> anyhow::Result<ChainParams> {
    match ChainParams::by_name(name) {
        Some(params) => Ok(params),
        None => Ok(ChainParams::from_toml(&std::fs::read_to_string(name)?)?),
    }
}

/// A connection to a node.
struct Peer<'a> {
    params: &'a ChainParams,
    stream: TcpStream,
    codec: MessageCodec,
    received: BytesMut,
}

impl<'a> Peer<'a> {
    fn dial(node: SocketAddr, params: &'a ChainParams) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&node, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { params, stream, codec: MessageCodec::new(params.magic), received: BytesMut::new() })
    }

    /// The side that dials speaks first; each side acknowledges what the other says of itself.
    fn shake_hands(&mut self, node: SocketAddr) -> anyhow::Result<VersionMessage> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        // Nodes know themselves by this number; any that is not used twice will do.
        let nonce = u64::from(now.subsec_nanos());
        let ours = VersionMessage::new(self.params, node, nonce, Height::GENESIS, now.as_secs());
        self.send(&Message::Version(ours))?;
        let theirs = self.wait_for(|message| match message {
            Message::Version(version) => Some(version),
            _ => None,
        })?;
        theirs.check(self.params)?;
        self.send(&Message::Verack)?;
        self.wait_for(|message| matches!(message, Message::Verack).then_some(()))?;
        Ok(theirs)
    }

    fn send(&mut self, message: &Message) -> anyhow::Result<()> {
        let mut bytes = BytesMut::new();
        self.codec.encode(message, &mut bytes)?;
        Ok(self.stream.write_all(&bytes)?)
    }

    /// Reads until there is what is wanted. Pings have to be answered whenever they come.
    fn wait_for<T>(&mut self, wanted: impl Fn(Message) -> Option<T>) -> anyhow::Result<T> {
        let begun = Instant::now();
        loop {
            ensure!(begun.elapsed() < PATIENCE, "the node talks of other things");
            match self.receive()?.decode(&self.params.limits)? {
                Message::Ping(nonce) => self.send(&Message::Pong(nonce))?,
                message => {
                    if let Some(found) = wanted(message) {
                        return Ok(found);
                    }
                }
            }
        }
    }

    fn receive(&mut self) -> anyhow::Result<RawMessage> {
        let mut part = [0; READ];
        loop {
            if let Some(raw) = self.codec.decode(&mut self.received)? {
                return Ok(raw);
            }
            let count = self.stream.read(&mut part)?;
            ensure!(count > 0, "the node closed the connection");
            self.received.extend_from_slice(part.get(..count).unwrap_or_default());
        }
    }
}
