//! Forks: by work, not by height; serving and locating on any branch.

use dilithion_headers::{HeadersConfig, HeadersError};
use dilithion_pow::CompactTarget;
use dilithion_wire::{BlockHash, Height};

use crate::common::*;

#[test]
fn more_work_wins_not_more_height() {
    let mut manager = manager();
    let long = chain(6, 1);
    let heavy = branch_of_bits(&genesis(), 3, 2, HARDER);
    feed(&mut manager, ALICE, &long);
    let log = feed(&mut manager, BOB, &heavy);
    assert_eq!((manager.best_height(), manager.best_hash()), (Height(3), id(&heavy[2])));
    assert_eq!(log.best[0].fork, Height(0));
    assert_eq!(log.ready, [Height(1), Height(2), Height(3)], "ready again, with other ids");
    assert!(!manager.contains_in_best_chain(&id(&long[0])));
    assert_eq!(manager.height_of(&id(&long[5])), Some(Height(6)), "kept beside");
    let work =
        (0..3).fold(CompactTarget(EASY).work(), |sum, _| sum.saturating_add(CompactTarget(HARDER).work()));
    assert_eq!(manager.best_work(), work);
    assert_eq!(manager.chain_work(&id(&heavy[2])), Some(work));
}

#[test]
fn of_equal_work_the_first_seen_stays() {
    let (first, second) = (chain(5, 1), chain(5, 2));
    let mut manager = manager();
    feed(&mut manager, ALICE, &first);
    let log = feed(&mut manager, BOB, &second);
    assert!(log.best.is_empty());
    assert_eq!(manager.best_hash(), id(&first[4]));
    let more = branch(&second[4], 1, 2);
    let log = feed(&mut manager, BOB, &more);
    assert_eq!(log.best[0].fork, Height(0));
    assert_eq!(manager.best_hash(), id(&more[0]));
}

#[test]
fn a_reorganisation_reports_the_last_common_height() {
    let base = chain(10, 1);
    let (a, b) = (branch(&base[6], 3, 1), branch(&base[6], 4, 2));
    let mut manager = manager();
    feed(&mut manager, ALICE, &base[..7]);
    let log = feed(&mut manager, ALICE, &a);
    assert_eq!(log.best[0].fork, Height(7), "an extension");
    let mut log = queue(&mut manager, BOB, &b);
    log.decide(&mut manager);
    assert_eq!(log.best[0].fork, Height(7));
    assert_eq!(manager.fork_point(&id(&a[2]), &id(&b[3])), Some(Height(7)));
    assert_eq!(manager.ancestor(&id(&b[3]), Height(8)), Some(id(&b[0])));
    assert_eq!(manager.ancestor(&id(&b[3]), Height(12)), None);
    assert_eq!(manager.claimed_hash_at_height(Height(8)), Some(id(&b[0])));
}

#[test]
fn readiness_falls_back_to_the_fork() {
    let (a, b) = (chain(20, 1), chain(30, 2));
    let mut manager = manager();
    feed(&mut manager, ALICE, &a);
    assert_eq!(manager.ready_height(), Height(20));
    let mut log = queue(&mut manager, BOB, &b);
    log.decide(&mut manager);
    assert!(manager.ready_height() < Height(20), "claims of the new best chain are not proved");
    log.finish(&mut manager);
    assert_eq!(manager.ready_height(), Height(30));
}

#[test]
fn an_invalid_body_excludes_its_branch_for_good() {
    let base = chain(5, 1);
    let (a, b) = (branch(&base[4], 10, 1), branch(&base[4], 4, 2));
    let mut manager = manager();
    feed(&mut manager, ALICE, &base);
    feed(&mut manager, ALICE, &a);
    feed(&mut manager, BOB, &b);
    assert_eq!(manager.best_hash(), id(&a[9]));

    let effects = manager.invalidate(&id(&a[2]));
    assert_eq!(effects.best_changed.map(|change| change.fork), Some(Height(5)));
    assert_eq!((manager.best_hash(), manager.ready_height()), (id(&b[3]), Height(9)));
    assert_eq!(effects.ready, Some(Height(6)..=Height(9)));
    assert!(manager.is_invalid(&id(&a[9])) && !manager.is_invalid(&id(&a[1])));
    assert!(manager.invalidate(&id(&a[2])).is_empty(), "nothing changes the second time");

    // Known headers of the branch are known; new ones are refused, which is no offence: others may not know.
    let log = feed(&mut manager, ALICE, &a);
    assert_eq!((log.accepted[0].count, log.hashed), (0, 0));
    let error = manager.queue_headers(ALICE, &branch(&a[9], 5, 1), NOW).unwrap_err();
    assert_eq!(error, HeadersError::InvalidAncestor { hash: id(&a[9]) });
    assert_eq!(error.misbehaviour(), None);
    // The part before the bad block can still grow.
    feed(&mut manager, CAROL, &branch(&a[1], 6, 3));
    assert_eq!(manager.best_height(), Height(13));
    assert!(manager.invalidate(&BlockHash::ZERO).is_empty());
    let genesis_hash = id(&genesis());
    assert!(manager.invalidate(&genesis_hash).is_empty(), "genesis is valid by definition");
}

#[test]
fn invalidating_the_only_chain_leaves_its_base() {
    let headers = chain(5, 1);
    let mut manager = manager();
    feed(&mut manager, ALICE, &headers);
    let effects = manager.invalidate(&id(&headers[3]));
    assert_eq!(effects.best_changed.map(|change| change.fork), Some(Height(3)));
    assert_eq!((manager.best_height(), manager.ready_height()), (Height(3), Height(3)));
}

#[test]
fn headers_are_served_from_the_fork_point_of_the_served_chain() {
    let base = chain(10, 1);
    let (a, b) = (branch(&base[9], 5, 1), branch(&base[9], 8, 2));
    let mut manager = manager();
    for part in [&base, &a, &b] {
        feed(&mut manager, ALICE, part);
    }
    let tip = id(&a[4]); // we are connected to here, though the best header chain is b
    let none = BlockHash::ZERO;
    let after =
        |locator: &[BlockHash], stop: BlockHash, limit| manager.headers_after(locator, &stop, &tip, limit);

    assert_eq!(after(&[id(&base[9])], none, 2000), a);
    assert_eq!(after(&[id(&b[7]), id(&base[2])], none, 2000), a, "a locator of another branch");
    assert_eq!(after(&[none, id(&base[6])], none, 3), base[7..10], "unknown ids are passed over");
    assert_eq!(after(&[id(&base[6])], id(&base[8]), 2000), base[7..9], "the stop is included");
    assert_eq!(after(&[id(&base[6])], id(&b[3]), 4).len(), 4, "a stop elsewhere does not stop");
    assert_eq!(after(&[id(&base[6])], id(&base[2]), 4).len(), 4, "nor does one behind the start");
    assert_eq!(after(&[], none, 1), base[..1]);
    assert_eq!(after(&[none], none, 2000).len(), 15);
    assert_eq!(after(&[tip], none, 2000), []);
    assert_eq!(after(&[id(&base[6])], none, 0), []);
    assert_eq!(manager.headers_after(&[tip], &none, &none, 2000), [], "a tip that we do not have");
}

#[test]
fn locators_follow_their_branch() {
    let base = chain(30, 1);
    let side = branch(&base[9], 3, 2);
    let mut manager = manager();
    feed(&mut manager, ALICE, &base);
    feed(&mut manager, BOB, &side);
    let at = |height: usize| if height == 0 { id(&genesis()) } else { id(&base[height - 1]) };
    let expected: Vec<_> = (20..=30).rev().chain([18, 14, 6, 0]).map(at).collect();
    assert_eq!(manager.locator(), expected);
    let locator = manager.locator_from(&id(&side[2]));
    assert_eq!(locator[..3], [id(&side[2]), id(&side[1]), id(&side[0])]);
    assert_eq!((locator[3], locator[locator.len() - 1]), (at(10), at(0)));
    assert_eq!(manager.locator_from(&BlockHash::ZERO), expected);
}

#[test]
fn far_ancestors_and_forks_are_right() {
    let base = chain(700, 1);
    let side = branch(&base[299], 350, 2);
    let mut manager = manager_with(HeadersConfig { max_pending_per_peer: 5, ..config() });
    feed(&mut manager, ALICE, &base);
    feed(&mut manager, ALICE, &side);
    let (tip, side_tip) = (id(&base[699]), id(&side[349]));
    let side_chain = base[..300].iter().chain(&side).map(id);
    for (height, expected) in (1..).map(Height).zip(side_chain) {
        assert_eq!(manager.ancestor(&side_tip, height), Some(expected));
        assert_eq!(manager.fork_point(&tip, &expected), Some(height.min(Height(300))));
    }
}

#[test]
fn a_branch_is_listed_in_order() {
    let headers = chain(6, 1);
    let mut manager = manager();
    feed(&mut manager, ALICE, &headers);
    let stored = manager.branch(&id(&headers[5]), 3);
    assert!(stored.iter().map(|stored| stored.header).eq(headers[3..].iter().copied()));
    assert!(stored.iter().all(|stored| stored.verified && stored.hash == id(&stored.header)));
    assert_eq!(manager.branch(&id(&headers[1]), 100).len(), 3, "genesis included");
    assert!(manager.branch(&BlockHash::ZERO, 3).is_empty());
}
