//! Which inbound connection gives way when all slots are taken. No IO.
//!
//! The idea is Bitcoin Core's: connections that an attacker cannot easily imitate are protected, each by a trait that is
//! costly in its own way (being in many networks, being near, having delivered blocks, having stayed for long). Of the
//! rest, the part of the network with the most connections gives one up. So an attacker mostly replaces its own.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use dilithion_wire::{PeerId, sha3_256};

use super::NetGroup;

/// Connections protected because a secret order of networks names theirs first: the attacker cannot know which.
const PROTECTED_BY_GROUP: usize = 4;
/// Connections protected for the shortest round trip.
const PROTECTED_BY_PING: usize = 8;
/// Connections protected for having delivered a block most recently.
const PROTECTED_BY_BLOCKS: usize = 4;

/// What is known about an inbound connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Which one.
    pub(crate) id: PeerId,
    /// The network it comes from.
    pub(crate) group: NetGroup,
    /// Monotonic time of its beginning.
    pub(crate) connected: Duration,
    /// Whether its handshake is complete.
    pub(crate) handshake_complete: bool,
    /// Its shortest round trip.
    pub(crate) min_rtt: Option<Duration>,
    /// Monotonic time of the last block of use that it delivered.
    pub(crate) last_block: Option<Duration>,
}

/// The connection that gives way to a new one; `None` if all are worth more than an unknown one. `secret` orders the
/// networks.
///
/// Connections whose handshake is not complete go first, the longest waiting one of the busiest network.
#[must_use]
pub(crate) fn choose(candidates: &[Candidate], secret: u64) -> Option<PeerId> {
    let unfinished: Vec<Candidate> =
        candidates.iter().filter(|one| !one.handshake_complete).copied().collect();
    if let Some(busiest) = busiest_group(&unfinished) {
        return busiest.iter().min_by_key(|one| one.connected).map(|one| one.id);
    }
    let mut rest = candidates.to_vec();
    protect(&mut rest, PROTECTED_BY_GROUP, |one| keyed(secret, one.group));
    protect(&mut rest, PROTECTED_BY_PING, |one| one.min_rtt.unwrap_or(Duration::MAX));
    protect(&mut rest, PROTECTED_BY_BLOCKS, |one| Reverse(one.last_block));
    let older_half = rest.len() / 2;
    protect(&mut rest, older_half, |one| one.connected);
    busiest_group(&rest)?.iter().max_by_key(|one| one.connected).map(|one| one.id)
}

/// Takes the first `count` by `rank` out of those that may have to go.
fn protect<K: Ord>(rest: &mut Vec<Candidate>, count: usize, rank: impl FnMut(&Candidate) -> K) {
    rest.sort_by_cached_key(rank);
    rest.drain(..count.min(rest.len()));
}

fn keyed(secret: u64, group: NetGroup) -> [u8; 32] {
    sha3_256(&[&secret.to_le_bytes()[..], &group.to_bytes()].concat())
}

/// The connections of the network with the most of them; of two such, that with the youngest connection.
fn busiest_group(candidates: &[Candidate]) -> Option<Vec<Candidate>> {
    let mut groups: BTreeMap<NetGroup, Vec<Candidate>> = BTreeMap::new();
    for one in candidates {
        groups.entry(one.group).or_default().push(*one);
    }
    groups.into_values().max_by_key(|group| (group.len(), group.iter().map(|one| one.connected).max()))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use quickcheck::quickcheck;

    use super::*;
    use crate::net::Host;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// From a network of its own, connected since its number.
    fn peer(id: u64) -> Candidate {
        let [.., a, b] = id.to_be_bytes();
        Candidate {
            id: PeerId(id),
            group: Host::of(IpAddr::from([a + 1, b, 0, 1])).group(),
            connected: secs(id),
            handshake_complete: true,
            min_rtt: None,
            last_block: None,
        }
    }

    fn attacker(id: u64) -> Candidate {
        Candidate { group: Host::of(IpAddr::from([203, 0, 113, 1])).group(), ..peer(id) }
    }

    #[test]
    fn nobody_goes_if_all_are_protected() {
        assert_eq!(choose(&[], 1), None);
        let few: Vec<_> = (0..16).map(peer).collect();
        assert_eq!(choose(&few, 1), None);
    }

    #[test]
    fn who_does_not_finish_the_handshake_goes_first() {
        let mut all: Vec<_> = (0..100).map(peer).collect();
        all[40].handshake_complete = false;
        all[70].handshake_complete = false;
        assert_eq!(choose(&all, 1), Some(PeerId(70)), "of two networks alike, that with the youngest");
        all.push(Candidate { handshake_complete: false, ..attacker(200) });
        all.push(Candidate { handshake_complete: false, ..attacker(201) });
        assert_eq!(choose(&all, 1), Some(PeerId(200)), "the busiest network's, the longest waiting");
    }

    #[test]
    fn an_attacker_from_one_network_replaces_its_own() {
        let good = (0..60).map(peer);
        let all: Vec<_> = good.chain((60..117).map(attacker)).collect();
        for secret in 0..50 {
            let gone = choose(&all, secret).unwrap();
            assert!(gone.0 >= 60, "{gone:?} of the good ones went");
        }
    }

    #[test]
    fn near_peers_and_those_that_deliver_blocks_stay() {
        let mut all: Vec<_> = (0..117).map(peer).collect();
        for one in &mut all[100..108] {
            one.min_rtt = Some(secs(1));
        }
        for one in &mut all[110..114] {
            one.last_block = Some(secs(500));
        }
        // Take away whoever would go, one after the other: the useful ones are among those that are left.
        for secret in 0..20 {
            let mut left = all.clone();
            while let Some(gone) = choose(&left, secret) {
                left.retain(|one| one.id != gone);
            }
            let stays = |ids: std::ops::Range<u64>| {
                ids.into_iter().all(|id| left.iter().any(|one| one.id == PeerId(id)))
            };
            assert!(stays(100..108) && stays(110..114), "{left:?}");
        }
    }

    quickcheck! {
        /// Who goes is one of those that are there: one that did not finish the handshake, if there is such, else one to
        /// which at least half of those that no other trait protects are senior.
        fn the_choice_is_sound(connections: Vec<(u8, bool)>, all_finished: bool, secret: u64) -> bool {
            let candidate = |(id, (since, finished)): (usize, &(u8, bool))| Candidate {
                connected: secs((*since).into()),
                handshake_complete: all_finished || *finished,
                ..peer(id as u64)
            };
            let all: Vec<_> = connections.iter().enumerate().map(candidate).collect();
            let unfinished = all.iter().any(|one| !one.handshake_complete);
            let protected = PROTECTED_BY_GROUP + PROTECTED_BY_PING + PROTECTED_BY_BLOCKS;
            let Some(gone) = choose(&all, secret) else { return !unfinished && all.len() <= protected };
            let Some(gone) = all.iter().find(|one| one.id == gone) else { return false };
            let seniors = all.iter().filter(|one| one.id != gone.id && one.connected <= gone.connected).count();
            if unfinished { !gone.handshake_complete } else { seniors >= (all.len() - protected) / 2 }
        }
    }
}
