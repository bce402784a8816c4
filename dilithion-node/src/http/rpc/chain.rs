//! What is connected.

use std::collections::{BTreeMap, BTreeSet};

use dilithion_chain::{ChainReader, Depth, StoreError};
use dilithion_pow::CompactTarget;
use dilithion_wire::{Block, BlockHash, Encode, Height};
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::Args;
use super::error::RpcError;
use super::method::{Answer, Method};
use super::transactions::transaction_json;
use crate::http::app::App;
use crate::http::figures::{difficulty, median_time};
use crate::sync::IbdState;

pub(super) const METHODS: &[Method] = &[
    Method::new("getblockchaininfo", &[], "State of the chain", |app, _| Box::pin(get_blockchain_info(app))),
    Method::new("getblockcount", &[], "Height of the chain", |app, _| {
        Box::pin(async move { Ok(app.node.status().borrow().chain_height.0.into()) })
    }),
    Method::new("getbestblockhash", &[], "Hash of the tip", |app, _| {
        Box::pin(async move { Ok(app.node.status().borrow().chain_hash.to_string().into()) })
    }),
    Method::new("getblockhash", &["height"], "Hash of the block at a height", |app, args| {
        Box::pin(get_block_hash(app, args))
    }),
    Method::new(
        "getblock",
        &["hash", "verbosity"],
        "A block: 0 hex, 1 with ids, 2 with transactions",
        |app, args| Box::pin(get_block(app, args)),
    ),
    Method::new("getchaintips", &[], "The ends of all stored branches", |app, _| {
        Box::pin(get_chain_tips(app))
    }),
    Method::new("checkchain", &["blocks"], "Check the stored chain, or its last blocks", |app, args| {
        Box::pin(check_chain(app, args))
    }),
];

async fn get_blockchain_info(app: App) -> Answer {
    app.blocking(|app| {
        let store = app.node.store();
        let (tip, status) = (store.tip()?, app.node.status().borrow().clone());
        let header = store.header(&tip.hash)?.ok_or_else(|| RpcError::misc("the tip has no header"))?.header;
        Ok(json!({
            "chain": chain_word(&app.node.params().name),
            "blocks": tip.height.0,
            "headers": status.header_height.0,
            "bestblockhash": tip.hash.to_string(),
            "bits": CompactTarget(header.bits).to_string(),
            "difficulty": difficulty(header.bits),
            "time": header.time,
            "mediantime": median_time(store, tip.height)?,
            "verificationprogress": progress(tip.height, status.header_height),
            "initialblockdownload": status.state != IbdState::Complete,
            "chainwork": tip.work.to_string(),
            "pruned": store.lowest_body()? > Height::GENESIS,
        }))
    })
    .await
}

/// The public network's name as the C++ nodes have it.
pub(super) fn chain_word(network: &str) -> &str {
    if network == "mainnet" { "main" } else { network }
}

fn progress(connected: Height, known: Height) -> f64 {
    if known.0 == 0 { 1.0 } else { f64::from(connected.0.min(known.0)) / f64::from(known.0) }
}

async fn get_block_hash(app: App, args: Args) -> Answer {
    let height = Height(args.required("height")?);
    let found = app.read(move |store| store.hash_at(height)).await?;
    let hash = found.ok_or_else(|| RpcError::out_of_range(format!("no block found at height {height}")))?;
    Ok(json!({ "blockhash": hash.to_string() }))
}

/// How much of a block is told.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum Verbosity {
    Flag(bool),
    Level(u8),
}

async fn get_block(app: App, args: Args) -> Answer {
    let hash: BlockHash = args.parsed("hash")?;
    let level = match args.optional("verbosity")? {
        None => 1,
        Some(Verbosity::Flag(verbose)) => u8::from(verbose),
        Some(Verbosity::Level(level)) => level,
    };
    app.blocking(move |app| {
        let store = app.node.store();
        let Some(block) = store.block(&hash)? else { return Err(RpcError::not_found("Block not found")) };
        if level == 0 {
            return Ok(hex::encode(block.encode_to_vec()).into());
        }
        Ok(block_json(store, &block, hash, level)?)
    })
    .await
}

fn block_json(store: &ChainReader, block: &Block, hash: BlockHash, level: u8) -> Result<Value, StoreError> {
    let height = store.header(&hash)?.map(|stored| stored.height);
    let tip = store.tip()?.height;
    let active = match height {
        Some(height) => store.hash_at(height)? == Some(hash),
        None => false,
    };
    let next = match height.filter(|_| active) {
        Some(height) => store.hash_at(height.next())?,
        None => None,
    };
    // As in Bitcoin Core: -1 says that it is not part of the chain.
    let confirmations = match height.filter(|_| active) {
        Some(height) => i64::from(tip.0.saturating_sub(height.0)) + 1,
        None => -1,
    };
    let transactions: Vec<Value> = if level == 1 {
        block.txids().iter().map(|txid| txid.to_string().into()).collect()
    } else {
        block.transactions.iter().map(transaction_json).collect()
    };
    Ok(json!({
        "hash": hash.to_string(),
        "confirmations": confirmations,
        "height": height.map(|height| height.0),
        "version": block.header.version,
        "previousblockhash": block.header.prev_hash.to_string(),
        "nextblockhash": next.map(|next| next.to_string()),
        "merkleroot": block.header.merkle_root.to_string(),
        "time": block.header.time,
        "bits": CompactTarget(block.header.bits).to_string(),
        "difficulty": difficulty(block.header.bits),
        "nonce": block.header.nonce,
        "size": block.encoded_len(),
        "tx_count": block.transactions.len(),
        "tx": transactions,
    }))
}

/// A header that no other one follows.
struct Tip {
    hash: BlockHash,
    height: Height,
    /// Height at which its branch leaves the active chain.
    fork: Height,
    has_block: bool,
    /// The operator refuses a block of it.
    refused: bool,
}

async fn get_chain_tips(app: App) -> Answer {
    let active = app.node.status().borrow().chain_height;
    let tips = app.scan(chain_tips).await?;
    let view = |tip: &Tip| {
        let length = tip.height.0.saturating_sub(tip.fork.0);
        let status = match (length, tip.has_block) {
            _ if tip.refused => "invalid",
            (0, _) => "active",
            (_, true) => "valid-fork",
            _ => "headers-only",
        };
        // Headers above the tip are the chain's own future.
        let status = if tip.fork >= active && length > 0 && !tip.refused { "headers-only" } else { status };
        json!({ "height": tip.height.0, "hash": tip.hash.to_string(), "branchlen": length, "status": status })
    };
    Ok(tips.iter().map(view).collect())
}

/// The stored headers that no other one follows, and the tip, highest first.
fn chain_tips(store: &ChainReader) -> Result<Vec<Tip>, StoreError> {
    let mut ends = BTreeMap::new();
    for stored in store.headers() {
        let stored = stored?;
        ends.remove(&stored.header.prev_hash);
        ends.insert(stored.hash, stored);
    }
    let (tip, refused) = (store.tip()?, store.revoked()?.into_iter().collect());
    let mut tips = Vec::new();
    for (hash, stored) in ends.into_iter().filter(|(hash, _)| *hash != tip.hash) {
        let (fork, refused) = fork_of(store, stored, &refused)?;
        tips.push(Tip { hash, height: stored.height, fork, has_block: store.has_block(&hash)?, refused });
    }
    tips.push(Tip { hash: tip.hash, height: tip.height, fork: tip.height, has_block: true, refused: false });
    tips.sort_by_key(|tip| std::cmp::Reverse(tip.height));
    Ok(tips)
}

/// Where a branch leaves the active chain, and whether one of the blocks that the operator refuses is part of it.
fn fork_of(
    store: &ChainReader,
    mut stored: dilithion_chain::StoredHeader,
    refused: &BTreeSet<BlockHash>,
) -> Result<(Height, bool), StoreError> {
    let mut is_refused = false;
    while store.hash_at(stored.height)? != Some(stored.hash) {
        is_refused |= refused.contains(&stored.hash);
        let Some(parent) = store.header(&stored.header.prev_hash)? else { break };
        stored = parent;
    }
    Ok((stored.height, is_refused))
}

async fn check_chain(app: App, args: Args) -> Answer {
    let depth = args.optional("blocks")?.map_or(Depth::Full, Depth::Last);
    let params = std::sync::Arc::clone(app.node.params());
    let (checkpoints, tip, checked) = app
        .scan(move |store| {
            let found = params.checkpoints.iter().map(|point| Ok((*point, store.hash_at(point.height)?)));
            let found = found.collect::<Result<Vec<_>, StoreError>>()?;
            Ok((found, store.tip()?, store.check_integrity(depth)))
        })
        .await?;
    let view = |(point, found): &(dilithion_wire::Checkpoint, Option<BlockHash>)| {
        let status = match found {
            None => "not_reached",
            Some(hash) if *hash == point.hash => "OK",
            Some(_) => "MISMATCH",
        };
        json!({ "height": point.height.0, "status": status, "expected": point.hash.to_string() })
    };
    let verified = checkpoints.iter().filter(|(point, found)| *found == Some(point.hash)).count();
    let mismatch = checkpoints.iter().any(|(point, found)| found.is_some_and(|hash| hash != point.hash));
    Ok(json!({
        "your_height": tip.height.0,
        "checkpoints": checkpoints.iter().map(view).collect::<Vec<_>>(),
        "checkpoints_verified": verified,
        "blocks_verified": checked.as_ref().map_or(0, |verified| verified.blocks),
        "chain_valid": checked.is_ok() && !mismatch,
        "damage": checked.err().map(|damage| damage.to_string()),
    }))
}
