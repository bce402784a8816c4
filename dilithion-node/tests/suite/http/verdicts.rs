//! `invalidateblock` and `reconsiderblock` at a real node, over restarts.

use dilithion_chain::Depth;
use dilithion_wire::Height;
use serde_json::{Value, json};

use super::client::Served;
use crate::miner::{Mined, Miner};
use crate::wallet::Wallet;

fn hash(chain: &Mined, height: usize) -> String {
    chain.blocks.get(height + 1).map_or(chain.tip, |next| next.header.prev_hash).to_string()
}

/// Twelve blocks, the eighth of which has a transaction.
fn chain_of(miner: &Miner) -> (Mined, String) {
    let wallet = Wallet::new(&miner.params);
    let script = wallet.script();
    let mut chain = miner.genesis();
    let mut transactions = Vec::new();
    for height in 1..=12 {
        let included = if height == 8 { &transactions[..] } else { &[] };
        chain = miner.extend_with(&chain, &script, included);
        if height == 1 {
            transactions.push(wallet.spend(&chain.blocks[1].transactions[0]));
        }
    }
    (chain, transactions[0].txid().to_string())
}

async fn assert_at(served: &Served, chain: &Mined, height: usize) {
    assert_eq!(served.rpc("getblockcount", json!([])).await, Ok(json!(height)));
    assert_eq!(served.rpc("getbestblockhash", json!([])).await, Ok(json!(hash(chain, height))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_refused_over_restarts_and_reconsidered() {
    let miner = Miner::fast();
    let (chain, txid) = chain_of(&miner);
    let served = Served::on(&miner, &chain).await;
    let coins = served.node.store().utxo_stats().unwrap();
    assert_eq!(served.rpc("invalidateblock", json!([hash(&chain, 7)])).await, Ok(Value::Null));
    assert_at(&served, &chain, 6).await;
    assert_eq!(served.rpc("getrawmempool", json!([])).await, Ok(json!([txid])), "it waits again");
    let block = served.rpc("getblock", json!([hash(&chain, 8)])).await.unwrap();
    assert_eq!(block["confirmations"], -1, "the body stays");
    let tips = served.rpc("getchaintips", json!([])).await.unwrap();
    assert_eq!(
        tips,
        json!([
            { "height": 12, "hash": hash(&chain, 12), "branchlen": 6, "status": "invalid" },
            { "height": 6, "hash": hash(&chain, 6), "branchlen": 0, "status": "active" },
        ])
    );
    assert_eq!(served.rpc("invalidateblock", json!([hash(&chain, 7)])).await, Ok(Value::Null), "again");

    let served = served.restarted(&miner).await;
    assert_at(&served, &chain, 6).await;
    served.node.store().check_integrity(Depth::Full).unwrap();
    // A block below it and one above it say the same.
    assert_eq!(served.rpc("reconsiderblock", json!([hash(&chain, 9)])).await, Ok(Value::Null));
    assert_at(&served, &chain, 12).await;
    assert_eq!(served.node.store().utxo_stats().unwrap(), coins);
    assert_eq!(served.rpc("getrawmempool", json!([])).await, Ok(json!([])));
    assert_eq!(served.rpc("reconsiderblock", json!([hash(&chain, 9)])).await, Ok(Value::Null), "again");

    let served = served.restarted(&miner).await;
    assert_at(&served, &chain, 12).await;
    served.stop().await;
}

/// The program works on what the operator left: a new branch grows, and the better one wins when both are allowed.
#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_made_on_what_is_left_and_the_best_chain_wins_in_the_end() {
    let miner = Miner::fast();
    let (chain, _) = chain_of(&miner);
    let served = Served::on(&miner, &chain).await;
    served.rpc("invalidateblock", json!([hash(&chain, 10)])).await.unwrap();
    let made = served.node.handle().produce(None).await.unwrap();
    assert_eq!(made.height, Height(10));
    served.node.status().wait_for(|status| status.chain_hash == made.hash).await.unwrap();
    served.rpc("reconsiderblock", json!([hash(&chain, 10)])).await.unwrap();
    assert_at(&served, &chain, 12).await;
    // Refused once more: the block made here is the best there is, and its body is in the store.
    served.rpc("invalidateblock", json!([hash(&chain, 10)])).await.unwrap();
    assert_eq!(served.rpc("getbestblockhash", json!([])).await, Ok(json!(made.hash.to_string())));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_refused_is_an_error() {
    let miner = Miner::fast();
    let (chain, _) = chain_of(&miner);
    let served = Served::on(&miner, &chain).await;
    for method in ["invalidateblock", "reconsiderblock"] {
        let unknown = served.rpc(method, json!(["07".repeat(32)])).await.unwrap_err();
        assert_eq!(unknown, json!({ "code": -5, "message": "Block not found" }));
        assert_eq!(served.rpc(method, json!(["zz"])).await.unwrap_err()["code"], -8);
        assert_eq!(served.rpc(method, json!([])).await.unwrap_err()["code"], -32602);
    }
    let genesis = served.rpc("invalidateblock", json!([hash(&chain, 0)])).await.unwrap_err();
    assert_eq!(genesis["code"], -8);
    assert!(genesis["message"].as_str().unwrap().contains("genesis"));
    assert_at(&served, &chain, 12).await;
    served.stop().await;
}
