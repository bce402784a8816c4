//! Looks around in a store that it opens for reading, as it could in a running node's: a block, a transaction by its id,
//! the balance of an address.
//!
//! `explorer DIR [TXID]` reads the store of a data directory; without arguments one is filled from a recording first.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dilithion_chain::{Candidate, ChainReader, Chainstate, Depth, StoreOptions};
use dilithion_node::node::CHAINSTATE_FOLDER;
use dilithion_node::records::RecordReader;
use dilithion_wire::{Amount, Block, ChainParams, Height, OutPoint, Txid};

const CHAIN: &[u8] = include_bytes!("../testdata/recorded-500.dat");
const PARAMS: &str = include_str!("../testdata/private.toml");

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(datadir) = arguments.next() else {
        let folder = tempfile::tempdir()?;
        fill(folder.path())?;
        return explore(&ChainReader::open(folder.path())?, None);
    };
    let txid = arguments.next().map(|txid| txid.parse()).transpose()?;
    explore(&ChainReader::open(&PathBuf::from(datadir).join(CHAINSTATE_FOLDER))?, txid)
}

fn explore(store: &ChainReader, txid: Option<Txid>) -> anyhow::Result<()> {
    let tip = store.tip()?;
    println!("{}: tip {} at height {}", store.network()?, tip.hash, tip.height);
    println!("integrity: {} blocks", store.check_integrity(Depth::Last(288))?.blocks);
    println!("unspent outputs: {}", store.utxo_stats()?);

    let middle = Height(tip.height.0 / 2).max(store.lowest_body()?);
    let block = store.block_at(middle)?.expect("the chain is longer");
    let txid = txid.or_else(|| Some(block.transactions.first()?.txid())).expect("a block has a coinbase");
    let Some(found) = store.find_transaction(&txid)? else {
        println!("no transaction {txid}");
        return Ok(());
    };
    println!("transaction {txid}: number {} in block {}", found.position, found.height);
    for (index, output) in (0..).zip(&found.transaction.outputs) {
        let unspent = store.utxo(&OutPoint { txid, index })?.is_some();
        let coins = store.coins_of(&output.script_pubkey)?;
        let balance: u64 = coins.iter().map(|(_, coin)| coin.output.value.0).sum();
        println!("  output {index}: {} ions, {}", output.value.0, if unspent { "unspent" } else { "spent" });
        println!("    its address has {} ions in {} outputs", Amount(balance).0, coins.len());
        assert!(!unspent || balance >= output.value.0);
    }
    Ok(())
}

/// Fills a store from the recording. Each header names the id of the one before it, so all ids but the last come without
/// hashing; a node proves them.
fn fill(folder: &Path) -> anyhow::Result<()> {
    let params = Arc::new(ChainParams::from_toml(PARAMS)?);
    let mut chain = Chainstate::open(folder, Arc::clone(&params), StoreOptions::default())?;
    let records: Vec<_> = RecordReader::new(CHAIN).collect::<Result<_, _>>()?;
    let mut candidates = Vec::new();
    for pair in records.windows(2).skip(1) {
        let block = Block::decode_payload(pair[0].payload.clone(), &params.limits)?;
        candidates.push(Candidate { hash: pair[1].header.prev_hash, verified: true, block });
    }
    let outcome = chain.connect(&candidates)?;
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    Ok(())
}
