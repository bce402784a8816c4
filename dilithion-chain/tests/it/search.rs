//! A transaction by its id, and the coins of a script.

use std::collections::BTreeMap;

use dilithion_wire::Txid;

use crate::recorded;
use crate::{import, open};

#[test]
fn every_transaction_is_found_where_it_is() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    import(&mut chain, &blocks, 500);
    let store = chain.reader();
    for (height, candidate) in (1..).zip(&blocks).filter(|(height, _)| height % 50 == 0) {
        for (position, transaction) in candidate.block.transactions.iter().enumerate() {
            let found = store.find_transaction(&transaction.txid()).unwrap().unwrap();
            assert_eq!((found.height.0, found.position, &found.transaction), (height, position, transaction));
        }
    }
    assert_eq!(store.find_transaction(&Txid::ZERO).unwrap(), None);
}

#[test]
fn the_coins_of_all_scripts_are_the_utxo_set() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    import(&mut chain, &blocks, 500);
    let store = chain.reader();
    let transactions = blocks.iter().flat_map(|candidate| &candidate.block.transactions);
    let genesis = params.genesis_block();
    let mut scripts: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for output in transactions.chain(&genesis.transactions).flat_map(|transaction| &transaction.outputs) {
        scripts.entry(output.script_pubkey.clone()).or_default();
    }
    for (script, coins) in &mut scripts {
        *coins = store.coins_of(script).unwrap();
        for (outpoint, coin) in coins {
            assert_eq!(store.utxo(outpoint).unwrap().as_ref(), Some(&*coin));
        }
    }
    let all: Vec<_> = scripts.values().flatten().collect();
    let stats = store.utxo_stats().unwrap();
    assert_eq!(all.len() as u64, stats.count);
    assert_eq!(all.iter().map(|(_, coin)| coin.output.value.0).sum::<u64>(), stats.total.0);
    assert_eq!(store.coins_of(b"nobody's").unwrap(), []);
}
