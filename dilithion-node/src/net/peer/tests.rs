use dilithion_wire::BlockHeader;

use super::*;

fn peer() -> Peer {
    let address = SocketAddr::from(([192, 0, 2, 1], 8444));
    Peer::new(PeerId(1), address, Purpose::Inbound, 0, Duration::ZERO, CancellationToken::new())
}

fn served(command: Command) -> RawMessage {
    RawMessage { command, payload: vec![0; 1 << 20].into() }
}

#[tokio::test]
async fn whatever_is_served_is_overtaken_and_does_not_count_as_queued() {
    for command in [Command::TX, Command::BLOCKTXN, Command::CMPCTBLOCK, Command::INV, Command::BLOCK] {
        let peer = peer();
        for _ in 0..BULK_QUEUE {
            peer.send_bulk(served(command)).await.unwrap();
        }
        assert_eq!(peer.queued_bytes(), 0);
        peer.send(&Message::Headers(Vec::<BlockHeader>::new())).unwrap();
        peer.send(&Message::Pong(1)).unwrap();
        let written = std::iter::from_fn(|| peer.try_next_outgoing()).map(|outgoing| outgoing.raw.command);
        assert_eq!(written.collect::<Vec<_>>(), [Command::PONG, Command::HEADERS, command, command]);
    }
}
