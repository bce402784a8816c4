//! Every scenario of the simulator with many seeds, and a few over real stores.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use dilithion_node::sim::{self, Outcome, Scenario, Summary};

/// Seeds for each scenario; `DILITHION_SIM_SEEDS` asks for another number.
const SEEDS: u64 = 200;

fn seeds() -> u64 {
    std::env::var("DILITHION_SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

/// Runs on all cores; outcomes by scenario.
fn run_all(runs: &[(Scenario, u64)]) -> BTreeMap<&'static str, Summary> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(BTreeMap::<&'static str, Summary>::new());
    thread::scope(|threads| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                while let Some((scenario, seed)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome: Outcome = sim::run(scenario, *seed);
                    assert!(outcome.violation.is_none(), "{outcome}");
                    outcomes
                        .lock()
                        .expect("no other thread failed")
                        .entry(scenario.name)
                        .or_default()
                        .add(&outcome);
                }
            });
        }
    });
    outcomes.into_inner().expect("no thread failed")
}

#[test]
fn every_scenario_holds_with_every_seed() {
    let scenarios = sim::all();
    let runs: Vec<(Scenario, u64)> = scenarios
        .iter()
        .flat_map(|scenario| (0..scenario.runs(seeds())).map(|seed| (*scenario, seed)))
        .collect();
    let summaries = run_all(&runs);
    assert_eq!(summaries.len(), scenarios.len());
    let total: u64 = summaries.values().map(|summary| summary.runs).sum();
    assert_eq!(total, runs.len() as u64);
}

/// Seeds beyond the first two hundred that found something once.
#[test]
fn seeds_that_found_something_hold() {
    // A simulated node that had started twice did not know what its store held beside the chain.
    let found = [("bug_159", 504), ("bug_159", 571), ("bug_159", 659)];
    let runs = found.map(|(name, seed)| (sim::by_name(name).unwrap(), seed));
    assert_eq!(run_all(&runs).len(), 1);
}

/// The bugs of the catalogue that concern the sync, by number.
#[test]
fn each_bug_of_the_catalogue_has_its_scenario() {
    let bugs = [
        54, 62, 67, 68, 69, 86, 88, 94, 105, 124, 146, 147, 148, 149, 150, 151, 152, 153, 154, 155, 156, 157,
        158, 159, 160, 161, 162, 163, 164, 165, 166, 167, 168, 178, 179, 180, 181, 182, 183, 184, 185, 186,
        187, 189, 192, 193, 194, 195, 200, 261, 262, 272, 273, 275, 278, 279, 282,
    ];
    let names: Vec<&str> = sim::all().iter().map(|scenario| scenario.name).collect();
    for bug in bugs {
        let number = format!("_{bug:03}");
        assert!(
            names.iter().any(|name| name.starts_with("bug_") && name.contains(&number)),
            "no scenario for bug {bug}"
        );
    }
}

#[test]
fn equal_seeds_give_equal_runs_and_others_do_not() {
    for name in ["soup", "restarts", "endless_headers", "bug_270s_flip_flop", "ten_nodes"] {
        let scenario = sim::by_name(name).unwrap();
        let [one, two, other] = [3, 3, 4].map(|seed| sim::run(&scenario, seed));
        assert_eq!(
            (one.digest, one.events, one.virtual_time),
            (two.digest, two.events, two.virtual_time),
            "{name}"
        );
        assert_ne!(one.digest, other.digest, "{name}");
    }
}

/// The same over LMDB: what a node does depends on its store only by what that tells.
#[test]
fn real_stores_make_no_difference() {
    for name in ["two_nodes", "restarts", "bug_150", "bug_158", "bug_159", "bug_270s_flip_flop"] {
        let scenario = sim::by_name(name).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let on_disk = sim::run_on_disk(&scenario, 1, dir.path());
        assert!(on_disk.violation.is_none(), "{on_disk}");
        assert_eq!(on_disk.digest, sim::run(&scenario, 1).digest, "{name}");
    }
}
