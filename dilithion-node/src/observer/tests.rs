//! Events in, files out.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use dilithion_wire::{BlockHash, PeerId};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::clock::ManualClock;
use crate::durable;
use crate::hook::HookCommand;
use crate::journal::verify;

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

struct Fixture {
    folder: TempDir,
    clock: Arc<ManualClock>,
    observer: Observer,
}

impl Fixture {
    fn new(hooks: Hooks) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at_unix_millis(1_771_573_538_307));
        let config = ObserverConfig { hooks, ..ObserverConfig::new(folder.path(), default_run_id(&*clock)) };
        let observer = Observer::open(config, Arc::clone(&clock) as _).unwrap();
        Self { folder, clock, observer }
    }

    fn records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join(JOURNAL_FILE)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn kinds(&self) -> Vec<String> {
        self.records().iter().map(|record| record["event_type"].as_str().unwrap().to_owned()).collect()
    }

    fn status(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.folder.path().join(STATUS_FILE)).unwrap()).unwrap()
    }

    fn transition(&self, from: IbdState, to: IbdState) {
        self.observer.on(&NodeEvent::StateTransition { from, to, height: Height(0) });
    }

    fn connect(&self, heights: std::ops::Range<u32>, in_sync: bool) {
        let blocks = heights.map(|height| (Height(height), BlockHash::default())).collect();
        self.observer.on(&NodeEvent::BlocksConnected { blocks, in_sync });
    }
}

fn start() -> NodeEvent {
    NodeEvent::NodeStart { network: "regtest".to_owned(), height: Height(0) }
}

/// Requirements 002-014 to 002-016, D5: what a run leaves behind.
#[test]
fn a_run_is_written_down_from_start_to_stop() {
    let fixture = Fixture::new(Hooks::default());
    fixture.observer.on(&start());
    fixture.observer.flush_status();
    assert_eq!(
        (&fixture.status()["status"], &fixture.status()["journal_events"]),
        (&"running".into(), &1.into())
    );
    fixture.transition(IbdState::Idle, IbdState::Connecting);
    fixture.observer.on(&NodeEvent::NodeStop);
    let records = fixture.records();
    assert_eq!(fixture.kinds(), ["node_start", "state_transition", "node_stop"]);
    assert_eq!(records[0]["run_id"], "run_20260220_074538");
    assert_eq!((&records[0]["round"], &records[0]["stage"]), (&0.into(), &"node".into()));
    assert_eq!((&records[1]["round"], &records[1]["stage"]), (&1.into(), &"connecting".into()));
    let status = fixture.status();
    assert_eq!((&status["status"], &status["current_stage"]), (&"stopped".into(), &"interrupted".into()));
    let report = verify(&fixture.folder.path().join(JOURNAL_FILE), None).unwrap();
    assert_eq!(status["journal_head"], report.head.unwrap().to_string());
    assert_eq!(status["journal_events"], 3);
    // What comes after the end is not lost, and harms nobody.
    fixture.observer.on(&NodeEvent::Error { reason: "late".to_owned() });
    assert_eq!(fixture.kinds().len(), 4);
}

/// Requirement M2, volume rule: one record for a thousand blocks before the node is in sync, one for each after.
#[test]
fn blocks_share_records_until_the_node_is_in_sync() {
    let fixture = Fixture::new(Hooks::default());
    fixture.transition(IbdState::Idle, IbdState::BlocksDownload);
    fixture.connect(1..601, false);
    fixture.connect(601..1301, false);
    fixture.transition(IbdState::BlocksDownload, IbdState::Complete);
    fixture.connect(1301..1303, true);
    let records = fixture.records();
    let connected: Vec<(i64, i64)> = records
        .iter()
        .filter(|record| record["event_type"] == "block_connected")
        .map(|record| {
            let number = |name: &str| record["counters_delta"][name].as_i64().unwrap();
            (number("blocks"), number("height"))
        })
        .collect();
    assert_eq!(connected, [(1000, 1000), (300, 1300), (1, 1301), (1, 1302)]);
    // Requirement M8: what a thousand blocks took.
    for key in ["cpu_pct", "memory_mb_delta", "wall_ms"] {
        assert!(records[1]["usage_delta"][key].is_i64(), "{key}");
    }
}

/// Requirements M2, M8, 002-040: syncs are numbered, and each ends with what it took.
#[test]
fn syncs_are_numbered_and_end_with_what_they_took() {
    let fixture = Fixture::new(Hooks::default());
    for _ in 0..2 {
        fixture.transition(IbdState::Complete, IbdState::HeadersSync);
        fixture.clock.advance(Duration::from_millis(1500));
        fixture.transition(IbdState::HeadersSync, IbdState::Complete);
        fixture.observer.on(&NodeEvent::SyncComplete {
            height: Height(7),
            hash: BlockHash::default(),
            blocks: 7,
            took: Duration::from_millis(1500),
        });
    }
    let ends: Vec<Value> =
        fixture.records().into_iter().filter(|record| record["event_type"] == "sync_complete").collect();
    assert_eq!([&ends[0]["round"], &ends[1]["round"]], [1, 2]);
    for end in ends {
        assert_eq!(end["usage_delta"]["wall_ms"], 1500);
        assert!((0..=100).contains(&end["usage_delta"]["cpu_pct"].as_i64().unwrap()));
        assert!(end["usage_delta"]["memory_mb_delta"].is_i64());
        assert_eq!((&end["counters_delta"]["blocks"], &end["level"]), (&7.into(), &"success".into()));
    }
}

/// Requirement M5: refused connections are in the journal, and cannot fill it.
#[test]
fn refused_connections_share_a_record_a_minute() {
    let fixture = Fixture::new(Hooks::default());
    let refuse = || {
        let reason = "all inbound slots are taken".to_owned();
        fixture.observer.on(&NodeEvent::PeerRefused { address: HOST, reason });
    };
    (0..100).for_each(|_| refuse());
    fixture.clock.advance(REFUSALS);
    refuse();
    let counts: Vec<Value> =
        fixture.records().iter().map(|record| record["counters_delta"]["refused"].clone()).collect();
    assert_eq!(counts, [1, 100]);
}

const REFUSALS: Duration = Duration::from_secs(60);

/// Requirement M3: what a peer says never shows a secret.
#[test]
fn secrets_stay_out_of_journal_and_status() {
    let fixture = Fixture::new(Hooks::default());
    let secret = format!("ghp_{}", "a1".repeat(18));
    let reason = format!("user agent /{secret}/");
    fixture.observer.on(&NodeEvent::PeerBanned { peer: PeerId(1), address: HOST, reason: reason.clone() });
    fixture.observer.on(&NodeEvent::Error { reason });
    fixture.observer.on(&NodeEvent::NodeStop);
    for file in [JOURNAL_FILE, STATUS_FILE] {
        let text = std::fs::read_to_string(fixture.folder.path().join(file)).unwrap();
        assert!(!text.contains(&secret), "{text}");
    }
    assert!(fixture.records()[0]["message"].as_str().unwrap().contains("[GITHUB_TOKEN]"));
}

fn command(text: &str) -> Option<HookCommand> {
    Some(text.parse().unwrap())
}

/// Requirements M7, 002-019: hooks run for what they are for; their ends and the output of a failed one are recorded.
#[test]
fn hooks_run_for_their_events_and_are_recorded() {
    let fixture = Fixture::new(Hooks {
        block: command("echo block %s"),
        reorg: command("sh -c 'echo no; exit 4'"),
        state: command("/no/such/program"),
        alert: command("echo %s"),
        shutdown: command("echo bye"),
        ..Hooks::default()
    });
    let flush = || lock(&fixture.observer.hooks).as_ref().unwrap().flush();
    fixture.connect(1..3, false);
    fixture.connect(3..5, true);
    let tip = (Height(3), BlockHash::default());
    fixture.observer.on(&NodeEvent::BlocksDisconnected { blocks: vec![tip], tip });
    fixture.transition(IbdState::Idle, IbdState::Connecting);
    fixture.observer.on(&NodeEvent::Error { reason: "disk full".to_owned() });
    flush();
    fixture.observer.on(&NodeEvent::NodeStop);
    let records = fixture.records();
    let hooks: Vec<&Value> = records.iter().filter(|record| record["stage"] == "hook").collect();
    let kinds: Vec<&str> = hooks.iter().map(|record| record["event_type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["hook_success", "hook_success", "hook_failed", "hook_failed", "hook_success", "hook_success"],
        "two blocks in sync, the reorg, the state, the alert, the stop"
    );
    assert_eq!(hooks[2]["error"], "no");
    assert_eq!(hooks[2]["counters_delta"]["exit_code"], 4);
    assert!(hooks[3]["error"].as_str().unwrap().starts_with("cannot be started"));
    assert!(hooks.iter().all(|record| record["usage_delta"]["cpu_pct"].is_i64()));
    assert_eq!(records.last().unwrap()["event_type"], "node_stop");
}

/// Requirement M7: what is wrong with the observer's own files is an alert too.
#[test]
fn files_that_cannot_be_written_are_alerts() {
    let told = tempfile::NamedTempFile::new().unwrap();
    let alert = format!("sh -c 'echo \"$0\" >> {}' %s", told.path().display());
    let fixture = Fixture::new(Hooks { alert: command(&alert), ..Hooks::default() });
    let alerts = || {
        lock(&fixture.observer.hooks).as_ref().unwrap().flush();
        let text = std::fs::read_to_string(told.path()).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let journal = fixture.observer.journal();
    fixture.transition(IbdState::Idle, IbdState::Connecting);
    let path = fixture.folder.path().join(JOURNAL_FILE);
    let file = journal.swap_file(Arc::new(std::fs::File::open(path).unwrap()));
    fixture.transition(IbdState::Connecting, IbdState::Idle);
    fixture.transition(IbdState::Idle, IbdState::Connecting);
    assert_eq!(alerts().len(), 1, "told once");
    drop(journal.swap_file(file));
    fixture.transition(IbdState::Connecting, IbdState::Idle);
    std::fs::create_dir(fixture.folder.path().join(STATUS_FILE)).unwrap();
    fixture.observer.on(&start());
    fixture.observer.flush_status();
    let alerts = alerts();
    let begins = ["the journal cannot be written", "3 records before this one could not", "the status file"];
    assert_eq!(alerts.len(), begins.len(), "{alerts:?}");
    assert!(alerts.iter().zip(begins).all(|(alert, begin)| alert.starts_with(begin)), "{alerts:?}");
}

/// Requirements M13, M7: whoever tells something waits neither for a disk nor for a program.
#[test]
fn telling_waits_for_no_disk_and_no_program() {
    let hooks = Hooks { state: command("sleep 2"), ..Hooks::default() };
    let fixture = Fixture::new(hooks);
    let before = durable::waits_of_this_thread();
    for _ in 0..100 {
        fixture.transition(IbdState::Idle, IbdState::Connecting);
        fixture.observer.on(&NodeEvent::ForkDetected { height: Height(1) });
        fixture.observer.on(&NodeEvent::Error { reason: "x".to_owned() });
    }
    assert_eq!(durable::waits_of_this_thread(), before);
    fixture.observer.on(&NodeEvent::NodeStop);
    assert!(durable::waits_of_this_thread() > before, "a stop waits for the disk");
}

/// Requirement M19: a crash between two records shows as a recovery.
#[test]
fn a_torn_journal_is_told_as_a_recovery() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(JOURNAL_FILE), b"{\"event_ver").unwrap();
    let clock = Arc::new(ManualClock::default());
    let observer = Observer::open(ObserverConfig::new(folder.path(), "run_a".to_owned()), clock).unwrap();
    observer.on(&start());
    let report = verify(&folder.path().join(JOURNAL_FILE), None).unwrap();
    assert_eq!((report.events, report.runs), (2, 1));
}
