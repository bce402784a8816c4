//! What the window does beyond the documents: silence, pauses, limits that adapt, second requests.

use dilithion_blockwindow::{
    BLOCK_REQUEST_TIMEOUT, BlockState, BlockWindow, Delivery, INITIAL_PACE, MIN_SECOND_REQUEST_DELAY,
    Request, SECOND_REQUEST_PACES, SecondAsked, Source, WindowConfig,
};
use std::time::Duration;

const START: Duration = Duration::from_secs(100);
const SECOND: Duration = Duration::from_secs(1);
const SLOW: u8 = 1;
const GOOD: u8 = 2;
const THIRD: u8 = 3;

fn window(config: WindowConfig, heights: u32) -> BlockWindow<u8> {
    let mut window = BlockWindow::new(config);
    (0..heights).for_each(|height| assert!(window.add_pending(height)));
    window
}

fn ready(peers: &[u8]) -> Vec<Source<u8>> {
    peers.iter().map(|&peer| Source { peer, best: u32::MAX, ready: true }).collect()
}

/// Height 0 is asked of `SLOW`, and 1 was delivered by `GOOD`: all wait for 0.
fn blocked() -> BlockWindow<u8> {
    let mut window = window(WindowConfig::default(), 2);
    assert_eq!(window.request_blocks_up_to(&[SLOW], 1, START).len(), 1);
    assert_eq!(window.request_blocks_up_to(&[GOOD], 1, START).len(), 1);
    assert_eq!(window.next_second_request(), None, "nothing waits for it yet");
    assert_eq!(window.on_block_received(1, GOOD, START), Delivery::InFlight);
    window
}

/// [`blocked`], and height 0 asked of `GOOD` too, at the time that is returned.
fn asked_twice() -> (BlockWindow<u8>, Duration) {
    let mut window = blocked();
    let due = START + INITIAL_PACE * SECOND_REQUEST_PACES;
    assert_eq!(window.next_second_request(), Some(due));
    assert_eq!(window.next_deadline(START), Some(due));
    assert_eq!(window.second_request(&ready(&[SLOW, GOOD]), due - Duration::from_nanos(1)), None);
    assert_eq!(
        window.second_request(&ready(&[SLOW, GOOD]), due),
        Some(Request { peer: GOOD, height: 0 }),
        "{}",
        window.stats()
    );
    (window, due)
}

#[test]
fn the_first_delivery_wins_and_the_other_peers_copy_is_no_offence() {
    for (first, second) in [(SLOW, GOOD), (GOOD, SLOW)] {
        let (mut window, asked) = asked_twice();
        let second_asked = Some(SecondAsked { peer: GOOD, since: asked });
        let state = BlockState::InFlight { peer: SLOW, since: START, second: second_asked };
        assert_eq!(window.state(0), Some(state));
        assert_eq!((window.in_flight_of(SLOW), window.in_flight_of(GOOD), window.in_flight_len()), (1, 1, 1));
        assert_eq!(window.on_block_received(0, first, asked), Delivery::InFlight);
        assert_eq!(
            (window.in_flight_of(SLOW), window.in_flight_of(GOOD), window.next_timeout()),
            (0, 0, None)
        );
        let copy = window.on_block_received(0, second, asked);
        assert_eq!((copy, copy.is_unsolicited()), (Delivery::Redundant, false));
        assert_eq!(window.state(0), Some(BlockState::Received { from: first }));
        let totals = window.stats().totals;
        assert_eq!(
            (totals.requested, totals.delivered, totals.second_requests, totals.redundant),
            (3, 2, 1, 1)
        );
    }
}

#[test]
fn one_of_two_that_fails_or_leaves_leaves_the_other_in_force() {
    let ends: [fn(&mut BlockWindow<u8>, Duration); 4] = [
        |window, _| assert_eq!(window.on_peer_disconnected(SLOW), []),
        |window, _| assert!(window.cancel_request(0, SLOW)),
        |window, _| assert_eq!(window.return_all_to_pending(SLOW), []),
        |window, _| assert_eq!(window.timeout_check(START + BLOCK_REQUEST_TIMEOUT).len(), 1),
    ];
    for end in ends {
        let (mut window, asked) = asked_twice();
        end(&mut window, asked);
        assert_eq!(window.state(0), Some(BlockState::InFlight { peer: GOOD, since: asked, second: None }));
        assert_eq!((window.in_flight_of(SLOW), window.pending_len()), (0, 0));
        assert_eq!(window.on_peer_disconnected(GOOD), [0]);
        assert_eq!(window.state(0), Some(BlockState::Pending));
    }
}

#[test]
fn a_block_that_both_failed_is_pending_and_avoids_the_last() {
    let (mut window, asked) = asked_twice();
    let failed = window.timeout_check(asked + BLOCK_REQUEST_TIMEOUT);
    assert_eq!(
        failed.iter().map(|failed| (failed.peer, failed.attempts)).collect::<Vec<_>>(),
        [(SLOW, 2), (GOOD, 2)]
    );
    let now = asked + BLOCK_REQUEST_TIMEOUT;
    assert_eq!(window.request_blocks(&[GOOD, THIRD], now), [Request { peer: THIRD, height: 0 }]);
}

#[test]
fn a_second_request_goes_to_no_peer_that_lacks_the_block_room_or_trust() {
    let lacking = |peer, best, ready| [Source { peer, best, ready }];
    let mut window = blocked();
    let late = START + 20 * SECOND;
    assert_eq!(window.second_request(&lacking(SLOW, 9, true), late), None, "it is asked already");
    assert_eq!(window.second_request(&lacking(GOOD, 9, false), late), None, "it is not ready");
    window.pause(late);
    assert_eq!(window.second_request(&ready(&[GOOD]), late), None, "time stands still");
    window.resume(late);
    (2..40).for_each(|height| assert!(window.add_pending(height)));
    assert_eq!(window.request_blocks(&[GOOD], late).len(), 16);
    assert_eq!(window.second_request(&ready(&[GOOD]), late), None, "it has no room");
    assert_eq!(
        window.next_deadline(late),
        Some(START + BLOCK_REQUEST_TIMEOUT),
        "what is due waits for a source"
    );
    assert_eq!(window.second_request(&ready(&[GOOD, THIRD]), late), Some(Request { peer: THIRD, height: 0 }));
    assert_eq!(window.next_second_request(), None, "two are enough");

    let mut window = blocked();
    assert_eq!(window.timeout_check(START + BLOCK_REQUEST_TIMEOUT).len(), 1);
    let now = START + BLOCK_REQUEST_TIMEOUT;
    assert_eq!(window.request_blocks(&[SLOW, THIRD], now), [Request { peer: THIRD, height: 0 }]);
    assert_eq!(window.second_request(&ready(&[SLOW]), now + 20 * SECOND), None, "it failed the block");
    let mut window = self::window(WindowConfig::fixed(), 2);
    assert_eq!(window.request_blocks(&[SLOW, GOOD], START).len(), 2);
    assert!(window.on_block_received(1, GOOD, START).is_accepted());
    assert_eq!(window.second_request(&ready(&[GOOD]), late), None, "the plain window has none");
}

#[test]
fn the_wait_for_a_second_request_follows_the_pace_of_the_first_peer() {
    let cases =
        [(1, MIN_SECOND_REQUEST_DELAY), (1_500, 6 * SECOND), (4_000, 15 * SECOND), (20_000, 15 * SECOND)];
    for (pace, wait) in cases {
        let mut window = window(WindowConfig::default(), 40);
        assert_eq!(window.request_blocks(&[SLOW, GOOD], START).len(), 32);
        let mut now = START;
        for request in window.in_flight().filter(|open| open.peer == SLOW).skip(1).collect::<Vec<_>>() {
            now += Duration::from_millis(pace);
            assert!(window.on_block_received(request.height, SLOW, now).is_accepted());
            if now - START > BLOCK_REQUEST_TIMEOUT / 3 {
                break;
            }
        }
        assert_eq!(window.next_second_request(), Some((now + wait).min(START + BLOCK_REQUEST_TIMEOUT)));
    }
}

#[test]
fn a_peer_that_trickles_does_not_hold_the_lowest_block_longer_than_a_time_out() {
    let mut window = window(WindowConfig::default(), 17);
    assert_eq!(window.request_blocks_up_to(&[SLOW], 16, START).len(), 16);
    assert_eq!(window.request_blocks(&[GOOD], START).len(), 1);
    assert!(window.on_block_received(16, GOOD, START).is_accepted());
    for height in 1..16 {
        let now = START + height * 2 * SECOND;
        let second = window.second_request(&ready(&[GOOD]), now);
        assert_eq!(second.is_some(), now == START + BLOCK_REQUEST_TIMEOUT);
        assert!(window.on_block_received(height, SLOW, now).is_accepted());
    }
}

/// Nothing waits behind the last block but the caller.
#[test]
fn the_last_block_is_asked_of_a_second_peer_too() {
    let mut window = window(WindowConfig::default(), 1);
    assert_eq!(window.request_blocks(&[SLOW], START).len(), 1);
    let due = START + INITIAL_PACE * SECOND_REQUEST_PACES;
    assert_eq!(window.next_second_request(), Some(due));
    assert!(window.add_pending(1));
    assert_eq!(window.next_second_request(), None, "there is something else to do");
    assert!(window.remove(1));
    assert_eq!(window.second_request(&ready(&[GOOD]), due), Some(Request { peer: GOOD, height: 0 }));
}

#[test]
fn a_pause_moves_every_deadline_by_its_length() {
    let mut window = blocked();
    assert!(!window.is_paused());
    let (timeout, second) = (window.next_timeout().unwrap(), window.next_second_request().unwrap());
    window.pause(START + SECOND);
    window.pause(START + 5 * SECOND);
    assert!(window.is_paused() && window.stats().paused);
    assert_eq!(window.timeout_check(START + 100 * BLOCK_REQUEST_TIMEOUT), []);
    assert_eq!(
        (window.next_timeout(), window.next_second_request(), window.next_deadline(START)),
        (None, None, None)
    );
    assert!(window.add_pending(7));
    assert_eq!(window.request_blocks(&[THIRD], START + 9 * SECOND).len(), 1);
    window.resume(START + 11 * SECOND);
    window.resume(START + 12 * SECOND);
    assert_eq!(window.next_timeout(), Some(timeout + 10 * SECOND));
    assert_eq!(window.next_second_request(), Some(second + 10 * SECOND));
    assert_eq!(window.timeout_check(timeout + 10 * SECOND - Duration::from_nanos(1)), []);
    assert_eq!(window.timeout_check(timeout + 10 * SECOND)[0].requested_at, START, "on the caller's clock");
    assert_eq!(window.oldest_request(THIRD).unwrap().since, START + 9 * SECOND);
    assert_eq!(
        window.next_timeout(),
        Some(START + 11 * SECOND + BLOCK_REQUEST_TIMEOUT),
        "asked in the pause"
    );
}

#[test]
fn a_failing_peer_is_asked_for_half_and_a_delivering_one_for_one_more() {
    let mut window = window(WindowConfig::default(), 100);
    assert_eq!(window.limit_of(SLOW), 16, "a new peer has the maximum at once");
    assert_eq!(window.request_blocks_up_to(&[SLOW], 4, START).len(), 4);
    assert_eq!(window.request_blocks(&[SLOW], START + SECOND).len(), 12);
    assert_eq!(window.timeout_check(START + BLOCK_REQUEST_TIMEOUT).len(), 4);
    assert_eq!((window.limit_of(SLOW), window.in_flight_of(SLOW)), (8, 8), "the rest became pending too");
    assert_eq!(window.oldest_request(SLOW).unwrap().height, 4, "the latest requests first");
    assert_eq!(window.on_block_received(0, SLOW, START), Delivery::Late { attempts: 1 });
    assert_eq!(window.on_block_received(4, SLOW, START), Delivery::InFlight);
    assert_eq!(window.limit_of(SLOW), 10);
    assert_eq!(window.on_block_received(4, SLOW, START), Delivery::Duplicate);
    assert_eq!(window.on_block_received(15, GOOD, START), Delivery::Late { attempts: 1 });
    assert_eq!((window.limit_of(SLOW), window.limit_of(GOOD)), (10, 16));
    window.on_peer_disconnected(SLOW);
    assert_eq!(window.limit_of(SLOW), 16, "forgotten");
}

#[test]
fn a_peer_that_is_not_asked_any_more_keeps_its_limit_and_its_excuse() {
    let mut window = window(WindowConfig::default(), 4);
    assert_eq!(window.request_blocks(&[SLOW], START).len(), 4);
    assert_eq!(window.timeout_check(START + BLOCK_REQUEST_TIMEOUT).len(), 4);
    assert_eq!(window.request_blocks(&[SLOW], START + BLOCK_REQUEST_TIMEOUT).len(), 4);
    assert_eq!(window.return_all_to_pending(SLOW), [0, 1, 2, 3]);
    assert_eq!(window.limit_of(SLOW), 8);
    assert!(window.on_block_connected(0));
    assert_eq!(window.on_block_received(0, SLOW, START), Delivery::Redundant);
}
