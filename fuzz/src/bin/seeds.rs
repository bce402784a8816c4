//! Writes what the fuzz targets begin with, `seeds CORPUS`: recorded sessions and blocks, cut up by target.

use std::error::Error;
use std::fs;
use std::path::Path;

use dilithion_wire::{ChainParams, Command, DataMessage, Encode, FrameHeader};

/// Larger messages make every run slow and few more paths.
const MAX_SEED: usize = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = std::env::args().nth(1).ok_or("usage: seeds CORPUS")?;
    let corpus = Path::new(&corpus);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for session in ["session-testnet", "session-mainnet"] {
        let text = fs::read_to_string(root.join(format!("dilithion-wire/tests/data/{session}.jsonl")))?;
        for (line, row) in text.lines().enumerate() {
            let row: serde_json::Value = serde_json::from_str(row)?;
            let frame = const_hex::decode(row["hex"].as_str().ok_or("no hex")?)?;
            if frame.len() <= MAX_SEED {
                seed(corpus, &format!("{session}-{line}"), &frame)?;
            }
        }
    }
    for file in ["testdata/private.toml", "testdata/testnet-v1014.toml"] {
        write(corpus, "chain_file", &file.replace('/', "-"), &fs::read(root.join(file))?)?;
    }
    for (name, bytes) in [("short", 5), ("long", 15_000)] {
        let message = DataMessage::new("Alice", "x".repeat(bytes), 1_700_000_000, 42)?;
        let mut coinbase = ChainParams::regtest().genesis_block().transactions.remove(0);
        coinbase.outputs.extend(message.outputs());
        write(corpus, "data_message", name, &coinbase.encode_to_vec())?;
    }
    Ok(())
}

/// The targets that a frame is of use to.
fn seed(corpus: &Path, name: &str, frame: &[u8]) -> Result<(), Box<dyn Error>> {
    let (header, payload) = frame.split_at(FrameHeader::SIZE);
    write(corpus, "codec", name, &[&[50], frame].concat())?;
    let command = Command::from_bytes(header[4..16].try_into()?)?;
    let prefixed = |first: u8| [&[first], payload].concat();
    match command {
        Command::INV => write(corpus, "inventory", name, &prefixed(0)),
        Command::GETDATA => write(corpus, "inventory", name, &prefixed(1)),
        Command::PING => write(corpus, "small", name, &prefixed(0)),
        Command::PONG => write(corpus, "small", name, &prefixed(1)),
        Command::SENDCMPCT => write(corpus, "small", name, &prefixed(2)),
        Command::CMPCTBLOCK => {
            write(corpus, "partial_block", name, payload)?;
            write(corpus, "cmpctblock", name, payload)
        }
        Command::BLOCK => {
            // A block without the length of its transactions is what `blocktxn` looks like after the hash.
            let hash_and_transactions = [&payload[..32], &payload[81..]].concat();
            write(corpus, "blocktxn", name, &hash_and_transactions)?;
            write(corpus, "block", name, payload)?;
            write(corpus, "compact_round_trip", name, &[&[0b10, 0], payload].concat())?;
            payload.get(82..).map_or(Ok(()), |transaction| write(corpus, "tx", name, transaction))
        }
        _ if payload.is_empty() => Ok(()),
        _ => write(corpus, command.as_str(), name, payload),
    }
}

fn write(corpus: &Path, target: &str, name: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let folder = corpus.join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), bytes)?)
}
