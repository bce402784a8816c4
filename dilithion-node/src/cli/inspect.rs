//! `inspect`: decodes hex and prints JSON.

use std::io::Read;

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use dilithion_wire::{
    Block, BlockHash, BlockHeader, ChainParams, Decode, Magic, MessageCodec, RawMessage, Transaction,
};
use serde_json::{Value, json};
use tokio_util::codec::Decoder;

use super::term::{ONE_OFF_POW, say_json};
use super::{BadInput, ChainArgs, InspectWhat};
use crate::json;
use crate::node::randomx;

/// The longest input: the hex of the longest message (spec: wire §1.2).
const MAX_HEX: u64 = 2 * (32 << 20) + 64;

pub(super) fn inspect(what: &InspectWhat, chain: &ChainArgs) -> anyhow::Result<()> {
    let params = chain.params()?;
    let value = match what {
        InspectWhat::Header { hex } => inspect_header(&bytes_of(hex)?, &params)?,
        InspectWhat::Tx { hex } => json::transaction(&inspect_tx(bytes_of(hex)?, &params)?),
        InspectWhat::Block { hex } => inspect_block(bytes_of(hex)?, &params)?,
        InspectWhat::Message { hex } => inspect_message(&bytes_of(hex)?, &params)?,
    };
    say_json(&value);
    Ok(())
}

/// The bytes of a hex argument; `-` stands for standard input.
fn bytes_of(argument: &str) -> anyhow::Result<Bytes> {
    let mut text = String::new();
    let hex = if argument == "-" {
        std::io::stdin().take(MAX_HEX).read_to_string(&mut text).context("cannot read standard input")?;
        text.trim()
    } else {
        argument.trim()
    };
    Ok(hex::decode(hex).map_err(|error| BadInput(format!("not hex: {error}")))?.into())
}

fn inspect_header(bytes: &[u8], params: &ChainParams) -> anyhow::Result<Value> {
    let header: &[u8; BlockHeader::SIZE] = bytes.try_into().map_err(|_| {
        BadInput(format!("a header has {} bytes, these are {}", BlockHeader::SIZE, bytes.len()))
    })?;
    let header = BlockHeader::from_bytes(header);
    Ok(json::header(&header, hash_of(&header, params)?))
}

fn inspect_tx(bytes: Bytes, params: &ChainParams) -> anyhow::Result<Transaction> {
    Ok(Transaction::decode_exact(bytes, &params.limits)
        .map_err(|error| BadInput(format!("not a transaction: {error}")))?)
}

fn inspect_block(bytes: Bytes, params: &ChainParams) -> anyhow::Result<Value> {
    let block = Block::decode_payload(bytes, &params.limits)
        .map_err(|error| BadInput(format!("not a block: {error}")))?;
    Ok(json::block(&block, hash_of(&block.header, params)?))
}

fn inspect_message(bytes: &[u8], params: &ChainParams) -> anyhow::Result<Value> {
    let magic: [u8; 4] = *bytes.first_chunk().ok_or_else(|| BadInput("shorter than a magic".to_owned()))?;
    let magic = Magic(u32::from_le_bytes(magic));
    let mut buffer = BytesMut::from(bytes);
    let raw = MessageCodec::new(magic)
        .decode(&mut buffer)
        .map_err(|error| BadInput(format!("not a message: {error}")))?
        .ok_or_else(|| BadInput("the message is cut short".to_owned()))?;
    let RawMessage { command, payload } = &raw;
    let message = raw.decode(&params.limits);
    let message = message.map_err(|error| BadInput(format!("bad '{}': {error}", command.as_str())))?;
    Ok(json!({
        "magic": format!("0x{:08x}", magic.0),
        "network": network_of(magic, params),
        "command": command.as_str(),
        "length": payload.len(),
        "payload": hex::encode(payload),
        "message": json::message(&message),
    }))
}

/// The name of the network with this magic: the chosen one, or a built-in one.
fn network_of(magic: Magic, params: &ChainParams) -> Option<String> {
    let mut known =
        vec![params.clone(), ChainParams::mainnet(), ChainParams::testnet(), ChainParams::regtest()];
    known.retain(|known| known.magic == magic);
    known.into_iter().next().map(|known| known.name)
}

fn hash_of(header: &BlockHeader, params: &ChainParams) -> anyhow::Result<BlockHash> {
    let hasher = randomx(params, ONE_OFF_POW, None)?;
    Ok(BlockHash::from_bytes(hasher.worker()?.hash(&header.to_bytes())))
}
