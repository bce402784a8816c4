//! Transactions, in blocks or pending.

use bytes::Bytes;
use dilithion_chain::{Accepted, ChainReader, FeeRate, PendingError, PendingTransaction, StoreError};
use dilithion_wire::{Amount, BlockHash, Decode, Encode, Height, OutPoint, Transaction, TxIn, TxOut, Txid};
use serde_json::{Map, Value, json};

use super::args::Args;
use super::error::RpcError;
use super::method::{Answer, Method};
use crate::http::app::App;

/// Transactions that are tried in one call at most (`MAX_PACKAGE_COUNT` of Bitcoin Core).
const MAX_TRIED: usize = 25;

/// Bytes that a fee rate is about.
const RATE_BYTES: u64 = 1000;

pub(super) const METHODS: &[Method] = &[
    Method::new("getmempoolinfo", &[], "Size of the pending pool", |app, _| Box::pin(get_mempool_info(app))),
    Method::new("getrawmempool", &["verbose"], "Ids of the pending transactions", |app, args| {
        Box::pin(get_raw_mempool(app, args))
    }),
    Method::new(
        "getrawtransaction",
        &["txid", "verbose", "blockhash"],
        "A transaction, pending or in a block; without its block all blocks are searched",
        |app, args| Box::pin(get_raw_transaction(app, args)),
    ),
    Method::new("decoderawtransaction", &["hexstring"], "A transaction as JSON", |app, args| {
        Box::pin(async move { Ok(transaction_json(&decode(&app, &args.required::<String>("hexstring")?)?)) })
    }),
    Method::new("gettxout", &["txid", "n", "include_mempool"], "An unspent output", |app, args| {
        Box::pin(get_tx_out(app, args))
    }),
    Method::new("sendrawtransaction", &["hexstring"], "Hand in a transaction", |app, args| {
        Box::pin(send_raw_transaction(app, args))
    }),
    Method::new(
        "testmempoolaccept",
        &["rawtxs"],
        "Whether transactions, one after another, would become pending; none does",
        |app, args| Box::pin(test_mempool_accept(app, args)),
    ),
];

async fn get_mempool_info(app: App) -> Answer {
    let (stats, rates) = app
        .read(|store| {
            let rates = store.pending_transactions().map(|entry| Ok(entry?.fee_rate()));
            Ok((store.pending_stats()?, rates.collect::<Result<Vec<FeeRate>, StoreError>>()?))
        })
        .await?;
    Ok(json!({
        "loaded": true,
        "size": stats.count,
        "bytes": stats.bytes,
        "usage": stats.bytes,
        "min_fee_rate": per_byte(rates.iter().min()),
        "max_fee_rate": per_byte(rates.iter().max()),
    }))
}

/// Ions for a byte.
fn per_byte(rate: Option<&FeeRate>) -> f64 {
    rate.map_or(0.0, |rate| ratio(rate.0, RATE_BYTES))
}

/// Exact below 2^53, beyond which no amount of coins goes.
#[expect(clippy::cast_precision_loss, reason = "JSON has no other numbers")]
fn ratio(number: u64, by: u64) -> f64 {
    number as f64 / by as f64
}

/// Whole coins, as the C++ nodes print amounts.
fn coins(amount: Amount) -> f64 {
    ratio(amount.0, Amount::COIN.0)
}

async fn get_raw_mempool(app: App, args: Args) -> Answer {
    let verbose = args.optional::<bool>("verbose")?.unwrap_or(false);
    let entries = app.read(|store| store.pending_transactions().collect::<Result<Vec<_>, _>>()).await?;
    if !verbose {
        return Ok(entries.iter().map(|entry| Value::from(entry.txid.to_string())).collect());
    }
    let view = |entry: &PendingTransaction| {
        let rate = entry.fee_rate().0;
        (entry.txid.to_string(), json!({ "size": entry.bytes(), "fee": coins(entry.fee), "fee_rate": rate }))
    };
    Ok(Value::Object(entries.iter().map(view).collect::<Map<_, _>>()))
}

/// Where a transaction was found.
struct Found {
    transaction: Transaction,
    block: Option<(Height, BlockHash)>,
}

async fn get_raw_transaction(app: App, args: Args) -> Answer {
    let txid: Txid = args.parsed("txid")?;
    let verbose = args.optional::<Value>("verbose")?.is_some_and(|verbose| verbose != false && verbose != 0);
    let found = match args.optional::<String>("blockhash")? {
        Some(_) => {
            let block = args.parsed("blockhash")?;
            app.read(move |store| in_block(store, &txid, &block)).await?
        }
        None => match app.read(move |store| store.pending(&txid)).await? {
            Some(pending) => Some(Found { transaction: pending.transaction, block: None }),
            None => app.scan(move |store| in_chain(store, &txid)).await?,
        },
    };
    let found = found.ok_or_else(|| RpcError::not_found("no such transaction"))?;
    let bytes = hex::encode(found.transaction.encode_to_vec());
    if !verbose {
        return Ok(bytes.into());
    }
    let mut value = transaction_json(&found.transaction);
    crate::json::set(&mut value, "hex", bytes);
    let tip = app.node.status().borrow().chain_height;
    if let Some((height, hash)) = found.block {
        crate::json::set(&mut value, "blockhash", hash.to_string());
        crate::json::set(&mut value, "height", height.0);
        crate::json::set(&mut value, "confirmations", tip.0.saturating_sub(height.0) + 1);
    } else {
        crate::json::set(&mut value, "confirmations", 0);
    }
    Ok(value)
}

fn in_block(store: &ChainReader, txid: &Txid, hash: &BlockHash) -> Result<Option<Found>, StoreError> {
    let (Some(block), Some(stored)) = (store.block(hash)?, store.header(hash)?) else { return Ok(None) };
    let transaction = block.transactions.into_iter().find(|transaction| transaction.txid() == *txid);
    Ok(transaction.map(|transaction| Found { transaction, block: Some((stored.height, *hash)) }))
}

fn in_chain(store: &ChainReader, txid: &Txid) -> Result<Option<Found>, StoreError> {
    let Some(found) = store.find_transaction(txid)? else { return Ok(None) };
    let block = store.hash_at(found.height)?.map(|hash| (found.height, hash));
    Ok(Some(Found { transaction: found.transaction, block }))
}

async fn get_tx_out(app: App, args: Args) -> Answer {
    let outpoint = OutPoint { txid: args.parsed("txid")?, index: args.required("n")? };
    let pool = args.optional::<bool>("include_mempool")?.unwrap_or(true);
    app.blocking(move |app| {
        let store = app.node.store();
        let tip = store.tip()?;
        if pool && store.pending_spender(&outpoint)?.is_some() {
            return Ok(Value::Null);
        }
        let out = |output: &TxOut, confirmations: u32, coinbase: bool| {
            json!({
                "bestblock": tip.hash.to_string(),
                "confirmations": confirmations,
                "value": coins(output.value),
                "scriptPubKey": { "hex": hex::encode(&output.script_pubkey) },
                "coinbase": coinbase,
            })
        };
        if let Some(coin) = store.utxo(&outpoint)? {
            let confirmations = tip.height.0.saturating_sub(coin.height.0) + 1;
            return Ok(out(&coin.output, confirmations, coin.coinbase));
        }
        let pending = if pool { store.pending(&outpoint.txid)? } else { None };
        let index = usize::try_from(outpoint.index).unwrap_or(usize::MAX);
        let output = pending.and_then(|pending| pending.transaction.outputs.get(index).cloned());
        Ok(output.map_or(Value::Null, |output| out(&output, 0, false)))
    })
    .await
}

async fn send_raw_transaction(app: App, args: Args) -> Answer {
    let transaction = decode(&app, &args.required::<String>("hexstring")?)?;
    match app.node.submit_transaction(transaction).await {
        Some(Ok(accepted)) => Ok(accepted.txid.to_string().into()),
        Some(Err(error)) => Err(RpcError::rejected(format!("{}: {error}", error.reject_reason()))),
        None => Err(RpcError::misc("the node takes no transactions any more")),
    }
}

async fn test_mempool_accept(app: App, args: Args) -> Answer {
    let texts: Vec<String> = args.required("rawtxs")?;
    if texts.is_empty() || texts.len() > MAX_TRIED {
        return Err(RpcError::out_of_range(format!("rawtxs: 1 to {MAX_TRIED} transactions")));
    }
    let transactions = texts.iter().map(|text| decode(&app, text)).collect::<Result<Vec<_>, _>>()?;
    let outcomes = app.node.try_transactions(transactions.clone()).await;
    let outcomes = outcomes.ok_or_else(|| RpcError::misc("the node takes no transactions any more"))?;
    let view = |(transaction, outcome): (&Transaction, &Result<Accepted, PendingError>)| match outcome {
        Ok(accepted) => json!({
            "txid": accepted.txid.to_string(),
            "allowed": true,
            "vsize": transaction.encoded_len(),
            "fees": { "base": coins(accepted.fee) },
        }),
        Err(error) => json!({
            "txid": transaction.txid().to_string(),
            "allowed": false,
            "reject-reason": error.reject_reason(),
            "reject-details": error.to_string(),
        }),
    };
    Ok(transactions.iter().zip(&outcomes).map(view).collect())
}

fn decode(app: &App, text: &str) -> Result<Transaction, RpcError> {
    let bytes = hex::decode(text).map_err(|error| RpcError::decode(format!("no hex: {error}")))?;
    let limits = app.node.params().limits;
    Transaction::decode_exact(Bytes::from(bytes), &limits)
        .map_err(|error| RpcError::decode(error.to_string()))
}

/// A transaction as Bitcoin Core shows it.
pub(super) fn transaction_json(transaction: &Transaction) -> Value {
    json!({
        "txid": transaction.txid().to_string(),
        "version": transaction.version,
        "size": transaction.encoded_len(),
        "locktime": transaction.lock_time,
        "vin": transaction.inputs.iter().map(input).collect::<Vec<_>>(),
        "vout": transaction.outputs.iter().enumerate().map(output).collect::<Vec<_>>(),
    })
}

fn input(input: &TxIn) -> Value {
    let script = hex::encode(&input.script_sig);
    if input.previous_output.is_null() {
        return json!({ "coinbase": script, "sequence": input.sequence });
    }
    json!({
        "txid": input.previous_output.txid.to_string(),
        "vout": input.previous_output.index,
        "scriptSig": { "hex": script },
        "sequence": input.sequence,
    })
}

fn output((index, output): (usize, &TxOut)) -> Value {
    json!({
        "value": coins(output.value),
        "n": index,
        "scriptPubKey": { "hex": hex::encode(&output.script_pubkey) },
    })
}
