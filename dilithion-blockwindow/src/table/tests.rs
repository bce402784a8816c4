//! The indexes against the truths.

use super::*;
use quickcheck::quickcheck;

/// A height and its new entry, if any: state, peers, time and the peer to avoid.
type Write = (u8, Option<(u8, (u8, u8), u8, Option<u8>)>);

/// What the indexes have to be, recomputed from the truths alone.
fn rebuilt(table: &Table<u8, u8>) -> Table<u8, u8> {
    let mut fresh = Table::new(table.config);
    for (&id, peer) in &table.peers {
        fresh.peers.insert(id, Peer { record: peer.record.clone(), ..Peer::new() });
    }
    for (&height, &entry) in &table.entries {
        fresh.entries.insert(height, entry);
        match entry.place {
            Place::Pending => fresh.pending.update(entry.avoid, |group| group.insert(height)),
            Place::InFlight(askees) => {
                fresh.in_flight.insert(height);
                for asked in askees.iter() {
                    fresh.peers.get_mut(&asked.peer).unwrap().open.insert((asked.counted, height));
                }
            }
            Place::Received { .. } => drop(fresh.received.insert(height)),
        }
    }
    for (&id, peer) in &mut fresh.peers {
        peer.deadline = peer.open.iter().map(|&(asked, _)| peer.deadline(asked, &table.config)).min();
        fresh.deadlines.extend(peer.deadline.map(|deadline| (deadline, id)));
    }
    fresh
}

fn assert_indexes_agree(table: &Table<u8, u8>) {
    let expected = rebuilt(table);
    assert_eq!(table.pending, expected.pending);
    assert_eq!(table.in_flight, expected.in_flight);
    assert_eq!(table.received, expected.received);
    assert_eq!(table.deadlines, expected.deadlines);
    for (id, peer) in &table.peers {
        assert_eq!((&peer.open, peer.deadline), (&expected.peers[id].open, expected.peers[id].deadline));
    }
    let pending = table.entries.values().filter(|entry| entry.place == Place::Pending).count();
    assert_eq!(table.pending_len(), pending);
}

fn entry(state: u8, (first, second): (u8, u8), since: u8, avoid: Option<u8>) -> Entry<u8> {
    let asked = |peer: u8, since: u8| {
        let since = Duration::from_secs(u64::from(since));
        Asked { peer: peer % 4, since, counted: Counted::from(since) }
    };
    let entry = Entry { avoid: avoid.map(|peer| peer % 4), ..Entry::new() };
    let in_flight = entry.asked_of(asked(first, since % 8)).unwrap();
    match state % 4 {
        0 => entry,
        1 => in_flight,
        2 => in_flight.asked_of(asked(second, since % 8 + second % 3)).unwrap_or(in_flight),
        _ => Entry { place: Place::Received { from: first % 4 }, ..entry },
    }
}

quickcheck! {
    /// Requirements 000-060 and 000-063: after any writes the indexes are what the map says.
    fn indexes_are_derived_from_the_entries(writes: Vec<Write>) -> () {
        let config = WindowConfig { max_request_age: Duration::from_secs(33), ..WindowConfig::default() };
        let mut table = Table::new(config);
        for (height, write) in writes {
            match write {
                Some((state, peers, since, avoid)) if state < 224 =>
                    table.insert(height % 16, entry(state, peers, since, avoid)),
                Some((_, (peer, _), at, _)) =>
                    table.note_delivery(peer % 4, None, Duration::from_secs(u64::from(at % 16)).into()),
                None if height < 250 => drop(table.remove(height % 16)),
                None => table.clear(),
            }
            assert_indexes_agree(&table);
        }
    }

    /// The failed requests are found without a walk, and are those that a walk finds.
    fn failed_requests_are_exact(requests: Vec<(u8, (u8, u8), u8)>, heard: Vec<(u8, u8)>, now: u8) -> bool {
        let config = WindowConfig { request_timeout: Duration::from_secs(4), max_request_age: Duration::from_secs(9),
            ..WindowConfig::default() };
        let mut table = Table::new(config);
        for (height, peers, since) in requests {
            table.insert(height, entry(2, peers, since, None));
        }
        for (peer, at) in heard {
            table.note_delivery(peer % 4, None, Duration::from_secs(u64::from(at % 16)).into());
        }
        let now = Counted::from(Duration::from_secs(u64::from(now % 20)));
        let walk = table.in_flight().flat_map(|height| {
            table.entries[&height].askees().unwrap().iter().map(move |asked| (height, asked.peer, asked.counted))
        });
        let walked: BTreeSet<_> = walk
            .filter(|&(_, peer, asked)| table.peers[&peer].deadline(asked, &config) <= now)
            .map(|(height, peer, _)| (height, peer))
            .collect();
        let found: BTreeSet<_> = table.failed(now).map(|(height, asked)| (height, asked.peer)).collect();
        found == walked && found.is_empty() == table.next_deadline().is_none_or(|deadline| deadline > now)
    }

    /// The lowest height for a peer is found without a walk, and is the one that a walk finds.
    fn lowest_for_a_peer_is_exact(heights: Vec<(u8, Option<u8>)>, peer: u8) -> bool {
        let mut table = Table::new(WindowConfig::default());
        for (height, avoid) in heights {
            table.insert(height, entry(0, (0, 0), 0, avoid));
        }
        let walked = table.entries.iter().find(|(_, entry)| entry.avoid != Some(peer % 4)).map(|(&h, _)| h);
        table.pending().lowest_for(peer % 4) == walked
            && table.pending().lowest().map(|(height, _)| height) == table.lowest().map(|(height, _)| height)
    }
}
