//! The bugs of earlier block trackers of this network (by their numbers), and the traps of the documents, each as a
//! scenario that the window has to survive.

use dilithion_blockwindow::{
    BLOCK_REQUEST_TIMEOUT, BlockState, BlockWindow, Delivery, MAX_BLOCK_REQUEST_AGE,
    MAX_BLOCKS_IN_FLIGHT_PER_PEER, Request, WindowConfig,
};
use std::time::Duration;

const START: Duration = Duration::ZERO;
const SLOW: u8 = 1;
const GOOD: u8 = 2;

fn window(heights: u32) -> BlockWindow<u8> {
    window_with(WindowConfig::default(), heights)
}

fn window_with(config: WindowConfig, heights: u32) -> BlockWindow<u8> {
    let mut window = BlockWindow::new(config);
    (0..heights).for_each(|height| assert!(window.add_pending(height)));
    window
}

/// Bug 146: two limits per peer disagreed, so a peer was suitable by one and full by the other.
#[test]
fn bug_146_there_is_one_limit_and_a_peer_is_filled_exactly_to_it() {
    for limit in [1, 8, 16, 17] {
        let mut window =
            BlockWindow::new(WindowConfig { max_in_flight_per_peer: limit, ..WindowConfig::default() });
        assert_eq!(window.limit_of(GOOD), limit, "a new peer has all of it at once");
        (0..40_u32).for_each(|height| assert!(window.add_pending(height)));
        assert_eq!(window.request_blocks(&[GOOD], START).len(), limit);
        assert!(window.on_block_received(0, GOOD, START).is_accepted());
        assert_eq!(window.request_blocks(&[GOOD], START).len(), 1);
        assert_eq!(window.in_flight_of(GOOD), limit);
    }
}

/// Bug 148: a counter was not decremented on several paths, until the peer looked full for ever.
#[test]
fn bug_148_a_peer_has_room_again_however_its_requests_end() {
    for config in [WindowConfig::default(), WindowConfig::fixed()] {
        let mut window = window_with(config, 1_000);
        let mut now = START;
        for round in 0..60 {
            now += Duration::from_secs(1);
            let requests = window.request_blocks(&[SLOW], now);
            assert_eq!(window.in_flight_of(SLOW), window.limit_of(SLOW), "round {round}");
            let Some(Request { height, .. }) = requests.last().copied() else { continue };
            match round % 7 {
                0 => assert!(window.on_block_connected(height)),
                1 => assert!(window.on_block_received(height, GOOD, now).is_accepted()),
                2 => assert!(window.return_to_pending(height, Some(SLOW))),
                3 => assert!(window.remove(height)),
                4 => assert!(window.cancel_request(height, SLOW)),
                5 => assert!(!window.on_peer_disconnected(SLOW).is_empty()),
                _ => assert!(!window.timeout_check(now + BLOCK_REQUEST_TIMEOUT).is_empty()),
            }
        }
        window.on_peer_disconnected(SLOW);
        assert_eq!(window.limit_of(SLOW), MAX_BLOCKS_IN_FLIGHT_PER_PEER);
    }
}

/// Bug 154: blocks counted as in flight though their request was never sent.
#[test]
fn bug_154_a_request_that_cannot_be_sent_is_undone() {
    let mut window = window(3);
    assert_eq!(window.request_blocks(&[SLOW], START).len(), 3);
    assert!(window.cancel_request(1, SLOW)); // one message did not fit into the queue
    assert!(!window.cancel_request(1, SLOW));
    assert_eq!((window.state(1), window.in_flight_of(SLOW)), (Some(BlockState::Pending), 2));
    assert_eq!(window.on_peer_disconnected(SLOW), [0, 2]); // the peer was gone
    assert_eq!(window.request_blocks(&[GOOD], START).len(), 3);
}

/// Bug 155: the stall timer went on from the last block when a new request was sent, so that a distant peer was given up
/// before it could answer.
#[test]
fn bug_155_a_new_request_starts_the_timer_anew() {
    let mut window = window(2);
    assert_eq!(window.request_blocks_up_to(&[SLOW], 1, START).len(), 1);
    let second = Duration::from_secs(1);
    assert_eq!(window.on_block_received(0, SLOW, START + second), Delivery::InFlight);
    let idle_until = START + 10 * BLOCK_REQUEST_TIMEOUT;
    assert_eq!(window.request_blocks(&[SLOW], idle_until).len(), 1);
    assert_eq!(window.next_timeout(), Some(idle_until + BLOCK_REQUEST_TIMEOUT));
    assert_eq!(window.timeout_check(idle_until + BLOCK_REQUEST_TIMEOUT - second), []);
}

/// Bug 155: and each delivery starts it anew, so that a full load may trickle in over a slow line.
#[test]
fn bug_155_a_slow_line_does_not_time_out_while_blocks_trickle_in() {
    let mut window = window(16);
    assert_eq!(window.request_blocks(&[SLOW], START).len(), 16);
    let mut now = START;
    for height in 0..16 {
        now += Duration::from_secs(7);
        assert_eq!(window.timeout_check(now), [], "block {height}");
        assert_eq!(window.on_block_received(height, SLOW, now), Delivery::InFlight);
    }
    assert!(now > 3 * BLOCK_REQUEST_TIMEOUT);
    assert_eq!(window.limit_of(SLOW), MAX_BLOCKS_IN_FLIGHT_PER_PEER);
}

/// Bug 155, the other side: a peer that delivers all else cannot hold one block back for ever.
#[test]
fn bug_155_a_block_held_back_times_out_by_its_age() {
    let mut window = window(1_000);
    let mut now = START;
    assert_eq!(window.request_blocks(&[SLOW], now).len(), 16);
    while window.timeout_check(now).is_empty() {
        now += Duration::from_secs(5);
        let held_back = Delivery::OutOfOrder { skipped: 0 };
        let height = window.in_flight().nth(1).unwrap().height;
        assert_eq!(window.on_block_received(height, SLOW, now), held_back);
        assert_eq!(window.request_blocks(&[SLOW], now).len(), 1);
    }
    assert_eq!((now, window.state(0)), (START + MAX_BLOCK_REQUEST_AGE, Some(BlockState::Pending)));
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
    assert_eq!(window.on_block_received(0, SLOW, now), Delivery::Late { attempts: 1 });
    assert_eq!(window.request_blocks(&[SLOW, GOOD], now), [Request { peer: GOOD, height: 1 }]);
    assert_eq!(window.on_block_received(1, SLOW, now), Delivery::FromOther { asked: GOOD });
    assert_eq!((window.in_flight_of(GOOD), window.received_len()), (0, 2));
    assert_eq!(window.on_block_received(1, GOOD, now), Delivery::Redundant, "it did as it was asked");
    assert_eq!(window.on_block_received(1, GOOD, now), Delivery::Duplicate);
    assert_eq!(window.state(1), Some(BlockState::Received { from: SLOW }));
}

/// Bug 157: a block of our own miner did not advance the window.
#[test]
fn bug_157_a_block_connected_by_another_path_leaves_any_state() {
    let mut window = window(3);
    assert_eq!(window.request_blocks_up_to(&[GOOD], 2, START).len(), 2);
    assert!(window.on_block_received(0, GOOD, START).is_accepted());
    for height in 0..3 {
        assert!(window.on_block_connected(height));
    }
    assert!(window.is_empty());
    assert_eq!((window.in_flight_of(GOOD), window.next_timeout()), (0, None));
    assert_eq!(window.on_block_received(1, GOOD, START), Delivery::Redundant, "it was asked for that");
    assert_eq!(window.on_block_received(1, GOOD, START), Delivery::Unknown);
}

/// Bugs 161 and 163: a peer answered with other blocks than those asked for; 128 requests stayed open and blocked all.
#[test]
fn bug_161_163_requests_answered_with_other_blocks_do_not_stay_open() {
    let mut window = window(300);
    let requests = window.request_blocks(&[SLOW], START);
    for request in &requests {
        assert_eq!(window.on_block_received(request.height + 10_000, SLOW, START), Delivery::Unknown);
    }
    assert_eq!(window.in_flight_of(SLOW), requests.len());
    assert_eq!(window.timeout_check(START + BLOCK_REQUEST_TIMEOUT).len(), requests.len());
    assert_eq!((window.in_flight_len(), window.lowest_pending()), (0, Some(0)));
}

/// Bugs 161 and 163: nor is a peer that sends other blocks than it was asked for taken for one that delivers.
#[test]
fn bug_161_163_other_blocks_do_not_keep_requests_open() {
    let mut window = window(40);
    assert_eq!(window.request_blocks_up_to(&[SLOW, GOOD], 32, START).len(), 32);
    let later = START + BLOCK_REQUEST_TIMEOUT / 2;
    for other in [35, 10_000] {
        assert!(window.on_block_received(other, SLOW, later).is_unsolicited());
    }
    assert!(
        window.on_block_received(1, SLOW, later).is_accepted(),
        "asked of another: kept, but no sign of life"
    );
    assert_eq!(window.next_timeout(), Some(START + BLOCK_REQUEST_TIMEOUT));
    let failed = window.timeout_check(START + BLOCK_REQUEST_TIMEOUT);
    assert_eq!(failed.iter().filter(|failed| failed.peer == SLOW).count(), 16);
    assert_eq!((window.in_flight_of(SLOW), window.limit_of(SLOW)), (0, 8));
}

/// Bug 162: the window advanced over a hole. Received heights above it do not hide a pending one.
#[test]
fn bug_162_a_hole_stays_the_lowest_pending_height() {
    let mut window = window(40);
    assert_eq!(window.request_blocks(&[SLOW, GOOD], START).len(), 32);
    for height in 1..32 {
        assert!(window.on_block_received(height, GOOD, START).is_accepted());
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
    assert_eq!(window.on_block_received(3, SLOW, START), Delivery::FromOther { asked: GOOD });
}

/// Bug 166: of two lists of requests one was cleared; a peer that recovered was never asked again.
#[test]
fn bug_166_a_peer_that_recovers_is_asked_again() {
    for config in [WindowConfig::default(), WindowConfig::fixed()] {
        let mut window = window_with(config, 4);
        let mut now = START;
        for _ in 0..20 {
            let requests = window.request_blocks(&[SLOW], now).len();
            assert_eq!(requests, window.limit_of(SLOW).min(4));
            now += BLOCK_REQUEST_TIMEOUT;
            assert_eq!(window.timeout_check(now).len(), requests);
        }
        for height in 0..4 {
            let _ = window.request_blocks(&[SLOW], now);
            assert_eq!(window.on_block_received(height, SLOW, now), Delivery::InFlight);
        }
        assert!(window.limit_of(SLOW) >= 4, "it was forgiven");
    }
}

/// Bugs 261 and 262: what was in flight from a peer that disconnected stayed so, until nothing could be asked any more.
#[test]
fn bug_261_262_peers_that_come_and_go_leave_nothing_behind() {
    let mut window: BlockWindow<u32> = BlockWindow::default();
    (0..64).for_each(|height| assert!(window.add_pending(height)));
    let (mut now, steady) = (START, 0);
    for flapping in 1..500 {
        now += Duration::from_secs(1);
        let requests = window.request_blocks(&[steady, flapping], now);
        assert_eq!(requests.len(), 32);
        assert_eq!(window.on_peer_disconnected(flapping).len(), 16);
        assert_eq!((window.in_flight_of(flapping), window.in_flight_of(steady)), (0, 16));
        assert_eq!((window.in_flight_len(), window.stats().peers), (16, 1));
        assert_eq!(window.on_peer_disconnected(steady).len(), 16);
        assert_eq!((window.pending_len(), window.next_timeout()), (64, None));
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
    let mut window = window_with(WindowConfig { adaptive_limits: false, ..WindowConfig::default() }, 33);
    assert_eq!(window.request_blocks_up_to(&[SLOW], 16, START).len(), 16);
    let now = START + BLOCK_REQUEST_TIMEOUT;
    assert_eq!(window.request_blocks(&[GOOD], now).len(), 16);
    assert_eq!(window.timeout_check(now).len(), 16);
    assert_eq!(window.request_blocks(&[SLOW, GOOD], now), [Request { peer: SLOW, height: 32 }]);
    assert!(window.on_block_received(16, GOOD, now).is_accepted());
    assert_eq!(window.request_blocks(&[SLOW, GOOD], now), [Request { peer: GOOD, height: 0 }]);
    assert_eq!(window.request_blocks(&[SLOW], now).len(), 15, "the only peer is asked again");
}

/// Trap 8: a peer cannot make the window keep a block that nobody was asked for, nor does the push lose it.
#[test]
fn trap_8_an_unrequested_block_is_told_apart_and_stays_pending() {
    let mut window = window(1);
    let delivery = window.on_block_received(0, SLOW, START);
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
    assert!(window.on_block_received(0, SLOW, START).is_accepted());
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
                assert_eq!(window.on_block_received(request.height, GOOD, now), Delivery::InFlight);
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
