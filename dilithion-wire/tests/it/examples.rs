//! The worked examples of the specification (spec: wire §8), from values to bytes and back.

use std::net::SocketAddr;

use dilithion_wire::{
    Address, ChainParams, FrameHeader, GetHeaders, Inventory, Limits, Magic, Message, RawMessage, Services,
    VersionMessage,
};

use crate::unhex;

/// Checks that a message has these bytes, and these bytes are this message.
fn check(magic: Magic, message: &Message, frame: &str) {
    let frame = unhex(&frame.split_whitespace().collect::<String>());
    let raw = message.to_raw();
    let header = FrameHeader::new(magic, raw.command, &raw.payload).unwrap();
    let mut encoded = Vec::new();
    header.encode(&mut encoded);
    encoded.extend_from_slice(&raw.payload);
    assert_eq!(hex::encode(encoded), hex::encode(&frame));

    let (header, payload) = frame.split_first_chunk().unwrap();
    let header = FrameHeader::parse(header, magic, payload.len()).unwrap();
    header.verify(payload).unwrap();
    let decoded = RawMessage { command: header.command, payload: payload.to_vec().into() };
    assert_eq!(decoded.decode(&Limits::MAINNET).as_ref(), Ok(message));
}

fn address(text: &str) -> Address {
    text.parse::<SocketAddr>().unwrap().into()
}

#[test]
fn version_on_testnet() {
    let version = VersionMessage {
        version: 70_001,
        services: Services::NETWORK,
        time: 1_700_000_000,
        receiver: address("1.2.3.4:18444"),
        sender: address("0.0.0.0:0"),
        nonce: 0x0102_0304_0506_0708,
        user_agent: "/Dilithion:0.1.0/".to_owned(),
        start_height: 5,
        relay: true,
        genesis: None,
    };
    check(
        Magic::TESTNET,
        &Message::Version(version),
        "fabfb5da76657273696f6e0000000000670000001424a870
         71110100 0100000000000000 00f1536500000000
         010000000000000000000000000000000000ffff010203040c48
         010000000000000000000000000000000000ffff000000000000
         0807060504030201 112f44696c697468696f6e3a302e312e302f 05000000 01",
    );
}

#[test]
fn version_on_mainnet() {
    let version = VersionMessage {
        version: 70_010,
        services: Services::NETWORK,
        time: 1_700_000_000,
        receiver: address("1.2.3.4:8444"),
        sender: address("0.0.0.0:0"),
        nonce: 1,
        user_agent: "/x:1/".to_owned(),
        start_height: 0,
        relay: true,
        genesis: Some(ChainParams::mainnet().genesis.hash),
    };
    check(
        Magic::MAINNET,
        &Message::Version(version),
        "024171d176657273696f6e00000000007b0000009e07ed79
         7a110100 0100000000000000 00f1536500000000
         010000000000000000000000000000000000ffff01020304fc20
         010000000000000000000000000000000000ffff000000000000
         0100000000000000 052f783a312f 00000000 01
         c30b9bb90d0961eabbafdd215b044454c3753f5c52146dba81775eaa9e000000",
    );
}

#[test]
fn verack() {
    check(Magic::TESTNET, &Message::Verack, "fabfb5da76657261636b00000000000000000000a1292c11");
}

#[test]
fn ping() {
    check(
        Magic::TESTNET,
        &Message::Ping(0x0807_0605_0403_0201),
        "fabfb5da70696e67000000000000000008000000fd9fc382 0102030405060708",
    );
}

#[test]
fn getheaders() {
    let request = GetHeaders { locator: vec![ChainParams::testnet().genesis.hash], stop: Default::default() };
    check(
        Magic::TESTNET,
        &Message::GetHeaders(request),
        "fabfb5da67657468656164657273000041000000edc0f4da
         01 fce8293c391b9a3325dc91b1bdb0fb746905a2475cfea01bcc4b3c901d351c41
         0000000000000000000000000000000000000000000000000000000000000000",
    );
}

#[test]
fn no_headers() {
    check(
        Magic::TESTNET,
        &Message::Headers(Vec::new()),
        "fabfb5da686561646572730000000000010000005701e973 00",
    );
}

#[test]
fn the_genesis_block() {
    check(
        Magic::TESTNET,
        &Message::Block(ChainParams::testnet().genesis_block()),
        "fabfb5da626c6f636b00000000000000d700000043839623
         0100000000000000000000000000000000000000000000000000000000000000000000003d943636d5673dac35add76b2794adba
         98ffc6c628e3fe08ba6b13c4438166c980b41d670000011f4a3b0000 86 01
         01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff480044696c697468696f6e
         20546573746e65742076312e302e3135202d204275672023333220262023333320666978657320286d696e696e672074656d706c
         617465202b2049424429ffffffff0100f2052a01000000016a00000000",
    );
}

#[test]
fn inventory_of_a_block() {
    check(
        Magic::TESTNET,
        &Message::Inv(vec![Inventory::block(ChainParams::testnet().genesis.hash)]),
        "fabfb5da696e7600000000000000000025000000d05201b9
         01 02000000 fce8293c391b9a3325dc91b1bdb0fb746905a2475cfea01bcc4b3c901d351c41",
    );
}
