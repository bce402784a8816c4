//! `query`: reads from the store.

use std::path::Path;

use anyhow::Context;
use dilithion_chain::ChainReader;
use dilithion_wire::{Height, MessageId};

use super::term::{say, say_json};
use super::{AtHeight, ChainArgs, QueryWhat};
use crate::json;
use crate::node::{CHAINSTATE_FOLDER, NodeConfig};

pub(super) fn open_reader(config: &NodeConfig) -> anyhow::Result<ChainReader> {
    let path = config.chainstate_dir();
    ChainReader::open(&path).with_context(|| format!("cannot open the store in {}", path.display()))
}

pub(super) fn query(what: &QueryWhat, chain: &ChainArgs) -> anyhow::Result<()> {
    let store = open_reader(&chain.node_config()?)?;
    match what {
        QueryWhat::Height => say(&store.tip()?.height.to_string()),
        QueryWhat::Hash { at } => {
            let height = height_of(&store, *at)?;
            let hash = store.hash_at(height)?.with_context(|| no_block(height))?;
            say(&hash.to_string());
        }
        QueryWhat::Block { at } => print_block(&store, height_of(&store, *at)?)?,
        QueryWhat::Message { id } => print_message(&store, id)?,
        QueryWhat::Latest => print_block(&store, store.tip()?.height)?,
        QueryWhat::UtxoDigest => say(&store.utxo_stats()?.to_string()),
    }
    Ok(())
}

/// `backup`: a copy of the store that opens like any other.
pub(super) fn backup(dir: &Path, chain: &ChainArgs) -> anyhow::Result<()> {
    let store = open_reader(&chain.node_config()?)?;
    let copy = dir.join(CHAINSTATE_FOLDER);
    std::fs::create_dir(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    store.copy_to(&copy).with_context(|| format!("cannot copy the store into {}", copy.display()))?;
    let tip = ChainReader::open(&copy)?.tip()?;
    say(&format!("Copied {} blocks; use it with --datadir {}", tip.height.0 + 1, dir.display()));
    Ok(())
}

fn print_block(store: &ChainReader, height: Height) -> anyhow::Result<()> {
    let hash = store.hash_at(height)?.with_context(|| no_block(height))?;
    let block = store.block(&hash)?.with_context(|| no_block(height))?;
    let mut value = json::block(&block, hash);
    json::set(&mut value, "height", height.0);
    say_json(&value);
    Ok(())
}

fn print_message(store: &ChainReader, id: &MessageId) -> anyhow::Result<()> {
    // In this order, since a block may bring it between the two looks.
    let waiting = store.pending_message(id)?;
    let value = match store.message(id)? {
        Some(found) => json::data_message(&found.message, Some(found.height)),
        None => json::data_message(&waiting.with_context(|| format!("no message {id}"))?, None),
    };
    say_json(&value);
    Ok(())
}

/// The height asked for; the tip's if none is.
fn height_of(store: &ChainReader, at: AtHeight) -> anyhow::Result<Height> {
    Ok(match at.get() {
        Some(height) => height,
        None => store.tip()?.height,
    })
}

fn no_block(height: Height) -> String {
    format!("no block at height {height}")
}
