//! The real program on the recorded network with mainnet's rules: it syncs and produces there, and gets killed meanwhile.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use ruzstd::decoding::StreamingDecoder;

use crate::process::{RunningNode, free_address, program, stdout_of, testdata};

/// Blocks that are synced: through the first three eras of the handicap, and far above the assume-valid height.
const BLOCKS: u32 = 150;

fn on_private_m(datadir: &Path, command: &str) -> Command {
    let mut program = program();
    program.arg(command).arg("--chain").arg(testdata("private-m/private-m.toml"));
    program.arg("--datadir").arg(datadir);
    program
}

fn running(datadir: &Path, args: &[&str]) -> RunningNode {
    let mut command = on_private_m(datadir, "run");
    command.args(["--no-rpc", "--bind", "127.0.0.1"]).args(args);
    RunningNode::of(command)
}

fn query(datadir: &Path, what: &str) -> String {
    stdout_of(on_private_m(datadir, "query").arg(what))
}

fn checked(datadir: &Path) -> String {
    stdout_of(&mut on_private_m(datadir, "check-chain"))
}

/// Small, seeded, and good enough to pick moments.
fn pick(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

/// The first recorded blocks, as a file of records.
fn records(path: &Path, blocks: u32) {
    let file = fs::File::open(testdata("private-m/chain.dat.zst")).unwrap();
    let mut chain = StreamingDecoder::new(file).unwrap();
    let mut records = Vec::new();
    for _ in 0..=blocks {
        let mut length = [0; 4];
        chain.read_exact(&mut length).unwrap();
        let mut record = vec![0; u32::from_le_bytes(length).try_into().unwrap()];
        chain.read_exact(&mut record).unwrap();
        records.extend([&length[..], &record].concat());
    }
    fs::write(path, records).unwrap();
}

/// A strict node that syncs the recorded blocks from another and is killed so many times on the way.
fn sync_and_kill(blocks: u32, kills: u32) {
    let [source, dir] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let file = source.path().join("chain.dat");
    records(&file, blocks);
    stdout_of(on_private_m(source.path(), "import").arg(&file));
    let address = free_address();
    let mut other = running(source.path(), &["--port", &address.port().to_string()]);
    other.wait_for("Listening on");

    let (peer, tip) = (format!("--connect={address}"), format!("--stop-at-height={blocks}"));
    let args = ["--no-listen", "--verbose", &peer, &tip];
    let (mut state, mut height) = (20_260_501, 0);
    for kill in 1..=kills {
        let mut node = running(dir.path(), &args);
        // A line of the log stands for a moment.
        let lines = 20 + pick(&mut state, u64::from(3 * blocks));
        let ended = (0..lines).any(|_| node.next_line().is_none());
        node.kill();
        let now: u32 = query(dir.path(), "height").parse().unwrap();
        assert!(now >= height, "kill {kill}: fell back from {height} to {now}");
        assert_eq!(checked(dir.path()), format!("Chain integrity verified: {} blocks", now + 1));
        height = now;
        if ended {
            fs::remove_dir_all(dir.path().join("chainstate")).unwrap();
            height = 0;
        }
    }
    assert_eq!(running(dir.path(), &args).finish().code(), Some(0));
    assert_eq!(query(dir.path(), "hash"), query(source.path(), "hash"));
    assert_eq!(query(dir.path(), "utxo-digest"), query(source.path(), "utxo-digest"));
}

#[test]
fn a_node_killed_while_it_syncs_under_mainnets_rules_resumes_each_time() {
    sync_and_kill(BLOCKS, 6);
}

#[test]
#[ignore = "takes minutes"]
fn the_whole_recorded_chain_is_synced_through_twenty_kills() {
    sync_and_kill(1200, 20);
}

/// The producer's identity is the same after each kill, and a strict node takes all its blocks.
#[test]
fn a_producer_with_an_identity_is_killed_and_goes_on_as_who_it_was() {
    let [dir, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let file = dir.path().join("miner.key");
    let args = ["--no-listen", "--produce", "--test-mode", "--identity-key", file.to_str().unwrap()];
    let mut keys = None;
    let (mut state, mut tip, mut log) = (20_260_502, 0, Vec::new());
    for kill in 1..=4 {
        let mut node = running(dir.path(), &args);
        node.wait_for(&format!("Leader resuming from height {tip}"));
        node.wait_for("Produced block");
        for _ in 0..pick(&mut state, 30_000_000) {
            std::hint::spin_loop();
        }
        log.append(&mut node.lines);
        node.kill();
        let kept = fs::read_to_string(&file).unwrap();
        assert_eq!(*keys.get_or_insert_with(|| kept.clone()), kept, "kill {kill}");
        let now: u32 = query(dir.path(), "height").parse().unwrap();
        assert!(now > tip, "kill {kill}: {now} after {tip}");
        tip = now;
        assert_eq!(checked(dir.path()), format!("Chain integrity verified: {} blocks", tip + 1));
    }
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let made = log.iter().filter(|line| line.contains("Made a key")).count();
    assert_eq!(made, 1, "{log:#?}");
    let secret = keys.unwrap().lines().last().unwrap().to_owned();
    assert_eq!(secret.len(), 8064);
    assert!(!log.iter().any(|line| line.contains(&secret[..64])));

    // Nobody else's identity, whatever the store looked like after a kill.
    let address = free_address();
    let mut source = running(dir.path(), &["--port", &address.port().to_string()]);
    source.wait_for("Listening on");
    let (peer, stop) = (format!("--connect={address}"), format!("--stop-at-height={tip}"));
    assert_eq!(running(other.path(), &["--no-listen", &peer, &stop]).finish().code(), Some(0));
    assert_eq!(query(other.path(), "hash"), query(dir.path(), "hash"));
}
