//! Checkpoints: what they vouch for, and what they refuse.

use dilithion_headers::{BelowCheckpoint, HeaderFault, HeadersConfig, HeadersError, JobPriority};
use dilithion_wire::{BlockHeader, Checkpoint, Height};

use crate::common::*;

fn with_checkpoints(headers: &[BlockHeader], heights: &[u32], policy: BelowCheckpoint) -> HeadersConfig {
    let checkpoint =
        |height: &u32| Checkpoint { height: Height(*height), hash: id(&headers[*height as usize - 1]) };
    HeadersConfig {
        policy,
        checkpoints: heights.iter().map(checkpoint).collect(),
        spot_checks: 0,
        ..config()
    }
}

fn priorities(log: &Log) -> (usize, usize) {
    let of = |priority| log.jobs.iter().filter(|job| job.priority == priority).count();
    (of(JobPriority::Claims), of(JobPriority::Background))
}

#[test]
fn background_connects_first_and_proves_later() {
    let headers = chain(50, 1);
    let mut manager = manager_with(with_checkpoints(&headers, &[20, 40], BelowCheckpoint::Background));
    let mut log = queue(&mut manager, ALICE, &headers);
    log.decide(&mut manager);
    assert_eq!(priorities(&log), (2 + 9, 38), "both checkpoints and those above; 50 was hashed");
    assert_eq!(manager.connectable_height(), Height(0), "the checkpoints themselves are not proved");
    let (background, claims): (Vec<_>, Vec<_>) =
        log.jobs.drain(..).partition(|job| job.priority == JobPriority::Background);

    log.jobs.extend(claims);
    while log.step(&mut manager) {}
    assert_eq!(manager.connectable_height(), Height(50));
    assert_eq!(log.connectable, (1..=50).map(Height).collect::<Vec<_>>());
    assert_eq!(manager.ready_height(), Height(0), "ready means proved");
    assert!(!manager.is_height_ready(Height(20)) && manager.is_connectable(Height(20)));
    assert_eq!(manager.hash_at_height(Height(20)), Some(id(&headers[19])));
    assert_eq!(manager.hash_at_height(Height(19)), None);
    assert_eq!(manager.unverified_count(), 0, "the checkpoints vouch for the rest");

    log.jobs.extend(background);
    let log = log.finish(&mut manager);
    assert_eq!(manager.ready_height(), Height(50));
    assert_eq!(log.connectable.len(), 50, "no height is announced twice");
}

#[test]
fn skip_proves_the_checkpoints_only() {
    let headers = chain(50, 1);
    let mut manager = manager_with(with_checkpoints(&headers, &[20, 40], BelowCheckpoint::Skip));
    let log = feed(&mut manager, ALICE, &headers);
    assert_eq!(log.hashed, 2 + 10);
    assert_eq!((manager.connectable_height(), manager.ready_height()), (Height(50), Height(0)));
    assert_eq!(manager.unverified_count(), 0);
    assert!(manager.outstanding_jobs().is_empty());
}

#[test]
fn before_connect_waits_for_every_proof() {
    let headers = chain(50, 1);
    let mut manager = manager_with(with_checkpoints(&headers, &[20, 40], BelowCheckpoint::BeforeConnect));
    let mut log = queue(&mut manager, ALICE, &headers);
    log.decide(&mut manager);
    assert_eq!(priorities(&log), (49, 0));
    log.jobs.make_contiguous().reverse();
    let log = log.finish(&mut manager);
    assert_eq!(log.connectable, log.ready);
    assert_eq!(manager.connectable_height(), Height(50));
}

#[test]
fn median_time_is_a_rule_above_the_checkpoint() {
    let late = |parent: &BlockHeader| mine(BlockHeader { time: GENESIS_TIME, ..branch(parent, 1, 7)[0] });
    let mut headers = chain(20, 1);
    headers[14] = late(&headers[13]);
    headers.truncate(15);
    headers.extend(branch(&headers[14], 5, 1));
    let mut manager = manager_with(with_checkpoints(&headers, &[20], BelowCheckpoint::Background));
    assert_eq!(feed(&mut manager, ALICE, &headers).accepted.len(), 1);
    let error = manager.queue_headers(ALICE, &[late(&headers[19])], NOW).unwrap_err();
    assert!(
        matches!(error, HeadersError::BadHeader { fault: HeaderFault::TimeTooOld { .. }, .. }),
        "{error:?}"
    );
}

#[test]
fn no_checkpoint_reached_vouches_for_nothing() {
    let headers = chain(50, 1);
    let mut manager = manager_with(with_checkpoints(&headers, &[40], BelowCheckpoint::Skip));
    let log = feed(&mut manager, ALICE, &headers[..39]);
    assert_eq!(log.hashed, 1);
    assert_eq!((manager.connectable_height(), manager.unverified_count()), (Height(0), 38));
    feed(&mut manager, ALICE, &headers[39..]);
    assert_eq!((manager.connectable_height(), manager.unverified_count()), (Height(50), 0));
}

#[test]
fn a_header_that_contradicts_a_checkpoint_is_refused() {
    let headers = chain(10, 1);
    let config = with_checkpoints(&headers, &[5], BelowCheckpoint::Background);
    let other = chain(10, 2);
    let fault = HeaderFault::Checkpoint { hash: id(&other[4]), expected: id(&headers[4]) };
    let expected = HeadersError::BadHeader { height: Height(5), fault };

    let mut manager = manager_with(config.clone());
    assert_eq!(manager.queue_headers(ALICE, &other, NOW).unwrap_err(), expected);
    // The last header's id is known only after hashing.
    let log = feed(&mut manager, ALICE, &other[..5]);
    assert_eq!((log.dropped.len(), &log.dropped[0].error), (1, &expected));
    assert!(expected.misbehaviour().is_some());
    assert_eq!(manager.len(), 1);
}

#[test]
fn branches_below_a_passed_checkpoint_are_refused() {
    let headers = chain(30, 1);
    let mut manager = manager_with(with_checkpoints(&headers, &[20], BelowCheckpoint::Background));
    let side = branch(&headers[9], 3, 2);
    assert_eq!(feed(&mut manager, BOB, &headers[..15]).accepted.len(), 1);
    assert_eq!(feed(&mut manager, BOB, &side[..1]).accepted.len(), 1, "not passed yet");
    feed(&mut manager, ALICE, &headers);
    let error = manager.queue_headers(BOB, &side, NOW).unwrap_err();
    assert_eq!(error, HeadersError::BelowCheckpoint { fork: Height(11), checkpoint: Height(20) });
    assert_eq!(error.misbehaviour(), None);
    assert_eq!(feed(&mut manager, BOB, &branch(&headers[19], 2, 3)).accepted.len(), 1, "at it is above it");
    assert_eq!(feed(&mut manager, BOB, &headers).accepted[0].count, 0, "known headers are no branch");
}

#[test]
fn a_branch_below_a_checkpoint_passed_meanwhile_is_dropped() {
    let headers = chain(30, 1);
    let mut manager = manager_with(with_checkpoints(&headers, &[20], BelowCheckpoint::Background));
    feed(&mut manager, ALICE, &headers[..15]);
    let bobs = queue(&mut manager, BOB, &branch(&headers[9], 3, 2));
    feed(&mut manager, ALICE, &headers);
    let bobs = bobs.finish(&mut manager);
    let expected = HeadersError::BelowCheckpoint { fork: Height(10), checkpoint: Height(20) };
    assert_eq!(bobs.dropped[0].error, expected);
}

#[test]
fn a_false_claim_below_a_checkpoint_is_found_in_the_background() {
    let headers = chain(50, 1);
    let mut manager = manager_with(with_checkpoints(&headers, &[40], BelowCheckpoint::Background));
    let mut log = queue(&mut manager, ALICE, &with_false_claim(&headers, 15));
    log.jobs.make_contiguous();
    log.decide(&mut manager);
    log.jobs.make_contiguous().sort_by_key(|job| std::cmp::Reverse(job.priority));
    while log.jobs.front().is_some_and(|job| job.priority == JobPriority::Claims) {
        log.step(&mut manager);
    }
    assert_eq!(manager.connectable_height(), Height(50), "the checkpoint is fooled so far");
    let log = log.finish(&mut manager);
    assert_eq!((log.false_claims[0].peer, log.false_claims[0].height), (ALICE, Height(16)));
    assert_eq!((manager.best_height(), manager.ready_height()), (Height(15), Height(15)));
    assert_eq!(manager.connectable_height(), Height(15));
    // The branch rule fell with the checkpoint: the true chain is welcome.
    let log = feed(&mut manager, BOB, &headers);
    assert_eq!(log.accepted[0].count, 35);
    assert_eq!(manager.ready_height(), Height(50));
}

#[test]
fn a_checkpoint_lost_to_a_false_claim_vouches_for_nothing() {
    let headers = chain(50, 1);
    let mut manager = manager_with(with_checkpoints(&headers, &[40], BelowCheckpoint::Skip));
    let lie = with_false_claim(&headers, 15);
    feed(&mut manager, ALICE, &lie);
    assert_eq!(manager.connectable_height(), Height(50));
    let job = manager.queue_headers(BOB, &headers, NOW).unwrap_err().into_job().unwrap();
    let effects = manager.on_hash(job.token, mock_hash(&job.header));
    assert_eq!(effects.best_changed.map(|change| change.fork), Some(Height(15)));
    assert_eq!(manager.connectable_height(), Height(0), "nothing up to 15 is proved");
}

#[test]
fn a_disputed_claim_is_proved_even_if_the_policy_skips_it() {
    let headers = chain(50, 1);
    let mut manager = manager_with(with_checkpoints(&headers, &[40], BelowCheckpoint::Skip));
    feed(&mut manager, ALICE, &with_false_claim(&headers, 15));
    let job = manager.queue_headers(BOB, &headers, NOW).unwrap_err().into_job().unwrap();
    let effects = manager.on_hash(job.token, mock_hash(&job.header));
    assert_eq!(effects.false_claims[0].peer, ALICE);
    feed(&mut manager, BOB, &headers);
    assert_eq!(manager.connectable_height(), Height(50));
}
