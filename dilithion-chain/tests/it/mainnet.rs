//! Data made by the reference nodes under mainnet's rules: see `testdata/README.md`.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use dilithion_chain::Candidate;
use dilithion_wire::{Block, ChainParams};
use ruzstd::decoding::StreamingDecoder;
use serde_json::Value;

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/private-m")
}

/// A compressed file.
fn decompressed(name: &str) -> Vec<u8> {
    let file = fs::File::open(dir().join(name)).unwrap();
    let mut bytes = Vec::new();
    StreamingDecoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// Values that the functions of the reference node computed.
pub(crate) fn vectors(section: &str) -> &'static Value {
    static VECTORS: OnceLock<Value> = OnceLock::new();
    &VECTORS.get_or_init(|| serde_json::from_slice(&decompressed("vectors.json.zst")).unwrap())[section]
}

/// The recorded network.
pub(crate) fn params() -> Arc<ChainParams> {
    let text = fs::read_to_string(dir().join("private-m.toml")).unwrap();
    Arc::new(ChainParams::from_toml(&text).unwrap())
}

/// The recorded blocks, genesis first, each with its line of the index.
pub(crate) fn recorded() -> &'static [(Candidate, Value)] {
    static RECORDED: OnceLock<Vec<(Candidate, Value)>> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let limits = params().limits;
        let mut rest = Bytes::from(decompressed("chain.dat.zst"));
        let index = String::from_utf8(decompressed("index.jsonl.zst")).unwrap();
        let mut blocks = Vec::new();
        for line in index.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let len = u32::from_le_bytes(rest.split_to(4)[..].try_into().unwrap());
            let block = Block::decode_payload(rest.split_to(len.try_into().unwrap()), &limits).unwrap();
            let hash = text(&line["hash"]).parse().unwrap();
            blocks.push((Candidate { hash, verified: true, block }, line));
        }
        assert!(rest.is_empty());
        blocks
    })
}

pub(crate) fn rows(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(text(value)).unwrap()
}

pub(crate) fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

pub(crate) fn number<T: TryFrom<i64, Error: std::fmt::Debug>>(value: &Value) -> T {
    value.as_i64().unwrap().try_into().unwrap()
}

/// How many different values a column of the index has, empty ones aside.
pub(crate) fn rows_of(column: &str) -> usize {
    let values =
        recorded().iter().filter_map(|(_, row)| row[column].as_str()).filter(|value| !value.is_empty());
    values.collect::<std::collections::BTreeSet<_>>().len()
}
