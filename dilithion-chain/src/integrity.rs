//! Walking the stored chain and looking for contradictions.

use std::fmt;

use dilithion_pow::{CompactTarget, Work};
use dilithion_wire::{Block, BlockHeader, Height, OutPoint, sha3_256};
use heed::RoTxn;

use crate::disconnect::{active_block, load_undo};
use crate::error::{Damage, IntegrityError, StoreError};
use crate::identities;
use crate::messages::check_block;
use crate::store::heights::{self, ActiveBlock};
use crate::store::tables::{CoinKey, Tables, coin_key};
use crate::store::utxo::{self, Coin, Coins};
use crate::store::{blocks, headers, metadata, pending};

/// How much of the chain to walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The last so many blocks.
    Last(u32),
    /// All blocks, and, unless some are pruned, whether the UTXO set is what they and their undo records add up to.
    Full,
}

/// Result of a walk that found nothing wrong. Displayed as a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Number of blocks looked at.
    pub blocks: u32,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chain integrity verified: {} blocks", self.blocks)
    }
}

/// Walks the chain upwards to the tip: heights without gaps, links by stored hash, headers, chain work, bodies with
/// their merkle roots, undo records with their checksums, recorded miners; and whether the records of the pending pool
/// agree with each other and with the UTXO set. No proof of work is computed.
pub(crate) fn walk(tables: &Tables, txn: &RoTxn, depth: Depth) -> Result<Verified, StoreError> {
    let tip = check_ends(tables, txn)?;
    let count = tip.0.saturating_add(1);
    let blocks = match depth {
        Depth::Last(blocks) => blocks.min(count),
        Depth::Full => count,
    };
    let first = Height(count.saturating_sub(blocks));
    let mut below = match first.prev() {
        Some(height) => Some(active_block(tables, txn, height)?),
        None => None,
    };
    let lowest = metadata::lowest_body(tables.metadata, txn)?;
    // The sum needs all blocks.
    let whole = matches!(depth, Depth::Full) && lowest == Height::GENESIS;
    let mut coins = whole.then(CoinSum::default);
    let mut messages = 0_u64;
    for height in (first.0..count).map(Height) {
        let (active, stored) = check_one(tables, txn, height, below.as_ref(), lowest)?;
        if let Some((block, _)) = &stored {
            identities::check_block(tables, txn, height, active.hash, block)?;
        }
        if let (Some(coins), Some((block, removed))) = (&mut coins, &stored) {
            coins.connect(height, block, removed);
            messages = messages.saturating_add(check_block(tables, txn, height, block)?);
        }
        below = Some(active);
    }
    if let Some(coins) = coins {
        check_utxo(tables, txn, tip, &coins)?;
        if messages != tables.messages.len(txn)? {
            return Err(StoreError::BadRecord { table: "messages" });
        }
    }
    if depth == Depth::Full {
        identities::check_all(tables, txn, tip)?;
    }
    pending::check(tables, txn)?;
    Ok(Verified { blocks })
}

/// The highest height up to which heights, headers, bodies and undo records are sound, whatever the metadata say; in a
/// pruned store the recorded miners too, since only the bodies that are gone could tell them. The UTXO set is not looked at.
pub(crate) fn last_sound(tables: &Tables, txn: &RoTxn) -> Result<Height, StoreError> {
    let lowest = metadata::lowest_body(tables.metadata, txn)?;
    let mut below = None;
    for height in (0..).map(Height) {
        let checked = check_one(tables, txn, height, below.as_ref(), lowest).and_then(|(active, stored)| {
            if let Some((block, _)) = stored.filter(|_| lowest > Height::GENESIS) {
                identities::check_block(tables, txn, height, active.hash, &block)?;
            }
            Ok(active)
        });
        match checked {
            Ok(active) => below = Some(active),
            Err(error) => return height.prev().filter(|_| error.is_damage()).ok_or(error),
        }
    }
    Err(StoreError::BadRecord { table: "heights" })
}

/// Checks all about one height but the UTXO set and the recorded miner. Returns the body and what it removed, unless it was pruned.
fn check_one(
    tables: &Tables,
    txn: &RoTxn,
    height: Height,
    below: Option<&ActiveBlock>,
    lowest: Height,
) -> Result<(ActiveBlock, Option<(Block, Coins)>), StoreError> {
    let active = active_block(tables, txn, height)?;
    let header = check_header(tables, txn, height, &active, below)?;
    if height < lowest {
        return Ok((active, None));
    }
    let block = check_body(tables, txn, height, &active, &header)?;
    let removed = match below {
        Some(_) => load_undo(tables, txn, height, &active)?,
        None => Coins::new(),
    };
    Ok((active, Some((block, removed))))
}

/// Checks both ends of the chain against the metadata, and returns the height of the tip.
fn check_ends(tables: &Tables, txn: &RoTxn) -> Result<Height, StoreError> {
    let tip = metadata::tip(tables.metadata, txn)?.ok_or(StoreError::MissingTable { table: "metadata" })?;
    let last = heights::last(tables.heights, txn)?;
    let (height, last) = last.ok_or(IntegrityError { height: tip.height, damage: Damage::Missing })?;
    if height < tip.height {
        return Err(IntegrityError { height: height.next(), damage: Damage::Missing }.into());
    }
    if (height, last.hash, last.work) != (tip.height, tip.hash, tip.work) {
        return Err(
            IntegrityError { height, damage: Damage::Tip { recorded: tip.hash, found: last.hash } }.into()
        );
    }
    if metadata::next_number(tables.metadata, txn)? <= last.number {
        return Err(IntegrityError { height, damage: Damage::Number { hash: last.hash } }.into());
    }
    let expected = metadata::identity(tables.metadata, txn)?.genesis;
    let found = active_block(tables, txn, Height::GENESIS)?.hash;
    if found != expected {
        let damage = Damage::Genesis { expected, found };
        return Err(IntegrityError { height: Height::GENESIS, damage }.into());
    }
    Ok(tip.height)
}

fn check_header(
    tables: &Tables,
    txn: &RoTxn,
    height: Height,
    active: &ActiveBlock,
    below: Option<&ActiveBlock>,
) -> Result<BlockHeader, StoreError> {
    let hash = active.hash;
    let damaged = |damage| StoreError::from(IntegrityError { height, damage });
    if headers::number_of(tables.index, txn, &hash)? != Some(active.number) {
        return Err(damaged(Damage::Index { hash }));
    }
    let stored = headers::get(tables.headers, txn, active.number)?;
    let stored = stored.filter(|stored| stored.hash == hash && stored.height == height);
    let header = stored.ok_or_else(|| damaged(Damage::Header { hash }))?.header;
    if let Some(below) = below
        && header.prev_hash != below.hash
    {
        return Err(damaged(Damage::Link { hash, expected: below.hash, found: header.prev_hash }));
    }
    let work_below = below.map_or(Work::ZERO, |below| below.work);
    if active.work != work_below.saturating_add(CompactTarget(header.bits).work()) {
        return Err(damaged(Damage::Work { hash }));
    }
    Ok(header)
}

fn check_body(
    tables: &Tables,
    txn: &RoTxn,
    height: Height,
    active: &ActiveBlock,
    header: &BlockHeader,
) -> Result<Block, StoreError> {
    let hash = active.hash;
    let damaged = |damage| StoreError::from(IntegrityError { height, damage });
    let block = blocks::load(tables.blocks, txn, height, active)?;
    if block.header != *header {
        return Err(damaged(Damage::Body { hash, reason: "it begins with another header".into() }));
    }
    let body = block.merkle_root();
    if body != header.merkle_root {
        return Err(damaged(Damage::Merkle { hash, header: header.merkle_root, body }));
    }
    Ok(block)
}

/// Compares the UTXO set with the sum over the blocks.
fn check_utxo(tables: &Tables, txn: &RoTxn, tip: Height, expected: &CoinSum) -> Result<(), StoreError> {
    let mut found = CoinSum::default();
    utxo::for_each(tables.utxo, txn, |key, coin| found.add(key, coin))?;
    if found != *expected {
        let hash = active_block(tables, txn, tip)?.hash;
        let damage = Damage::Utxo { hash, expected: expected.count, found: found.count };
        return Err(IntegrityError { height: tip, damage }.into());
    }
    Ok(())
}

/// A sum over a set of coins that does not depend on the order in which they come and go: what all blocks created
/// minus what their undo records say they removed must be the UTXO set. It finds damage, not forgery: whoever can
/// write to the store need not fool it.
#[derive(Debug, Default, PartialEq, Eq)]
struct CoinSum {
    count: u64,
    lanes: [u64; 4],
}

impl CoinSum {
    /// Adds what a block created and takes away what it removed. Of outputs that it created and removed itself,
    /// neither is counted; of an output that it created, removed and created again, once.
    fn connect(&mut self, height: Height, block: &Block, removed: &Coins) {
        let mut after = Coins::new();
        for (index, (tx, txid)) in block.transactions.iter().zip(block.txids()).enumerate() {
            let coinbase = index == 0;
            for input in tx.inputs.iter().filter(|_| !coinbase) {
                after.remove(&coin_key(&input.previous_output));
            }
            for (index, output) in (0..).zip(&tx.outputs) {
                let coin = Coin { output: output.clone(), height, coinbase };
                after.insert(coin_key(&OutPoint { txid, index }), coin);
            }
        }
        after.iter().for_each(|(key, coin)| self.add(key, coin));
        removed.iter().for_each(|(key, coin)| self.remove(key, coin));
    }

    fn add(&mut self, key: &CoinKey, coin: &Coin) {
        self.count = self.count.wrapping_add(1);
        self.fold(key, coin, u64::wrapping_add);
    }

    fn remove(&mut self, key: &CoinKey, coin: &Coin) {
        self.count = self.count.wrapping_sub(1);
        self.fold(key, coin, u64::wrapping_sub);
    }

    fn fold(&mut self, key: &CoinKey, coin: &Coin, apply: impl Fn(u64, u64) -> u64) {
        let mut form = Vec::new();
        coin.write_digest_form(key, &mut form);
        let digest = sha3_256(&form);
        let (words, _) = digest.as_chunks::<8>();
        for (lane, word) in self.lanes.iter_mut().zip(words) {
            *lane = apply(*lane, u64::from_le_bytes(*word));
        }
    }
}
