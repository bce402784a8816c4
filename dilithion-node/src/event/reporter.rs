//! Tells what the engine sees as [`NodeEvent`]s.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dilithion_pow::PowStats;
use dilithion_wire::{BlockHash, ChainParams, Height};

use super::{Events, NodeEvent};
use crate::sync::{Action, Coordinator, Event, IbdState};

/// Stands between whoever drives a [`Coordinator`](crate::sync::Coordinator), in a node the engine, and [`Events`]. It finds
/// the facts that take more than one look: the end of a sync, and checkpoints.
pub struct Reporter {
    events: Arc<dyn Events>,
    /// Heights of checkpoints that the chain has not reached, ascending.
    checkpoints: VecDeque<Height>,
    state: IbdState,
    tip: Height,
    /// The sync under way.
    episode: Option<Episode>,
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reporter").field("state", &self.state).field("tip", &self.tip).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug)]
struct Episode {
    began: Duration,
    blocks: u32,
}

impl Reporter {
    /// A reporter for a chain that ends at `tip`.
    #[must_use]
    pub fn new(events: Arc<dyn Events>, params: &ChainParams, tip: Height) -> Self {
        let mut checkpoints: Vec<Height> =
            params.checkpoints.iter().map(|checkpoint| checkpoint.height).filter(|at| *at > tip).collect();
        checkpoints.sort_unstable();
        Self { events, checkpoints: checkpoints.into(), state: IbdState::Idle, tip, episode: None }
    }

    /// Who is told.
    #[must_use]
    pub fn events(&self) -> &dyn Events {
        &*self.events
    }

    /// An event that the coordinator is about to be told.
    pub fn on_event(&mut self, event: &Event) {
        match event {
            Event::BlocksConnected { blocks } => self.on_connected(blocks.clone()),
            Event::Disconnected { tip, blocks } => {
                self.tip = tip.0;
                self.events.on(&NodeEvent::BlocksDisconnected { blocks: blocks.clone(), tip: *tip });
            }
            Event::BlockRejected { height, hash, peer, reason, .. } => {
                self.events.on(&NodeEvent::BlockRejected {
                    height: *height,
                    hash: *hash,
                    peer: *peer,
                    reason: reason.clone(),
                });
            }
            _ => {}
        }
    }

    /// The actions that the coordinator has asked for, before any of them is done; `pow` is asked for if they change the
    /// state, because then the status is told as well.
    pub fn on_actions(
        &mut self,
        actions: &[Action],
        coordinator: &Coordinator,
        now: Duration,
        pow: impl FnOnce() -> PowStats,
    ) {
        let mut status = None;
        for action in actions {
            match action {
                Action::ForkDetected { height } => {
                    self.events.on(&NodeEvent::ForkDetected { height: *height });
                }
                Action::StateChanged { from, to } => {
                    let status = status.get_or_insert_with(|| coordinator.status(now));
                    // A sync of headers ends with the last of them.
                    let headers = coordinator.headers();
                    let reached = match to {
                        IbdState::Idle => (headers.best_height(), headers.best_hash()),
                        _ => coordinator.tip(),
                    };
                    self.on_transition(*from, *to, reached, now);
                    if *to == IbdState::Error {
                        self.events.on(&NodeEvent::Error { reason: status.waiting_for.clone() });
                    }
                }
                _ => {}
            }
        }
        if let Some(status) = status {
            self.events.on_status(&status, &pow());
        }
    }

    fn on_transition(&mut self, from: IbdState, to: IbdState, reached: (Height, BlockHash), now: Duration) {
        self.state = to;
        self.events.on(&NodeEvent::StateTransition { from, to, height: reached.0 });
        self.follow_episode(to, reached, now);
    }

    fn on_connected(&mut self, blocks: Vec<(Height, BlockHash)>) {
        let Some((last, _)) = blocks.last().copied() else { return };
        if let Some(episode) = &mut self.episode {
            episode.blocks = episode.blocks.saturating_add(u32::try_from(blocks.len()).unwrap_or(u32::MAX));
        }
        self.tip = last;
        let in_sync = self.state == IbdState::Complete;
        self.events.on(&NodeEvent::BlocksConnected { blocks, in_sync });
        while let Some(height) = self.checkpoints.front().copied().filter(|height| *height <= self.tip) {
            self.checkpoints.pop_front();
            self.events.on(&NodeEvent::CheckpointPassed { height });
        }
    }

    /// A sync begins when the node leaves `IDLE` or `COMPLETE`, and ends when it is back in one of them.
    fn follow_episode(&mut self, to: IbdState, reached: (Height, BlockHash), now: Duration) {
        if !matches!(to, IbdState::Idle | IbdState::Complete) {
            self.episode.get_or_insert(Episode { began: now, blocks: 0 });
        } else if let Some(Episode { began, blocks }) = self.episode.take() {
            let (height, hash) = reached;
            let took = now.saturating_sub(began);
            self.events.on(&NodeEvent::SyncComplete { height, hash, blocks, took });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use dilithion_headers::{HeadersConfig, HeadersManager};

    use super::*;
    use crate::clock::Now;
    use crate::sync::{CoordinatorConfig, SyncStatus};

    #[derive(Default)]
    struct Heard(Mutex<Vec<NodeEvent>>, AtomicUsize);

    impl Events for Heard {
        fn on(&self, event: &NodeEvent) {
            self.0.lock().unwrap().push(event.clone());
        }

        fn on_status(&self, _sync: &SyncStatus, _pow: &PowStats) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    const TIP: (Height, BlockHash) = (Height(2), BlockHash::from_bytes([2; 32]));

    fn reporter(tip: Height) -> (Reporter, Arc<Heard>) {
        let heard = Arc::new(Heard::default());
        let params = ChainParams::testnet();
        (Reporter::new(Arc::clone(&heard) as _, &params, tip), heard)
    }

    fn names(heard: &Heard) -> Vec<&'static str> {
        heard.0.lock().unwrap().iter().map(NodeEvent::name).collect()
    }

    #[test]
    fn a_sync_is_told_from_its_first_transition_to_its_end() {
        let (mut reporter, heard) = reporter(Height(0));
        let path = [IbdState::Idle, IbdState::Connecting, IbdState::HeadersSync, IbdState::BlocksDownload];
        for (second, pair) in (1..).zip(path.windows(2)) {
            reporter.on_transition(pair[0], pair[1], TIP, Duration::from_secs(second));
        }
        reporter.on_event(&Event::BlocksConnected { blocks: vec![(Height(1), BlockHash::default()), TIP] });
        reporter.on_transition(IbdState::BlocksDownload, IbdState::Complete, TIP, Duration::from_secs(9));
        let transitions = ["state_transition"; 3];
        let end = ["block_connected", "state_transition", "sync_complete"];
        assert_eq!(names(&heard), [transitions, end].concat());
        let last = heard.0.lock().unwrap().pop();
        let took = Duration::from_secs(8);
        let (height, hash) = TIP;
        assert_eq!(last, Some(NodeEvent::SyncComplete { height, hash, blocks: 2, took }));
    }

    #[test]
    fn checkpoints_are_told_once_when_the_chain_reaches_them() {
        let first =
            ChainParams::testnet().checkpoints.iter().map(|checkpoint| checkpoint.height).min().unwrap();
        let (mut reporter, heard) = reporter(first.prev().unwrap());
        let blocks = vec![(first, BlockHash::default()), (first.next(), BlockHash::default())];
        reporter.on_event(&Event::BlocksConnected { blocks });
        assert_eq!(names(&heard), ["block_connected", "checkpoint_passed"]);
        reporter
            .on_event(&Event::BlocksConnected { blocks: vec![(first.next().next(), BlockHash::default())] });
        assert_eq!(names(&heard).len(), 3);
    }

    #[test]
    fn disconnected_blocks_are_told_and_the_passing_of_time_is_not() {
        let (mut reporter, heard) = reporter(Height(0));
        reporter.on_event(&Event::Disconnected { tip: TIP, blocks: vec![(Height(3), BlockHash::default())] });
        reporter.on_event(&Event::Tick);
        assert_eq!(names(&heard), ["block_disconnected"]);
    }

    /// Requirement M6: why a node cannot go on is told, with the status that says the same.
    #[test]
    fn a_failure_is_told_with_its_reason() {
        let (mut reporter, heard) = reporter(Height(0));
        let params = ChainParams::regtest();
        let headers = HeadersManager::new(
            HeadersConfig::from_params(&params),
            params.genesis_header(),
            params.genesis.hash,
        );
        let tip = (Height::GENESIS, params.genesis.hash);
        let mut coordinator = Coordinator::new(CoordinatorConfig::default(), headers, tip);
        let actions =
            coordinator.handle(Event::StoreFailed { reason: "disk full".to_owned() }, Now::default());
        reporter.on_actions(&actions, &coordinator, Duration::ZERO, PowStats::default);
        assert_eq!(names(&heard), ["state_transition", "error"]);
        let last = heard.0.lock().unwrap().pop();
        assert_eq!(last, Some(NodeEvent::Error { reason: "disk full".to_owned() }));
        assert_eq!(heard.1.load(Ordering::Relaxed), 1, "one status");
    }
}
