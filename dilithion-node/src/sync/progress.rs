//! How fast the sync goes, and when it will be done.

use std::collections::VecDeque;
use std::time::Duration;

use dilithion_wire::Height;

/// Shortest time between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// Samples that a rate is taken over: half a minute, so that a batch of blocks or a slow peer does not make it jump.
const SAMPLES: usize = 30;

/// Heights over the last half minute.
#[derive(Debug, Default)]
pub(super) struct Progress {
    samples: VecDeque<Sample>,
}

/// How far a node is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heights {
    /// Blocks are connected up to here.
    pub(super) connected: Height,
    /// All headers are proved up to here.
    pub(super) proved: Height,
    /// The sync waits for no proof up to here.
    pub(super) awaited: Height,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    heights: Heights,
}

/// Rates of the last half minute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Blocks connected a second.
    pub blocks: f64,
    /// Headers proved a second.
    pub headers: f64,
    /// The same, of those that the sync waits for: in a full node not of those that a checkpoint vouches for.
    pub awaited: f64,
}

impl Progress {
    /// Takes note of how far the node is.
    pub(super) fn sample(&mut self, at: Duration, heights: Heights) {
        if self.samples.back().is_some_and(|last| at < last.at + SAMPLE_INTERVAL) {
            return;
        }
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at, heights });
    }

    /// The rates up to now.
    pub(super) fn rates(&self, at: Duration, heights: Heights) -> Rates {
        let Some(first) = self.samples.front() else { return Rates::default() };
        let seconds = at.saturating_sub(first.at).as_secs_f64();
        if seconds <= 0.0 {
            return Rates::default();
        }
        let rate = |from: Height, to: Height| f64::from(to.0.saturating_sub(from.0)) / seconds;
        let Heights { connected, proved, awaited } = first.heights;
        Rates {
            blocks: rate(connected, heights.connected),
            headers: rate(proved, heights.proved),
            awaited: rate(awaited, heights.awaited),
        }
    }
}

impl Rates {
    /// How long so many blocks and proofs still take, as they go on beside each other; `None` if something is left to
    /// do and nothing moves.
    #[must_use]
    pub fn time_for(&self, blocks: u32, proofs: u32) -> Option<Duration> {
        let needed = |count: u32, rate: f64| match count {
            0 => Some(0.0),
            count if rate > 0.0 => Some(f64::from(count) / rate),
            _ => None,
        };
        let seconds = needed(blocks, self.blocks)?.max(needed(proofs, self.awaited)?);
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(connected: u32, proved: u32) -> Heights {
        Heights { connected: Height(connected), proved: Height(proved), awaited: Height(proved / 2) }
    }

    #[test]
    fn rates_are_those_of_the_last_half_minute() {
        let mut progress = Progress::default();
        for second in 0..100_u32 {
            progress.sample(second * SECOND, at(second, second * 10));
            progress.sample(second * SECOND + SECOND / 2, at(0, 0));
        }
        let rates = progress.rates(99 * SECOND, at(99, 990));
        assert!((rates.blocks - 1.0).abs() < 1e-9 && (rates.headers - 10.0).abs() < 1e-9);
        assert!((rates.awaited - 5.0).abs() < 1e-9);
        assert_eq!(progress.samples.len(), SAMPLES + 1);
    }

    #[test]
    fn the_slower_of_the_two_decides_when_it_is_done() {
        let rates = Rates { blocks: 10.0, headers: 1.0, awaited: 2.0 };
        assert_eq!(rates.time_for(100, 10), Some(10 * SECOND));
        assert_eq!(rates.time_for(10, 100), Some(50 * SECOND));
        assert_eq!(rates.time_for(0, 0), Some(Duration::ZERO));
        assert_eq!(Rates::default().time_for(1, 0), None, "nothing moves");
        assert_eq!(Rates::default().time_for(0, 0), Some(Duration::ZERO));
    }

    #[test]
    fn a_chain_that_was_rewound_has_no_rate() {
        let mut progress = Progress::default();
        progress.sample(SECOND, at(100, 100));
        assert_eq!(progress.rates(2 * SECOND, at(50, 50)), Rates::default());
        assert_eq!(progress.rates(SECOND, at(100, 100)), Rates::default());
    }
}
