//! The document of the server, `docs/http.md`, against the server.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::client::Served;
use crate::miner::Miner;

fn document() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/http.md");
    std::fs::read_to_string(file).unwrap()
}

/// The words between backticks.
fn quoted(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The document's list of methods is that of `help`, no more and no less.
#[tokio::test(flavor = "multi_thread")]
async fn every_method_is_in_the_document_and_no_other() {
    let served = Served::start(&Miner::shared().genesis()).await;
    let help = served.rpc("help", json!([])).await.unwrap();
    let first_word = |line: &Value| line.as_str().unwrap().split(' ').next().unwrap().to_owned();
    let methods: BTreeSet<String> = help["commands"].as_array().unwrap().iter().map(first_word).collect();
    let document = document();
    let table = document.split("| about | methods |").nth(1).unwrap().split("\n\n").next().unwrap();
    let listed: BTreeSet<String> = quoted(table).into_iter().map(str::to_owned).collect();
    assert_eq!(listed, methods);
    served.stop().await;
}

/// So is each route; that `openapi.json` has them all, and they answer, is tested in `openapi`.
#[test]
fn every_route_is_in_the_document() {
    let described: Value = serde_json::from_str(include_str!("../../../assets/openapi.json")).unwrap();
    let document = document();
    let table = document.split("| path | what |").nth(1).unwrap().split("\n\n").next().unwrap();
    let quoted = quoted(table);
    for (path, operations) in described["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let path = path.replace("{height}", "H").replace("{id}", "ID");
            let whole = format!("{} {path}", method.to_ascii_uppercase());
            // Of several in a row the first has it all.
            let short = path.strip_prefix("/api/v1/").map_or(&*path, |path| path.rsplit('/').next().unwrap());
            assert!(quoted.contains(&*whole) || quoted.contains(short), "{whole} is not in docs/http.md");
        }
    }
}
