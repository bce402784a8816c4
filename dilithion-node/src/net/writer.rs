//! The writing side of a connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use dilithion_wire::{FrameError, MessageCodec, RawMessage};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio_util::codec::Encoder;

use super::peer::Peer;
use super::shared::Shared;

/// Writes queued messages, control before headers before blocks.
pub(super) async fn write_loop(mut socket: OwnedWriteHalf, peer: Arc<Peer>, shared: Arc<Shared>) {
    let mut codec = MessageCodec::new(shared.params.magic);
    let mut buffer = BytesMut::new();
    let patience = shared.config.timeouts.send_stall;
    loop {
        let outgoing = tokio::select! {
            biased;
            () = peer.closed() => break,
            outgoing = peer.next_outgoing() => outgoing,
        };
        if let Err(error) =
            write_message(&mut socket, &mut codec, &mut buffer, outgoing.raw, &peer, patience).await
        {
            tracing::warn!("[P2P] Failed to send message to peer {}: {error}", peer.id);
            peer.disconnect();
            break;
        }
        buffer.clear();
        peer.note_written(shared.clock.now().mono);
    }
    // The peer may be gone already; there is nobody left to tell.
    let _ = socket.shutdown().await;
}

/// Encodes one message into `buffer` and writes it out, giving up when the connection is closed, or when the peer has
/// taken nothing for too long: one that stops reading would otherwise hold its slot for ever.
async fn write_message(
    socket: &mut OwnedWriteHalf,
    codec: &mut MessageCodec,
    buffer: &mut BytesMut,
    raw: RawMessage,
    peer: &Peer,
    patience: Duration,
) -> Result<(), FrameError> {
    codec.encode(raw, buffer)?;
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
