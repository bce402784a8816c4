//! The sync bugs of the reference implementation, as scenarios (spec: lessons §4). Those about forks: `fork_bugs`.

use dilithion_headers::{HeadersError, HeadersManager};
use dilithion_wire::{BlockHash, BlockHeader, Height};

use crate::common::*;

/// A peer that answers our locators from its chain.
pub(crate) struct Server(HeadersManager, BlockHash);

impl Server {
    pub(crate) fn new(headers: &[BlockHeader]) -> Self {
        let mut manager = manager();
        for part in headers.chunks(2000) {
            feed(&mut manager, ALICE, part);
        }
        let tip = manager.best_hash();
        Self(manager, tip)
    }

    pub(crate) fn answer(&self, locator: &[BlockHash]) -> Vec<BlockHeader> {
        self.0.headers_after(locator, &BlockHash::ZERO, &self.1, 2000)
    }
}

/// Asks until the answer is not full; counts the requests.
fn sync(manager: &mut HeadersManager, server: &Server) -> usize {
    let mut locator = manager.locator();
    for request in 1..100 {
        let log = feed(manager, ALICE, &server.answer(&locator));
        match log.accepted.first() {
            Some(accepted) if accepted.full => locator = manager.locator_from(&accepted.last),
            _ => return request,
        }
    }
    panic!("no end");
}

#[test]
fn bug_147_a_full_batch_asks_for_more() {
    for (length, requests) in [(1999, 1), (2000, 2), (2001, 2), (4000, 3)] {
        let server = Server::new(&chain(length, 1));
        let mut manager = manager();
        assert_eq!(sync(&mut manager, &server), requests, "{length} headers");
        assert_eq!(manager.ready_height().0 as usize, length);
    }
}

#[test]
fn bug_149_an_unknown_locator_is_answered_and_an_unknown_fork_is_asked_for() {
    let server = Server::new(&chain(30, 1));
    let ahead = chain(60, 2);
    let locator: Vec<_> = ahead.iter().rev().map(id).take(5).collect();
    assert_eq!(server.answer(&locator).len(), 30, "from genesis, as nothing is known");
    // Its announcement attaches to a fork we do not have: no offence, a reason to send our locator.
    let mut manager = manager();
    feed(&mut manager, ALICE, &chain(10, 1));
    let error = manager.queue_headers(BOB, &ahead[59..], NOW).unwrap_err();
    assert_eq!((error.misbehaviour(), error), (None, HeadersError::Unconnected { prev: id(&ahead[58]) }));
    assert_eq!(sync(&mut manager, &Server::new(&ahead)), 1);
    assert_eq!(manager.best_height(), Height(60));
}

#[test]
fn bug_164_resent_batches_cost_no_hash() {
    let headers = chain(300, 1);
    let mut manager = manager();
    feed(&mut manager, ALICE, &headers);
    for _ in 0..100 {
        let queued = manager.queue_headers(BOB, &headers, NOW).unwrap();
        assert!(queued.jobs.is_empty());
        assert_eq!((queued.known, queued.new), (300, 0));
        assert_eq!(queued.effects.accepted[0].count, 0);
        assert_eq!(queued.effects.accepted[0].last, id(&headers[299]));
    }
}

#[test]
fn bug_164_one_announcement_from_many_peers_costs_one_hash() {
    let headers = chain(50, 1);
    let mut manager = manager();
    feed(&mut manager, ALICE, &headers[..49]);
    let mut log = Log::default();
    for peer in 10..20 {
        log.queue(manager.queue_headers(dilithion_wire::PeerId(peer), &headers[49..], NOW).unwrap());
    }
    let log = log.finish(&mut manager);
    assert_eq!(log.hashed, 1);
    assert_eq!(log.accepted.len(), 10, "each peer's batch is accounted for");
    assert_eq!(log.accepted.iter().map(|accepted| accepted.count).sum::<usize>(), 1);
    assert_eq!(manager.ready_height(), Height(50));
}

#[test]
fn bug_164_forks_at_known_heights_are_kept() {
    let mut manager = manager();
    feed(&mut manager, ALICE, &chain(10, 1));
    let fork = chain(10, 2);
    assert_eq!(feed(&mut manager, BOB, &fork).accepted[0].count, 10);
    assert!(manager.is_verified(&id(&fork[9])));
}

#[test]
fn bug_167_queueing_never_hashes() {
    // A flood of headers yields values; the caller's message loop is free as soon as the call returns.
    let mut manager = manager();
    let queued = manager.queue_headers(ALICE, &chain(2000, 1), NOW).unwrap();
    assert_eq!((queued.jobs.len(), queued.effects.is_empty()), (4, true));
}

#[test]
fn bug_168_a_peer_that_mines_on_moves_the_best_height() {
    let headers = chain(12, 1);
    let mut manager = manager();
    feed(&mut manager, ALICE, &headers[..10]);
    for header in &headers[10..] {
        let log = feed(&mut manager, ALICE, &[*header]);
        assert_eq!(log.accepted[0].last_height, manager.best_height());
    }
    assert_eq!(manager.best_height(), Height(12));
}

#[test]
fn bug_181_each_request_starts_where_the_last_batch_ended() {
    let headers = chain(6000, 1);
    let server = Server::new(&headers);
    let mut manager = manager();
    let mut locators = vec![manager.locator()];
    loop {
        // Slow hashing: only what decides about the batch is computed before the next request.
        let mut log = queue(&mut manager, ALICE, &server.answer(&locators[locators.len() - 1]));
        log.decide(&mut manager);
        let Some(accepted) = log.accepted.first().filter(|accepted| accepted.full) else { break };
        locators.push(manager.locator_from(&accepted.last));
    }
    assert_eq!(manager.best_height(), Height(6000));
    let starts: Vec<_> = locators.iter().map(|locator| manager.height_of(&locator[0])).collect();
    assert_eq!(starts, [0, 2000, 4000, 6000].map(|height| Some(Height(height))));
}

#[test]
fn bug_183_the_next_request_sent_too_early_does_no_harm() {
    let headers = chain(4000, 1);
    let server = Server::new(&headers);
    let mut manager = manager();
    // Two requests before anything is hashed: the same locator, the same answer.
    let mut log = Log::default();
    for _ in 0..2 {
        log.queue(manager.queue_headers(ALICE, &server.answer(&manager.locator()), NOW).unwrap());
    }
    let log = log.finish(&mut manager);
    let counts: Vec<_> = log.accepted.iter().map(|accepted| accepted.count).collect();
    assert_eq!(counts, [2000, 0]);
    // Both lead on to the same next request, which is not the last one again.
    for accepted in &log.accepted {
        assert!(accepted.full);
        assert_eq!(server.answer(&manager.locator_from(&accepted.last)), headers[2000..]);
    }
}

#[test]
fn bug_184_an_old_batch_again_leads_on_from_its_own_end() {
    let headers = chain(4000, 1);
    let mut manager = manager();
    headers.chunks(2000).for_each(|part| {
        feed(&mut manager, ALICE, part);
    });
    let late = manager.queue_headers(BOB, &headers[..2000], NOW).unwrap().effects.accepted[0];
    assert_eq!((late.count, late.last, late.last_height), (0, id(&headers[1999]), Height(2000)));
    assert_eq!(manager.locator_from(&late.last)[0], late.last);
    assert_eq!(manager.best_height(), Height(4000), "nothing went back");
}

#[test]
fn bug_186_a_hundred_orphans_are_worth_one_request() {
    let headers = chain(101, 1);
    let mut manager = manager();
    let locator = manager.locator();
    for (orphan, parent) in headers[1..].iter().zip(&headers) {
        let error = manager.queue_headers(ALICE, &[*orphan], NOW).unwrap_err();
        assert_eq!((error.misbehaviour(), error), (None, HeadersError::Unconnected { prev: id(parent) }));
    }
    assert_eq!((manager.len(), manager.outstanding_jobs().len()), (1, 0), "they leave nothing behind");
    assert_eq!(manager.locator(), locator, "they would all be asked for alike");
    assert_eq!(sync(&mut manager, &Server::new(&headers)), 1);
    assert!(headers.iter().all(|header| manager.find(header).is_some()));
}

#[test]
fn bug_195_another_peer_takes_over_a_batch_that_died_with_its_peer() {
    let headers = chain(2000, 1);
    let mut manager = manager();
    let alices = queue(&mut manager, ALICE, &headers);
    manager.on_peer_disconnected(ALICE);
    let bobs = queue(&mut manager, BOB, &headers);
    assert!(!bobs.jobs.is_empty());
    let bobs = bobs.finish(&mut manager);
    assert_eq!(bobs.accepted[0].count, 2000);
    assert!(alices.finish(&mut manager).accepted.is_empty());
    assert_eq!(manager.ready_height(), Height(2000));
}

#[test]
fn trap_2_unknown_is_not_different() {
    let headers = chain(30, 1);
    let mut manager = manager();
    let mut log = queue(&mut manager, ALICE, &headers);
    log.decide(&mut manager);
    let unproved = (1..=30).map(Height).find(|height| manager.hash_at_height(*height).is_none()).unwrap();
    assert!(manager.contains_in_best_chain(&id(&headers[unproved.0 as usize - 1])));
}
