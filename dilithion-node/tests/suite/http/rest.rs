//! What the JSON API tells.

use std::sync::Arc;

use dilithion_node::http::{JournalSource, Services};
use serde_json::{Value, json};

use super::client::Served;
use crate::miner::Miner;
use crate::wire_peer::RawPeer;

#[tokio::test(flavor = "multi_thread")]
async fn status_and_chain_tell_where_the_node_is() {
    let (miner, chain) = (Miner::shared(), Miner::shared().extend(&Miner::shared().genesis(), 12, 0));
    let served = Served::start(&chain).await;
    let status = served.json("/api/v1/status").await;
    assert_eq!((&status["state"], &status["status"]), (&"IDLE".into(), &"running".into()));
    assert_eq!((&status["chain_height"], &status["round"]), (&12.into(), &0.into()));
    assert_eq!(status["best_hash"], chain.tip.to_string());
    assert_eq!(status["waiting_for"], "waiting for a peer");
    assert_eq!(status["last_block_ts"], chain.blocks[12].header.time);
    assert_eq!((&status["eta_seconds"], &status["journal_head"]), (&Value::Null, &Value::Null));
    assert_eq!(status["pid"], std::process::id());

    let view = served.json("/api/v1/chain").await;
    assert_eq!(view["genesis_hash"], miner.params.genesis.hash.to_string());
    assert_eq!((&view["height"], &view["lowest_body"]), (&12.into(), &0.into()));
    // The median of blocks 2 to 12.
    assert_eq!(view["median_time"], chain.blocks[7].header.time);
    assert_eq!(view["unspent_outputs"], served.node.store().utxo_count().unwrap());
    assert_eq!(view["chainwork"], served.node.store().tip().unwrap().work.to_string());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_given_by_range() {
    let chain = Miner::shared().extend(&Miner::shared().genesis(), 30, 0);
    let served = Served::start(&chain).await;
    let heights = |answer: Value| -> Vec<u64> {
        answer["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|header| header["height"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(heights(served.json("/api/v1/headers").await), (11..=30).collect::<Vec<_>>());
    assert_eq!(heights(served.json("/api/v1/headers?from=29&count=9").await), [29, 30]);
    assert_eq!(heights(served.json("/api/v1/headers?count=4294967295").await).len(), 31);
    assert!(heights(served.json("/api/v1/headers?from=4294967295").await).is_empty());
    assert!(heights(served.json("/api/v1/headers?count=0").await).is_empty());
    let header = served.json("/api/v1/headers?from=3&count=1").await["headers"][0].take();
    assert_eq!(header["hash"], chain.blocks[4].header.prev_hash.to_string());
    served.stop().await;
}

/// Requirement: operations §2.5, and the answers that supervisors go by.
#[tokio::test(flavor = "multi_thread")]
async fn scripts_get_short_answers() {
    let chain = Miner::shared().extend(&Miner::shared().genesis(), 2, 0);
    let served = Served::start(&chain).await;
    assert_eq!(served.json("/health").await, json!({ "status": "ok", "height": 2 }));
    assert_eq!(served.json("/height").await, json!({ "height": 2 }));
    assert_eq!(served.json("/healthy").await["healthy"], true);
    let ready = served.get("/ready").await;
    assert_eq!((ready.status, ready.error().as_str()), (503, "unavailable"), "no peer: nobody knows");
    let latest = served.json("/latest").await;
    assert_eq!(latest, served.json("/block/2").await);
    assert_eq!((&latest["height"], &latest["message_count"]), (&2.into(), &0.into()));
    assert_eq!(latest["hash"], chain.tip.to_string());
    assert_eq!(latest["prev_hash"], chain.blocks[2].header.prev_hash.to_string());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_shown_with_what_they_said_of_themselves() {
    let served = Served::start(&Miner::shared().genesis()).await;
    let mut peer = RawPeer::connect(&served.node, Miner::shared()).await;
    peer.shake_hands().await;
    let view = served.json("/api/v1/peers").await["peers"][0].take();
    assert_eq!((&view["direction"], &view["purpose"]), (&"inbound".into(), &"inbound".into()));
    assert_eq!((&view["version"], &view["handshake_complete"]), (&70001.into(), &true.into()));
    assert_eq!(view["address"], peer.stream.local_addr().unwrap().to_string());
    assert!(view["bytes_received"].as_u64().unwrap() > 24 && view["bytes_sent"].as_u64().unwrap() > 24);
    let now = served.json("/api/v1/status").await["updated_at"].as_u64().unwrap();
    assert!((now - 600..=now).contains(&view["connected_at"].as_u64().unwrap()));
    served.stop().await;
}

/// A journal of three events.
struct Three;

impl JournalSource for Three {
    fn head(&self) -> (u64, String) {
        (3, "ab".repeat(32))
    }

    fn remembers(&self, _: u64) -> bool {
        true
    }

    fn after(&self, after: u64, limit: usize) -> std::io::Result<(u64, Vec<Value>)> {
        let numbers = (1_u64..=3).filter(|number| *number > after).take(limit);
        Ok((after, numbers.map(|number| json!({ "number": number })).collect()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_is_shown_if_there_is_one() {
    let with_journal = |node| Services { journal: Some(Arc::new(Three)), ..Services::new(node) };
    let served = Served::with(&Miner::shared().genesis(), with_journal, |_| {}).await;
    let all = served.json("/api/v1/journal").await;
    assert_eq!((&all["events_total"], &all["next"]), (&3.into(), &3.into()));
    assert_eq!(all["events"].as_array().unwrap().len(), 3);
    let some = served.json("/api/v1/journal?after=1&limit=1").await;
    assert_eq!((&some["events"], &some["next"]), (&json!([{ "number": 2 }]), &2.into()));
    let status = served.json("/api/v1/status").await;
    assert_eq!((&status["journal_events"], &status["journal_head"]), (&3.into(), &"ab".repeat(32).into()));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_in_the_form_that_prometheus_reads() {
    let chain = Miner::shared().extend(&Miner::shared().genesis(), 5, 0);
    let served = Served::start(&chain).await;
    served.get("/nothing").await;
    let answer = served.get("/metrics").await;
    assert!(answer.headers["content-type"].starts_with("text/plain; version=0.0.4"));
    let text = answer.text();
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is missing in\n{text}")).parse().unwrap()
    };
    for (name, expected) in [
        ("dilithion_chain_height", 5.0),
        ("dilithion_sync_state{state=\"IDLE\"}", 1.0),
        ("dilithion_sync_state{state=\"COMPLETE\"}", 0.0),
        ("dilithion_http_requests_total{status=\"404\"}", 1.0),
        ("dilithion_peers{direction=\"inbound\"}", 0.0),
        ("dilithion_bans", 0.0),
    ] {
        assert!((value(name) - expected).abs() < 1e-9, "{name}: {}", value(name));
    }
    assert!(value("dilithion_sync_eta_seconds").is_nan());
    // Each figure is described, here and in the document.
    let document = include_str!("../../../../docs/metrics.md");
    let named = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    for line in named {
        let name = line.split(['{', ' ']).next().unwrap();
        let base = name.trim_end_matches("_sum").trim_end_matches("_count");
        assert!(text.contains(&format!("# HELP {base} ")), "{base} has no description");
        assert!(document.contains(&format!("`{base}`")), "{base} is not in docs/metrics.md");
    }
    let described = document.lines().filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next());
    let described = described.filter(|name| name.starts_with("dilithion_"));
    for name in described.filter(|name| *name != "dilithion_rpc_calls_total") {
        assert!(text.contains(name), "{name} of docs/metrics.md does not exist");
    }
    served.stop().await;
}
