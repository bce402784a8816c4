//! Blocks recorded from a network of reference nodes.

use allocation_counter::measure;
use bytes::{Buf, Bytes};
use dilithion_wire::{Block, BlockHeader, Command, Decode, Encode, Limits, RawMessage, VdfProof};

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
    for payload in payloads().iter().take(10) {
        let (header, body) = payload.split_at(BlockHeader::SIZE);
        let (_, header) = header.split_at(4);
        let changed = |proof: &[u8]| Bytes::from([&4_i32.to_le_bytes(), header, proof, body].concat());
        let plain = Block::decode_exact(changed(&[]), &Limits::TESTNET).unwrap();
        assert!(Block::decode_exact(changed(&[]), &Limits::MAINNET).is_err());

        let long = Block::decode_exact(changed(&[7; 64]), &Limits::MAINNET).unwrap();
        assert_eq!(long.vdf, Some(VdfProof { output: [7; 32], proof_hash: [7; 32] }));
        assert_eq!((&long.header, &long.transactions), (&plain.header, &plain.transactions));
        assert_eq!(long.encode_to_vec(), changed(&[7; 64]));
        assert!(Block::decode_exact(changed(&[7; 64]), &Limits::TESTNET).is_err());
    }
}

#[test]
fn real_blocks_take_less_than_twice_their_bytes() {
    const ENDS_OF_BYTE_STRINGS: u64 = 1024;
    for payload in payloads() {
        let raw = RawMessage { command: Command::BLOCK, payload: payload.clone() };
        let mut decoded = None;
        let taken = measure(|| decoded = Some(raw.decode(&Limits::MAINNET))).bytes_max;
        assert!(decoded.unwrap().is_ok());
        assert!(taken <= 2 * payload.len() as u64 + ENDS_OF_BYTE_STRINGS, "{taken} for {}", payload.len());
    }
}
