//! The real program as a producer: started, stopped, killed (requirements M16, M19, M20).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::process::{RunningNode, assert_in_order, program, stderr_of, stdout_of};

/// The program on regtest, with a data directory.
fn on_regtest(datadir: &Path, command: &str) -> Command {
    let mut program = program();
    program.args([command, "--network", "regtest", "--datadir"]).arg(datadir);
    program
}

/// A producer that makes ten blocks a second for nobody.
fn producer(datadir: &Path) -> RunningNode {
    let mut command = on_regtest(datadir, "run");
    command.args(["--no-listen", "--produce", "--test-mode"]);
    RunningNode::of(command)
}

fn query(datadir: &Path, what: &[&str]) -> String {
    stdout_of(on_regtest(datadir, "query").args(what))
}

fn submit(datadir: &Path, content: &str) -> String {
    stdout_of(on_regtest(datadir, "submit").args(["--sender", "Alice", "--content", content]))
}

/// The height in a line "Produced block X with Y messages".
fn produced(line: &str) -> Option<u32> {
    line.split_once("Produced block ")?.1.split(' ').next()?.parse().ok()
}

/// Reads the log until a block of at least this height is produced.
fn until_produced(node: &mut RunningNode, height: u32) -> u32 {
    while let Some(line) = node.next_line() {
        if let Some(found) = produced(&line).filter(|found| *found >= height) {
            return found;
        }
    }
    panic!("the log ended before block {height}:\n{}", node.lines.join("\n"));
}

#[test]
fn a_producer_is_refused_on_public_networks() {
    for network in ["mainnet", "testnet"] {
        let dir = tempfile::tempdir().unwrap();
        let mut run = program();
        run.args(["run", "--produce", "--no-listen", "--no-seeds", "--network", network, "--datadir"]);
        let refused = run.arg(dir.path()).output().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        let complaint = stderr_of(&refused);
        assert!(complaint.contains("refused") && complaint.contains(network), "{complaint}");
    }
}

#[test]
fn messages_are_submitted_carried_and_queried_by_commands() {
    let dir = tempfile::tempdir().unwrap();
    let first = submit(dir.path(), "Hello");
    let found: Value = serde_json::from_str(&query(dir.path(), &["message", &first])).unwrap();
    assert_eq!((&found["sender"], &found["content"]), (&"Alice".into(), &"Hello".into()));
    assert_eq!(found["height"], Value::Null);

    let mut node = producer(dir.path());
    let height = until_produced(&mut node, 10);
    // Reading goes on beside the node; writing is the node's business.
    let found: Value = serde_json::from_str(&query(dir.path(), &["message", &first])).unwrap();
    assert_eq!(found["height"], 1);
    let file = dir.path().join("dilithion.toml");
    for source in ["flag", "environment", "file"] {
        let mut command = on_regtest(dir.path(), "submit");
        command.args(["--sender", "Alice", "--content", "x"]);
        match source {
            "flag" => _ = command.args(["--rpcport", "1"]),
            "environment" => _ = command.env("DILITHION_RPCPORT", "1"),
            // What other settings the node has does not matter.
            _ => std::fs::write(&file, "rpcport = 1\nprune = 300\n").unwrap(),
        }
        let refused = command.output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{source}");
        assert!(stderr_of(&refused).contains("HTTP server on port 1 "), "{source}: {}", stderr_of(&refused));
    }
    std::fs::remove_file(file).unwrap();
    node.terminate();
    assert_eq!(node.finish().code(), Some(0));
    assert_in_order(
        &node.lines,
        &[
            "Leader resuming from height 0",
            "Produced block 1 with 1 messages",
            "Produced block 10",
            "Shutdown complete",
        ],
    );

    let tip: u32 = query(dir.path(), &["height"]).parse().unwrap();
    assert!(tip >= height);
    let latest: Value = serde_json::from_str(&query(dir.path(), &["latest"])).unwrap();
    let at_height: Value =
        serde_json::from_str(&query(dir.path(), &["block", "--height", &tip.to_string()])).unwrap();
    assert_eq!(latest, at_height);
    assert_eq!(latest["hash"], query(dir.path(), &["hash"]));

    // It goes on where it stopped.
    let mut node = producer(dir.path());
    node.wait_for(&format!("Leader resuming from height {tip}"));
    let next = loop {
        if let Some(height) = node.next_line().as_deref().and_then(produced) {
            break height;
        }
    };
    assert_eq!(next, tip + 1);
    until_produced(&mut node, tip + 5);
    node.terminate();
    assert_eq!(node.finish().code(), Some(0));
}

/// Small, seeded, and good enough to pick moments.
fn pick(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

/// Whether the journal is what was written; it must be.
fn verify_journal(datadir: &Path) {
    let mut command = program();
    command.args(["journal", "verify", "--network", "regtest", "--datadir"]).arg(datadir);
    let verified = command.output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", stderr_of(&verified));
}

/// The JSON of a path of the program's HTTP server.
fn get(address: &str, path: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    let call = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(call.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Starts the node again, to make nothing: its journal, its status file, its HTTP server and its store say the same.
fn assert_all_agree(datadir: &Path, tip: u32) {
    let mut command = on_regtest(datadir, "run");
    command.args(["--no-listen", "--no-seeds", "--rpcport=0"]);
    let mut node = RunningNode::of(command);
    node.wait_for("[HTTP] Listening on ");
    let address = node.lines.last().unwrap().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(get(&address, "/api/v1/status")["chain_height"], tip);
    assert_eq!(get(&address, "/height")["height"], tip);
    node.terminate();
    assert_eq!(node.finish().code(), Some(0));
    let state = std::fs::read_to_string(datadir.join("state.json")).unwrap();
    let state: Value = serde_json::from_str(&state).unwrap();
    assert_eq!((&state["chain_height"], &state["status"]), (&tip.into(), &"stopped".into()));
    assert_eq!(query(datadir, &["height"]), tip.to_string());
    verify_journal(datadir);
}

/// SIGKILL while blocks are produced ten times a second: `kills` times, at moments of its own each.
fn kill_a_producer(kills: u32) {
    let dir = tempfile::tempdir().unwrap();
    let mut state = 20_260_220;
    let mut tip = 0;
    let mut ids = Vec::new();
    for kill in 1..=kills {
        ids.extend((0..2).map(|number| submit(dir.path(), &format!("{kill}/{number}"))));
        let mut node = producer(dir.path());
        node.wait_for(&format!("Leader resuming from height {tip}"));
        let seen = until_produced(&mut node, tip + 1 + u32::try_from(pick(&mut state, 5)).unwrap());
        // Anywhere within the time of the next two blocks, by the processor's own measure.
        for _ in 0..pick(&mut state, 30_000_000) {
            std::hint::spin_loop();
        }
        node.kill();
        tip = query(dir.path(), &["height"]).parse().unwrap();
        assert!(tip >= seen, "kill {kill}: fell back from {seen} to {tip}");
        let checked = stdout_of(&mut on_regtest(dir.path(), "check-chain"));
        assert_eq!(checked, format!("Chain integrity verified: {} blocks", tip + 1));
        assert_all_agree(dir.path(), tip);
    }
    for id in ids {
        let found: Value = serde_json::from_str(&query(dir.path(), &["message", &id])).unwrap();
        assert!(found["height"].as_u64() <= Some(tip.into()), "{found}");
    }
}

/// Requirement M19, with as many kills as every run can afford.
#[test]
fn a_producer_killed_at_ten_moments_loses_nothing() {
    kill_a_producer(10);
}

/// Requirement M19.
#[test]
#[ignore = "takes minutes"]
fn a_producer_killed_at_fifty_moments_loses_nothing() {
    kill_a_producer(50);
}
