//! Values computed by the reference node's own functions.

use std::sync::LazyLock;

use dilithion_wire::{
    BlockHash, BlockHeader, ChainParams, Decode, Encode, Height, Limits, MerkleRoot, Transaction, Txid,
    checksum, merkle_root, sha3_256,
};
use serde_json::Value;

use crate::unhex;

static VECTORS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../data/vectors.json")).unwrap());

/// The rows of a section.
fn rows(section: &str) -> &'static [Value] {
    let rows = VECTORS[section].as_array().unwrap();
    assert!(!rows.is_empty());
    rows
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_else(|| panic!("{key} in {row}"))
}

fn bytes32(text: &str) -> [u8; 32] {
    unhex(text)[..].try_into().unwrap()
}

fn txids(row: &Value) -> Vec<Txid> {
    let ids = row["txids_bytes"].as_array().unwrap();
    ids.iter().map(|id| Txid::from_bytes(bytes32(id.as_str().unwrap()))).collect()
}

fn check_genesis(name: &str, params: &ChainParams) {
    let row = rows("genesis").iter().find(|row| row["name"] == name).unwrap();
    let block = params.genesis_block();
    assert_eq!(hex::encode(block.header.to_bytes()), text(row, "header_hex"));
    assert_eq!(hex::encode(block.transactions[0].encode_to_vec()), text(row, "coinbase_tx_hex"));
    assert_eq!(block.header.merkle_root.to_string(), text(row, "merkle_root_display"));
    assert_eq!(hex::encode(block.encode_to_vec()), text(row, "wire_block_hex"));
    assert_eq!(params.genesis.hash.to_string(), text(row, "hash_display"));
    assert_eq!(params.genesis_header(), block.header);
}

#[test]
fn genesis_of_testnet() {
    check_genesis("testnet", &ChainParams::testnet());
}

#[test]
fn genesis_of_mainnet() {
    check_genesis("mainnet", &ChainParams::mainnet());
}

#[test]
fn genesis_of_testnet_with_the_earlier_message() {
    let mut params = ChainParams::testnet();
    params.genesis.coinbase_message =
        "Dilithion Testnet v1.0.14 - 6x difficulty increase for 60s block times".to_owned();
    params.genesis.hash = "0000ee281e9c4a9216ed662146da376ff20fd2b3cc516bc4346cedb2a330e6d3".parse().unwrap();
    check_genesis("testnet_v1014_message", &params);
}

#[test]
fn genesis_of_regtest() {
    // Made here, by the rules that hold for the others.
    let header = ChainParams::regtest().genesis_header();
    assert_eq!(
        hex::encode(header.to_bytes()),
        "0100000000000000000000000000000000000000000000000000000000000000000000\
         00bc89df7277e3e91257a699c0f18abfd7ff5e8b406f227938baed5d3391317f9e80b41d67ffff3f2000000000"
    );
}

#[test]
fn message_checksums() {
    for row in rows("message_checksum") {
        let payload = unhex(text(row, "payload"));
        let number = u64::from(u32::from_le_bytes(checksum(&payload)));
        assert_eq!(Some(number), row["checksum_u32"].as_u64());
        assert_eq!(hex::encode(sha3_256(&payload)), text(row, "sha3_256"));
    }
}

#[test]
fn merkle_roots() {
    for row in rows("merkle") {
        assert_eq!(hex::encode(merkle_root(&txids(row)).as_bytes()), text(row, "root_bytes"));
    }
}

#[test]
fn merkle_roots_of_recorded_blocks() {
    for row in rows("block_merkle") {
        let root = MerkleRoot::from_bytes(bytes32(text(row, "root_bytes")));
        assert_eq!(merkle_root(&txids(row)), root);
        assert_eq!(hex::encode(root.as_bytes()), text(row, "header_root_bytes"));
    }
}

#[test]
fn transaction_ids() {
    for row in rows("txs") {
        let bytes = unhex(text(row, "tx"));
        let tx = Transaction::decode_exact(bytes.clone(), &Limits::TESTNET).unwrap();
        assert_eq!(tx.encode_to_vec(), bytes);
        assert_eq!(hex::encode(tx.txid().as_bytes()), text(row, "txid_bytes"));
        assert_eq!(tx.txid().to_string(), text(row, "txid_display"));
        assert_eq!(Some(tx.is_coinbase()), row["coinbase"].as_bool());
    }
}

#[test]
fn subsidies() {
    let params = ChainParams::testnet();
    for row in rows("subsidy") {
        let height = Height(row["height"].as_u64().unwrap().try_into().unwrap());
        assert_eq!(Some(params.subsidy(height).0), row["subsidy"].as_u64(), "{height}");
    }
}

#[test]
fn headers_are_read_as_they_are_written() {
    for row in rows("genesis") {
        let bytes: [u8; 80] = unhex(text(row, "header_hex"))[..].try_into().unwrap();
        let header = BlockHeader::from_bytes(&bytes);
        assert_eq!(header.prev_hash, BlockHash::ZERO);
        assert_eq!(header.to_bytes(), bytes);
    }
}
