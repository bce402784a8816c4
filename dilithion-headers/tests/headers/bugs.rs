//! The sync bugs of the reference implementation, as scenarios (spec: lessons §4).

use dilithion_headers::{HeadersConfig, HeadersError, HeadersManager};
use dilithion_wire::{BlockHash, BlockHeader, Height};

use crate::common::*;

/// A peer that answers our locators from its chain.
struct Server(HeadersManager, BlockHash);

impl Server {
    fn new(headers: &[BlockHeader]) -> Self {
        let mut manager = manager();
        for part in headers.chunks(2000) {
            feed(&mut manager, ALICE, part);
        }
        let tip = manager.best_hash();
        Self(manager, tip)
    }

    fn answer(&self, locator: &[BlockHash]) -> Vec<BlockHeader> {
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
fn bug_178_a_known_prefix_does_not_hide_a_fork() {
    let base = chain(60, 1);
    let fork: Vec<_> = base[..40].iter().copied().chain(branch(&base[39], 30, 2)).collect();
    let mut manager = manager();
    feed(&mut manager, ALICE, &base);
    let queued = manager.queue_headers(BOB, &fork, NOW).unwrap();
    assert_eq!((queued.known, queued.new), (40, 30));
    let mut log = Log::default();
    log.queue(queued);
    let log = log.finish(&mut manager);
    assert_eq!(log.hashed, 30, "the shared part is not hashed again (bug 180)");
    assert_eq!(manager.best_hash(), id(&fork[69]));
}

#[test]
fn bug_179_a_branch_with_less_work_now_can_grow_past_the_best() {
    let (best, other) = (chain(50, 1), chain(80, 2));
    let mut manager = manager();
    feed(&mut manager, ALICE, &best);
    let log = feed(&mut manager, BOB, &other[..30]);
    assert_eq!((log.accepted[0].last_height, manager.best_height()), (Height(30), Height(50)));
    // The next request starts where that branch ends, not at our best header.
    let locator = manager.locator_from(&log.accepted[0].last);
    assert_eq!(locator[0], id(&other[29]));
    let answer = Server::new(&other).answer(&locator);
    assert_eq!(answer, other[30..]);
    feed(&mut manager, BOB, &answer);
    assert_eq!(manager.best_hash(), id(&other[79]));
}

#[test]
fn bug_181_183_184_each_request_starts_where_the_last_batch_ended() {
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
fn bug_182_siblings_are_told_apart_by_their_bytes() {
    let base = chain(5, 1);
    let mut manager = manager();
    feed(&mut manager, ALICE, &base);
    let siblings: Vec<_> = (2..6).map(|tag| branch(&base[4], 1, tag)[0]).collect();
    for sibling in &siblings {
        let log = feed(&mut manager, BOB, &[*sibling]);
        assert_eq!((log.accepted[0].count, log.accepted[0].last), (1, id(sibling)));
        assert_eq!(feed(&mut manager, CAROL, &[*sibling]).hashed, 0, "known by its bytes");
    }
    assert_eq!(manager.len(), 6 + 4);
    assert!(siblings.iter().all(|sibling| manager.find(sibling) == Some((id(sibling), Height(6)))));
}

#[test]
fn bug_189_a_branch_from_the_very_tip_is_an_extension() {
    let base = chain(10, 1);
    let mut manager = manager();
    feed(&mut manager, ALICE, &base);
    let tip = id(&base[9]);
    assert_eq!(manager.fork_point(&tip, &tip), Some(Height(10)));
    let log = feed(&mut manager, BOB, &branch(&base[9], 1, 2));
    assert_eq!(log.best[0].fork, Height(10));
    assert_eq!(manager.fork_point(&tip, &manager.best_hash()), Some(Height(10)));
}

#[test]
fn bug_193_headers_up_to_the_fork_stay_after_a_resync() {
    let base = chain(30, 1);
    let mut manager = manager_with(HeadersConfig { spot_checks: 0, ..config() });
    feed(&mut manager, ALICE, &base[..20]);
    feed(&mut manager, ALICE, &with_false_claim(&base[20..], 3));
    assert_eq!(manager.best_height(), Height(23));
    let log = feed(&mut manager, BOB, &base[23..]);
    assert_eq!(log.accepted[0].count, 7, "what follows the fork attaches");
}

#[test]
fn bug_194_there_are_no_gaps_to_walk_through() {
    let (a, b) = (chain(40, 1), chain(40, 2));
    let mut manager = manager();
    feed(&mut manager, ALICE, &a);
    assert!(matches!(manager.queue_headers(BOB, &b[20..], NOW), Err(HeadersError::Unconnected { .. })));
    assert_eq!(manager.fork_point(&id(&a[39]), &id(&b[39])), None, "unknown is not height 0");
    feed(&mut manager, BOB, &b);
    assert_eq!(manager.fork_point(&id(&a[39]), &id(&b[39])), Some(Height(0)));
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
