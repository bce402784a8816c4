//! What the operator says against blocks, at the coordinator among scripted peers.

use std::time::Duration;

use dilithion_node::sync::IbdState::{Complete, Error, Idle};
use dilithion_node::sync::VerdictError;
use dilithion_wire::{BlockHash, Height, PeerId};
use quickcheck::QuickCheck;

use crate::chain::MockChain;
use crate::net::{Behaviour, Net};

const A: PeerId = PeerId(1);
const B: PeerId = PeerId(2);

/// A node that is in sync with a peer of this chain.
fn synced(mut net: Net, chain: &MockChain) -> Net {
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.run();
    net.assert_synced_to(chain);
    net
}

fn assert_sound(net: &Net) {
    assert!(net.punished.is_empty() && net.disconnected.is_empty(), "peers cannot know");
    assert!(net.coordinator.is_settled());
    net.coordinator.audit(net.now()).unwrap();
}

#[test]
fn a_refused_block_is_left_and_comes_back_without_a_download() {
    let chain = MockChain::new(100, 1);
    let mut net = synced(Net::new(&chain), &chain);
    net.revoke(chain.ids[95]);
    net.run();
    assert_eq!((net.coordinator.tip(), net.coordinator.state()), ((Height(94), chain.ids[94]), Complete));
    assert_eq!((&net.forks[..], net.refused.len()), (&[Height(94)][..], 1));
    assert_sound(&net);

    // What its peer mines on that branch is of no interest, and no offence.
    let longer = chain.extend(2, 1);
    net.announce(A, longer.clone());
    net.run();
    assert_eq!((net.tip(), net.coordinator.state()), (Height(94), Complete));
    assert_sound(&net);

    net.reinstate(longer.tip());
    net.run();
    assert_eq!(net.tip(), Height(94), "nothing is known of that block, so nothing was said about it");
    net.reinstate(chain.tip());
    net.run();
    net.assert_synced_to(&longer);
    assert_eq!((net.blocks_requested, net.refused.len()), (102, 0), "each block once");
    assert_sound(&net);
}

#[test]
fn without_a_peer_the_store_alone_brings_the_chain_back() {
    let chain = MockChain::new(60, 1);
    let mut net = synced(Net::new(&chain), &chain);
    net.disconnect(A);
    for height in [60, 31, 40, 1] {
        net.revoke(chain.ids[height]);
        net.run();
    }
    assert_eq!(net.tip(), Height(0));
    net.reinstate(chain.ids[50]);
    net.run();
    assert_eq!((net.tip(), net.refused.len()), (Height(60), 0), "those below it, and those above it");
    net.assert_synced_to(&chain);
    assert_sound(&net);
}

/// However deep the fork: the operator wants it so.
#[test]
fn the_best_other_branch_takes_over_and_gives_way_again() {
    let common = MockChain::new(50, 1);
    let (ours, theirs) = (common.extend(50, 2), common.extend(30, 3));
    let mut net = synced(Net::with_reorg_limit(&common, 10), &ours);
    net.connect(B, Behaviour::Honest(theirs.clone()));
    net.run();
    net.assert_synced_to(&ours);

    net.revoke(ours.ids[60]);
    net.run();
    net.assert_synced_to(&theirs);
    assert_eq!(
        net.forks,
        [Height(59), Height(50)],
        "first what is refused goes, then the better branch is followed"
    );
    assert_sound(&net);

    net.revoke(theirs.ids[51]);
    net.run();
    assert_eq!(net.coordinator.tip(), (Height(59), ours.ids[59]));
    net.reinstate(theirs.ids[80]);
    net.run();
    net.assert_synced_to(&theirs);
    net.reinstate(ours.ids[60]);
    net.run();
    net.assert_synced_to(&ours);
    assert_sound(&net);

    // What nobody ordered is as far away as before.
    let deep = theirs.extend(40, 3);
    net.announce(B, deep);
    net.run();
    assert_eq!((net.coordinator.state(), net.tip()), (Error, ours.height()));
}

#[test]
fn a_block_on_its_way_is_refused_as_well() {
    for ahead in [1, 20, 200, 900] {
        let chain = MockChain::new(1000, 1);
        let mut net = Net::new(&chain);
        net.connect(A, Behaviour::Honest(chain.clone()));
        net.run_until(|net| net.tip() >= Height(50));
        let refused = net.tip().0 as usize + ahead;
        net.revoke(chain.ids[refused]);
        net.run();
        assert_eq!(net.tip().0 as usize, refused - 1, "{ahead} ahead");
        assert_sound(&net);
        net.reinstate(chain.ids[refused]);
        net.run();
        net.assert_synced_to(&chain);
        assert_sound(&net);
    }
}

/// A crash after the verdict was stored, before it was obeyed.
#[test]
fn a_start_with_a_refused_block_connected_obeys_first() {
    let chain = MockChain::new(30, 1);
    let mut net = synced(Net::new(&chain), &chain);
    net.refused.insert(chain.ids[25]);
    net.restart();
    assert!(!net.coordinator.is_settled());
    net.run();
    assert_eq!((net.tip(), net.coordinator.state()), (Height(24), Idle));
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.run();
    assert_eq!((net.tip(), net.coordinator.state()), (Height(24), Complete));
    assert_sound(&net);
}

#[test]
fn genesis_settled_and_unknown_blocks_are_not_refused() {
    let chain = MockChain::new(30, 1);
    let mut net = synced(Net::with_checkpoint(&chain, Height(20)), &chain);
    let unknown = BlockHash::from_bytes([7; 32]);
    let may = |height: usize| net.coordinator.may_revoke(&chain.ids[height]);
    assert_eq!(may(0), Err(VerdictError::Genesis));
    let (height, checkpoint) = (Height(20), Height(20));
    assert_eq!(may(20), Err(VerdictError::BelowCheckpoint { height, checkpoint }));
    assert_eq!(may(21), Ok(Height(21)));
    assert_eq!(net.coordinator.may_revoke(&unknown), Err(VerdictError::Unknown { hash: unknown }));
    for hash in [chain.ids[0], chain.ids[20], unknown] {
        net.revoke(hash);
        net.reinstate(hash);
        net.run();
        net.assert_synced_to(&chain);
    }
    assert!(net.refused.is_empty());
    assert_sound(&net);
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a property")]
fn settles(said: Vec<(bool, u8, u8)>) -> bool {
    let common = MockChain::new(30, 1);
    let branches = [common.extend(30, 2), common.extend(25, 3)];
    let mut net = Net::new(&common);
    net.connect(A, Behaviour::Honest(branches[0].clone()));
    net.connect(B, Behaviour::Honest(branches[1].clone()));
    for (refuse, number, wait) in said.iter().take(12) {
        let branch = &branches[usize::from(number % 2)];
        let hash = branch.ids[1 + usize::from(*number) % (branch.ids.len() - 1)];
        if *refuse {
            net.revoke(hash);
        } else {
            net.reinstate(hash);
        }
        net.run_for(Duration::from_millis(u64::from(*wait)));
    }
    net.run();
    assert_sound(&net);
    for branch in &branches {
        net.reinstate(branch.ids[1]);
        net.reinstate(branch.tip());
        for hash in &branch.ids[1..] {
            net.reinstate(*hash);
        }
    }
    net.run();
    assert_sound(&net);
    net.assert_synced_to(&branches[0]);
    net.refused.is_empty()
}

/// Whatever is said, and when: nothing is stuck, nobody is punished, and taking it back leads to the best chain.
#[test]
fn whatever_is_said_can_be_taken_back() {
    QuickCheck::new().tests(40).quickcheck(settles as fn(Vec<(bool, u8, u8)>) -> bool);
}
