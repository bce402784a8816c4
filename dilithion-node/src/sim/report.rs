//! What a run, or many, came to.

use std::fmt;
use std::time::Duration;

use serde_json::json;

use super::ActorId;
use super::world::Counts;

/// Something that must never happen, and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant.
    pub rule: &'static str,
    /// Where.
    pub actor: ActorId,
    /// What happened.
    pub what: String,
    /// When, in virtual time.
    pub at: Duration,
    /// What happened before, oldest first.
    pub last_events: Vec<String>,
}

/// What one run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The seed that makes it happen again.
    pub seed: u64,
    /// What went wrong, if anything.
    pub violation: Option<Violation>,
    /// Things that happened.
    pub events: u64,
    /// The virtual time at the end.
    pub virtual_time: Duration,
    /// What nodes did.
    pub counts: Counts,
    /// A digest of everything that happened: equal runs have equal ones.
    pub digest: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "VIOLATED: {}", self.rule)?;
        writeln!(f, "at {:.6} s by {}: {}", self.at.as_secs_f64(), self.actor, self.what)?;
        writeln!(f, "what happened before:")?;
        self.last_events.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, seed, .. } = self;
        match &self.violation {
            None => write!(f, "{scenario} with seed {seed}: fine"),
            Some(violation) => write!(
                f,
                "scenario {scenario}, seed {seed}\n{violation}to see it again: \
                 dilithion-node sim --scenario {scenario} --seed {seed}"
            ),
        }
    }
}

/// What many runs came to, together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Runs.
    pub runs: u64,
    /// Runs that violated something.
    pub violations: u64,
    /// Things that happened.
    pub events: u64,
    /// Virtual time, over all runs.
    pub virtual_time: Duration,
    /// What nodes did.
    pub counts: Counts,
    /// A digest of everything that happened.
    pub digest: u64,
}

impl Summary {
    /// Adds a run.
    pub fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.violations += u64::from(outcome.violation.is_some());
        self.events += outcome.events;
        self.virtual_time += outcome.virtual_time;
        self.counts.add(&outcome.counts);
        self.digest = crate::random::mix(self.digest ^ outcome.digest);
    }

    /// One line of JSON. What depends on the machine begins with `wall_`; the rest is the same for equal seeds.
    #[must_use]
    pub fn to_json(&self, seed: u64, scenario: &str, wall: Duration) -> String {
        let seconds = wall.as_secs_f64().max(f64::MIN_POSITIVE);
        let virtual_seconds = self.virtual_time.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let events_per_second = self.events as f64 / seconds;
        json!({
            "scenario": scenario,
            "seed": seed,
            "runs": self.runs,
            "violations": self.violations,
            "events": self.events,
            "virtual_seconds": virtual_seconds,
            "blocks_requested": self.counts.requested,
            "blocks_connected": self.counts.connected,
            "getheaders": self.counts.getheaders,
            "forks": self.counts.forks,
            "bans": self.counts.bans,
            "digest": format!("{:016x}", self.digest),
            "wall_seconds": seconds,
            "wall_events_per_second": events_per_second,
            "wall_speed_over_real_time": virtual_seconds / seconds,
        })
        .to_string()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} runs, {} violations, {} events, {:.1} virtual hours",
            self.runs,
            self.violations,
            self.events,
            self.virtual_time.as_secs_f64() / 3600.0
        )
    }
}
