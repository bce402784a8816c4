//! The bugs of earlier block trackers of this network (by their numbers), and the traps of the documents, each as a
//! scenario that the window has to survive.

use dilithion_blockwindow::{
    BLOCK_REQUEST_TIMEOUT, BlockState, BlockWindow, Delivery, MAX_BLOCKS_IN_FLIGHT_PER_PEER, Request,
    WindowConfig,
};
use std::time::Duration;

const START: Duration = Duration::ZERO;
const SLOW: u8 = 1;
const GOOD: u8 = 2;

fn window(heights: u32) -> BlockWindow<u8> {
    let mut window = BlockWindow::new(WindowConfig::default());
    (0..heights).for_each(|height| assert!(window.add_pending(height)));
    window
}

/// Bug 146: two limits per peer disagreed, so a peer was suitable by one and full by the other.
#[test]
fn bug_146_there_is_one_limit_and_a_peer_is_filled_exactly_to_it() {
    for limit in [1, 8, 16, 17] {
        let mut window =
            BlockWindow::new(WindowConfig { max_in_flight_per_peer: limit, ..WindowConfig::default() });
        (0..40_u32).for_each(|height| assert!(window.add_pending(height)));
        assert_eq!(window.request_blocks(&[GOOD], START).len(), limit);
        assert!(window.on_block_received(0, GOOD).is_accepted());
        assert_eq!(window.request_blocks(&[GOOD], START).len(), 1);
        assert_eq!(window.in_flight_of(GOOD), limit);
    }
}

/// Bug 148: a counter was not decremented on several paths, until the peer looked full for ever.
#[test]
fn bug_148_a_peer_has_room_again_however_its_requests_end() {
    let mut window = window(1_000);
    let mut now = START;
    for round in 0..60 {
        now += Duration::from_secs(1);
        let requests = window.request_blocks(&[SLOW], now);
        assert_eq!(window.in_flight_of(SLOW), MAX_BLOCKS_IN_FLIGHT_PER_PEER, "round {round}");
        let Some(Request { height, .. }) = requests.last().copied() else { continue };
        match round % 6 {
            0 => assert!(window.on_block_connected(height)),
            1 => assert!(window.on_block_received(height, GOOD).is_accepted()),
            2 => assert!(window.return_to_pending(height, Some(SLOW))),
            3 => assert!(window.remove(height)),
            4 => assert!(!window.on_peer_disconnected(SLOW).is_empty()),
            _ => assert!(!window.timeout_check(now + BLOCK_REQUEST_TIMEOUT).is_empty()),
        }
    }
}

/// Bug 154: blocks counted as in flight though their request was never sent.
#[test]
fn bug_154_a_request_that_cannot_be_sent_is_undone() {
    let mut window = window(3);
    assert_eq!(window.request_blocks(&[SLOW], START).len(), 3);
    assert!(window.return_to_pending(1, None)); // one message did not fit into the queue
    assert_eq!((window.state(1), window.in_flight_of(SLOW)), (Some(BlockState::Pending), 2));
    assert_eq!(window.on_peer_disconnected(SLOW), [0, 2]); // the peer was gone
    assert_eq!(window.request_blocks(&[GOOD], START).len(), 3);
}

/// Bug 156a: the download was declared finished because there were no peers.
#[test]
fn bug_156_without_peers_the_window_is_not_done() {
    let mut window = window(1);
    assert_eq!(window.request_blocks(&[], START), []);
    assert_eq!(window.timeout_check(BLOCK_REQUEST_TIMEOUT), []);
    assert!(!window.is_empty());
    assert_eq!(window.lowest_pending(), Some(0));
}

/// Bug 156b: a block that came just after its timeout was not credited, and was fetched again.
#[test]
fn bug_156_a_late_block_is_credited() {
    let mut window = window(2);
    assert_eq!(window.request_blocks(&[SLOW], START).len(), 2);
    let now = START + BLOCK_REQUEST_TIMEOUT;
    assert_eq!(window.timeout_check(now).len(), 2);
    assert_eq!(window.on_block_received(0, SLOW), Delivery::Late { attempts: 1 });
    assert_eq!(window.request_blocks(&[SLOW, GOOD], now), [Request { peer: GOOD, height: 1 }]);
    assert_eq!(window.on_block_received(1, SLOW), Delivery::FromOther { asked: GOOD });
    assert_eq!((window.in_flight_of(GOOD), window.received_len()), (0, 2));
    assert_eq!(window.on_block_received(1, GOOD), Delivery::Duplicate);
    assert_eq!(window.state(1), Some(BlockState::Received { from: SLOW }));
}

/// Bug 157: a block of our own miner did not advance the window.
#[test]
fn bug_157_a_block_connected_by_another_path_leaves_any_state() {
    let mut window = window(3);
    assert_eq!(window.request_blocks_up_to(&[GOOD], 2, START).len(), 2);
    assert!(window.on_block_received(0, GOOD).is_accepted());
    for height in 0..3 {
        assert!(window.on_block_connected(height));
    }
    assert!(window.is_empty());
    assert_eq!((window.in_flight_of(GOOD), window.next_timeout()), (0, None));
    assert_eq!(window.on_block_received(1, GOOD), Delivery::Unknown);
}

/// Bugs 161 and 163: a peer answered with other blocks than those asked for; 128 requests stayed open and blocked all.
#[test]
fn bug_161_163_requests_answered_with_other_blocks_do_not_stay_open() {
    let mut window = window(300);
    let requests = window.request_blocks(&[SLOW], START);
    for request in &requests {
        assert_eq!(window.on_block_received(request.height + 10_000, SLOW), Delivery::Unknown);
    }
    assert_eq!(window.in_flight_of(SLOW), requests.len());
    assert_eq!(window.timeout_check(START + BLOCK_REQUEST_TIMEOUT).len(), requests.len());
    assert_eq!((window.in_flight_len(), window.lowest_pending()), (0, Some(0)));
}

/// Bug 162: the window advanced over a hole. Received heights above it do not hide a pending one.
#[test]
fn bug_162_a_hole_stays_the_lowest_pending_height() {
    let mut window = window(40);
    assert_eq!(window.request_blocks(&[SLOW, GOOD], START).len(), 32);
    for height in 1..32 {
        assert!(window.on_block_received(height, GOOD).is_accepted());
    }
    assert_eq!(window.timeout_check(START + BLOCK_REQUEST_TIMEOUT).len(), 1);
    assert_eq!(window.lowest_pending(), Some(0));
    assert_eq!(window.request_blocks(&[SLOW, GOOD], START)[0], Request { peer: GOOD, height: 0 });
}

/// Bug 165: a peer judged unsuitable kept its requests, and nobody else was asked for them.
#[test]
fn bug_165_a_peer_that_is_given_up_holds_nothing() {
    let mut window = window(16);
    assert_eq!(window.request_blocks(&[SLOW], START).len(), 16);
    assert_eq!(window.request_blocks(&[GOOD], START), []);
    assert_eq!(window.on_peer_disconnected(SLOW).len(), 16);
    assert_eq!(window.request_blocks(&[GOOD], START).len(), 16);
    assert_eq!(window.on_block_received(3, SLOW), Delivery::FromOther { asked: GOOD });
}

/// Bug 166: of two lists of requests one was cleared; a peer that recovered was never asked again.
#[test]
fn bug_166_a_peer_that_recovers_is_asked_again() {
    let mut window = window(4);
    let mut now = START;
    for _ in 0..20 {
        assert_eq!(window.request_blocks(&[SLOW], now).len(), 4);
        now += BLOCK_REQUEST_TIMEOUT;
        assert_eq!(window.timeout_check(now).len(), 4);
    }
    assert_eq!(window.request_blocks(&[SLOW], now).len(), 4);
    for height in 0..4 {
        assert_eq!(window.on_block_received(height, SLOW), Delivery::InFlight);
    }
}

/// Trap 7: a timed-out height went back to the peer that had stalled it.
#[test]
fn trap_7_a_timed_out_height_is_given_to_another_peer() {
    let mut window = window(16);
    assert_eq!(window.request_blocks(&[SLOW], START).len(), 16);
    let now = START + BLOCK_REQUEST_TIMEOUT;
    assert_eq!(window.timeout_check(now).len(), 16);
    assert!(window.request_blocks(&[SLOW, GOOD], now).iter().all(|request| request.peer == GOOD));
    assert_eq!(window.in_flight_of(GOOD), 16);
}

/// Trap 7: nor does it go back while the others are merely full; it is their next block.
#[test]
fn trap_7_a_timed_out_height_waits_for_a_busy_peer() {
    let mut window = window(33);
    assert_eq!(window.request_blocks_up_to(&[SLOW], 16, START).len(), 16);
    let now = START + BLOCK_REQUEST_TIMEOUT;
    assert_eq!(window.request_blocks(&[GOOD], now).len(), 16);
    assert_eq!(window.timeout_check(now).len(), 16);
    assert_eq!(window.request_blocks(&[SLOW, GOOD], now), [Request { peer: SLOW, height: 32 }]);
    assert!(window.on_block_received(16, GOOD).is_accepted());
    assert_eq!(window.request_blocks(&[SLOW, GOOD], now), [Request { peer: GOOD, height: 0 }]);
    assert_eq!(window.request_blocks(&[SLOW], now).len(), 15, "the only peer is asked again");
}

/// Trap 8: a peer cannot make the window keep a block that nobody was asked for, nor does the push lose it.
#[test]
fn trap_8_an_unrequested_block_is_told_apart_and_stays_pending() {
    let mut window = window(1);
    let delivery = window.on_block_received(0, SLOW);
    assert_eq!(delivery, Delivery::Unrequested);
    assert!(!delivery.is_accepted());
    assert_eq!(window.state(0), Some(BlockState::Pending));
    assert_eq!(window.request_blocks(&[GOOD], START).len(), 1);
}

/// A body that turned out bad is fetched again from somebody else, and the peer that sent it can be named.
#[test]
fn a_bad_body_is_fetched_from_another_peer() {
    let mut window = window(1);
    assert_eq!(window.request_blocks(&[SLOW], START).len(), 1);
    assert!(window.on_block_received(0, SLOW).is_accepted());
    let Some(BlockState::Received { from }) = window.state(0) else { unreachable!("it was accepted") };
    assert!(window.return_to_pending(0, Some(from)));
    assert_eq!(window.request_blocks(&[SLOW, GOOD], START), [Request { peer: GOOD, height: 0 }]);
    assert!(!window.return_to_pending(7, None));
}

/// Trap 16: a caller that bounds in-flight plus received heights is never stuck behind its own bound.
#[test]
fn trap_16_a_bounded_caller_always_gets_the_lowest_height() {
    const BOUND: usize = 20;
    let mut window = window(60);
    let mut now = START;
    let mut connected = 0;
    while !window.is_empty() {
        let limit = BOUND.saturating_sub(window.in_flight_len() + window.received_len());
        for request in window.request_blocks_up_to(&[SLOW, GOOD], limit, now) {
            if request.peer == GOOD {
                assert_eq!(window.on_block_received(request.height, GOOD), Delivery::InFlight);
            }
        }
        assert!(window.in_flight_len() + window.received_len() <= BOUND);
        while matches!(window.state(connected), Some(BlockState::Received { .. })) {
            assert!(window.on_block_connected(connected));
            connected += 1;
        }
        now += BLOCK_REQUEST_TIMEOUT;
        window.timeout_check(now);
        assert!(now < 100 * BLOCK_REQUEST_TIMEOUT, "stuck: {}", window.stats());
    }
}
