//! The connected chain.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use dilithion_chain::{ChainReader, StoreError};
use dilithion_pow::CompactTarget;
use dilithion_wire::{Block, Height};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::ApiError;
use crate::http::app::App;
use crate::http::figures::{difficulty, median_time};

/// Headers in one answer at most, as in a `headers` message.
const MAX_HEADERS: u32 = 2000;
/// Headers in an answer unless asked otherwise.
const DEFAULT_HEADERS: u32 = 20;
/// The script of an output that carries data begins with this (`OP_RETURN`).
const OP_RETURN: u8 = 0x6a;

/// The connected chain, and the best header chain.
#[derive(Debug, Serialize)]
pub(crate) struct ChainView {
    network: String,
    genesis_hash: String,
    height: u32,
    hash: String,
    time: u32,
    median_time: u32,
    bits: String,
    difficulty: f64,
    chainwork: String,
    /// Bodies are stored from this height on.
    lowest_body: u32,
    unspent_outputs: u64,
    pending_transactions: u64,
    pending_bytes: u64,
    header_height: u32,
    header_hash: String,
    header_work: String,
    /// Headers whose proof of work has not been checked yet.
    unproved_headers: usize,
}

/// `GET /api/v1/chain`
pub(crate) async fn chain(State(app): State<App>) -> Result<Json<ChainView>, ApiError> {
    app.blocking(|app| Ok(Json(chain_view(app)?))).await
}

fn chain_view(app: &App) -> Result<ChainView, ApiError> {
    let (store, detail) = (app.node.store(), app.node.detail());
    let tip = store.tip()?;
    let header = store.header(&tip.hash)?.ok_or(ApiError::Internal("the tip has no header"))?.header;
    let (pending, header_height) = (store.pending_stats()?, app.node.status().borrow().header_height);
    Ok(ChainView {
        network: app.node.params().name.clone(),
        genesis_hash: app.node.params().genesis.hash.to_string(),
        height: tip.height.0,
        hash: tip.hash.to_string(),
        time: header.time,
        median_time: median_time(store, tip.height)?,
        bits: CompactTarget(header.bits).to_string(),
        difficulty: difficulty(header.bits),
        chainwork: tip.work.to_string(),
        lowest_body: store.lowest_body()?.0,
        unspent_outputs: store.utxo_count()?,
        pending_transactions: pending.count,
        pending_bytes: pending.bytes,
        header_height: header_height.0,
        header_hash: detail.best_hash.to_string(),
        header_work: detail.best_work.to_string(),
        unproved_headers: detail.unproved,
    })
}

/// Which headers are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeadersQuery {
    /// The lowest height; without it the last headers are given.
    from: Option<u32>,
    /// How many.
    count: Option<u32>,
}

/// `GET /api/v1/headers`: headers of the connected chain, ascending.
pub(crate) async fn headers(
    State(app): State<App>,
    query: Result<Query<HeadersQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::BadRequest(error.body_text()))?;
    let count = query.count.unwrap_or(DEFAULT_HEADERS).min(MAX_HEADERS);
    let found = app
        .read(move |store| {
            let above = store.tip()?.height.0.saturating_add(1);
            let first = query.from.unwrap_or(above.saturating_sub(count));
            let heights = (first..above.min(first.saturating_add(count))).map(Height);
            heights.map(|height| header_at(store, height)).collect::<Result<Vec<_>, _>>()
        })
        .await?;
    let headers: Vec<Value> = found.into_iter().flatten().collect();
    Ok(Json(json!({ "headers": headers })))
}

/// `None` if the chain was rewound meanwhile.
fn header_at(store: &ChainReader, height: Height) -> Result<Option<Value>, StoreError> {
    let Some(hash) = store.hash_at(height)? else { return Ok(None) };
    let Some(stored) = store.header(&hash)? else { return Ok(None) };
    let mut value = crate::json::header(&stored.header, hash);
    crate::json::set(&mut value, "height", height.0);
    Ok(Some(value))
}

/// `GET /latest`
pub(crate) async fn latest(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    let tip = app.read(ChainReader::tip).await?;
    block_at(&app, tip.height).await
}

/// `GET /block/:height`
pub(crate) async fn block(
    State(app): State<App>,
    height: Result<Path<u32>, PathRejection>,
) -> Result<Json<Value>, ApiError> {
    let Path(height) = height.map_err(|_| ApiError::BadRequest("a height is a number".to_owned()))?;
    block_at(&app, Height(height)).await
}

async fn block_at(app: &App, height: Height) -> Result<Json<Value>, ApiError> {
    let found = app
        .read(move |store| {
            let Some(hash) = store.hash_at(height)? else { return Ok(None) };
            Ok(store.block(&hash)?.map(|block| (hash, block)))
        })
        .await?;
    let none = || ApiError::NotFound(format!("no block at height {height}"));
    let (hash, block) = found.ok_or_else(none)?;
    Ok(Json(json!({
        "height": height.0,
        "timestamp": block.header.time,
        "prev_hash": block.header.prev_hash.to_string(),
        "message_count": message_count(&block),
        "transaction_count": block.transactions.len(),
        "size": block.encoded_len(),
        "hash": hash.to_string(),
    })))
}

/// Outputs of the coinbase that are worth nothing and carry data: the messages of a block on regtest.
fn message_count(block: &Block) -> usize {
    let outputs = block.transactions.first().into_iter().flat_map(|coinbase| &coinbase.outputs);
    outputs.filter(|out| out.value.0 == 0 && out.script_pubkey.first() == Some(&OP_RETURN)).count()
}
