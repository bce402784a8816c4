//! The writing side of a connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use dilithion_wire::{FrameError, MessageCodec};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::codec::Encoder;

use super::peer::{Outgoing, Peer};
use super::shared::Shared;

/// Messages are gathered into one write up to this many bytes. More: fewer system calls for small messages. Less: a pong
/// that comes meanwhile waits for less.
const WRITE_BATCH: usize = 64 << 10;

/// How long a connection that is being closed may take to send what is queued.
const DRAIN_TIME: Duration = Duration::from_millis(200);

/// Writes queued messages, control before headers before blocks, small ones many at a time.
pub(super) async fn write_loop(mut socket: OwnedWriteHalf, peer: Arc<Peer>, shared: Arc<Shared>) {
    let mut codec = MessageCodec::new(shared.params.magic);
    let mut buffer = BytesMut::new();
    let patience = shared.config.timeouts.send_stall;
    let mut whole = true;
    loop {
        let first = tokio::select! {
            biased;
            () = peer.closed() => break,
            outgoing = peer.next_outgoing() => outgoing,
        };
        let gathered = gather(first, &peer, &mut codec, &mut buffer);
        let bytes = buffer.len();
        let written = match gathered {
            // What the messages hold of the room for served blocks is given back when they are written.
            Ok(_rooms) => write_out(&mut socket, &mut buffer, &peer, patience).await,
            Err(error) => Err(error),
        };
        match written {
            Ok(Written::Whole) => peer.note_written(bytes, shared.clock.now().mono),
            Ok(Written::Part) => {
                whole = false;
                break;
            }
            Err(error) => {
                tracing::warn!("[P2P] Failed to send message to peer {}: {error}", peer.id);
                peer.disconnect();
                whole = false;
                break;
            }
        }
    }
    // What was queued before the connection was closed is sent, if it is short and the peer reads; but behind a part of a
    // message it would be taken for the rest of that. The peer may be gone already; there is nobody left to tell.
    if whole {
        let _ = tokio::time::timeout(DRAIN_TIME, drain(&mut socket, &peer, &mut codec)).await;
    }
    let _ = socket.shutdown().await;
}

async fn drain(socket: &mut OwnedWriteHalf, peer: &Peer, codec: &mut MessageCodec) -> Result<(), FrameError> {
    let mut buffer = BytesMut::new();
    while let Some(outgoing) = peer.try_next_small() {
        codec.encode(outgoing.raw, &mut buffer)?;
    }
    Ok(socket.write_all_buf(&mut buffer).await?)
}

/// Encodes a message and those behind it, as long as they are small.
fn gather(
    first: Outgoing,
    peer: &Peer,
    codec: &mut MessageCodec,
    buffer: &mut BytesMut,
) -> Result<Vec<OwnedSemaphorePermit>, FrameError> {
    let (mut rooms, mut next) = (Vec::new(), Some(first));
    while let Some(Outgoing { raw, room }) = next {
        codec.encode(raw, buffer)?;
        rooms.extend(room);
        next = if buffer.len() < WRITE_BATCH { peer.try_next_outgoing() } else { None };
    }
    Ok(rooms)
}

/// How far a buffer was written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// To its end.
    Whole,
    /// Until the connection was closed; its last message may be cut.
    Part,
}

/// Writes the buffer out, giving up when the connection is closed, or when the peer has taken nothing for too long: one
/// that stops reading would otherwise hold its slot for ever.
async fn write_out(
    socket: &mut OwnedWriteHalf,
    buffer: &mut BytesMut,
    peer: &Peer,
    patience: Duration,
) -> Result<Written, FrameError> {
    while buffer.has_remaining() {
        tokio::select! {
            written = tokio::time::timeout(patience, socket.write_buf(buffer)) => {
                written.map_err(io::Error::from)??;
            }
            () = peer.closed() => return Ok(Written::Part),
        }
    }
    Ok(Written::Whole)
}

#[cfg(test)]
mod tests {
    use dilithion_wire::PeerId;
    use tokio::net::{TcpListener, TcpStream};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::net::Purpose;

    /// More than the sockets of both ends hold.
    const MUCH: usize = 64 << 20;

    #[tokio::test]
    async fn a_message_that_is_cut_is_told_from_one_that_is_whole() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (reader, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (_reader, (_unused, mut socket)) = (reader.unwrap(), accepted.unwrap().0.into_split());
        let peer =
            Peer::new(PeerId(1), address, Purpose::Inbound, 0, Duration::ZERO, CancellationToken::new());
        let patience = Duration::from_secs(600);

        let mut short = BytesMut::from(&[0; 100][..]);
        assert_eq!(write_out(&mut socket, &mut short, &peer, patience).await.unwrap(), Written::Whole);
        assert!(short.is_empty());
        let mut long = BytesMut::zeroed(MUCH);
        let closing = async { peer.disconnect() };
        let (written, ()) = tokio::join!(write_out(&mut socket, &mut long, &peer, patience), closing);
        assert_eq!(written.unwrap(), Written::Part);
        assert!(!long.is_empty());
    }
}
