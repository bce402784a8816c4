//! One address and what came of it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::net::Host;

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// Nobody has seen it for so long: forgotten (spec: wire §4).
const HORIZON: u64 = 30 * DAY;
/// Tries of an address that never worked (spec: wire §4).
const MAX_NEW_ATTEMPTS: u32 = 3;
/// Tries in vain of one that worked, if that was [`MIN_FAILING`] ago (spec: wire §4).
const MAX_FAILURES: u32 = 10;
/// See [`MAX_FAILURES`].
const MIN_FAILING: u64 = 7 * DAY;
/// What was tried within this time is given the benefit of the doubt.
const GRACE: u64 = MINUTE;
/// Pause after the first failure; doubles with each.
const FIRST_PAUSE: u64 = 15;
/// Longest pause between two tries.
const LONGEST_PAUSE: u64 = 60 * MINUTE;

/// An address and its history; times in seconds since 1970, 0 for never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownAddress {
    /// Where.
    pub(crate) address: SocketAddr,
    /// Who told of it first.
    pub(crate) source: Host,
    /// When somebody last claimed to have seen it.
    pub(crate) last_seen: u64,
    /// When we last dialled it.
    pub(crate) last_try: u64,
    /// When a handshake with it was last completed.
    pub(crate) last_success: u64,
    /// Tries since then.
    pub(crate) attempts: u32,
    /// Whether it is among those that work.
    pub(crate) tried: bool,
}

impl KnownAddress {
    /// Whether it may be forgotten in favour of another.
    #[must_use]
    pub(crate) fn is_terrible(&self, now: u64) -> bool {
        if self.last_try > 0 && now.saturating_sub(self.last_try) < GRACE {
            return false;
        }
        let never = self.last_success == 0 && self.attempts >= MAX_NEW_ATTEMPTS;
        let failing = self.attempts >= MAX_FAILURES && now.saturating_sub(self.last_success) > MIN_FAILING;
        now.saturating_sub(self.last_seen) > HORIZON || never || failing
    }

    /// When it may be dialled again. `jitter` spreads the pause between half and one and a half of itself, so that nodes
    /// that lost a peer together do not come back together.
    #[must_use]
    pub(crate) fn retry_at(&self, jitter: u8) -> u64 {
        if self.last_try == 0 {
            return 0;
        }
        let doublings = self.attempts.saturating_sub(1).min(u64::BITS / 4);
        let pause = (FIRST_PAUSE << doublings).min(LONGEST_PAUSE);
        self.last_try + pause / 2 + pause * u64::from(jitter) / u64::from(u8::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn seen(ago: u64) -> KnownAddress {
        let address: SocketAddr = "1.2.3.4:5".parse().unwrap();
        let source = Host::of(address.ip());
        let (last_try, last_success, attempts, tried) = (0, 0, 0, false);
        KnownAddress { address, source, last_seen: NOW - ago, last_try, last_success, attempts, tried }
    }

    #[test]
    fn what_is_old_or_never_works_may_be_forgotten() {
        assert!(!seen(DAY).is_terrible(NOW) && seen(31 * DAY).is_terrible(NOW));
        let failed = KnownAddress { attempts: 3, last_try: NOW - 100, ..seen(DAY) };
        assert!(failed.is_terrible(NOW) && !failed.is_terrible(NOW - 50), "just tried");
        let worked = |ago| KnownAddress { attempts: 10, last_success: NOW - ago, ..failed };
        assert!(worked(8 * DAY).is_terrible(NOW) && !worked(DAY).is_terrible(NOW));
    }

    #[test]
    fn pauses_double_up_to_an_hour_and_are_spread() {
        let tried = |attempts| KnownAddress { attempts, last_try: NOW, ..seen(0) };
        assert_eq!(seen(0).retry_at(0), 0);
        assert_eq!((tried(1).retry_at(0), tried(1).retry_at(255)), (NOW + 7, NOW + 22));
        assert_eq!((tried(3).retry_at(0), tried(3).retry_at(255)), (NOW + 30, NOW + 90));
        assert_eq!(tried(u32::MAX).retry_at(255), NOW + 5400);
    }
}
