//! What peers have done wrong, and how much of it is still held against them. No IO.

use std::collections::BTreeMap;
use std::time::Duration;

use dilithion_wire::{Misbehaviour, PeerId};

use super::{Host, SCORE_DECAY_INTERVAL};

/// Hosts and connections that are remembered at most; beyond it, the one with the lowest score is forgotten.
const MAX_SCORED: usize = 4096;

/// Whose score it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scored {
    /// A host's, over all its connections and whatever its port: closing the connection does not clear it.
    Host(Host),
    /// A connection's from this machine, where all share one address.
    Connection(PeerId),
}

#[derive(Clone, Debug, Default)]
struct Score {
    points: u32,
    /// When `points` last changed, by an offence or by decay.
    since: Duration,
    offences: BTreeMap<Misbehaviour, u32>,
}

impl Score {
    /// Takes off a point for each whole interval since the last time.
    fn decay(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.since);
        let intervals = passed.as_nanos() / SCORE_DECAY_INTERVAL.as_nanos();
        let intervals = u32::try_from(intervals).unwrap_or(u32::MAX);
        self.points = self.points.saturating_sub(intervals);
        self.since += SCORE_DECAY_INTERVAL.saturating_mul(intervals);
    }
}

/// Misbehaviour scores that decay with time (spec: wire §4).
#[derive(Debug, Default)]
pub(crate) struct ScoreKeeper {
    scores: BTreeMap<Scored, Score>,
}

impl ScoreKeeper {
    /// Adds an offence and returns the score it leads to.
    pub(crate) fn add(&mut self, who: Scored, misbehaviour: Misbehaviour, now: Duration) -> u32 {
        if !self.scores.contains_key(&who) && self.scores.len() >= MAX_SCORED {
            self.make_room(now);
        }
        let score = self.scores.entry(who).or_insert_with(|| Score { since: now, ..Score::default() });
        score.decay(now);
        if score.points == 0 {
            // What came before is forgiven, and the next point decays a whole interval from now.
            *score = Score { since: now, ..Score::default() };
        }
        score.points = score.points.saturating_add(misbehaviour.score());
        *score.offences.entry(misbehaviour).or_default() += 1;
        score.points
    }

    /// The present score.
    #[cfg(test)]
    pub(crate) fn score(&mut self, who: Scored, now: Duration) -> u32 {
        self.scores.get_mut(&who).map_or(0, |score| {
            score.decay(now);
            score.points
        })
    }

    /// What the score is made of, for people, for example `too many inv messages ×9, malformed message`.
    #[must_use]
    pub(crate) fn reasons(&self, who: Scored) -> String {
        let Some(score) = self.scores.get(&who) else { return String::new() };
        let text = |(misbehaviour, times): (&Misbehaviour, &u32)| match times {
            1 => misbehaviour.to_string(),
            times => format!("{misbehaviour} ×{times}"),
        };
        score.offences.iter().map(text).collect::<Vec<_>>().join(", ")
    }

    /// Forgets a score.
    pub(crate) fn forget(&mut self, who: Scored) {
        self.scores.remove(&who);
    }

    /// How many scores are kept.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.scores.len()
    }

    fn make_room(&mut self, now: Duration) {
        self.scores.retain(|_, score| {
            score.decay(now);
            score.points > 0
        });
        if self.scores.len() >= MAX_SCORED {
            let lowest = self.scores.iter().min_by_key(|(_, score)| score.points).map(|(who, _)| *who);
            if let Some(lowest) = lowest {
                self.scores.remove(&lowest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use quickcheck::quickcheck;

    use super::*;

    fn host(last: u8) -> Scored {
        Scored::Host(Host::of(IpAddr::from([192, 0, 2, last])))
    }

    #[test]
    fn scores_add_up_and_decay() {
        let mut keeper = ScoreKeeper::default();
        let later = SCORE_DECAY_INTERVAL * 5;
        assert_eq!(keeper.add(host(1), Misbehaviour::PayloadSize, Duration::ZERO), 20);
        assert_eq!(keeper.add(host(1), Misbehaviour::Malformed, Duration::ZERO), 30);
        assert_eq!(keeper.score(host(1), later), 25);
        assert_eq!(keeper.add(host(1), Misbehaviour::Malformed, later), 35);
        assert_eq!(keeper.reasons(host(1)), "payload size out of range, malformed message ×2");
        assert_eq!(keeper.score(host(2), later), 0);
        keeper.forget(host(1));
        assert_eq!((keeper.score(host(1), later), keeper.reasons(host(1))), (0, String::new()));
    }

    #[test]
    fn what_has_decayed_is_no_reason_any_more() {
        let mut keeper = ScoreKeeper::default();
        keeper.add(host(1), Misbehaviour::PayloadSize, Duration::ZERO);
        keeper.add(host(1), Misbehaviour::Malformed, SCORE_DECAY_INTERVAL * 20);
        assert_eq!(keeper.reasons(host(1)), "malformed message");
    }

    #[test]
    fn only_so_many_are_remembered_and_the_worst_are_among_them() {
        let mut keeper = ScoreKeeper::default();
        keeper.add(host(1), Misbehaviour::BadChecksum, Duration::ZERO);
        for id in 0..2 * MAX_SCORED as u64 {
            keeper.add(Scored::Connection(PeerId(id)), Misbehaviour::Malformed, Duration::ZERO);
        }
        assert_eq!(keeper.len(), MAX_SCORED);
        assert_eq!(keeper.score(host(1), Duration::ZERO), 50);
    }

    quickcheck! {
        /// However often one looks, a point is lost per interval.
        fn looking_changes_nothing(steps: Vec<u16>) -> bool {
            let (mut often, mut once) = (ScoreKeeper::default(), ScoreKeeper::default());
            let mut now = Duration::ZERO;
            for keeper in [&mut often, &mut once] {
                keeper.add(host(1), Misbehaviour::InvalidBlock, now);
            }
            for step in steps {
                now += Duration::from_millis(step.into());
                often.score(host(1), now);
            }
            often.score(host(1), now) == once.score(host(1), now)
        }
    }
}
