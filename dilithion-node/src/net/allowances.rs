//! What hosts may still do, whatever connection they do it over. No IO.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Host, PeerRates, ServeLimits, UploadLimits};

/// Hosts that are remembered, as many as have a score.
const MAX_HOSTS: usize = 4096;
/// Hosts that are forgotten at once if all of them count: then another one is no new search.
const FORGOTTEN_AT_ONCE: usize = MAX_HOSTS / 16;

/// What one host may still do.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    pub(super) rates: PeerRates,
    pub(super) serving: ServeLimits,
}

impl Allowance {
    fn is_fresh(&mut self, now: Duration) -> bool {
        self.rates.is_fresh(now) && self.serving.is_fresh(now)
    }
}

/// An allowance as the connections of its host hold it. The lock is held for some arithmetic at a time, and only these
/// connections ever want it: two, for a host that is not this machine.
#[derive(Clone, Debug)]
pub(super) struct SharedAllowance(Arc<Mutex<Allowance>>);

impl SharedAllowance {
    fn new(upload: UploadLimits) -> Self {
        let allowance = Allowance { rates: PeerRates::default(), serving: ServeLimits::new(upload) };
        Self(Arc::new(Mutex::new(allowance)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Allowance> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection holds it.
    fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

#[derive(Debug)]
struct Entry {
    allowance: SharedAllowance,
    /// When its last connection began.
    seen: Duration,
}

/// The allowances of all hosts. They outlive connections: a new one begins where the one before ended, but for the time
/// between. Those that stand as at the beginning need not be kept; if others are too many, those that nobody has used for
/// the longest time go.
#[derive(Debug)]
pub(super) struct Allowances {
    upload: UploadLimits,
    hosts: BTreeMap<Host, Entry>,
}

impl Allowances {
    pub(super) fn new(upload: UploadLimits) -> Self {
        Self { upload, hosts: BTreeMap::new() }
    }

    /// For a connection whose address says nothing about its host.
    pub(super) fn alone(&self) -> SharedAllowance {
        SharedAllowance::new(self.upload)
    }

    /// For a connection with this host that begins now.
    pub(super) fn of(&mut self, host: Host, now: Duration) -> SharedAllowance {
        if !self.hosts.contains_key(&host) && self.hosts.len() >= MAX_HOSTS {
            self.make_room(now);
        }
        let upload = self.upload;
        let new = || Entry { allowance: SharedAllowance::new(upload), seen: now };
        let entry = self.hosts.entry(host).or_insert_with(new);
        entry.seen = now;
        entry.allowance.lock().rates.on_connection();
        entry.allowance.clone()
    }

    fn make_room(&mut self, now: Duration) {
        self.hosts.retain(|_, entry| entry.allowance.is_held() || !entry.allowance.lock().is_fresh(now));
        if self.hosts.len() < MAX_HOSTS {
            return;
        }
        let idle = self.hosts.iter().filter(|(_, entry)| !entry.allowance.is_held());
        let mut idle: Vec<_> = idle.map(|(host, entry)| (entry.seen, *host)).collect();
        idle.sort_unstable();
        for (_, host) in idle.into_iter().take(FORGOTTEN_AT_ONCE) {
            self.hosts.remove(&host);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use dilithion_wire::{Command, Height};
    use quickcheck::quickcheck;

    use super::*;
    use crate::net::rates::Verdict;

    const SECOND: Duration = Duration::from_secs(1);

    /// More than there is room for.
    fn many() -> u32 {
        u32::try_from(2 * MAX_HOSTS).unwrap()
    }

    fn allowances() -> Allowances {
        Allowances::new(UploadLimits::default())
    }

    fn host(number: u32) -> Host {
        Host::of(Ipv4Addr::from_bits(0x0a00_0000 + number).into())
    }

    /// How many messages pass over one connection.
    fn flood(allowance: &SharedAllowance, now: Duration) -> usize {
        let mut lock = allowance.lock();
        (0..1000).filter(|_| lock.rates.on_message(&Command::INV, 8, false, now) == Verdict::Pass).count()
    }

    #[test]
    fn a_reconnection_begins_where_the_connection_ended() {
        let mut allowances = allowances();
        assert_eq!(flood(&allowances.of(host(1), SECOND), SECOND), 400);
        assert_eq!(flood(&allowances.of(host(1), SECOND), SECOND), 0);
        assert_eq!(flood(&allowances.of(host(1), 2 * SECOND), 2 * SECOND), 200, "it fills as before");
        assert_eq!(flood(&allowances.of(host(2), SECOND), SECOND), 400, "others are others");
    }

    #[test]
    fn connections_of_a_host_share_and_those_of_this_machine_do_not() {
        let mut allowances = allowances();
        let (first, second) = (allowances.of(host(1), SECOND), allowances.of(host(1), SECOND));
        assert_eq!((flood(&first, SECOND), flood(&second, SECOND)), (400, 0));
        let (first, second) = (allowances.alone(), allowances.alone());
        assert_eq!((flood(&first, SECOND), flood(&second, SECOND)), (400, 400));
    }

    #[test]
    fn what_was_served_is_known_over_connections() {
        let mut allowances = allowances();
        let served =
            |allowance: SharedAllowance| allowance.lock().serving.on_block(Height(7), usize::MAX, SECOND);
        assert!(served(allowances.of(host(1), SECOND)).is_zero());
        assert!(!served(allowances.of(host(1), SECOND)).is_zero());
    }

    #[test]
    fn hosts_that_did_nothing_are_forgotten_first() {
        let mut allowances = allowances();
        flood(&allowances.of(host(0), SECOND), SECOND);
        for number in 1..many() {
            allowances.of(host(number), SECOND);
        }
        assert!(allowances.hosts.len() <= MAX_HOSTS);
        assert_eq!(flood(&allowances.of(host(0), SECOND), SECOND), 0, "it is still known");
    }

    #[test]
    fn of_those_that_count_the_longest_unused_go_and_none_that_is_connected() {
        let mut allowances = allowances();
        let held = allowances.of(host(0), Duration::ZERO);
        flood(&held, SECOND);
        for number in 1..many() {
            let allowance = allowances.of(host(number), SECOND + Duration::from_nanos(number.into()));
            flood(&allowance, SECOND);
        }
        assert!(allowances.hosts.len() <= MAX_HOSTS);
        let known = |number| allowances.hosts.contains_key(&host(number));
        assert!(known(0) && !known(1) && known(many() - 1));
    }

    quickcheck! {
        /// However a host spreads its messages over connections, no more of them pass than over one.
        fn connections_gain_nothing(steps: Vec<(u8, bool)>) -> bool {
            let (mut allowances, mut now) = (allowances(), SECOND);
            let (one, mut many) = (allowances.alone(), allowances.of(host(1), now));
            steps.into_iter().all(|(millis, reconnects)| {
                now += Duration::from_millis(millis.into());
                if reconnects {
                    many = allowances.of(host(1), now);
                }
                flood(&one, now) == flood(&many, now)
            })
        }
    }
}
