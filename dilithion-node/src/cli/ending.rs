//! Why and when a node that runs is to stop.

use dilithion_wire::Height;

use super::logging::Log;
use super::signals::Signals;
use super::{RunArgs, progress};
use crate::node::Node;
use crate::stage::StatusReceiver;
use crate::sync::{IbdState, SyncMode, SyncStatus};

/// The node cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("the node failed: {0}")]
pub(super) struct NodeFailed(pub(super) String);

/// Completes when the node is to stop.
pub(super) async fn attend(
    args: &RunArgs,
    node: &Node,
    stop_at: Option<Height>,
    signals: &mut Signals,
    log: &Log,
) -> anyhow::Result<()> {
    let status = node.status();
    let ended = tokio::select! {
        signal = signals.stop(log) => { tracing::info!("{signal}: shutting down"); Ok(()) }
        () = node.stop_requested() => { tracing::info!("Asked to stop: shutting down"); Ok(()) }
        height = reached(status.clone(), stop_at) => {
            tracing::info!("Reached height {height}: shutting down");
            Ok(())
        }
        () = progress::report(node, status.clone(), log.bars()) => Ok(()),
        reason = failed(status) => Err(NodeFailed(reason)),
    };
    if let Err(failure) = &ended
        && !args.ops.exit_on_error
    {
        tracing::error!("{failure}; nothing is connected any more, until the node is started anew");
        tokio::select! {
            signal = signals.stop(log) => tracing::info!("{signal}: shutting down"),
            () = node.stop_requested() => tracing::info!("Asked to stop: shutting down"),
        }
    }
    Ok(ended?)
}

/// Completes when the chain, or what is proved of it, has reached the height at which the node is to stop, if there is one.
async fn reached(mut status: StatusReceiver, stop_at: Option<Height>) -> Height {
    let Some(stop_at) = stop_at else { return std::future::pending().await };
    let height = |status: &SyncStatus| match status.mode {
        SyncMode::Full => status.chain_height,
        SyncMode::Headers => status.ready_height,
    };
    match status.wait_for(|status| height(status) >= stop_at).await {
        Ok(status) => height(&status),
        // The engine has ended: see `failed`.
        Err(_) => std::future::pending().await,
    }
}

/// Completes when nothing can be connected any more.
async fn failed(mut status: StatusReceiver) -> String {
    match status.wait_for(|status| status.state == IbdState::Error).await {
        Ok(status) => status.waiting_for.clone(),
        Err(_) => "the engine has ended".to_owned(),
    }
}
