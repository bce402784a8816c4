//! One test for each requirement of the block window, named after it.

use dilithion_blockwindow::{
    BLOCK_REQUEST_TIMEOUT, BlockState, BlockWindow, Delivery, MAX_BLOCKS_IN_FLIGHT_PER_PEER, Request,
    WindowConfig,
};
use std::time::Duration;

const START: Duration = Duration::from_secs(100);
const ALICE: u64 = 1;
const BOB: u64 = 2;
const CAROL: u64 = 3;

fn window(heights: std::ops::Range<u32>) -> BlockWindow<u64> {
    let mut window = BlockWindow::new(WindowConfig::default());
    heights.for_each(|height| assert!(window.add_pending(height)));
    window
}

fn heights_of(requests: &[Request<u64>], peer: u64) -> Vec<u32> {
    requests.iter().filter(|request| request.peer == peer).map(|request| request.height).collect()
}

/// Whether the peer was asked for it at present.
fn is_answer(delivery: &Delivery<u64>) -> bool {
    matches!(delivery, Delivery::InFlight | Delivery::OutOfOrder { .. })
}

/// Requirement 000-051: `add_pending` is ignored for a height in flight or received (and for one already pending).
#[test]
fn r000_051_add_pending_is_ignored_if_in_flight_or_received() {
    let mut window = window(0..3);
    assert_eq!(window.request_blocks_up_to(&[ALICE], 2, START).len(), 2);
    assert_eq!(window.on_block_received(0, ALICE, START), Delivery::InFlight);
    let before: Vec<_> = (0..3).map(|height| window.state(height)).collect();
    assert_eq!(before[0], Some(BlockState::Received { from: ALICE }));
    assert_eq!(before[1], Some(BlockState::InFlight { peer: ALICE, since: START, second: None }));
    assert_eq!(before[2], Some(BlockState::Pending));
    for height in 0..3 {
        assert!(!window.add_pending(height));
    }
    assert_eq!((0..3).map(|height| window.state(height)).collect::<Vec<_>>(), before);
    assert_eq!(window.len(), 3);
}

/// Requirement 000-052: requests go round-robin over the peers, lowest heights first.
#[test]
fn r000_052_request_blocks_goes_round_robin_over_the_peers() {
    let mut window = window(10..20);
    let requests = window.request_blocks(&[CAROL, ALICE, BOB], START);
    assert!(requests.iter().map(|request| request.height).eq(10..20));
    assert_eq!(heights_of(&requests, ALICE), [10, 13, 16, 19]);
    assert_eq!(heights_of(&requests, BOB), [11, 14, 17]);
    assert_eq!(heights_of(&requests, CAROL), [12, 15, 18]);
}

/// Requirement 000-053: at most 16 blocks are in flight per peer, over any number of calls.
#[test]
fn r000_053_at_most_sixteen_are_in_flight_per_peer() {
    assert_eq!(MAX_BLOCKS_IN_FLIGHT_PER_PEER, 16);
    let mut window = window(0..100);
    assert_eq!(window.request_blocks_up_to(&[ALICE, BOB], 20, START).len(), 20);
    assert_eq!(window.request_blocks(&[ALICE, BOB], START).len(), 12);
    assert_eq!(window.request_blocks(&[ALICE, BOB], START), []);
    assert_eq!((window.in_flight_of(ALICE), window.in_flight_of(BOB)), (16, 16));
    assert_eq!(window.on_block_received(0, ALICE, START), Delivery::InFlight);
    assert_eq!(window.request_blocks(&[ALICE, BOB], START), [Request { peer: ALICE, height: 32 }]);
}

/// Requirement 000-054: a requested height moves from pending to in flight, with the peer and the time.
#[test]
fn r000_054_a_requested_height_moves_to_in_flight_with_peer_and_time() {
    let mut window = window(5..6);
    assert_eq!(window.request_blocks(&[BOB], START), [Request { peer: BOB, height: 5 }]);
    assert_eq!(window.state(5), Some(BlockState::InFlight { peer: BOB, since: START, second: None }));
    assert_eq!((window.pending_len(), window.in_flight_len(), window.received_len()), (0, 1, 0));
    assert_eq!((window.lowest_pending(), window.lowest_in_flight()), (None, Some(5)));
}

/// Requirement 000-055: a delivered height moves from in flight to received.
#[test]
fn r000_055_a_delivered_height_moves_to_received() {
    let mut window = window(5..6);
    assert_eq!(window.request_blocks(&[BOB], START).len(), 1);
    assert_eq!(window.on_block_received(5, BOB, START), Delivery::InFlight);
    assert_eq!(window.state(5), Some(BlockState::Received { from: BOB }));
    assert_eq!((window.pending_len(), window.in_flight_len(), window.received_len()), (0, 0, 1));
}

/// Requirement 000-056: a connected height leaves received.
#[test]
fn r000_056_a_connected_height_leaves_the_window() {
    let mut window = window(5..6);
    assert_eq!(window.request_blocks(&[BOB], START).len(), 1);
    assert!(window.on_block_received(5, BOB, START).is_accepted());
    assert!(window.on_block_connected(5));
    assert!(!window.on_block_connected(5));
    assert_eq!(window.state(5), None);
    assert!(window.is_empty());
}

/// Requirement 000-057: requests of 30 s age go back to pending, and only they.
#[test]
fn r000_057_requests_of_thirty_seconds_age_go_back_to_pending() {
    assert_eq!(BLOCK_REQUEST_TIMEOUT, Duration::from_secs(30));
    let mut window = window(0..2);
    let later = START + Duration::from_secs(1);
    assert_eq!(window.request_blocks_up_to(&[ALICE], 1, START).len(), 1);
    assert_eq!(window.request_blocks_up_to(&[BOB], 1, later).len(), 1);
    assert_eq!(window.timeout_check(START + Duration::from_secs(29)), []);
    let failed = window.timeout_check(START + Duration::from_secs(30));
    assert_eq!(failed.len(), 1);
    assert_eq!(
        (failed[0].height, failed[0].peer, failed[0].requested_at, failed[0].attempts),
        (0, ALICE, START, 1)
    );
    assert_eq!(window.state(0), Some(BlockState::Pending));
    assert_eq!(window.state(1), Some(BlockState::InFlight { peer: BOB, since: later, second: None }));
}

/// Requirement 000-058: all heights of a peer that disconnects are pending at once, and nobody else's.
#[test]
fn r000_058_all_heights_of_a_disconnected_peer_are_pending_at_once() {
    let mut window = window(0..8);
    assert_eq!(window.request_blocks(&[ALICE, BOB], START).len(), 8);
    assert_eq!(window.on_peer_disconnected(ALICE), [0, 2, 4, 6]);
    assert_eq!((window.pending_len(), window.in_flight_of(ALICE), window.in_flight_of(BOB)), (4, 0, 4));
    assert_eq!(window.on_peer_disconnected(ALICE), []);
    assert_eq!(heights_of(&window.request_blocks(&[BOB], START), BOB), [0, 2, 4, 6]);
}

/// Requirement 000-059: `reset` empties all three sets, and the caller fills the window again.
#[test]
fn r000_059_reset_empties_all_three_sets() {
    let mut window = window(0..3);
    assert_eq!(window.request_blocks_up_to(&[ALICE], 2, START).len(), 2);
    assert!(window.on_block_received(0, ALICE, START).is_accepted());
    window.reset(2);
    assert!(window.is_empty());
    assert_eq!((window.in_flight_of(ALICE), window.next_timeout()), (0, None));
    assert!(!window.add_pending(1));
    assert!(window.add_pending(2));
    assert_eq!(window.on_block_received(1, BOB, START), Delivery::Unknown);
    assert_eq!(window.on_block_received(1, ALICE, START), Delivery::Redundant, "she was asked for it");
}

/// Requirement 000-060: the count of a peer is what is in flight from it, however its requests end.
#[test]
fn r000_060_the_count_of_a_peer_is_what_is_in_flight_from_it() {
    let mut window = window(0..7);
    assert_eq!(window.request_blocks(&[ALICE], START).len(), 7);
    let mut expected = 7;
    let mut check = |window: &BlockWindow<u64>| {
        expected -= 1;
        assert_eq!(window.in_flight_of(ALICE), expected);
        assert_eq!(window.in_flight().filter(|open| open.peer == ALICE).count(), expected);
    };
    assert_eq!(window.on_block_received(0, ALICE, START), Delivery::InFlight);
    check(&window);
    assert_eq!(window.on_block_received(1, BOB, START), Delivery::FromOther { asked: ALICE });
    check(&window);
    assert!(window.on_block_connected(2));
    check(&window);
    assert!(window.return_to_pending(3, None));
    check(&window);
    assert!(window.remove(4));
    check(&window);
    assert_eq!(window.timeout_check(START + BLOCK_REQUEST_TIMEOUT).len(), 2);
    assert_eq!(window.in_flight_of(ALICE), 0);
}

/// Requirement 000-062: assignment is fair and keeps no score; who was slow before gets its turn like the others.
#[test]
fn r000_062_assignment_is_fair_and_keeps_no_score() {
    let mut window = window(0..2);
    assert_eq!(heights_of(&window.request_blocks(&[ALICE, BOB], START), ALICE), [0]);
    assert!(window.on_block_received(1, BOB, START).is_accepted());
    assert_eq!(window.timeout_check(START + BLOCK_REQUEST_TIMEOUT).len(), 1);
    (2..12).for_each(|height| assert!(window.add_pending(height)));
    let requests = window.request_blocks(&[ALICE, BOB], START + BLOCK_REQUEST_TIMEOUT);
    assert_eq!(heights_of(&requests, BOB).len().abs_diff(heights_of(&requests, ALICE).len()), 1);
    assert_eq!(heights_of(&requests, BOB)[0], 0);
}

/// Requirement 000-063: whatever happens to a height, it is in one place, and the places add up to what was added.
/// (`model.rs` has this for random operations.)
#[test]
fn r000_063_a_height_is_in_one_place_and_never_lost() {
    let mut window = window(0..60);
    let peers = [ALICE, BOB, CAROL];
    let mut now = START;
    for round in 0..10_u32 {
        let requests = window.request_blocks(&peers, now);
        for request in requests.iter().filter(|request| request.height % 3 == round % 3) {
            assert!(is_answer(&window.on_block_received(request.height, request.peer, now)));
        }
        if round % 2 == 0 {
            window.on_peer_disconnected(BOB);
        }
        now += BLOCK_REQUEST_TIMEOUT;
        window.timeout_check(now);
        assert_eq!(window.pending_len() + window.in_flight_len() + window.received_len(), 60);
        assert!((0..60).all(|height| window.state(height).is_some()));
    }
}

/// Requirement 000-064 (the window's part): a lossy download with peers that come and go still fetches every block.
#[test]
fn r000_064_a_download_with_losses_and_disconnects_completes() {
    let mut window = window(0..500);
    let mut now = START;
    let mut connected = 0;
    for round in 0_u64.. {
        assert!(round < 500, "the download does not end: {}", window.stats());
        let peers = [round / 7, round / 7 + 1, 1_000]; // an old one, a new one, and one that never answers
        for request in window.request_blocks(&peers, now) {
            let lost = request.peer == 1_000 || (u64::from(request.height) + round) % 5 == 0;
            if !lost {
                assert!(is_answer(&window.on_block_received(request.height, request.peer, now)));
            }
        }
        while window.state(connected).is_some_and(|state| matches!(state, BlockState::Received { .. })) {
            assert!(window.on_block_connected(connected));
            connected += 1;
        }
        if window.is_empty() {
            break;
        }
        window.on_peer_disconnected((round / 7).wrapping_sub(1));
        now += Duration::from_secs(10);
        window.timeout_check(now);
    }
    assert_eq!(connected, 500);
}
