//! Which hosts are refused, until when, and why. No IO.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Host;

/// Bans that are kept at most; beyond it, the one that ends first is lifted.
const MAX_BANS: usize = 10_000;

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Who is refused.
    pub host: Host,
    /// When it began, in seconds since 1970.
    pub since: u64,
    /// When it ends, in seconds since 1970.
    pub until: u64,
    /// What led to it.
    pub reason: String,
}

/// Bans by host. Wall-clock time, so that they outlive the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Ban>", into = "Vec<Ban>")]
pub(crate) struct BanList {
    bans: BTreeMap<Host, Ban>,
}

impl BanList {
    /// Refuses a host from `now`, in seconds since 1970. A ban that ends later stays as it is; tells whether there is a
    /// new one.
    pub(crate) fn ban(&mut self, host: Host, reason: String, now: u64, duration: Duration) -> bool {
        let until = now.saturating_add(duration.as_secs());
        if self.bans.get(&host).is_some_and(|ban| ban.until > until) {
            return false;
        }
        if !self.bans.contains_key(&host) && self.bans.len() >= MAX_BANS {
            self.make_room(now);
        }
        self.bans.insert(host, Ban { host, since: now, until, reason });
        true
    }

    /// Lifts a ban; tells whether there was one.
    pub(crate) fn unban(&mut self, host: Host) -> bool {
        self.bans.remove(&host).is_some()
    }

    /// Lifts all bans.
    pub(crate) fn clear(&mut self) {
        self.bans.clear();
    }

    /// The ban of a host, if it is refused now.
    #[must_use]
    pub(crate) fn get(&self, host: Host, now: u64) -> Option<&Ban> {
        self.bans.get(&host).filter(|ban| ban.until > now)
    }

    /// The bans in force, by host.
    #[must_use]
    pub(crate) fn list(&self, now: u64) -> Vec<Ban> {
        self.bans.values().filter(|ban| ban.until > now).cloned().collect()
    }

    fn make_room(&mut self, now: u64) {
        self.bans.retain(|_, ban| ban.until > now);
        if self.bans.len() >= MAX_BANS {
            let first = self.bans.values().min_by_key(|ban| ban.until).map(|ban| ban.host);
            if let Some(first) = first {
                self.bans.remove(&first);
            }
        }
    }
}

impl From<Vec<Ban>> for BanList {
    fn from(bans: Vec<Ban>) -> Self {
        Self { bans: bans.into_iter().take(MAX_BANS).map(|ban| (ban.host, ban)).collect() }
    }
}

impl From<BanList> for Vec<Ban> {
    fn from(list: BanList) -> Self {
        list.bans.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn host(number: u32) -> Host {
        Host::of(IpAddr::V4(number.into()))
    }

    #[test]
    fn a_ban_ends_can_be_lifted_and_is_not_cut_short() {
        let mut list = BanList::default();
        assert!(list.ban(host(1), "a".to_owned(), 100, HOUR));
        assert!(!list.ban(host(1), "b".to_owned(), 100, HOUR / 2));
        assert_eq!(list.get(host(1), 3699).unwrap().reason, "a");
        assert_eq!(list.get(host(1), 3700), None);
        assert!(list.list(3700).is_empty());
        assert!(list.ban(host(1), "b".to_owned(), 200, HOUR), "longer than the one in force");
        assert_eq!(list.list(200).len(), 1);
        assert!(list.unban(host(1)) && !list.unban(host(1)));
    }

    #[test]
    fn the_list_is_bounded_and_loses_what_ends_first() {
        let mut list = BanList::default();
        list.ban(host(0), String::new(), 0, HOUR / 2);
        for number in 1..=u32::try_from(MAX_BANS).unwrap() {
            list.ban(host(number), String::new(), 0, HOUR);
        }
        assert_eq!(list.list(0).len(), MAX_BANS);
        assert_eq!(list.get(host(0), 0), None);
        list.clear();
        assert_eq!(list, BanList::default());
    }

    #[test]
    fn the_list_survives_as_json() {
        let mut list = BanList::default();
        list.ban(host(0xc000_0201), "invalid block".to_owned(), 5, HOUR);
        let json = serde_json::to_string(&list).unwrap();
        assert_eq!(json, r#"[{"host":"192.0.2.1","since":5,"until":3605,"reason":"invalid block"}]"#);
        assert_eq!(serde_json::from_str::<BanList>(&json).unwrap(), list);
    }
}
