//! Blocks recorded from a network of reference nodes.

use bytes::{Buf, Bytes};
use dilithion_wire::{Block, Decode, DecodeError, Encode, Limits};

/// The payloads of the recorded `block` messages.
fn payloads() -> Vec<Bytes> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/recorded-500.dat");
    let mut rest = Bytes::from(std::fs::read(path).unwrap());
    let mut payloads = Vec::new();
    while !rest.is_empty() {
        let len = rest.get_u32_le();
        payloads.push(rest.split_to(len.try_into().unwrap()));
    }
    assert_eq!(payloads.len(), 501);
    payloads
}

#[test]
fn blocks_come_back_byte_by_byte() {
    for payload in payloads() {
        let block = Block::decode_exact(payload.clone(), &Limits::TESTNET).unwrap();
        assert_eq!(block.encode_to_vec(), payload);
        assert_eq!(block.encoded_len(), payload.len());
        assert_eq!(block.merkle_root(), block.header.merkle_root);
        assert!(block.transactions[0].is_coinbase());
        assert!(block.transactions[1..].iter().all(|tx| !tx.is_coinbase()));
    }
}

#[test]
fn a_body_behind_a_long_header_is_not_misread() {
    let version_4 = |payload: &Bytes| [&4_i32.to_le_bytes(), &payload[4..]].concat();
    for payload in payloads().iter().take(10) {
        let changed = Bytes::from(version_4(payload));
        assert!(Block::decode_payload(changed.clone(), &Limits::TESTNET).is_ok());
        let error = Block::decode_payload(changed, &Limits::MAINNET).unwrap_err();
        assert_eq!(error, DecodeError::VdfHeader { version: 4 });
    }
}
