//! Imports recorded blocks into a store, then looks around in it.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::sync::Arc;

use bytes::Bytes;
use dilithion_chain::{Candidate, Chainstate, Depth, StoreOptions};
use dilithion_node::records::RecordReader;
use dilithion_wire::{Block, ChainParams, Height, OutPoint};

const CHAIN: &[u8] = include_bytes!("../testdata/recorded-500.dat");
const PARAMS: &str = include_str!("../testdata/private.toml");

fn main() -> anyhow::Result<()> {
    let params = Arc::new(ChainParams::from_toml(PARAMS)?);
    let folder = tempfile::tempdir()?;
    let mut chain = Chainstate::open(folder.path(), Arc::clone(&params), StoreOptions::default())?;

    // Each header names the id of the one before it, so all ids but the last come without hashing. A node proves them.
    let records: Vec<_> = RecordReader::new(CHAIN).collect::<Result<_, _>>()?;
    let decode = |payload: &Bytes| Block::decode_payload(payload.clone(), &params.limits);
    for pair in records.windows(2).skip(1) {
        let (block, next) = (decode(&pair[0].payload)?, pair[1].header);
        let outcome = chain.connect(&[Candidate { hash: next.prev_hash, verified: true, block }])?;
        assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    }

    let reader = chain.reader();
    println!("tip {} at height {}", reader.tip()?.hash, reader.tip()?.height);
    println!("integrity: {} blocks", reader.check_integrity(Depth::Full)?.blocks);
    println!("unspent outputs: {}", reader.utxo_stats()?);

    let block = reader.block_at(Height(200))?.expect("it was imported");
    println!("block 200 has {} transactions:", block.transactions.len());
    for transaction in &block.transactions {
        let txid = transaction.txid();
        let outputs = 0..u32::try_from(transaction.outputs.len())?;
        let unspent = outputs.clone().filter_map(|index| reader.utxo(&OutPoint { txid, index }).transpose());
        let unspent = unspent.collect::<Result<Vec<_>, _>>()?.len();
        println!("  {txid}: {} outputs, {unspent} unspent", outputs.len());
    }
    Ok(())
}
