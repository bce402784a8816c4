//! What the node does, as it happens.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::Served;
use crate::miner::Miner;
use crate::wire_peer::RawPeer;

/// A reader of server-sent events.
pub struct Events {
    stream: TcpStream,
    text: String,
}

impl Events {
    pub async fn open(served: &Served) -> Self {
        let mut stream = TcpStream::connect(served.address()).await.unwrap();
        let request = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request).await.unwrap();
        Self { stream, text: String::new() }
    }

    /// The next event of this name. Frames of the transfer encoding stand between lines and are passed over.
    pub async fn next(&mut self, name: &str) -> Value {
        loop {
            let begin = format!("event: {name}\ndata: ");
            let found = self.text.split_once(&begin).and_then(|(_, rest)| rest.split_once("\n\n"));
            if let Some((data, rest)) = found.map(|(data, rest)| (data.to_owned(), rest.to_owned())) {
                self.text = rest;
                return serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"));
            }
            let mut bytes = [0; 4096];
            let read = self.stream.read(&mut bytes).await.unwrap();
            assert_ne!(read, 0, "the stream ended:\n{}", self.text);
            self.text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_as_they_happen() {
    let served = Served::start(&Miner::shared().genesis()).await;
    let mut events = Events::open(&served).await;
    let first = events.next("status").await;
    assert_eq!((&first["state"], &first["peers"]), (&"IDLE".into(), &0.into()));
    assert!(first["hashing"]["threads"].as_u64().unwrap() > 0 && first["window"]["runs"].is_array());
    let mut peer = RawPeer::connect(&served.node, Miner::shared()).await;
    peer.shake_hands().await;
    while events.next("status").await["peers"] != 1 {}
    let peers = events.next("peers").await;
    assert_eq!(peers["peers"][0]["user_agent"], "/test:1.0/");
    served.stop().await;
}

/// Streams take a part of the connections only; the others go on being served.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_watch_keep_nobody_out() {
    let served = Served::start(&Miner::shared().genesis()).await;
    let mut watching = Vec::new();
    for _ in 0..8 {
        let mut events = Events::open(&served).await;
        events.next("status").await;
        watching.push(events);
    }
    let ninth = served.get("/api/v1/events").await;
    assert_eq!((ninth.status, ninth.error().as_str()), (429, "too_many"));
    assert_eq!(served.json("/height").await["height"], 0);
    drop(watching);
    served.stop().await;
}
