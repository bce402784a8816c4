//! Answers against their description, `docs/openapi.json`.

use std::collections::BTreeSet;
use std::sync::Arc;

use dilithion_node::http::{JournalSource, Services};
use serde_json::{Value, json};

use super::client::{Answer, Served, request};
use crate::miner::Miner;
use crate::wire_peer::RawPeer;

fn document() -> Value {
    serde_json::from_str(include_str!("../../../assets/openapi.json")).unwrap()
}

/// Checks answers against the document, and takes note of what was checked.
struct Contract {
    document: Value,
    checked: BTreeSet<(String, String, String)>,
}

impl Contract {
    fn check(&mut self, method: &str, path: &str, answer: &Answer) {
        let operation = &self.document["paths"][path][method];
        let status = answer.status.to_string();
        let described = &operation["responses"][&status];
        assert!(
            described.is_object(),
            "{method} {path} answers {status}, which is not described: {answer:?}"
        );
        if let Some(content) = described["content"].as_object() {
            let kind = answer.headers["content-type"].split(';').next().unwrap();
            let schema =
                &content.get(kind).unwrap_or_else(|| panic!("{path}: {kind} is not described"))["schema"];
            if kind == "application/json" {
                self.validate(schema, &answer.json(), &format!("{method} {path} {status}"));
            }
        }
        self.checked.insert((method.to_owned(), path.to_owned(), status));
    }

    fn validate(&self, schema: &Value, value: &Value, what: &str) {
        // References lead into the document, so it is the root of every schema.
        let mut schema = schema.clone();
        if schema.get("$ref").is_some() || schema.is_object() {
            schema["components"] = self.document["components"].clone();
        }
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path)).collect();
        assert!(errors.is_empty(), "{what}: {errors:#?}\n{value:#}");
    }
}

/// An empty journal.
struct Empty;

impl JournalSource for Empty {
    fn head(&self) -> (u64, String) {
        (0, "00".repeat(32))
    }

    fn remembers(&self, _: u64) -> bool {
        true
    }

    fn after(&self, after: u64, _: usize) -> std::io::Result<(u64, Vec<Value>)> {
        Ok((after, Vec::new()))
    }
}

/// Each route of the document answers as it says, with success and with each error that can be brought about; and each
/// is in the document.
#[tokio::test(flavor = "multi_thread")]
async fn every_described_route_answers_as_described() {
    let chain = Miner::shared().extend(&Miner::shared().genesis(), 5, 0);
    let with_journal = |node| Services { journal: Some(Arc::new(Empty)), ..Services::new(node) };
    let served = Served::with(&chain, with_journal, |_| {}).await;
    let mut peer = RawPeer::connect(&served.node, Miner::shared()).await;
    peer.shake_hands().await;
    let mut contract = Contract { document: document(), checked: BTreeSet::new() };

    let paths: Vec<String> = contract.document["paths"].as_object().unwrap().keys().cloned().collect();
    let message = r#"{"sender":"Alice","content":"hello"}"#;
    let sent = served.post("/message", &served.auth(), message).await;
    contract.check("post", "/message", &sent);
    contract.check("post", "/message", &served.post("/message", &served.auth(), "{}").await);
    contract.check("post", "/message", &served.post("/message", "", message).await);
    let sent = sent.json()["message_id"].as_str().unwrap().to_owned();
    let read = |path: &&String| {
        !path.contains("/action/") && !["/api/v1/events", "/message"].contains(&path.as_str())
    };
    for path in paths.iter().filter(read) {
        contract.check("get", path, &served.get(&path.replace("{height}", "3").replace("{id}", &sent)).await);
    }
    for (path, asked) in [
        ("/block/{height}", "/block/99"),
        ("/block/{height}", "/block/x"),
        ("/message/{id}", "/message/x"),
        ("/message/{id}", &format!("/message/{}", "00".repeat(32))),
        ("/api/v1/headers", "/api/v1/headers?from=-1"),
        ("/api/v1/journal", "/api/v1/journal?limit=x"),
    ] {
        contract.check("get", path, &served.get(asked).await);
    }
    for (action, body) in [
        ("ban", r#"{"address":"192.0.2.1","seconds":60,"reason":"x"}"#),
        ("unban", r#"{"address":"192.0.2.1"}"#),
        ("unban", r#"{"address":"192.0.2.1"}"#),
        ("clear_banned", "{}"),
        ("disconnect", r#"{"peer":99}"#),
        ("disconnect", r#"{"peer":1}"#),
        ("add_peer", r#"{"address":"127.0.0.1:1"}"#),
        ("produce_now", ""),
        ("resume", ""),
        ("pause", ""),
        ("stop", "{}"),
    ] {
        let path = format!("/api/v1/action/{action}");
        contract.check("post", &path, &served.act(action, body).await);
        contract.check("post", &path, &served.act(action, "[").await);
        contract.check("post", &path, &served.post(&path, "", body).await);
    }
    let call = r#"{"id":1,"method":"getblockcount"}"#;
    for body in [call, "[{\"id\":1,\"method\":\"nothing\"}]", "{", r#"{"method":"getblockcount"}"#] {
        contract.check("post", "/", &served.rpc_raw(body).await);
    }
    contract.check("post", "/", &served.post("/", "", call).await);
    contract.check("post", "/", &served.post("/", &served.auth(), call).await);

    for (path, operations) in contract.document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let checked = contract.checked.iter().any(|(m, p, _)| m == method && p == path);
            // A stream has no end; `live` reads it. Without peers there is nothing to sync with; `actions` does.
            assert!(checked || path.ends_with("/events") || path.ends_with("/sync_now"), "{method} {path}");
        }
    }
    let error = request(served.address(), "GET / HTTP/1.1\r\nHost: x.example\r\n\r\n").await;
    contract.validate(&json!({ "$ref": "#/components/schemas/Error" }), &error.json(), "an error");
    served.stop().await;
}
