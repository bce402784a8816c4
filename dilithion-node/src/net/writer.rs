//! The writing side of a connection.

use std::sync::Arc;

use bytes::BytesMut;
use dilithion_wire::{FrameError, MessageCodec, RawMessage};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio_util::codec::Encoder;

use super::manager::Shared;
use super::peer::{Peer, SendQueues};

/// Writes queued messages in order, control messages before blocks.
pub(super) async fn write_loop(
    mut socket: OwnedWriteHalf,
    peer: Arc<Peer>,
    mut queues: SendQueues,
    shared: Arc<Shared>,
) {
    let mut codec = MessageCodec::new(shared.params.magic);
    let mut buffer = BytesMut::new();
    loop {
        let (raw, is_control) = tokio::select! {
            biased;
            () = peer.closed() => break,
            raw = queues.control.recv() => (raw, true),
            raw = queues.bulk.recv() => (raw, false),
        };
        let Some(raw) = raw else { break };
        if let Err(error) = write_message(&mut socket, &mut codec, &mut buffer, raw, &peer).await {
            tracing::warn!("[P2P] Failed to send message to peer {}: {error}", peer.id);
            peer.disconnect();
            break;
        }
        let control_bytes = if is_control { buffer.len() } else { 0 };
        buffer.clear();
        peer.note_written(control_bytes, shared.clock.now().mono);
    }
    // The peer may be gone already; there is nobody left to tell.
    let _ = socket.shutdown().await;
}

/// Encodes one message into `buffer` and writes it out, giving up when the connection is closed.
async fn write_message(
    socket: &mut OwnedWriteHalf,
    codec: &mut MessageCodec,
    buffer: &mut BytesMut,
    raw: RawMessage,
    peer: &Peer,
) -> Result<(), FrameError> {
    codec.encode(raw, buffer)?;
    tokio::select! {
        written = socket.write_all(buffer) => Ok(written?),
        () = peer.closed() => Ok(()),
    }
}
