//! How the node gets to its chain, and waiting for it to get somewhere.

use std::time::Duration;

use dilithion_wire::{BlockHash, Height};
use serde_json::{Value, json};

use super::args::Args;
use super::method::{Answer, Method};
use crate::http::app::App;
use crate::sync::{BlockStage, SyncStatus};

/// The longest that a call waits, whatever it asks for: a client that went away unnoticed must not hold a place for
/// ever.
const MAX_WAIT: Duration = Duration::from_secs(60 * 60);

pub(super) const METHODS: &[Method] = &[
    Method::new(
        "getblocktrackerinfo",
        &[],
        "The blocks under way, and of whom they were requested",
        |app, _| Box::pin(async move { Ok(block_tracker_info(&app)) }),
    ),
    Method::new("getindexinfo", &[], "The optional indexes; there are none", |_, _| {
        Box::pin(async { Ok(json!({})) })
    }),
    Method::new(
        "waitfornewblock",
        &["timeout"],
        "Wait for another tip, for so many milliseconds",
        |app, args| Box::pin(wait_for_new_block(app, args)),
    ),
    Method::new("waitforblock", &["blockhash", "timeout"], "Wait until a block is the tip", |app, args| {
        Box::pin(wait_for_block(app, args))
    }),
    Method::new(
        "waitforblockheight",
        &["height", "timeout"],
        "Wait until the chain is so high",
        |app, args| Box::pin(wait_for_block_height(app, args)),
    ),
];

fn block_tracker_info(app: &App) -> Value {
    let (detail, status) = (app.node.detail(), app.node.status().borrow().clone());
    let in_flight = detail.window.iter().filter_map(|block| match block.stage {
        BlockStage::InFlight(peer) => Some(json!({ "height": block.height.0, "peer": peer.0 })),
        BlockStage::Pending | BlockStage::Received | BlockStage::Validating => None,
    });
    let per_peer = detail.peers.iter().map(|peer| {
        json!({ "peer": peer.peer.0, "in_flight": peer.in_flight, "limit": peer.limit, "height": peer.height.0 })
    });
    json!({
        "total_in_flight": status.in_flight,
        "status": format!("{}: {}", status.state, status.waiting_for),
        "tracked_heights": in_flight.collect::<Vec<_>>(),
        "per_peer": per_peer.collect::<Vec<_>>(),
    })
}

async fn wait_for_new_block(app: App, args: Args) -> Answer {
    let timeout = args.optional("timeout")?;
    let now = app.node.status().borrow().chain_hash;
    wait(&app, timeout, move |status| status.chain_hash != now).await
}

async fn wait_for_block(app: App, args: Args) -> Answer {
    let (hash, timeout) = (args.parsed::<BlockHash>("blockhash")?, args.optional("timeout")?);
    wait(&app, timeout, move |status| status.chain_hash == hash).await
}

async fn wait_for_block_height(app: App, args: Args) -> Answer {
    let (height, timeout) = (Height(args.required("height")?), args.optional("timeout")?);
    wait(&app, timeout, move |status| status.chain_height >= height).await
}

/// Waits until something is so, the time is over or the server stops, and tells the tip.
async fn wait(app: &App, millis: Option<u64>, is_so: impl FnMut(&SyncStatus) -> bool) -> Answer {
    let _permit = app.wait_permit()?;
    let mut status = app.node.status();
    // As in Bitcoin Core, 0 is for ever.
    let timeout = millis.filter(|millis| *millis > 0).map_or(MAX_WAIT, Duration::from_millis).min(MAX_WAIT);
    tokio::select! {
        _ = status.wait_for(is_so) => {}
        () = tokio::time::sleep(timeout) => {}
        () = app.stopping.cancelled() => {}
    }
    let status = app.node.status().borrow().clone();
    Ok(json!({ "hash": status.chain_hash.to_string(), "height": status.chain_height.0 }))
}
