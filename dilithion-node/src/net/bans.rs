//! Addresses that are refused for a while.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::BAN_DURATION;

/// Banned addresses with the monotonic time until which each is refused.
#[derive(Debug, Default)]
pub struct Bans {
    until: Mutex<HashMap<IpAddr, Duration>>,
}

impl Bans {
    /// Bans an address for [`BAN_DURATION`]; local addresses are only ever disconnected, as Bitcoin Core does.
    pub fn ban(&self, ip: IpAddr, now: Duration) {
        if !ip.to_canonical().is_loopback() {
            self.lock().insert(ip.to_canonical(), now + BAN_DURATION);
        }
    }

    /// Whether an address is banned now.
    pub fn is_banned(&self, ip: IpAddr, now: Duration) -> bool {
        let mut until = self.lock();
        until.retain(|_, end| *end > now);
        until.contains_key(&ip.to_canonical())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, Duration>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_ends_and_spares_loopback() {
        let bans = Bans::default();
        let (remote, local) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([127, 0, 0, 1]));
        bans.ban(remote, Duration::ZERO);
        bans.ban(local, Duration::ZERO);
        assert!(bans.is_banned(remote, BAN_DURATION - Duration::from_secs(1)));
        assert!(!bans.is_banned(local, Duration::ZERO));
        assert!(!bans.is_banned(remote, BAN_DURATION));
    }

    #[test]
    fn an_ipv4_address_is_the_same_in_its_mapped_form() {
        let bans = Bans::default();
        bans.ban("::ffff:192.0.2.1".parse().unwrap(), Duration::ZERO);
        assert!(bans.is_banned("192.0.2.1".parse().unwrap(), Duration::ZERO));
    }
}
