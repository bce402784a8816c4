//! Pings that wait for their pongs. No IO.

use std::collections::VecDeque;
use std::time::Duration;

use super::MAX_MISSED_PONGS;

/// The pings of one connection that are not answered yet, oldest first.
///
/// A busy C++ node answers after 43 s, when the next ping is on its way (spec: reference-node §2): a pong counts for whichever
/// of them it answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Pings(VecDeque<(u64, Duration)>);

impl Pings {
    /// A ping is to be sent; an error tells that too many are unanswered.
    pub(super) fn send(&mut self, nonce: u64, now: Duration) -> Result<(), u32> {
        let missed = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        if missed >= MAX_MISSED_PONGS {
            return Err(missed);
        }
        self.0.push_back((nonce, now));
        Ok(())
    }

    /// A pong came: the round-trip time, if it answers a ping. Those before that one are not waited for any more.
    pub(super) fn pong(&mut self, nonce: u64, now: Duration) -> Option<Duration> {
        let position = self.0.iter().position(|(open, _)| *open == nonce)?;
        let (_, sent) = self.0.drain(..=position).next_back()?;
        Some(now.saturating_sub(sent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_peer_that_answers_each_ping_after_43_seconds_is_kept() {
        let mut pings = Pings::default();
        for number in 0..100 {
            assert_eq!(pings.send(number, seconds(30 * number)), Ok(()));
            if let Some(answered) = number.checked_sub(1) {
                let now = seconds(30 * answered + 43);
                assert_eq!(pings.pong(answered, now), Some(seconds(43)));
            }
        }
    }

    #[test]
    fn one_that_answers_none_is_not_and_wrong_nonces_are_no_answers() {
        let mut pings = Pings::default();
        for number in 0..3 {
            assert_eq!(pings.send(number, seconds(30 * number)), Ok(()));
            assert_eq!(pings.pong(99, seconds(30 * number)), None);
        }
        assert_eq!(pings.send(3, seconds(90)), Err(MAX_MISSED_PONGS));
        assert_eq!(pings.pong(2, seconds(91)), Some(seconds(31)), "it answers those before as well");
        assert_eq!(pings.send(3, seconds(92)), Ok(()));
    }
}
