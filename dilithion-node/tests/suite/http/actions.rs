//! Acting on a node.

use dilithion_node::http::{COOKIE_FILE, Services};
use serde_json::Value;

use super::client::{Served, auth, request};
use super::program::Program;
use crate::miner::Miner;
use crate::process::assert_in_order;
use crate::wire_peer::RawPeer;

/// Asks again with each change of the node's state until something is so.
async fn observe(served: &Served, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut changes = served.node.status();
    loop {
        changes.borrow_and_update();
        let value = served.json(path).await;
        if is_so(&value) {
            return value;
        }
        changes.changed().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bans_are_made_listed_and_lifted() {
    let served = Served::start(&Miner::shared().genesis()).await;
    let ban = r#"{"address":"192.0.2.1","seconds":60,"reason":"a test"}"#;
    assert_eq!(served.act("ban", ban).await.status, 200);
    assert_eq!(served.act("ban", r#"{"address":"192.0.2.2"}"#).await.status, 200);
    let bans = served.json("/api/v1/bans").await["bans"].take();
    assert_eq!((&bans[0]["address"], &bans[0]["reason"]), (&"192.0.2.1".into(), &"a test".into()));
    let time = |ban: &Value| ban["until"].as_u64().unwrap() - ban["since"].as_u64().unwrap();
    assert_eq!((time(&bans[0]), time(&bans[1])), (60, 24 * 60 * 60));
    assert_eq!(served.act("unban", r#"{"address":"192.0.2.1"}"#).await.status, 200);
    assert_eq!(served.act("unban", r#"{"address":"192.0.2.1"}"#).await.status, 409);
    assert_eq!(served.act("clear_banned", "").await.status, 200);
    assert_eq!(served.json("/api/v1/bans").await["bans"], Value::Array(Vec::new()));
    let long = format!(r#"{{"address":"192.0.2.1","reason":"{}"}}"#, "x".repeat(501));
    assert_eq!(served.act("ban", &long).await.status, 400);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_is_paused_resumed_and_begun_at_once() {
    let served = Served::start(&Miner::shared().genesis()).await;
    assert_eq!(served.act("resume", "").await.status, 409);
    assert_eq!(served.act("sync_now", "").await.status, 409, "nobody to ask");
    assert_eq!(served.act("pause", "{}").await.status, 200);
    let status = observe(&served, "/api/v1/status", |status| status["status"] == "paused").await;
    assert_eq!(status["waiting_for"], "paused by the operator");
    assert_eq!(served.act("pause", "").await.status, 409);
    assert_eq!(served.act("resume", "").await.status, 200);
    // Orders are judged by those before them, also if nobody has seen what came of these yet.
    for (action, answer) in
        [("pause", 200), ("resume", 200), ("resume", 409), ("pause", 200), ("resume", 200)]
    {
        assert_eq!(served.act(action, "").await.status, answer, "{action}");
    }
    observe(&served, "/api/v1/status", |status| status["status"] == "running").await;

    let mut peer = RawPeer::connect(&served.node, Miner::shared()).await;
    peer.shake_hands().await;
    observe(&served, "/api/v1/status", |status| status["peers"] == 1).await;
    peer.wait_for("getheaders").await;
    peer.send(&dilithion_wire::Message::Headers(Vec::new())).await;
    assert_eq!(served.act("sync_now", "").await.status, 200);
    peer.wait_for("getheaders").await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_is_disconnected() {
    let served = Served::start(&Miner::shared().genesis()).await;
    let mut peer = RawPeer::connect(&served.node, Miner::shared()).await;
    peer.shake_hands().await;
    let peers = served.json("/api/v1/peers").await["peers"].take();
    assert_eq!(peers[0]["user_agent"], "/test:1.0/");
    assert_eq!(served.act("disconnect", &format!("{{\"peer\":{}}}", peers[0]["id"])).await.status, 200);
    assert!(peer.is_closed().await);
    assert_eq!(served.act("disconnect", r#"{"peer":99}"#).await.status, 404);
    served.stop().await;
}

/// A peer that is added is dialled by the node, and let go when it is removed.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_is_added_and_removed() {
    let miner = Miner::shared();
    let (served, other) = (Served::start(&miner.genesis()).await, Served::start(&miner.genesis()).await);
    let address = other.node.listening().unwrap().to_string();
    assert_eq!(served.act("add_peer", &format!("{{\"address\":\"{address}\"}}")).await.status, 200);
    observe(&served, "/api/v1/status", |status| status["peers"] == 1).await;
    let params = |command: &str| serde_json::json!([address, command]);
    assert_eq!(served.rpc("addnode", params("remove")).await, Ok(Value::Null));
    observe(&served, "/api/v1/status", |status| status["peers"] == 0).await;
    assert_eq!(served.rpc("addnode", params("remove")).await.unwrap_err()["code"], -29);
    assert_eq!(served.rpc("addnode", params("onetry")).await, Ok(Value::Null));
    observe(&served, "/api/v1/status", |status| status["peers"] == 1).await;
    other.stop().await;
    served.stop().await;
}

/// What is done over JSON-RPC is written down as what is done over the other interface; what is refused, or only asked, is
/// not.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_is_in_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &["--no-listen".to_owned()]);
    let auth = auth(dir.path());
    let post = async |path: &str, body: String| {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{auth}X-Dilithion-RPC: 1\r\n");
        request(program.http, &format!("{head}Content-Length: {length}\r\n\r\n{body}")).await.json()
    };
    let call = async |method: &str, params: &str| {
        let body = format!(r#"{{"id":1,"method":"{method}","params":{params}}}"#);
        post("/", body).await
    };
    let nobody = crate::process::free_address();
    let long = format!(r#"{{"address":"192.0.2.9"{}}}"#, " ".repeat(100_000));
    assert_eq!(post("/api/v1/action/ban", long).await["done"], true);
    assert!(call("getblockcount", "[]").await["error"].is_null());
    assert_eq!(post("/api/v1/action/ban", r#"{"address":"192.0.2.1"}"#.to_owned()).await["done"], true);
    for (method, params) in [
        ("setban", r#"["192.0.2.2","add",60]"#.to_owned()),
        ("setban", r#"{"subnet":"192.0.2.2","command":"remove"}"#.to_owned()),
        ("clearbanned", "[]".to_owned()),
        ("addnode", format!(r#"["{nobody}","add"]"#)),
        ("addnode", format!(r#"["{nobody}","remove"]"#)),
    ] {
        assert!(call(method, &params).await["error"].is_null(), "{method} {params}");
    }
    for (method, params) in [("setban", r#"["192.0.2.2","remove"]"#), ("disconnectnode", r#"["",7]"#)] {
        assert!(!call(method, params).await["error"].is_null(), "{method} {params}");
    }
    let genesis = call("getblockhash", "[0]").await["result"]["blockhash"].to_string();
    assert_eq!(call("invalidateblock", &format!("[{genesis}]")).await["error"]["code"], -8);
    assert!(call("reconsiderblock", &format!("[{genesis}]")).await["error"].is_null());
    assert_eq!(call("stop", "[]").await["result"], "Dilithion server stopping");
    program.ended();

    let journal = std::fs::read_to_string(dir.path().join("events.jsonl")).unwrap();
    let said: Vec<String> = journal
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|record| record["event_type"] == "action")
        .map(|record| record["message"].as_str().unwrap().to_owned())
        .collect();
    let (long, said) = said.split_first().unwrap();
    assert!(long.starts_with(r#"ban: {"address":"192.0.2.9"  "#) && long.chars().count() <= 505, "{long}");
    let expected = [
        r#"ban: {"address":"192.0.2.1"}"#.to_owned(),
        r#"setban: ["192.0.2.2","add",60]"#.to_owned(),
        r#"setban: {"command":"remove","subnet":"192.0.2.2"}"#.to_owned(),
        "clearbanned: []".to_owned(),
        format!(r#"addnode: ["{nobody}","add"]"#),
        format!(r#"addnode: ["{nobody}","remove"]"#),
        format!("reconsiderblock: [{genesis}]"),
        "stop: []".to_owned(),
    ];
    assert_eq!(said, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_asks_whoever_runs_the_node() {
    let by_name = |config: &mut dilithion_node::http::HttpConfig| {
        config.user = Some(("ann".to_owned(), "secret".to_owned()));
    };
    let served = Served::with(&Miner::shared().genesis(), Services::new, by_name).await;
    let wrong = served.post("/api/v1/action/stop", "Authorization: Basic YW5uOndyb25n\r\n", "").await;
    assert_eq!(wrong.status, 401);
    let right = served.post("/api/v1/action/stop", "Authorization: Basic YW5uOnNlY3JldA==\r\n", "").await;
    assert_eq!(right.status, 200);
    served.node.stop_requested().await;
    served.stop().await;
}

/// Requirement M10, at the real program: it tells its state and round, does what it is told, and ends when it is told to.
#[tokio::test(flavor = "multi_thread")]
async fn the_program_tells_and_does_what_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &["--no-listen".to_owned()]);
    let status =
        async || request(program.http, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n").await.json();
    let before = status().await;
    assert_eq!(
        (&before["state"], &before["round"], &before["status"]),
        (&"IDLE".into(), &0.into(), &"running".into())
    );
    let auth = auth(dir.path());
    let act = async |action: &str| {
        let head = format!(
            "POST /api/v1/action/{action} HTTP/1.1\r\nHost: localhost\r\n{auth}Content-Length: 0\r\n\r\n"
        );
        request(program.http, &head).await.status
    };
    assert_eq!(act("pause").await, 200);
    while status().await["status"] != "paused" {}
    let file = dir.path().join("state.json");
    let in_file =
        || serde_json::from_slice::<Value>(&std::fs::read(&file).unwrap_or_default()).unwrap_or_default();
    while in_file()["status"] != "paused" {}
    assert_eq!(act("pause").await, 409);
    assert_eq!(act("stop").await, 200);
    let lines = program.ended();
    assert_in_order(&lines, &["[HTTP] Action 'pause'", "Asked to stop", "Shutdown complete"]);
    assert!(!dir.path().join(COOKIE_FILE).exists());
}
