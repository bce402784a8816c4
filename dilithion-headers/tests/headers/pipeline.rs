//! A batch's way from the wire to ready heights.

use dilithion_headers::{HeaderFault, HeadersConfig, HeadersError, HeadersManager, JobPriority};
use dilithion_pow::{CompactTarget, Target};
use dilithion_wire::{BlockHash, BlockHeader, Height, MAX_HEADERS_PER_MESSAGE, Misbehaviour};

use crate::common::*;

fn fault(headers: &[BlockHeader], config: HeadersConfig) -> HeaderFault {
    let mut manager = manager_with(config);
    match manager.queue_headers(ALICE, headers, NOW) {
        Err(HeadersError::BadHeader { fault, .. }) => fault,
        other => panic!("expected a fault, got {other:?}"),
    }
}

#[test]
fn four_hashes_decide_about_2000_headers() {
    let headers = chain(MAX_HEADERS_PER_MESSAGE, 1);
    let mut manager = manager();
    let mut log = queue(&mut manager, ALICE, &headers);
    assert_eq!(log.jobs.len(), 4);
    assert!(log.jobs.iter().all(|job| job.priority == JobPriority::Tip && job.peer == ALICE));
    assert_eq!(log.jobs[0].header, headers[1999].to_bytes(), "the last is wanted first");
    assert_eq!((manager.best_height(), manager.len()), (Height(0), 1), "on probation");

    log.decide(&mut manager);
    assert_eq!(log.hashed, 4);
    let accepted = log.accepted[0];
    assert_eq!((accepted.peer, accepted.count, accepted.full), (ALICE, 2000, true));
    assert_eq!((accepted.last, accepted.last_height), (id(&headers[1999]), Height(2000)));
    assert_eq!(manager.best_height(), Height(2000));
    assert_eq!(log.best[0].fork, Height(0));
    assert_eq!(manager.unverified_count(), 1996);
    assert_eq!(log.jobs.len(), 1996, "every other claim is proved once");
    assert!(log.jobs.iter().all(|job| job.priority == JobPriority::Claims));
    // Blocks can be asked for now, and connected later.
    assert_eq!(manager.claimed_hash_at_height(Height(1000)), Some(id(&headers[999])));
    assert!(!manager.is_connectable(Height(1000)));

    let log = log.finish(&mut manager);
    assert_eq!(log.hashed, 2000);
    assert_eq!(manager.ready_height(), Height(2000));
    assert_eq!(log.ready, (1..=2000).map(Height).collect::<Vec<_>>(), "each height once, in order");
    assert_eq!(log.connectable, log.ready);
    assert_eq!(log.verified.len(), 2000);
    assert_eq!(manager.unverified_count(), 0);
    assert!(manager.outstanding_jobs().is_empty());
}

#[test]
fn heights_become_ready_in_order_whatever_the_order_of_hashes() {
    let headers = chain(20, 1);
    let mut manager = manager();
    let mut log = queue(&mut manager, ALICE, &headers);
    log.decide(&mut manager);
    log.jobs.make_contiguous().reverse();
    while log.step(&mut manager) {
        let ready = manager.ready_height();
        assert!((1..=ready.0).all(|height| manager.hash_at_height(Height(height)).is_some()));
        assert!(manager.hash_at_height(ready.next()).is_none());
    }
    assert_eq!(log.ready, (1..=20).map(Height).collect::<Vec<_>>());
}

#[test]
fn small_batches_are_hashed_whole() {
    for count in 1..=4 {
        let mut manager = manager();
        let mut log = queue(&mut manager, ALICE, &chain(count, 1));
        assert_eq!(log.jobs.len(), count);
        log.decide(&mut manager);
        assert!(log.jobs.is_empty());
        assert_eq!(manager.ready_height().0 as usize, count);
    }
}

#[test]
fn a_claim_of_more_work_is_always_checked() {
    let mut headers = chain(50, 1);
    let harder = branch_of_bits(&headers[49], 1, 1, HARDER);
    headers.extend(&harder);
    headers.extend(branch(&harder[0], 200, 1));
    for seed in 0..20 {
        let mut manager = manager_with(HeadersConfig { seed, spot_checks: 1, ..config() });
        let log = queue(&mut manager, ALICE, &headers);
        assert!(log.jobs.iter().any(|job| job.header == harder[0].to_bytes()));
    }
}

#[test]
fn picks_depend_on_the_seed_alone() {
    let headers = chain(500, 1);
    let jobs = |seed| queue(&mut manager_with(HeadersConfig { seed, ..config() }), ALICE, &headers).jobs;
    assert_eq!(jobs(5), jobs(5));
    assert_ne!(jobs(5), jobs(6));
}

#[test]
fn an_empty_message_is_fine() {
    let queued = manager().queue_headers(ALICE, &[], NOW).unwrap();
    assert!(queued.effects.is_empty() && queued.jobs.is_empty());
}

#[test]
fn more_than_2000_headers_are_an_offence() {
    let headers = chain(MAX_HEADERS_PER_MESSAGE + 1, 1);
    let error = manager().queue_headers(ALICE, &headers, NOW).unwrap_err();
    assert_eq!(error, HeadersError::TooManyHeaders { count: 2001, max: 2000 });
    assert_eq!(error.misbehaviour(), Some(Misbehaviour::TooManyHeaders));
}

#[test]
fn unconnected_headers_are_no_offence() {
    let headers = chain(5, 1);
    let error = manager().queue_headers(ALICE, &headers[2..], NOW).unwrap_err();
    assert_eq!(error, HeadersError::Unconnected { prev: id(&headers[1]) });
    assert_eq!(error.misbehaviour(), None);
}

#[test]
fn a_batch_may_start_with_genesis() {
    let mut headers = vec![genesis()];
    headers.extend(chain(3, 1));
    let mut manager = manager();
    let log = feed(&mut manager, ALICE, &headers);
    assert_eq!((log.hashed, log.accepted[0].count), (3, 3));
    let log = feed(&mut manager, ALICE, &headers[..1]);
    assert_eq!((log.accepted[0].count, log.accepted[0].last_height), (0, Height(0)));
}

#[test]
fn another_genesis_is_unconnected() {
    let other = mine(BlockHeader { time: 5, ..genesis() });
    let error = manager().queue_headers(ALICE, &[other], NOW).unwrap_err();
    assert_eq!(error, HeadersError::Unconnected { prev: BlockHash::ZERO });
}

#[test]
fn structure_is_checked_without_hashing() {
    let good = chain(20, 1);
    let with = |position: usize, change: fn(&mut BlockHeader)| {
        let mut headers = good.clone();
        change(&mut headers[position]);
        headers
    };
    let of = |headers: &[BlockHeader]| fault(headers, config());
    assert_eq!(of(&with(3, |header| header.version = 0)), HeaderFault::Version(0));
    assert_eq!(of(&with(3, |header| header.version = -1)), HeaderFault::Version(-1));
    assert_eq!(of(&with(3, |header| header.time = 0)), HeaderFault::ZeroTime);
    assert_eq!(of(&with(3, |header| header.bits = 0)), HeaderFault::Target { bits: 0 });
    assert_eq!(of(&with(3, |header| header.bits = 0x1e80_0000)), HeaderFault::Target { bits: 0x1e80_0000 });
    assert_eq!(
        of(&with(19, |header| header.time = GENESIS_TIME + 14 * SPACING)),
        HeaderFault::TimeTooOld { time: GENESIS_TIME + 14 * SPACING, median: GENESIS_TIME + 14 * SPACING }
    );
    assert!(matches!(of(&with(3, |header| header.bits = 0x1d00_ffff)), HeaderFault::Work { .. }));
    let mut cycle = good.clone();
    cycle[10].prev_hash = cycle[5].prev_hash;
    assert_eq!(of(&cycle), HeaderFault::RepeatedClaim { hash: id(&good[4]) });
}

#[test]
fn versions_of_another_layout_are_refused_where_they_exist() {
    let headers = [mine(BlockHeader { version: 4, ..chain(1, 1)[0] })];
    assert_eq!(feed(&mut manager(), ALICE, &headers).accepted.len(), 1);
    let vdf = HeadersConfig { vdf_header_version: 4, ..config() };
    assert_eq!(fault(&headers, vdf), HeaderFault::Version(4));
}

#[test]
fn a_time_ahead_of_our_clock_is_refused_without_penalty() {
    let mut manager = manager();
    let headers = chain(3, 1);
    let just = u64::from(headers[2].time) - 7200;
    let error = manager.queue_headers(ALICE, &headers, just - 1).unwrap_err();
    let expected = HeaderFault::TimeTooNew { time: headers[2].time, limit: just - 1 + 7200 };
    assert_eq!(error, HeadersError::BadHeader { height: Height(3), fault: expected });
    assert_eq!(error.misbehaviour(), None);
    assert!(manager.queue_headers(ALICE, &headers, just).is_ok());
}

#[test]
fn bits_are_enforced_above_a_height() {
    let mut headers = chain(2, 1);
    headers.extend(branch_of_bits(&headers[1], 1, 1, HARDER));
    let enforced_above = |height| HeadersConfig { enforce_bits_above: Some(Height(height)), ..config() };
    let expected = HeaderFault::Bits { bits: HARDER, expected: EASY };
    assert_eq!(fault(&headers, enforced_above(2)), expected);
    assert_eq!(feed(&mut manager_with(enforced_above(3)), ALICE, &headers).accepted.len(), 1);
    assert_eq!(feed(&mut manager(), ALICE, &headers).accepted.len(), 1);
}

#[test]
fn a_retarget_inside_a_batch_looks_back_into_batch_and_tree() {
    // Interval 4: the headers at 4, 8, 12 … have new bits, computed from the 4 gaps before their parents.
    let mut config = HeadersConfig { enforce_bits_above: Some(Height(0)), ..config() };
    config.difficulty.retarget.interval = 4;
    config.difficulty.retarget.block_time = SPACING * 2;
    let retarget = config.difficulty.retarget;
    let mut headers: Vec<BlockHeader> = vec![genesis()];
    for height in 1..=18_u32 {
        let above = headers[headers.len() - 1];
        let bits = if height % 4 == 0 {
            let timespan = above.time - headers[height as usize - 4].time;
            retarget.retarget(CompactTarget(above.bits), timespan).0
        } else {
            above.bits
        };
        headers.push(branch_of_bits(&above, 1, 1, bits)[0]);
    }
    assert_ne!(headers[4].bits, EASY);
    let mut manager = HeadersManager::new(config, headers[0], id(&headers[0]));
    for part in [&headers[1..3], &headers[3..7], &headers[7..]] {
        assert_eq!(feed(&mut manager, ALICE, part).accepted.len(), 1);
    }
    assert_eq!(manager.ready_height(), Height(18));
}

#[test]
fn a_last_header_without_work_drops_the_batch() {
    let mut headers = chain(10, 1);
    let target = CompactTarget(EASY).target();
    while target.is_met_by(&mock_hash(&headers[9].to_bytes())) {
        headers[9].nonce += 1;
    }
    let mut manager = manager();
    let log = feed(&mut manager, ALICE, &headers);
    assert_eq!((log.false_claims[0].peer, log.false_claims[0].hash), (ALICE, id(&headers[9])));
    assert_eq!(log.false_claims[0].height, Height(10));
    assert_eq!(manager.len(), 1);
}

#[test]
fn a_hash_counts_even_if_another_batch_was_faster() {
    let headers = chain(30, 1);
    let mut manager = manager_with(HeadersConfig { spot_checks: 0, ..config() });
    let mut alices = queue(&mut manager, ALICE, &headers);
    let bobs = queue(&mut manager, BOB, &headers[..20]);
    alices.decide(&mut manager);
    assert!(!manager.is_verified(&id(&headers[19])));
    let bobs = bobs.finish(&mut manager);
    assert_eq!((bobs.hashed, bobs.accepted[0].count), (1, 0));
    assert_eq!(bobs.verified, [id(&headers[19])]);
    assert!(manager.is_verified(&id(&headers[19])));
}

#[test]
fn what_decides_about_headers_decides_for_all_who_sent_them() {
    let headers = chain(100, 1);
    let mut manager = manager();
    let mut log = queue(&mut manager, ALICE, &headers);
    assert!(log.step(&mut manager), "and one of them is answered already");
    assert!(queue(&mut manager, BOB, &headers).jobs.is_empty());
    manager.on_peer_disconnected(ALICE);
    log.decide(&mut manager);
    assert_eq!(log.hashed, 4);
    assert_eq!((log.accepted[0].peer, log.accepted[0].count, log.accepted.len()), (BOB, 100, 1));
    assert_eq!(log.finish(&mut manager).hashed, 100, "each once");
    assert_eq!(manager.ready_height(), Height(100));
}

#[test]
fn a_lie_that_two_tell_is_the_fault_of_both() {
    let lie = with_false_claim(&chain(4, 1), 1);
    let mut manager = manager();
    let log = queue(&mut manager, ALICE, &lie);
    assert!(queue(&mut manager, BOB, &lie).jobs.is_empty());
    let log = log.finish(&mut manager);
    let liars: Vec<_> = log.false_claims.iter().map(|lie| lie.peer).collect();
    assert_eq!((liars, manager.len()), (vec![ALICE, BOB], 1));
}

#[test]
fn work_must_grow_and_not_overflow() {
    let with_bits = |prev_hash, bits| BlockHeader { prev_hash, bits, ..chain(1, 1)[0] };
    let huge = 0x0300_0001; // target 1, work nearly 2^256
    let headers = [
        with_bits(id(&genesis()), huge),
        BlockHeader { time: GENESIS_TIME + 2 * SPACING, ..with_bits(BlockHash::ZERO, huge) },
    ];
    assert_eq!(fault(&headers, config()), HeaderFault::Target { bits: huge });
    let without_work = 0x0101_0008; // a target, but the work's 64 bits are shifted out of the number
    assert_ne!(CompactTarget(without_work).target(), Target::ZERO);
    let headers = [with_bits(id(&genesis()), without_work)];
    assert_eq!(fault(&headers, config()), HeaderFault::Target { bits: without_work });
}

#[test]
fn unverified_headers_are_bounded() {
    let limits = HeadersConfig { max_unverified_per_peer: 150, max_unverified: 250, ..config() };
    let mut manager = manager_with(limits);
    let (a, b, c) = (chain(100, 1), chain(100, 2), chain(60, 3));
    let mut log = queue(&mut manager, ALICE, &a);
    log.decide(&mut manager);
    assert_eq!(manager.unverified_count(), 96);
    let error = manager.queue_headers(ALICE, &branch(&a[99], 55, 1), NOW).unwrap_err();
    assert_eq!(error, HeadersError::TooManyUnverified { unverified: 151, max: 150 });
    assert!(error.is_back_pressure());
    assert_eq!(error.misbehaviour(), None);
    let bobs = queue(&mut manager, BOB, &b);
    let error = manager.queue_headers(CAROL, &c, NOW).unwrap_err();
    assert_eq!(error, HeadersError::TooManyUnverified { unverified: 256, max: 250 });
    // Proof makes room.
    log.finish(&mut manager);
    bobs.finish(&mut manager);
    assert_eq!(feed(&mut manager, CAROL, &c).accepted.len(), 1);
}

#[test]
fn pending_batches_are_bounded_per_peer_and_in_all() {
    let mut manager = manager_with(HeadersConfig { max_pending: 3, ..config() });
    let logs = [queue(&mut manager, ALICE, &chain(5, 1)), queue(&mut manager, ALICE, &chain(5, 2))];
    let error = manager.queue_headers(ALICE, &chain(5, 3), NOW).unwrap_err();
    assert_eq!(error, HeadersError::TooManyPending { pending: 2, max: 2 });
    assert!(error.is_back_pressure());
    let third = queue(&mut manager, BOB, &chain(5, 4));
    let error = manager.queue_headers(CAROL, &chain(5, 5), NOW).unwrap_err();
    assert_eq!(error, HeadersError::TooManyPending { pending: 3, max: 3 });
    third.finish(&mut manager);
    logs.into_iter().for_each(|log| drop(log.finish(&mut manager)));
    assert_eq!(feed(&mut manager, CAROL, &chain(5, 5)).accepted.len(), 1);
}

#[test]
fn a_peer_that_leaves_takes_only_its_pending_batch() {
    let mut manager = manager();
    let headers = chain(100, 1);
    let mut log = queue(&mut manager, ALICE, &headers[..50]);
    log.decide(&mut manager);
    let pending = queue(&mut manager, ALICE, &headers[50..]);
    manager.on_peer_disconnected(ALICE);
    let pending = pending.finish(&mut manager);
    assert!(pending.accepted.is_empty() && pending.dropped.is_empty());
    log.finish(&mut manager);
    assert_eq!(manager.ready_height(), Height(50));
    assert!(manager.outstanding_jobs().is_empty());
}

#[test]
fn unknown_and_repeated_tokens_are_ignored() {
    let mut manager = manager();
    let headers = chain(10, 1);
    let log = queue(&mut manager, ALICE, &headers);
    let first = log.jobs[0].clone();
    log.finish(&mut manager);
    assert!(manager.on_hash(first.token, [0xff; 32]).is_empty());
    assert!(manager.on_hash(dilithion_headers::HashToken(u64::MAX), [0; 32]).is_empty());
    assert_eq!(manager.ready_height(), Height(10));
}

#[test]
fn a_header_is_found_by_its_bytes() {
    let mut manager = manager();
    let headers = chain(30, 1);
    let mut log = queue(&mut manager, ALICE, &headers);
    log.decide(&mut manager);
    assert_eq!(manager.find(&headers[10]), Some((id(&headers[10]), Height(11))));
    assert_eq!(manager.find(&genesis()), Some((id(&genesis()), Height(0))));
    assert_eq!(manager.find(&with_false_claim(&headers, 10)[10]), None);
    assert_eq!(manager.header(&id(&headers[3])), Some(headers[3]));
}
