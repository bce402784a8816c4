//! The fork bugs of the reference implementation, as scenarios (spec: lessons §4).

use dilithion_headers::{HeadersConfig, HeadersError};
use dilithion_pow::Work;
use dilithion_wire::Height;

use crate::bugs::Server;
use crate::common::*;

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
fn bug_180_a_shared_history_is_not_hashed_again() {
    let base = chain(1500, 1);
    let fork: Vec<_> = base[..1400].iter().copied().chain(branch(&base[1399], 200, 2)).collect();
    let mut manager = manager();
    feed(&mut manager, ALICE, &base);
    let log = feed(&mut manager, BOB, &fork);
    assert_eq!((log.hashed, log.accepted[0].count), (200, 200));
    assert_eq!((manager.best_hash(), manager.ready_height()), (id(&fork[1599]), Height(1600)));
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

/// The bytes of a work in the order in which a careless comparison would read them.
fn little_endian(work: Work) -> [u8; 32] {
    let mut bytes = work.to_be_bytes();
    bytes.reverse();
    bytes
}

#[test]
fn bug_190_work_is_compared_as_a_number() {
    let long = chain(300, 1);
    let mut measure = manager();
    feed(&mut measure, ALICE, &long);
    let bytes_after = |count: usize| measure.chain_work(&id(&long[count - 1])).map(little_endian);
    // One more header, more work, and yet bytes that come first.
    let count = (1..300).find(|count| bytes_after(count + 1) < bytes_after(*count)).unwrap();
    let (less, more) = (&long[..count], chain(count + 1, 2));
    for order in [[less, &more[..]], [&more[..], less]] {
        let mut manager = manager();
        for headers in order {
            feed(&mut manager, ALICE, headers);
        }
        assert_eq!(manager.best_hash(), id(&more[count]));
    }
}

#[test]
fn bug_192_what_is_below_a_bad_block_is_kept() {
    let base = chain(50, 1);
    let mut manager = manager();
    feed(&mut manager, ALICE, &base);
    let change = manager.invalidate(&id(&base[30])).best_changed.unwrap();
    assert_eq!(change.fork, Height(30), "the common prefix, not genesis");
    assert_eq!((manager.best_height(), manager.ready_height()), (Height(30), Height(30)));
    assert_eq!(manager.locator()[0], id(&base[29]), "what follows is asked for from there");
    let good: Vec<_> = base[..30].iter().copied().chain(branch(&base[29], 5, 2)).collect();
    let log = feed(&mut manager, BOB, &good);
    assert_eq!((log.hashed, log.accepted[0].count), (5, 5));
    assert_eq!((manager.best_hash(), manager.ready_height()), (id(&good[34]), Height(35)));
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
