//! Proofs below a checkpoint, which vouches for them meanwhile: they wait for the sync, unless it waits for them.

use std::time::Duration;

use dilithion_node::sync::IbdState;
use dilithion_wire::{Height, PeerId};

use crate::chain::MockChain;
use crate::net::{Behaviour, Net};

const A: PeerId = PeerId(1);
const B: PeerId = PeerId(2);

#[test]
fn proofs_below_a_checkpoint_come_after_the_sync() {
    let chain = MockChain::new(60, 1);
    let mut net = Net::with_checkpoint(&chain, Height(50));
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.run();
    net.assert_synced_to(&chain);
    assert!(!net.proved_in_background.is_empty());
    assert!(net.proved_in_background.iter().all(|state| *state == IbdState::Complete));
    assert_eq!(net.coordinator.headers().ready_height(), chain.height(), "and all of them come");
}

/// Until then they are no part of what the sync waits for.
#[test]
fn the_time_left_does_not_count_what_a_checkpoint_vouches_for() {
    let chain = MockChain::new(900, 1);
    let mut net = Net::with_checkpoint(&chain, Height(900));
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.run_until(|net| net.tip() == Height(600));
    let status = net.coordinator.status(net.now());
    assert!(status.ready_height < Height(10));
    assert!(status.eta.is_some(), "{status:?}");
}

/// A sync that stands still may be waiting for one of them.
#[test]
fn they_come_when_nothing_else_goes_on() {
    let chain = MockChain::new(60, 1);
    let mut net = Net::with_checkpoint(&chain, Height(50));
    net.connect(A, Behaviour::WithholdBlocks(chain.clone()));
    net.run_for(Duration::from_secs(9));
    assert_eq!(net.proved_in_background, []);
    net.run_for(Duration::from_secs(3));
    assert!(net.proved_in_background.contains(&IbdState::BlocksDownload));
}

/// The true block of a height at which a forged header stands fits nowhere before the forged one is found out.
#[test]
fn a_forged_header_below_a_checkpoint_does_not_keep_the_true_block_out() {
    let chain = MockChain::new(60, 1);
    let mut net = Net::with_checkpoint(&chain, Height(50));
    net.connect(A, Behaviour::Forge(chain.clone(), Height(20)));
    net.run_until(|net| net.tip() > Height::GENESIS);
    net.connect(B, Behaviour::Honest(chain.clone()));
    net.run();
    assert_eq!(net.punished, [A]);
    net.assert_synced_to(&chain);
}

/// What was not proved before the node ended is proved when it runs again and has nothing to fetch.
#[test]
fn they_come_after_a_restart() {
    let chain = MockChain::new(60, 1);
    let mut net = Net::with_checkpoint(&chain, Height(50));
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.run_until(|net| net.tip() == chain.height());
    assert!(net.coordinator.headers().ready_height() < Height(49));
    net.restart();
    net.run_for(Duration::from_secs(15));
    assert_eq!(net.coordinator.state(), IbdState::Idle);
    assert_eq!(net.coordinator.headers().ready_height(), chain.height());
}

/// Proofs that are missing below a checkpoint kept a node on a branch with less work: what counted as proved ended there.
#[test]
fn a_better_branch_above_a_checkpoint_waits_for_no_proof_below() {
    let common = MockChain::new(60, 1);
    let (ours, theirs) = (common.extend(5, 2), common.extend(10, 3));
    let mut net = Net::with_checkpoint(&ours, Height(50));
    net.forgets_background = true;
    net.connect(A, Behaviour::Honest(ours.clone()));
    net.run_until(|net| net.coordinator.state() == IbdState::Complete);
    net.connect(B, Behaviour::Honest(theirs.clone()));
    net.run_for(Duration::from_secs(5));
    assert_eq!(net.forks, [Height(60)]);
    net.assert_synced_to(&theirs);
    assert!(net.coordinator.headers().ready_height() < Height(49));
}

/// A block above a checkpoint that broke a rule kept the good one of the same height waiting, until all was proved.
#[test]
fn a_good_block_does_not_wait_in_place_of_a_bad_one() {
    let common = MockChain::new(55, 1);
    let (bad, good) = (common.extend(5, 2), common.extend(10, 3));
    let mut net = Net::with_checkpoint(&bad, Height(50));
    net.forgets_background = true;
    net.invalid.insert(bad.ids[56]);
    net.connect(A, Behaviour::Honest(bad.clone()));
    net.run();
    assert_eq!(net.tip(), Height(55), "nobody can be blamed before all below is proved");
    assert!(net.punished.is_empty() && !net.proved_in_background.is_empty());
    net.connect(B, Behaviour::Honest(good.clone()));
    net.run();
    net.assert_synced_to(&good);
}

/// A checkpoint further up than anybody's chain vouches for nothing yet: blocks wait for these proofs, and they come first.
#[test]
fn what_no_checkpoint_vouches_for_yet_is_proved_first() {
    let chain = MockChain::new(60, 1);
    let mut net = Net::with_checkpoint(&chain.extend(40, 1), Height(100));
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.run();
    net.assert_synced_to(&chain);
    assert!(net.busy_until() < Duration::from_secs(15), "after the time that a sync may stand still");
}
