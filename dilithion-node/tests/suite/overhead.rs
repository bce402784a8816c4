//! A hundred syncs of the real coordinator, written down by the real observer.

use std::path::Path;
use std::sync::Arc;

use dilithion_node::clock::SystemClock;
use dilithion_node::durable::waits_of_this_thread;
use dilithion_node::event::{Events, NodeEvent, Reporter};
use dilithion_node::journal::{JOURNAL_FILE, verify};
use dilithion_node::observer::{Observer, ObserverConfig};
use dilithion_node::status_file::STATUS_FILE;
use dilithion_node::sync::IbdState;
use dilithion_wire::{Height, PeerId};
use serde_json::Value;

use crate::chain::MockChain;
use crate::net::{Behaviour, Net};

const CYCLES: usize = 100;
/// So many that each sync downloads: those a few blocks behind fetch them without leaving `COMPLETE`.
const BLOCKS_A_CYCLE: usize = 20;

fn records(folder: &Path, kind: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(JOURNAL_FILE)).unwrap();
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|record| record["event_type"] == kind).collect()
}

/// Requirements M13, 002-041, 002-040, M4: at least 400 transitions, each in the journal before the status, and none waits
/// for a disk.
#[test]
fn a_hundred_syncs_are_written_down_without_a_wait_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let config = ObserverConfig::new(folder.path(), "run_overhead".to_owned());
    let observer = Arc::new(Observer::open(config, Arc::new(SystemClock::new())).unwrap());
    let mut chain = MockChain::new(BLOCKS_A_CYCLE, 1);
    let mut net = Net::new(&MockChain::new(CYCLES * BLOCKS_A_CYCLE, 1));
    net.reporter = Some(Reporter::new(Arc::clone(&observer) as _, &chain.params, Height::GENESIS));
    let before = waits_of_this_thread();
    for cycle in 0..CYCLES {
        let peer = PeerId(cycle as u64 + 1);
        net.connect(peer, Behaviour::Honest(chain.clone()));
        net.run_until(|net| net.tip() == chain.height() && net.coordinator.state() == IbdState::Complete);
        net.disconnect(peer);
        chain = chain.extend(BLOCKS_A_CYCLE, 1);
    }
    assert_eq!(waits_of_this_thread(), before);
    observer.on(&NodeEvent::NodeStop);

    let transitions = records(folder.path(), "state_transition").len();
    assert!(transitions >= 400, "{transitions}");
    let syncs = records(folder.path(), "sync_complete");
    assert_eq!(syncs.len(), CYCLES);
    assert_eq!(syncs[CYCLES - 1]["round"], CYCLES);
    assert!(syncs.iter().all(|sync| sync["usage_delta"]["cpu_pct"].is_i64()));
    assert!(syncs.iter().all(|sync| sync["usage_delta"]["memory_mb_delta"].is_i64()));
    let report = verify(&folder.path().join(JOURNAL_FILE), None).unwrap();
    let state: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join(STATUS_FILE)).unwrap()).unwrap();
    assert_eq!(state["journal_head"], report.head.unwrap().to_string());
    assert_eq!(state["status"], "stopped");
}
