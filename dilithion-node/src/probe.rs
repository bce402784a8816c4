//! A small client that measures how fast a node answers pings, whatever else the node is doing.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use dilithion_wire::{ChainParams, FrameError, Height, Message, MessageCodec, RawMessage, VersionMessage};
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_stream::StreamExt;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Encoder, FramedRead};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, SystemClock};
use crate::random::random_u64;

/// Why a measurement failed.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The connection failed.
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    /// The node sent something that is no message.
    #[error("bad message: {0}")]
    Frame(#[from] FrameError),
    /// The node closed the connection.
    #[error("the node closed the connection")]
    Closed,
}

/// Round-trip times, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many pings were answered.
    pub count: usize,
    /// The median.
    pub p50: Duration,
    /// 99 of 100 were answered within this time.
    pub p99: Duration,
    /// The slowest.
    pub max: Duration,
}

impl Latency {
    /// Sums up round-trip times.
    #[must_use]
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let quantile = |per_cent: usize| {
            let rank = (times.len() * per_cent).div_ceil(100).max(1);
            times.get(rank - 1).copied().unwrap_or_default()
        };
        Self { count: times.len(), p50: quantile(50), p99: quantile(99), max: quantile(100) }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        write!(
            f,
            "{} pings: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            self.count,
            millis(self.p50),
            millis(self.p99),
            millis(self.max)
        )
    }
}

/// Connects to a node, shakes hands, and pings it every `interval` until `stop` is cancelled or the node closes.
///
/// # Errors
///
/// [`ProbeError`] if the connection or the handshake fails.
pub async fn measure_ping(
    params: &ChainParams,
    node: SocketAddr,
    interval: Duration,
    stop: CancellationToken,
) -> Result<Latency, ProbeError> {
    let mut client = Client::connect(params, node).await?;
    client.shake_hands(params, node).await?;
    let mut times = Vec::new();
    let mut timer = tokio::time::interval(interval);
    let mut nonce = 0;
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = timer.tick() => {}
        }
        nonce += 1;
        match client.ping(nonce).await {
            Ok(time) => times.push(time),
            // The node may stop before we do.
            Err(ProbeError::Closed | ProbeError::Io(_)) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Latency::of(times))
}

struct Client {
    frames: FramedRead<OwnedReadHalf, MessageCodec>,
    socket: OwnedWriteHalf,
    codec: MessageCodec,
    clock: SystemClock,
}

impl Client {
    async fn connect(params: &ChainParams, node: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(node).await?;
        stream.set_nodelay(true)?;
        let (read, socket) = stream.into_split();
        let codec = MessageCodec::new(params.magic);
        let frames = FramedRead::new(read, MessageCodec::new(params.magic));
        Ok(Self { frames, socket, codec, clock: SystemClock::new() })
    }

    async fn shake_hands(&mut self, params: &ChainParams, node: SocketAddr) -> Result<(), ProbeError> {
        let now = self.clock.now();
        let version = VersionMessage::new(params, node, random_u64(), Height::GENESIS, now.unix);
        self.send(&Message::Version(version)).await?;
        while self.receive().await?.command.as_str() != "verack" {}
        self.send(&Message::Verack).await
    }

    async fn ping(&mut self, nonce: u64) -> Result<Duration, ProbeError> {
        let sent = self.clock.now().mono;
        self.send(&Message::Ping(nonce)).await?;
        let pong = Message::Pong(nonce).to_raw();
        loop {
            let raw = self.receive().await?;
            if raw == pong {
                return Ok(self.clock.now().mono.saturating_sub(sent));
            }
            // Asked for headers, a client that has none says so; silence would look like a stall.
            if raw.command.as_str() == "getheaders" {
                self.send(&Message::Headers(Vec::new())).await?;
            }
        }
    }

    async fn send(&mut self, message: &Message) -> Result<(), ProbeError> {
        let mut bytes = BytesMut::new();
        self.codec.encode(message.to_raw(), &mut bytes)?;
        Ok(self.socket.write_all(&bytes).await?)
    }

    async fn receive(&mut self) -> Result<RawMessage, ProbeError> {
        Ok(self.frames.next().await.ok_or(ProbeError::Closed)??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_ranks() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        let latency = Latency::of(times);
        assert_eq!(latency.count, 200);
        assert_eq!(latency.p50, Duration::from_millis(100));
        assert_eq!(latency.p99, Duration::from_millis(198));
        assert_eq!(latency.max, Duration::from_millis(200));
        assert_eq!(Latency::of(Vec::new()), Latency::default());
    }
}
