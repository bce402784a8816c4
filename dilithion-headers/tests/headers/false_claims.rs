//! Liars lose their headers, and only theirs.

use dilithion_headers::{HeaderFault, HeadersConfig, HeadersError, JobPriority};
use dilithion_wire::{BlockHeader, Height, MerkleRoot, Misbehaviour};

use crate::common::*;

/// Probation by the last header alone, so that a false claim in the middle gets into the tree.
fn gullible() -> HeadersConfig {
    HeadersConfig { spot_checks: 0, ..config() }
}

#[test]
fn a_spot_check_drops_the_whole_batch() {
    let headers = chain(4, 1);
    let mut manager = manager();
    let log = feed(&mut manager, ALICE, &with_false_claim(&headers, 1));
    let lie = log.false_claims[0];
    assert_eq!((lie.peer, lie.height, lie.hash), (ALICE, Height(2), id(&headers[1])));
    assert_eq!(lie.misbehaviour, Misbehaviour::InvalidHeaders);
    assert!(log.accepted.is_empty() && log.best.is_empty());
    assert_eq!(manager.len(), 1);
    // The same headers from an honest peer are welcome.
    assert_eq!(feed(&mut manager, BOB, &headers).accepted[0].count, 4);
}

#[test]
fn a_junk_batch_costs_a_few_hashes() {
    let mut headers = chain(2000, 1);
    headers.iter_mut().for_each(|header| header.merkle_root = MerkleRoot::from_bytes([0xbd; 32]));
    let mut manager = manager();
    let mut log = queue(&mut manager, ALICE, &headers);
    log.decide(&mut manager);
    assert!(log.hashed <= 4, "{} hashes", log.hashed);
    assert_eq!((log.false_claims.len(), log.false_claims[0].peer), (1, ALICE));
    let log = log.finish(&mut manager);
    assert_eq!(log.false_claims.len(), 1, "the rest of its hashes are ignored");
    assert_eq!(manager.len(), 1);
}

#[test]
fn a_false_claim_in_the_middle_takes_its_descendants() {
    let headers = chain(30, 1);
    let mut manager = manager_with(gullible());
    let mut log = queue(&mut manager, ALICE, &with_false_claim(&headers, 10));
    log.decide(&mut manager);
    assert_eq!(manager.best_height(), Height(30), "it is believed so far");
    // Another peer extends it in good faith.
    let more = branch(&headers[29], 5, 1);
    let bobs = feed(&mut manager, BOB, &more);
    assert_eq!(bobs.accepted[0].last_height, Height(35));

    let log = log.finish(&mut manager);
    assert_eq!(log.false_claims.len(), 1, "only the liar is blamed");
    assert_eq!((log.false_claims[0].peer, log.false_claims[0].height), (ALICE, Height(11)));
    assert_eq!((manager.best_height(), manager.ready_height()), (Height(10), Height(10)));
    assert_eq!(log.best.last().map(|change| change.fork), Some(Height(10)));
    assert_eq!(manager.len(), 11);
    assert!(manager.outstanding_jobs().is_empty(), "proofs of dropped headers are not waited for");

    // The true headers with the very same ids are acceptable.
    let log = feed(&mut manager, CAROL, &headers);
    assert_eq!(log.accepted[0].count, 20);
    assert_eq!(manager.ready_height(), Height(30));
    assert_eq!(feed(&mut manager, BOB, &more).accepted[0].count, 5);
}

#[test]
fn a_false_claim_among_siblings_leaves_them_alone() {
    let base = chain(3, 1);
    let mut manager = manager_with(gullible());
    feed(&mut manager, BOB, &base);
    let sibling = |tag| branch(&base[2], 3, tag);
    feed(&mut manager, BOB, &sibling(2));
    let mut log = queue(&mut manager, ALICE, &with_false_claim(&sibling(3), 0));
    log.decide(&mut manager);
    feed(&mut manager, BOB, &sibling(4));
    assert_eq!(manager.len(), 4 + 9);
    let log = log.finish(&mut manager);
    assert_eq!(log.false_claims.len(), 1);
    // The freed places are taken by others; the list of siblings still holds the right ones.
    feed(&mut manager, CAROL, &sibling(5));
    for tag in [2, 4, 5] {
        for header in sibling(tag) {
            assert_eq!(manager.find(&header).map(|(hash, _)| hash), Some(id(&header)));
        }
    }
    assert_eq!(manager.find(&with_false_claim(&sibling(3), 0)[0]), None);
    let effects = manager.invalidate(&id(&base[2]));
    assert_eq!(effects.best_changed.map(|change| change.fork), Some(Height(2)));
    assert!([2, 4, 5].into_iter().flat_map(sibling).all(|header| manager.is_invalid(&id(&header))));
}

#[test]
fn a_false_claim_restores_the_chain_it_replaced() {
    let honest = chain(20, 1);
    let mut manager = manager_with(gullible());
    feed(&mut manager, BOB, &honest);
    let log = feed(&mut manager, ALICE, &with_false_claim(&chain(25, 2), 3));
    assert_eq!(log.false_claims[0].peer, ALICE);
    assert_eq!(manager.best_hash(), id(&honest[19]));
    assert_eq!((manager.ready_height(), manager.len()), (Height(20), 24));
    assert!(log.best.iter().all(|change| change.fork <= Height(3)));
}

#[test]
fn contradicting_a_proved_id_is_a_lie_known_at_once() {
    let headers = chain(10, 1);
    let mut manager = manager();
    feed(&mut manager, BOB, &headers);
    let error = manager.queue_headers(ALICE, &with_false_claim(&headers, 4), NOW).unwrap_err();
    assert_eq!(error, HeadersError::FalseClaim { height: Height(5), hash: id(&headers[4]) });
    assert_eq!(error.misbehaviour(), Some(Misbehaviour::InvalidHeaders));
    // Known bytes under another id: the next header names a parent that does not exist.
    let mut lie = headers[..3].to_vec();
    lie[2].prev_hash = id(&chain(1, 9)[0]);
    let error = manager.queue_headers(ALICE, &lie, NOW).unwrap_err();
    assert!(matches!(error, HeadersError::FalseClaim { height: Height(2), .. }), "{error:?}");
}

#[test]
fn a_dispute_is_settled_by_hashing_the_older_claim() {
    let headers = chain(30, 1);
    let mut manager = manager_with(gullible());
    let mut alices = queue(&mut manager, ALICE, &with_false_claim(&headers, 20));
    alices.decide(&mut manager);

    // Bob tells the truth, but nobody can know that yet.
    let error = manager.queue_headers(BOB, &headers, NOW).unwrap_err();
    assert_eq!(error.misbehaviour(), None);
    assert!(matches!(error, HeadersError::ConflictingClaim { height: Height(21), .. }), "{error:?}");
    let job = error.into_job().unwrap();
    assert_eq!((job.priority, job.peer), (JobPriority::Tip, BOB));
    assert_eq!(job.header, with_false_claim(&headers, 20)[20].to_bytes());
    // Asked once only.
    assert_eq!(manager.queue_headers(BOB, &headers, NOW).unwrap_err().into_job(), None);

    let effects = manager.on_hash(job.token, mock_hash(&job.header));
    assert_eq!(effects.false_claims[0].peer, ALICE);
    assert_eq!(feed(&mut manager, BOB, &headers).accepted[0].count, 10);
    let alices = alices.finish(&mut manager);
    assert_eq!(alices.false_claims.len(), 0, "the first answer counted");
    assert_eq!(manager.ready_height(), Height(30));
}

#[test]
fn a_dispute_may_prove_the_older_claim_right() {
    let headers = chain(30, 1);
    let mut manager = manager_with(gullible());
    let mut bobs = queue(&mut manager, BOB, &headers);
    bobs.decide(&mut manager);
    let lie = with_false_claim(&headers, 20);
    let job = manager.queue_headers(ALICE, &lie, NOW).unwrap_err().into_job().unwrap();
    let effects = manager.on_hash(job.token, mock_hash(&job.header));
    assert_eq!(effects.verified, [id(&headers[20])]);
    let error = manager.queue_headers(ALICE, &lie, NOW).unwrap_err();
    assert!(error.misbehaviour().is_some());
}

#[test]
fn a_computed_id_beats_a_claimed_one() {
    let headers = chain(30, 1);
    let mut manager = manager_with(gullible());
    let mut alices = queue(&mut manager, ALICE, &with_false_claim(&headers, 20));
    alices.decide(&mut manager);
    // The last header of Bob's batch has no claim; its hash turns out to be the id that Alice's junk claims.
    let log = feed(&mut manager, BOB, &headers[..21]);
    assert_eq!((log.false_claims.len(), log.false_claims[0].peer), (1, ALICE));
    assert_eq!((log.accepted[0].count, log.accepted[0].last), (1, id(&headers[20])));
    assert!(manager.is_verified(&id(&headers[20])));
}

#[test]
fn a_header_under_a_false_id_comes_back_under_its_own() {
    let headers = chain(30, 1);
    let lie = mine(with_false_claim(&headers, 20)[20]);
    let mut batch = headers.clone();
    batch[20] = lie;
    let mut manager = manager_with(gullible());
    let bobs = queue(&mut manager, BOB, &batch[..21]);
    let mut alices = queue(&mut manager, ALICE, &batch);
    alices.decide(&mut manager);
    assert_eq!(manager.find(&lie).map(|(hash, _)| hash), Some(id(&headers[20])));
    // It is a fair header in itself; only its id was a lie.
    let log = bobs.finish(&mut manager);
    assert_eq!((log.false_claims.len(), log.false_claims[0].peer), (1, ALICE));
    assert_eq!((log.accepted[0].count, log.accepted[0].last), (1, id(&lie)));
    assert_eq!(manager.find(&lie).map(|(hash, _)| hash), Some(id(&lie)));
}

#[test]
fn one_hash_may_decide_for_one_batch_and_against_another() {
    let mut headers = chain(20, 1);
    headers.extend(branch_of_bits(&headers[19], 1, 1, HARDER));
    headers.extend(branch(&headers[20], 5, 1));
    // Bob's hard header is hashed, as it claims the most work; Alice has easy junk in its place.
    let mut lie = with_false_claim(&headers, 20);
    lie[20].bits = EASY;
    let mut manager = manager_with(gullible());
    let mut log = queue(&mut manager, ALICE, &lie);
    let bobs = queue(&mut manager, BOB, &headers);
    assert_eq!((log.jobs.len(), bobs.jobs.len()), (1, 1), "the last header is shared");
    log.jobs.extend(bobs.jobs);
    log.jobs.make_contiguous().reverse();
    let log = log.finish(&mut manager);
    assert_eq!((log.accepted.len(), log.accepted[0].peer, log.accepted[0].count), (1, BOB, 26));
    assert_eq!((log.false_claims.len(), log.false_claims[0].peer), (1, ALICE));
    assert_eq!(log.false_claims[0].height, Height(21));
    assert_eq!(manager.ready_height(), Height(26));
}

#[test]
fn a_batch_whose_base_proves_false_is_dropped_without_blame() {
    let headers = chain(30, 1);
    let mut manager = manager_with(gullible());
    let mut alices = queue(&mut manager, ALICE, &with_false_claim(&headers, 10));
    alices.decide(&mut manager);
    let bobs = queue(&mut manager, BOB, &branch(&headers[29], 3, 1));
    alices.finish(&mut manager);
    let bobs = bobs.finish(&mut manager);
    assert!(bobs.accepted.is_empty() && bobs.false_claims.is_empty());
    assert_eq!(bobs.dropped[0].peer, BOB);
    assert_eq!(bobs.dropped[0].error, HeadersError::Unconnected { prev: id(&headers[29]) });
}

#[test]
fn a_ring_of_claims_is_a_lie() {
    // The last header is mined first; then a header is made whose id is claimed to be the last one's hash.
    let mut headers = chain(8, 1);
    headers[7] = mine(BlockHeader { merkle_root: MerkleRoot::from_bytes([3; 32]), ..headers[7] });
    headers[4].prev_hash = id(&headers[7]);
    let mut manager = manager_with(gullible());
    let log = feed(&mut manager, ALICE, &headers);
    assert_eq!(log.false_claims[0].peer, ALICE);
    assert_eq!(manager.len(), 1);
}

/// The header before a batch turns out to be another while the batch waits: what it was checked against is gone.
#[test]
fn a_batch_is_checked_against_the_parent_that_it_turns_out_to_have() {
    let late = mine(BlockHeader { time: genesis().time + 1000 * SPACING, ..chain(1, 1)[0] });
    // Bob builds on it with a time that is too old for a child of it.
    let mut child = BlockHeader { time: genesis().time + 2 * SPACING, ..branch(&late, 1, 2)[0] };
    child = mine(child);
    let on_late = [&[child], branch(&child, 1, 2).as_slice()].concat();

    // Alice claims the id for a header with an earlier time, under which the child is fine.
    let forged = BlockHeader { time: genesis().time + SPACING, ..late };
    let mut manager = manager_with(gullible());
    let mut alices = queue(&mut manager, ALICE, &[&[forged], branch(&late, 1, 3).as_slice()].concat());
    alices.decide(&mut manager);
    assert_eq!(manager.best_height(), Height(2));
    let bobs = queue(&mut manager, BOB, &on_late);
    assert_eq!(alices.finish(&mut manager).false_claims.len(), 1);
    assert_eq!(feed(&mut manager, CAROL, &[late]).accepted.len(), 1);

    let bobs = bobs.finish(&mut manager);
    assert!(bobs.accepted.is_empty());
    let median = late.time;
    let fault = HeaderFault::TimeTooOld { time: child.time, median };
    assert_eq!(bobs.dropped[0].error, HeadersError::BadHeader { height: Height(2), fault });
    assert_eq!(manager.best_height(), Height(1));
}
