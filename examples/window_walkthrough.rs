//! A download of ten blocks from two peers, one of which stalls: what the window hands out, and when.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::time::Duration;

use dilithion_blockwindow::{BlockWindow, WindowConfig};

fn main() {
    let config = WindowConfig { max_in_flight_per_peer: 4, ..WindowConfig::default() };
    let mut window: BlockWindow<&str, u32> = BlockWindow::new(config);
    (1..=10).for_each(|height| assert!(window.add_pending(height)));

    let mut now = Duration::ZERO;
    for request in window.request_blocks(&["alice", "bob"], now) {
        println!("{now:?}: ask {} for block {}", request.peer, request.height);
        // Alice delivers, Bob does not.
        if request.peer == "alice" {
            assert!(window.on_block_received(request.height, "alice", now).is_accepted());
        }
    }
    println!("{}", window.stats());

    now = window.next_timeout().expect("Bob's blocks are in flight");
    for late in window.timeout_check(now) {
        println!("{now:?}: {} did not deliver block {} in time", late.peer, late.height);
    }
    while !window.is_empty() {
        for request in window.request_blocks(&["alice", "bob"], now) {
            println!("{now:?}: ask {} for block {}", request.peer, request.height);
            assert!(window.on_block_received(request.height, request.peer, now).is_accepted());
        }
        (1..=10).for_each(|height| {
            window.on_block_connected(height);
        });
    }
    println!("everything is connected");
}
