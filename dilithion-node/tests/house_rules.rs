//! Rules of the repository that a compiler does not hold: the crate arrows, and nothing left unfinished.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which sibling crates each crate may depend on, in its default build and in its tests.
const ARROWS: [(&str, &[&str]); 6] = [
    ("dilithion-wire", &[]),
    ("dilithion-pow", &[]),
    ("dilithion-blockwindow", &[]),
    ("dilithion-headers", &["dilithion-pow", "dilithion-wire"]),
    ("dilithion-chain", &["dilithion-pow", "dilithion-wire"]),
    (
        "dilithion-node",
        &["dilithion-blockwindow", "dilithion-chain", "dilithion-headers", "dilithion-pow", "dilithion-wire"],
    ),
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_owned()
}

/// The sibling dependencies of every package, from `cargo metadata`.
fn siblings() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(workspace())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let mut names: Vec<String> = dependencies.map(|dependency| text(&dependency["name"])).collect();
            names.retain(|name| name.starts_with("dilithion-"));
            names.sort();
            names.dedup();
            (text(&package["name"]), names)
        })
        .collect()
}

#[test]
fn crate_arrows_never_run_the_other_way() {
    let siblings = siblings();
    for (name, allowed) in ARROWS {
        let found = siblings.get(name).unwrap_or_else(|| panic!("{name} is not in the workspace"));
        let wrong: Vec<&String> = found.iter().filter(|found| !allowed.contains(&found.as_str())).collect();
        assert!(wrong.is_empty(), "{name} must not depend on {wrong:?}");
    }
    let known = ARROWS.iter().map(|(name, _)| *name).chain(["examples", "benches"]);
    let known: Vec<&str> = known.collect();
    let strangers: Vec<&String> = siblings.keys().filter(|name| !known.contains(&name.as_str())).collect();
    assert!(strangers.is_empty(), "packages without a rule: {strangers:?}");
}

/// All Rust files below a folder, this one excepted.
fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            rust_files(&path, found);
        } else if name.ends_with(".rs") && !path.ends_with("tests/house_rules.rs") {
            found.push(path);
        }
    }
}

/// The lines of all Rust files that contain one of these words.
fn lines_with(words: &[&str], within: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut files = Vec::new();
    rust_files(&workspace(), &mut files);
    assert!(files.len() > 50, "found only {} files", files.len());
    let mut hits = Vec::new();
    for file in files.into_iter().filter(|file| within(file)) {
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                hits.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
            }
        }
    }
    hits
}

/// Requirement 001-070.
#[test]
fn nothing_is_left_unfinished() {
    let words = ["TODO", "FIXME", "XXX", "STUB", "NOT IMPLEMENTED", "todo!", "unimplemented!"];
    let hits = lines_with(&words, |_| true);
    assert!(hits.is_empty(), "{hits:#?}");
}

/// Requirements 000-011…013, 000-061, 000-117, 000-121: what the redesign removed stays away.
#[test]
fn removed_mechanisms_are_absent() {
    let words = [
        "mapBlocksInFlight",
        "nBlocksInFlight",
        "FastHash",
        "fast_hash",
        "MAX_MSGS_PER_NODE_PER_BATCH",
        "MAX_HEADERS_PER_BATCH",
        "MAX_MSGS_TOTAL_PER_BATCH",
    ];
    let hits = lines_with(&words, |_| true);
    assert!(hits.is_empty(), "{hits:#?}");
}

/// Time is an argument everywhere but in one module; tokio's timers are the edge's business.
#[test]
fn clocks_are_read_in_one_place() {
    let hits = lines_with(&["std::time::Instant::now", "SystemTime::now"], |file| {
        file.components().any(|part| part.as_os_str() == "src") && !file.ends_with("src/clock.rs")
    });
    assert!(hits.is_empty(), "{hits:#?}");
}
