//! The simulator against coordinators with deliberate faults: it has to find each.

use super::{Scenario, by_name, run, scenario::run_with};
use crate::sync::Mutation;

/// Seeds that a fault may take to show.
const SEEDS: u64 = 30;

fn scenario(name: &str) -> Scenario {
    by_name(name).unwrap_or_else(|| panic!("no scenario {name}"))
}

/// The rule that is found broken with the fault, in some scenario; without it, all is well with the same seeds.
fn found(mutation: Mutation, scenarios: &[&str]) -> Vec<&'static str> {
    scenarios
        .iter()
        .map(|name| {
            let scenario = scenario(name);
            let broken =
                (0..SEEDS).find_map(|seed| Some((seed, run_with(&scenario, seed, mutation).violation?)));
            let (seed, violation) =
                broken.unwrap_or_else(|| panic!("{mutation:?} is not found in {name} with {SEEDS} seeds"));
            let sound = run(&scenario, seed);
            assert!(sound.violation.is_none(), "{sound}");
            violation.rule
        })
        .collect()
}

#[test]
fn in_flight_blocks_of_lost_peers_are_missed() {
    let rules = found(Mutation::KeepInFlightOfLostPeers, &["bug_261_262", "bug_068", "flapping_link"]);
    assert!(rules.iter().all(|rule| *rule == "a peer that is gone holds nothing"), "{rules:?}");
}

#[test]
fn asking_the_same_peer_again_is_noticed() {
    let rules = found(Mutation::AskTheSamePeerAgain, &["stallers"]);
    assert_eq!(rules, ["a block that a peer failed is asked of another"]);
}

#[test]
fn taking_the_unknown_for_a_fork_is_noticed() {
    let rules = found(Mutation::TakeUnknownForFork, &["checkpointed", "bug_151_152"]);
    assert!(rules.iter().all(|rule| *rule == "unknown is not a fork"), "{rules:?}");
}

#[test]
fn counting_before_timeouts_is_noticed() {
    let rules = found(Mutation::CountBeforeTimeouts, &["bug_166_forgiven"]);
    assert_eq!(rules, ["downloads never idle"]);
}

#[test]
fn dropping_late_blocks_is_noticed() {
    let rules = found(Mutation::DropLateBlocks, &["bug_156_late"]);
    assert_eq!(rules, ["nothing is lost"]);
}
