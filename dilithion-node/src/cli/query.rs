//! `query`: reads from the store.

use std::path::Path;

use anyhow::Context;
use dilithion_chain::ChainReader;
use dilithion_wire::Height;

use super::term::{say, say_json};
use super::{ChainArgs, QueryWhat};
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
        QueryWhat::Hash { height } => {
            let hash = store.hash_at(Height(*height))?.with_context(|| no_block(Height(*height)))?;
            say(&hash.to_string());
        }
        QueryWhat::Block { height } => print_block(&store, Height(*height))?,
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
    value["height"] = height.0.into();
    say_json(&value);
    Ok(())
}

fn no_block(height: Height) -> String {
    format!("no block at height {height}")
}
