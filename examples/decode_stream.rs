//! Reads captured messages and prints each as a line of JSON: `decode_stream [FILE [NETWORK]]`.
//!
//! A capture is what came over a connection, byte by byte, or JSON lines with the bytes as `"hex"`. The network is a
//! name or a chain file; without it, the testnet. Without a file it reads messages that a node would send.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use anyhow::Context;
use bytes::BytesMut;
use dilithion_wire::{ChainParams, Message, MessageCodec, RawMessage};
use serde_json::{Value, json};
use tokio_util::codec::{Decoder, Encoder};

/// How much is read at a time; a message may need many reads, and a read may hold many messages.
const READ: usize = 1000;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next();
    let params = arguments.next().map_or_else(|| Ok(ChainParams::testnet()), |name| network(&name))?;
    let stream = match file {
        Some(file) => unwrap(std::fs::read(&file).with_context(|| file)?)?,
        None => sample(&params)?,
    };
    let mut codec = MessageCodec::new(params.magic);
    let mut buffer = BytesMut::new();
    for part in stream.chunks(READ) {
        buffer.extend_from_slice(part);
        while let Some(raw) = codec.decode(&mut buffer)? {
            println!("{}", line(&raw, &params)?);
        }
    }
    anyhow::ensure!(codec.decode_eof(&mut buffer)?.is_none(), "the capture ends inside a message");
    Ok(())
}

fn network(name: &str) -> anyhow::Result<ChainParams> {
    match ChainParams::by_name(name) {
        Some(params) => Ok(params),
        None => Ok(ChainParams::from_toml(&std::fs::read_to_string(name)?)?),
    }
}

/// The bytes of JSON lines, or what it is.
fn unwrap(capture: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    if !capture.starts_with(b"{") {
        return Ok(capture);
    }
    let mut stream = Vec::new();
    for line in std::str::from_utf8(&capture)?.lines() {
        let row: Value = serde_json::from_str(line)?;
        stream.extend(hex::decode(row["hex"].as_str().context("a line without `hex`")?)?);
    }
    Ok(stream)
}

/// What a message says, or why it says nothing and what that costs its sender; and whether we would send the same bytes.
fn line(raw: &RawMessage, params: &ChainParams) -> anyhow::Result<Value> {
    let mut line = match raw.decode(&params.limits) {
        Ok(message) => {
            let mut line = serde_json::to_value(&message)?;
            line["command"] = serde_json::to_value(raw.command)?;
            line["canonical"] = (message.to_raw() == *raw).into();
            line
        }
        Err(error) => json!({
            "command": raw.command,
            "error": error.to_string(),
            "score": error.misbehaviour().score(),
        }),
    };
    line["bytes"] = raw.payload.len().into();
    Ok(line)
}

fn sample(params: &ChainParams) -> anyhow::Result<Vec<u8>> {
    let mut codec = MessageCodec::new(params.magic);
    let mut bytes = BytesMut::new();
    for message in [Message::Verack, Message::Ping(7), Message::Block(params.genesis_block())] {
        codec.encode(&message, &mut bytes)?;
    }
    Ok(bytes.to_vec())
}
