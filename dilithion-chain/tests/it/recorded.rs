//! Blocks recorded from a network of reference nodes.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use dilithion_chain::Candidate;
use dilithion_wire::{Block, BlockHash, ChainParams};

/// UTXO digests of the recorded chain: height, then count, total and digest.
pub(crate) const DIGESTS: [(u32, &str); 7] = [
    (0, "1 5000000000 9dd702c91cbd96d4caf434da1b84d77f6b038e1cfc288ca4cfb2e7172ebdfa9e"),
    (1, "2 10000000000 aed2e7143ef0d93649a9f1667b975a9eece3feb8d9d75c178e61bec46e2dc25e"),
    (100, "103 505000000000 96bba32be4fa4446ef6d539eeab09c2b727166dac3b44729056e00231306cd9f"),
    (500, "660 2504999975310 2b12b19a5bdd9733b9dd9b9204e5e9333754a7371f6b5a547f1644dbcd5f0088"),
    (1000, "1379 5004999950620 380430ecac1776eb8b3e43d4a891414cefa262114559d253bfc5a90f861c21b4"),
    (2016, "2865 10074999888895 d08b8152f9eb8ee6e0439ac47275a012906792114ec88000b60d7e32efe2036e"),
    (5000, "7190 24954999716065 7fabcab5b0298b4a91aa057d6d8858335b1da9acdf0ac65c971ef7e329281351"),
];

/// The recorded digest at a height.
pub(crate) fn digest_at(height: u32) -> &'static str {
    DIGESTS.iter().find(|(at, _)| *at == height).unwrap().1
}

/// The first 500 blocks after genesis, and the parameters of their network.
pub(crate) fn first_500() -> (Arc<ChainParams>, Vec<Candidate>) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata");
    let mut chain =
        load(&dir.join("recorded-500.dat"), &dir.join("recorded-500.index.jsonl"), &dir.join("private.toml"));
    assert_eq!(chain.1.len(), 501);
    chain.1.remove(0);
    chain
}

/// All blocks of a recording, genesis first.
pub(crate) fn load(blocks: &Path, index: &Path, params: &Path) -> (Arc<ChainParams>, Vec<Candidate>) {
    let params = ChainParams::from_toml(&fs::read_to_string(params).unwrap()).unwrap();
    let index = fs::read_to_string(index).unwrap();
    let hashes = index.lines().map(hash_of);
    let mut rest = Bytes::from(fs::read(blocks).unwrap());
    let mut candidates = Vec::new();
    for hash in hashes {
        let len = u32::from_le_bytes(rest.split_to(4)[..].try_into().unwrap());
        let payload = rest.split_to(len.try_into().unwrap());
        let block = Block::decode_payload(payload, &params.limits).unwrap();
        candidates.push(Candidate { hash, verified: true, block });
    }
    assert!(rest.is_empty());
    (Arc::new(params), candidates)
}

fn hash_of(line: &str) -> BlockHash {
    let (_, rest) = line.split_once("\"hash\":\"").unwrap();
    rest[..64].parse().unwrap()
}
