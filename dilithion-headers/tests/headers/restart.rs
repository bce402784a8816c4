//! Stored headers come back without hashing.

use dilithion_headers::{HeadersError, JobPriority, RESTORED, StoredHeader};
use dilithion_wire::Height;

use crate::common::*;

#[test]
fn a_tree_survives_a_restart() {
    let base = chain(40, 1);
    let side = branch(&base[19], 10, 2);
    let mut before = manager();
    let mut log = queue(&mut before, ALICE, &base);
    log.decide(&mut before);
    for _ in 0..15 {
        log.step(&mut before);
    }
    feed(&mut before, BOB, &side);
    let stored = [before.branch(&id(&base[39]), 41), before.branch(&id(&side[9]), 10)].concat();

    let mut after = manager();
    for header in stored {
        after.restore(header).unwrap();
        after.restore(header).unwrap();
    }
    assert_eq!((after.len(), after.best_hash()), (before.len(), before.best_hash()));
    assert_eq!(after.ready_height(), before.ready_height());
    assert!(after.ready_height() < Height(40));
    assert_eq!(after.unverified_count(), before.unverified_count());

    let jobs = after.outstanding_jobs();
    assert_eq!(jobs.len(), before.outstanding_jobs().len());
    assert!(jobs.iter().all(|job| job.peer == RESTORED && job.priority == JobPriority::Claims));
    let mut log = Log::default();
    log.jobs.extend(jobs);
    log.finish(&mut after);
    assert_eq!(after.ready_height(), Height(40));
}

#[test]
fn parents_come_first() {
    let headers = chain(2, 1);
    let stored = StoredHeader { header: headers[1], hash: id(&headers[1]), verified: true };
    assert_eq!(manager().restore(stored), Err(HeadersError::Unconnected { prev: id(&headers[0]) }));
}

#[test]
fn a_later_proof_of_a_restored_claim_counts() {
    let header = chain(1, 1)[0];
    let stored = |verified| StoredHeader { header, hash: id(&header), verified };
    let mut manager = manager();
    manager.restore(stored(false)).unwrap();
    assert_eq!((manager.ready_height(), manager.outstanding_jobs().len()), (Height(0), 1));
    let other = StoredHeader { header: chain(1, 2)[0], ..stored(true) };
    manager.restore(other).unwrap();
    assert_eq!(manager.ready_height(), Height(0), "that proves nothing about the other header of this id");
    manager.restore(stored(true)).unwrap();
    assert_eq!((manager.ready_height(), manager.outstanding_jobs().len()), (Height(1), 0));
}

#[test]
fn a_false_claim_that_was_stored_is_found() {
    let headers = with_false_claim(&chain(5, 1), 2);
    let mut manager = manager();
    for (position, header) in headers.iter().enumerate() {
        let hash = headers.get(position + 1).map_or(id(header), |next| next.prev_hash);
        manager.restore(StoredHeader { header: *header, hash, verified: false }).unwrap();
    }
    let mut log = Log::default();
    log.jobs.extend(manager.outstanding_jobs());
    let log = log.finish(&mut manager);
    assert_eq!((log.false_claims.len(), log.false_claims[0].peer), (1, RESTORED));
    assert_eq!((manager.best_height(), manager.ready_height()), (Height(2), Height(2)));
}

#[test]
fn a_header_restored_on_an_invalid_block_is_invalid() {
    let headers = chain(5, 1);
    let mut manager = manager();
    feed(&mut manager, ALICE, &headers[..3]);
    let _changed = manager.invalidate(&id(&headers[2]));
    for header in &headers[3..] {
        manager.restore(StoredHeader { header: *header, hash: id(header), verified: true }).unwrap();
    }
    assert!(manager.is_invalid(&id(&headers[4])));
    assert_eq!(manager.best_height(), Height(2));
}

#[test]
fn pending_batches_are_among_the_outstanding_jobs() {
    let mut manager = manager();
    let log = queue(&mut manager, ALICE, &chain(50, 1));
    let mut expected: Vec<_> = log.jobs.iter().cloned().collect();
    expected.sort_by_key(|job| job.token);
    assert_eq!(manager.outstanding_jobs(), expected);
}
