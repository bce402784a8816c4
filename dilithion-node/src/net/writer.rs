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
        if let Err(error) = written {
            tracing::warn!("[P2P] Failed to send message to peer {}: {error}", peer.id);
            peer.disconnect();
            break;
        }
        buffer.clear();
        peer.note_written(bytes, shared.clock.now().mono);
    }
    // What was queued before the connection was closed is sent, if it is short and the peer reads. The peer may be gone
    // already; there is nobody left to tell.
    let _ = tokio::time::timeout(DRAIN_TIME, drain(&mut socket, &peer, &mut codec)).await;
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

/// Writes the buffer out, giving up when the connection is closed, or when the peer has taken nothing for too long: one
/// that stops reading would otherwise hold its slot for ever.
async fn write_out(
    socket: &mut OwnedWriteHalf,
    buffer: &mut BytesMut,
    peer: &Peer,
    patience: Duration,
) -> Result<(), FrameError> {
    while buffer.has_remaining() {
        tokio::select! {
            written = tokio::time::timeout(patience, socket.write_buf(buffer)) => {
                written.map_err(io::Error::from)??;
            }
            () = peer.closed() => return Ok(()),
        }
    }
    Ok(())
}
