//! Where each block is that the node fetches.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::http::app::App;
use crate::sync::{BlockStage, SyncDetail, WindowBlock};

/// The blocks above the tip that are scheduled.
#[derive(Debug, Serialize)]
pub(crate) struct WindowView {
    /// Height of the tip.
    tip: u32,
    /// Blocks by their stage, as runs of equal ones, ascending.
    runs: Vec<RunView>,
    totals: TotalsView,
}

/// Neighbouring blocks in the same stage.
#[derive(Debug, PartialEq, Serialize)]
struct RunView {
    first: u32,
    last: u32,
    /// `pending`, `in_flight`, `received` or `validating`.
    stage: &'static str,
    /// Whom they were requested of.
    peer: Option<u64>,
}

/// What happened to blocks so far.
#[derive(Debug, Serialize)]
struct TotalsView {
    requested: u64,
    delivered: u64,
    timed_out: u64,
    second_requests: u64,
    redundant: u64,
}

/// `GET /api/v1/window`
pub(crate) async fn window(State(app): State<App>) -> Json<WindowView> {
    Json(WindowView::new(&app))
}

impl WindowView {
    pub(crate) fn new(app: &App) -> Self {
        let tip = app.node.status().borrow().chain_height.0;
        let detail: &SyncDetail = &app.node.detail();
        let totals = detail.totals;
        let totals = TotalsView {
            requested: totals.requested,
            delivered: totals.delivered,
            timed_out: totals.timed_out,
            second_requests: totals.second_requests,
            redundant: totals.redundant,
        };
        Self { tip, runs: runs(&detail.window), totals }
    }
}

fn runs(blocks: &[WindowBlock]) -> Vec<RunView> {
    let mut runs: Vec<RunView> = Vec::new();
    for block in blocks {
        let (stage, peer) = match block.stage {
            BlockStage::Pending => ("pending", None),
            BlockStage::InFlight(peer) => ("in_flight", Some(peer.0)),
            BlockStage::Received => ("received", None),
            BlockStage::Validating => ("validating", None),
        };
        let height = block.height.0;
        match runs.last_mut() {
            Some(run)
                if run.stage == stage && run.peer == peer && run.last.checked_add(1) == Some(height) =>
            {
                run.last = height;
            }
            _ => runs.push(RunView { first: height, last: height, stage, peer }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use dilithion_wire::{Height, PeerId};

    use super::*;

    #[test]
    fn neighbours_in_the_same_stage_are_one_run() {
        let stages = [
            (5, BlockStage::Validating),
            (6, BlockStage::InFlight(PeerId(1))),
            (7, BlockStage::InFlight(PeerId(1))),
            (8, BlockStage::InFlight(PeerId(2))),
            (10, BlockStage::InFlight(PeerId(2))),
            (11, BlockStage::Pending),
        ];
        let blocks = stages.map(|(height, stage)| WindowBlock { height: Height(height), stage });
        let run = |first, last, stage, peer| RunView { first, last, stage, peer };
        let expected = [
            run(5, 5, "validating", None),
            run(6, 7, "in_flight", Some(1)),
            run(8, 8, "in_flight", Some(2)),
            run(10, 10, "in_flight", Some(2)),
            run(11, 11, "pending", None),
        ];
        assert_eq!(runs(&blocks), expected);
    }
}
