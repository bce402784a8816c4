//! `check-chain`: walks the store.

use anyhow::{Context, ensure};
use dilithion_chain::{ChainReader, Chainstate, Depth, StoreOptions};
use dilithion_pow::{CompactTarget, PoolConfig, PowPool};
use dilithion_wire::{BlockHash, BlockHeader, ChainParams, Height};

use super::ChainArgs;
use super::term::{ONE_OFF_POW, say};
use crate::node::{NodeConfig, randomx};

/// Headers hashed at a time.
const CHUNK: u32 = 1024;

pub(super) fn check_chain(pow: bool, repair: bool, chain: &ChainArgs) -> anyhow::Result<()> {
    let config = chain.node_config()?;
    if repair {
        self::repair(&config)?;
    }
    let store = super::query::open_reader(&config)?;
    let verified = store.check_integrity(Depth::Full)?;
    if pow {
        check_pow(&config.params, &store)?;
    }
    say(&format!("Chain integrity verified: {} blocks", verified.blocks));
    Ok(())
}

/// Cuts a damaged store back, and says so: blocks that were there are gone.
fn repair(config: &NodeConfig) -> anyhow::Result<()> {
    let repaired = Chainstate::repair(&config.chainstate_dir(), &config.params, StoreOptions::default())?;
    match repaired.damage {
        None => say("Nothing to repair"),
        Some(damage) => {
            let before =
                repaired.from.map_or_else(|| "an unknown height".to_owned(), |from| format!("height {from}"));
            say(&format!(
                "Damaged: {damage}. The chain ended at {before} and ends at height {} now; \
                 the blocks above are fetched again",
                repaired.to
            ));
        }
    }
    Ok(())
}

/// Computes every id again and compares it with its target; the genesis block needs to meet none.
fn check_pow(params: &ChainParams, store: &ChainReader) -> anyhow::Result<()> {
    let pool: PowPool<usize> =
        PowPool::new(PoolConfig::default(), randomx(params, ONE_OFF_POW, None)?, |_| {})?;
    let tip = store.tip()?.height;
    let mut first = Height::GENESIS;
    while first <= tip {
        let last = Height(first.0.saturating_add(CHUNK - 1)).min(tip);
        let mut headers = Vec::new();
        for height in (first.0..=last.0).map(Height) {
            headers.push(store.header_at(height)?.with_context(|| format!("no header at height {height}"))?);
        }
        let inputs: Vec<_> = headers.iter().map(BlockHeader::to_bytes).collect();
        for ((height, header), hash) in (first.0..).map(Height).zip(&headers).zip(pool.hash_all(&inputs)?) {
            let stored = store.hash_at(height)?.with_context(|| format!("no id at height {height}"))?;
            let computed = BlockHash::from_bytes(hash);
            ensure!(
                computed == stored,
                "block {height} has the id {stored}, but its header hashes to {computed}"
            );
            let meets = CompactTarget(header.bits).target().is_met_by(&hash);
            ensure!(meets || height == Height::GENESIS, "block {height} ({stored}) does not meet its target");
        }
        first = last.next();
    }
    Ok(())
}
