//! The coordinator against scripted peers, in virtual time.

use std::time::Duration;

use crate::chain::MockChain;
use crate::net::{Behaviour, Net, RefuseBody};
use dilithion_node::status_file::RunStatus;
use dilithion_node::sync::IbdState::{
    BlocksDownload, BlocksValidate, Complete, Connecting, Error, HeadersSync, Idle,
};
use dilithion_node::sync::Order;
use dilithion_wire::{Height, PeerId};

const A: PeerId = PeerId(1);
const B: PeerId = PeerId(2);
const C: PeerId = PeerId(3);

#[test]
fn a_full_sync_walks_through_the_states_and_asks_for_each_block_once() {
    let chain = MockChain::new(4500, 1);
    let mut net = Net::new(&chain);
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.run();
    net.assert_synced_to(&chain);
    let path = net.path();
    assert_eq!(path[..4], [Idle, Connecting, HeadersSync, BlocksDownload]);
    assert_eq!(*path.last().unwrap(), Complete);
    assert_eq!(net.blocks_requested, 4500, "no block was asked for twice");
}

/// Trap T1: the documents' threshold of 100 headers alone would leave such a node behind for ever.
#[test]
fn a_node_one_to_a_hundred_blocks_behind_downloads() {
    for length in [1, 99, 100, 101] {
        let chain = MockChain::new(length, 1);
        let mut net = Net::new(&chain);
        net.connect(A, Behaviour::Honest(chain.clone()));
        net.run();
        net.assert_synced_to(&chain);
    }
}

/// A chain of too little work is somebody's invention: its headers are kept, its blocks are not asked for.
#[test]
fn blocks_of_a_chain_without_the_minimum_of_work_are_not_downloaded() {
    let chain = MockChain::new(300, 1);
    let weak = MockChain::new(100, 1).extend(150, 2);
    let mut net = Net::with_minimum_work_of(&chain);
    net.connect(A, Behaviour::Honest(weak));
    net.run_for(Duration::from_secs(60));
    assert_eq!((net.tip(), net.blocks_requested), (Height(0), 0));
    net.connect(B, Behaviour::Honest(chain.clone()));
    net.run();
    net.assert_synced_to(&chain);
}

/// Requirement M10: the operator pauses a sync and resumes it.
#[test]
fn a_paused_sync_asks_for_nothing_and_goes_on_later() {
    let chain = MockChain::new(4500, 1);
    let mut net = Net::new(&chain);
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.run_until(|net| net.tip().0 >= 100);
    net.order(Order::Pause);
    net.run_for(Duration::from_secs(30));
    let asked = (net.headers_requested, net.blocks_requested);
    assert!(net.tip().0 < 4500 && net.coordinator.status(net.now()).paused);
    net.run_for(Duration::from_secs(60));
    assert_eq!((net.headers_requested, net.blocks_requested), asked);
    net.order(Order::Resume);
    net.run();
    net.assert_synced_to(&chain);
    assert_eq!(net.blocks_requested, 4500, "nothing was lost, so nothing is asked for twice");
    net.order(Order::SyncNow);
    net.run_for(Duration::from_secs(5));
    assert!(net.headers_requested > asked.0);
    assert_eq!(net.coordinator.state(), Complete);
    for (order, shown) in [(Order::Pause, RunStatus::Paused), (Order::Resume, RunStatus::Completed)] {
        net.order(order);
        net.run_for(Duration::from_secs(1));
        assert_eq!(RunStatus::from(&net.coordinator.status(net.now())), shown);
    }
}

/// Bug 147: a chain whose length is a multiple of a full message needs one more request.
#[test]
fn bug_147_full_batches_are_followed_up() {
    for length in [1999, 2000, 2001, 4000] {
        let chain = MockChain::new(length, 1);
        let mut net = Net::new(&chain);
        net.connect(A, Behaviour::Honest(chain.clone()));
        net.run();
        net.assert_synced_to(&chain);
    }
}

#[test]
fn blocks_come_from_several_peers_and_one_may_vanish_midway() {
    let chain = MockChain::new(1000, 1);
    let mut net = Net::new(&chain);
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.connect(B, Behaviour::Honest(chain.clone()));
    net.run_until(|net| net.tip().0 >= 500);
    assert!(net.blocks_from(A) > 100 && net.blocks_from(B) > 100, "both peers serve");
    net.disconnect(A);
    net.run();
    net.assert_synced_to(&chain);
    assert!(net.blocks_requested <= 1000 + 16, "only the lost peer's blocks are asked for again");
}

/// Bugs 158 and 166, trap T7: blocks withheld by one peer are fetched from the other, and the staller is dropped.
#[test]
fn bug_166_a_staller_costs_a_timeout_and_its_connection() {
    let chain = MockChain::new(300, 1);
    let mut net = Net::new(&chain);
    net.connect(A, Behaviour::WithholdBlocks(chain.clone()));
    net.connect(B, Behaviour::Honest(chain.clone()));
    net.run();
    net.assert_synced_to(&chain);
    assert!(net.busy_until() < Duration::from_secs(200), "took {:?} of virtual time", net.busy_until());
    assert!(!net.punished.contains(&B));
}

#[test]
fn a_peer_that_never_delivers_is_disconnected() {
    let chain = MockChain::new(300, 1);
    let mut net = Net::new(&chain);
    net.connect(A, Behaviour::WithholdBlocks(chain.clone()));
    net.run_for(Duration::from_secs(200));
    assert_eq!(net.disconnected, [A]);
    assert_eq!(net.coordinator.state(), Connecting);
}

/// Trap T9: losing all peers leads back to CONNECTING, and a new peer finishes the job.
#[test]
fn losing_all_peers_returns_to_connecting() {
    let chain = MockChain::new(600, 1);
    let mut net = Net::new(&chain);
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.run_until(|net| net.tip().0 >= 200);
    net.disconnect(A);
    net.run();
    assert_eq!(net.coordinator.state(), Connecting);
    net.connect(B, Behaviour::Honest(chain.clone()));
    net.run();
    net.assert_synced_to(&chain);
}

/// Bug 158: a private branch gives way to a better chain, with the documents' log line.
#[test]
fn bug_158_a_private_fork_is_left_for_the_better_chain() {
    let common = MockChain::new(50, 1);
    let ours = common.extend(10, 2);
    let theirs = common.extend(30, 3);
    let mut net = Net::new(&ours);
    net.connect(A, Behaviour::Honest(ours.clone()));
    net.run();
    net.assert_synced_to(&ours);
    net.connect(B, Behaviour::Honest(theirs.clone()));
    net.run();
    net.assert_synced_to(&theirs);
    assert_eq!(net.forks, [Height(50)]);
}

/// Trap T2: a peer on a branch with less work is no reason to leave ours.
#[test]
fn a_weaker_branch_changes_nothing() {
    let common = MockChain::new(50, 1);
    let ours = common.extend(30, 2);
    let theirs = common.extend(10, 3);
    let mut net = Net::new(&ours);
    net.connect(A, Behaviour::Honest(ours.clone()));
    net.connect(B, Behaviour::Honest(theirs));
    net.run();
    net.assert_synced_to(&ours);
    assert!(net.forks.is_empty());
}

#[test]
fn a_lie_about_height_does_not_hold_up_the_sync() {
    let chain = MockChain::new(200, 1);
    let mut net = Net::new(&chain);
    net.connect(A, Behaviour::ClaimHeight(chain.clone(), Height(1_000_000)));
    net.run();
    net.assert_synced_to(&chain);
    assert_eq!(net.coordinator.state(), Complete);
}

#[test]
fn a_body_that_does_not_belong_to_its_header_is_fetched_elsewhere() {
    let chain = MockChain::new(100, 1);
    let mut net = Net::new(&chain);
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.connect(B, Behaviour::Honest(chain.clone()));
    net.refuse = Some(RefuseBody { height: Height(60), times: 1 });
    net.run();
    net.assert_synced_to(&chain);
    assert!(net.punished.is_empty() && net.disconnected.is_empty(), "once may be in good faith");
}

#[test]
fn a_false_claim_costs_its_sender_and_nobody_else() {
    let chain = MockChain::new(3000, 1);
    let mut net = Net::new(&chain);
    net.connect(A, Behaviour::Forge(chain.clone(), Height(1234)));
    net.run();
    assert_eq!(net.punished, [A]);
    net.connect(B, Behaviour::Honest(chain.clone()));
    net.connect(C, Behaviour::Honest(chain.clone()));
    net.run();
    net.assert_synced_to(&chain);
    assert_eq!(net.punished, [A]);
}

#[test]
fn no_block_above_the_stop_height_is_connected() {
    let chain = MockChain::new(300, 1);
    let mut net = Net::with_stop_at(&chain, Height(123));
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.run();
    assert_eq!(net.tip(), Height(123));
}

/// Bug 168: what a peer mines after the handshake is noticed, and passed on to the others.
#[test]
fn bug_168_a_new_block_is_fetched_and_announced() {
    let chain = MockChain::new(100, 1);
    let longer = chain.extend(1, 1);
    let mut net = Net::new(&chain);
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.connect(B, Behaviour::Honest(chain.clone()));
    net.run();
    net.announce(A, longer.clone());
    net.run();
    net.assert_synced_to(&longer);
    assert_eq!(net.announced_to, [B], "not to the peer that has it");
    assert_eq!(net.coordinator.state(), Complete);
    assert!(!net.path().contains(&BlocksValidate) || net.path().ends_with(&[Complete]));
}

/// Peers that claim much and say nothing cost seconds, not their time-out each.
#[test]
fn silent_peers_do_not_keep_us_from_asking_others() {
    let chain = MockChain::new(50, 1);
    let mut net = Net::new(&chain);
    for id in 10..15 {
        net.connect(PeerId(id), Behaviour::Silent(chain.extend(100, 2)));
    }
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.run_until(|net| net.tip() == chain.height());
    assert!(net.busy_until() < Duration::from_secs(20), "took {:?} of virtual time", net.busy_until());
    net.run();
    assert_eq!(net.disconnected.len(), 5, "and in the end they go");
    net.assert_synced_to(&chain);
}

/// Below a checkpoint blocks are connected before their headers are proved; a lie found later is undone.
#[test]
fn a_false_claim_below_a_checkpoint_is_undone_when_it_is_found() {
    let chain = MockChain::new(60, 1);
    let mut net = Net::with_checkpoint(&chain, Height(50));
    net.connect(A, Behaviour::Forge(chain.clone(), Height(20)));
    net.run();
    assert_eq!(net.punished, [A]);
    assert_eq!((net.tip(), &net.forks[..]), (Height(19), &[Height(19)][..]));
    assert_eq!(net.forgotten, [chain.ids[20]]);
    net.connect(B, Behaviour::Honest(chain.clone()));
    net.run();
    net.assert_synced_to(&chain);
}

/// Headers of a branch that is proved bit by bit are stored parents first, while our tip is still on the other.
#[test]
fn a_better_branch_is_stored_from_its_first_header() {
    let common = MockChain::new(50, 1);
    let ours = common.extend(10, 2);
    let theirs = common.extend(30, 3);
    let mut net = Net::new(&ours);
    net.connect(A, Behaviour::Honest(ours.clone()));
    net.run();
    net.slow_hashes = Some(Duration::from_millis(300));
    net.connect(B, Behaviour::WithholdBlocks(theirs.clone()));
    net.run();
    net.connect(C, Behaviour::Honest(theirs.clone()));
    net.run();
    net.assert_synced_to(&theirs);
    assert_eq!(net.forks, [Height(50)]);
}

/// What a peer has shown counts, also when it falls short of its claim by many batches.
#[test]
fn a_long_chain_is_fetched_from_a_peer_that_claims_a_longer_one() {
    let chain = MockChain::new(3000, 1);
    let mut net = Net::new(&chain);
    net.connect(A, Behaviour::ClaimHeight(chain.clone(), Height(1_000_000)));
    net.run();
    net.assert_synced_to(&chain);
}

/// Peers that had nothing to add to a false chain are asked again when it falls.
#[test]
fn honest_peers_are_asked_again_when_a_false_chain_falls() {
    let chain = MockChain::new(3000, 1);
    let mut net = Net::new(&chain);
    net.slow_hashes = Some(Duration::from_millis(10));
    net.connect(A, Behaviour::Forge(chain.clone(), Height(1234)));
    net.connect(B, Behaviour::Honest(chain.clone()));
    net.run();
    net.assert_synced_to(&chain);
    assert_eq!(net.punished, [A]);
}

/// A peer that answers every request with headers that lead nowhere does not keep the others from being asked.
#[test]
fn a_peer_that_repeats_itself_is_not_asked_for_ever() {
    let chain = MockChain::new(4100, 1);
    let mut net = Net::new(&chain);
    net.connect(A, Behaviour::Repeat(chain.clone()));
    net.run_for(Duration::from_secs(60));
    assert!(net.headers_requested < 100, "asked {} times", net.headers_requested);
    net.connect(B, Behaviour::Honest(chain.clone()));
    net.run();
    net.assert_synced_to(&chain);
}

/// Bug 157: a block of our own is validated and connected like any other, without peers too, and announced.
#[test]
fn bug_157_a_block_of_our_own_is_connected_and_announced() {
    let chain = MockChain::new(20, 1);
    let mut net = Net::new(&chain);
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.run();
    let longer = chain.extend(1, 2);
    net.mine(&longer);
    net.run_for(Duration::from_secs(5));
    net.assert_synced_to(&longer);
    assert_eq!(net.announced_to, [A]);
    assert_eq!(net.coordinator.state(), Complete);

    let alone = MockChain::new(1, 1);
    let mut net = Net::new(&MockChain::new(0, 1));
    net.mine(&alone);
    net.run_for(Duration::from_secs(5));
    net.assert_synced_to(&alone);
    assert_eq!(net.coordinator.state(), Idle, "nobody is ahead");
}

/// Bugs 187 and 192: a running node stops at a fork that is too deep and says where; a new start goes back that far, and
/// no further.
#[test]
fn bug_187_a_deep_fork_stops_a_running_node_and_not_a_starting_one() {
    let common = MockChain::new(50, 1);
    let ours = common.extend(150, 2);
    let theirs = common.extend(200, 3);
    let mut net = Net::with_reorg_limit(&ours, 100);
    net.connect(A, Behaviour::Honest(ours.clone()));
    net.run();
    net.assert_synced_to(&ours);
    net.connect(B, Behaviour::Honest(theirs.clone()));
    net.run();
    assert_eq!((net.coordinator.state(), net.tip()), (Error, ours.height()), "nothing is disconnected");
    let reason = net.coordinator.status(Duration::ZERO).waiting_for;
    assert!(reason.contains("at height 50, 150 blocks below our tip"), "{reason}");
    assert!(reason.contains("restart"), "{reason}");

    net.restart();
    net.connect(C, Behaviour::Honest(theirs.clone()));
    net.run();
    net.assert_synced_to(&theirs);
    assert_eq!(net.forks, [Height(50), Height(50)]);
}

/// Blocks of a branch that was left are not fetched again when the chain comes back to it.
#[test]
fn a_chain_that_comes_back_needs_no_second_download() {
    let common = MockChain::new(20, 1);
    let (first, second) = (common.extend(5, 2), common.extend(6, 3));
    let back = first.extend(2, 2);
    let mut net = Net::new(&common);
    net.connect(A, Behaviour::Honest(first.clone()));
    net.run();
    net.connect(B, Behaviour::Honest(second.clone()));
    net.run();
    net.assert_synced_to(&second);
    assert_eq!(net.blocks_requested, 31);
    net.announce(A, back.clone());
    net.run();
    net.assert_synced_to(&back);
    assert_eq!(net.blocks_requested, 33, "only the two new ones");
}

/// The state, what it waits for and how long it will take can be read at any time.
#[test]
fn the_status_tells_what_it_waits_for_and_how_long_it_takes() {
    let chain = MockChain::new(1000, 1);
    let mut net = Net::new(&chain);
    net.slow_hashes = Some(Duration::from_millis(100));
    let said = |net: &Net| net.coordinator.status(net.now()).waiting_for;
    assert_eq!(said(&net), "waiting for a peer");
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.run_until(|net| net.coordinator.state() == HeadersSync);
    assert_eq!(said(&net), "waiting for headers from peer 1");
    net.run_until(|net| net.coordinator.tip().0 >= Height(400));
    let status = net.coordinator.status(net.now());
    assert_eq!(status.state, BlocksValidate, "all blocks are here");
    assert!(status.waiting_for.starts_with("waiting for the proof of work of header"), "{status}");
    let left = status.eta.expect("it moves").as_secs();
    assert!((55..70).contains(&left), "600 hashes of 100 ms: {left} s");
    assert!((9.0..11.0).contains(&status.rates.headers), "{:?}", status.rates);
    net.run();
    assert_eq!(net.coordinator.status(net.now()).eta, Some(Duration::ZERO));
}
