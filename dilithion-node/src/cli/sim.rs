//! `sim`: whole networks in virtual time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::term::{complain, say};
use super::{BadInput, SimArgs};
use crate::clock::{Clock, SystemClock};
use crate::sim::{self, Outcome, Scenario, Summary};

/// Violations that are told in full; more of the same help nobody.
const TOLD: usize = 3;

pub(super) fn sim(args: &SimArgs) -> anyhow::Result<()> {
    if args.list {
        sim::all().iter().for_each(|scenario| say(&format!("{:<28} {}", scenario.name, scenario.about)));
        return Ok(());
    }
    let scenarios = match &args.scenario {
        None => sim::all(),
        Some(name) => {
            let unknown = || BadInput(format!("there is no scenario {name}; --list names them"));
            vec![sim::by_name(name).ok_or_else(unknown)?]
        }
    };
    let clock = SystemClock::new();
    let mut all = Summary::default();
    let mut told = 0;
    for scenario in &scenarios {
        let mut summary = Summary::default();
        // Chosen by name, it is run as often as asked; among all, it takes its share of the time.
        let runs = if args.scenario.is_some() { args.runs } else { scenario.runs(args.runs) };
        for outcome in run_all(scenario, args, runs) {
            if outcome.violation.is_some() && told < TOLD {
                told += 1;
                say(&outcome.to_string());
            }
            summary.add(&outcome);
            all.add(&outcome);
        }
        say(&format!("{:<28} {summary}", scenario.name));
    }
    let wall = clock.now().mono;
    if args.json {
        say(&all.to_json(args.seed, args.scenario.as_deref().unwrap_or("all"), wall));
    }
    anyhow::ensure!(all.violations == 0, "{} of {} runs violated something", all.violations, all.runs);
    Ok(())
}

/// Runs a scenario once, over stores in memory or in a folder that is removed afterwards.
fn run(scenario: &Scenario, seed: u64, on_disk: bool) -> Outcome {
    if !on_disk {
        return sim::run(scenario, seed);
    }
    match tempfile::tempdir() {
        Ok(dir) => sim::run_on_disk(scenario, seed, dir.path()),
        Err(error) => {
            complain(&format!("no folder for stores ({error}): they are in memory"));
            sim::run(scenario, seed)
        }
    }
}

/// Runs one scenario with all seeds; the outcomes are in the order of the seeds, however many threads there are.
fn run_all(scenario: &Scenario, args: &SimArgs, runs: u64) -> Vec<Outcome> {
    let seeds: Vec<u64> = (args.seed..args.seed.saturating_add(runs)).collect();
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::with_capacity(seeds.len()));
    thread::scope(|threads| {
        for _ in 0..args.jobs.get() {
            threads.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run(scenario, *seed, args.disk);
                    outcomes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(outcome);
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    outcomes.sort_by_key(|outcome| outcome.seed);
    outcomes
}
