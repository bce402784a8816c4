//! The relay as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dilithion_wire::{Amount, Misbehaviour, OutPoint, PeerId, Transaction, TxIn, TxOut, Txid};
use quickcheck::{Arbitrary, Gen, quickcheck};

use super::requests::REQUEST_TIMEOUT;
use super::*;

const A: PeerId = PeerId(1);
const B: PeerId = PeerId(2);
const NOW: Duration = Duration::from_secs(10);

pub(super) fn txid(number: u32) -> Txid {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    Txid::from_bytes(bytes)
}

/// A transaction that spends an output of another.
pub(super) fn transaction(number: u32, parent: Txid) -> Transaction {
    let previous_output = OutPoint { txid: parent, index: number };
    Transaction {
        version: 1,
        inputs: vec![TxIn { previous_output, script_sig: vec![0; 100].into(), sequence: u32::MAX }],
        outputs: vec![TxOut { value: Amount(1), script_pubkey: vec![0; 25].into() }],
        lock_time: 0,
    }
}

fn relay() -> TxRelay {
    let mut relay = TxRelay::new(RelayConfig::default(), 1, []);
    relay.handle(RelayEvent::FollowsTip(true), NOW);
    for peer in [A, B] {
        relay.handle(RelayEvent::PeerConnected { peer, wants: true, inbound: false }, NOW);
    }
    relay
}

fn announce(relay: &mut TxRelay, peer: PeerId, txids: &[Txid]) -> Vec<RelayAction> {
    relay.handle(RelayEvent::Announced { peer, txids: txids.to_vec() }, NOW)
}

fn deliver(relay: &mut TxRelay, peer: PeerId, txid: Txid, transaction: &Transaction) -> Vec<RelayAction> {
    relay.handle(RelayEvent::Received { peer, txid, transaction: transaction.clone() }, NOW)
}

fn accepted(number: u32) -> RelayEvent {
    RelayEvent::Accepted { txid: txid(number), evicted: Vec::new() }
}

fn requested(peer: PeerId, txid: Txid) -> Vec<RelayAction> {
    vec![RelayAction::Request { peer, txids: vec![txid] }]
}

#[test]
fn bug_106_what_is_accepted_is_announced_to_all_others() {
    let mut relay = relay();
    let tx = transaction(1, txid(0));
    assert_eq!(announce(&mut relay, A, &[txid(1)]), requested(A, txid(1)));
    let submit = RelayAction::Submit { txid: txid(1), transaction: tx.clone() };
    assert_eq!(deliver(&mut relay, A, txid(1), &tx), [submit]);
    assert_eq!(relay.handle(accepted(1), NOW), []);
    let due = relay.next_tick().unwrap();
    let told = relay.handle(RelayEvent::Tick, due);
    assert_eq!(told, [RelayAction::Announce { peer: B, txids: vec![txid(1)] }], "not to the sender");
    assert_eq!(relay.next_tick(), None);
    assert_eq!(announce(&mut relay, B, &[txid(1)]), [], "it is here");
}

#[test]
fn our_own_are_announced_to_everybody() {
    let mut relay = relay();
    relay.handle(accepted(1), NOW);
    let told = relay.handle(RelayEvent::Tick, NOW + Duration::from_secs(1000));
    assert_eq!(told.len(), 2);
}

#[test]
fn nothing_is_asked_for_before_we_follow_the_tip() {
    let mut relay = relay();
    announce(&mut relay, A, &[txid(1)]);
    relay.handle(RelayEvent::FollowsTip(false), NOW);
    // A moment in which we do not is no reason to forget: peers announce once.
    relay.handle(RelayEvent::PeerDisconnected { peer: B }, NOW);
    relay.requests.audit();
    assert!(!relay.requests.is_empty());
    assert_eq!(announce(&mut relay, A, &[txid(2)]), []);
    assert_eq!(deliver(&mut relay, A, txid(2), &transaction(2, txid(0))), []);
}

#[test]
fn a_silent_peer_does_not_keep_a_transaction_from_us() {
    let mut relay = relay();
    announce(&mut relay, A, &[txid(1)]);
    assert_eq!(announce(&mut relay, B, &[txid(1)]), []);
    assert_eq!(relay.next_tick(), Some(NOW + REQUEST_TIMEOUT));
    let event = RelayEvent::Received { peer: A, txid: txid(9), transaction: transaction(9, txid(0)) };
    assert_eq!(relay.handle(event, NOW).len(), 1, "others are not held up");
    assert_eq!(relay.handle(RelayEvent::Tick, NOW + REQUEST_TIMEOUT), requested(B, txid(1)));
    assert_eq!(relay.handle(RelayEvent::PeerDisconnected { peer: B }, NOW + REQUEST_TIMEOUT), []);
    assert!(relay.requests.is_empty());
}

#[test]
fn a_child_waits_for_its_parent_and_the_parent_is_asked_for() {
    let mut relay = relay();
    let (parent, child) = (transaction(1, txid(0)), transaction(2, txid(1)));
    deliver(&mut relay, A, txid(2), &child);
    let refusal = Refusal::MissingParent(txid(1));
    let asked = relay.handle(RelayEvent::Refused { txid: txid(2), refusal }, NOW);
    assert_eq!(asked, requested(A, txid(1)));
    deliver(&mut relay, A, txid(1), &parent);
    let actions = relay.handle(accepted(1), NOW);
    assert_eq!(actions, [RelayAction::Submit { txid: txid(2), transaction: child }]);
}

#[test]
fn the_children_of_what_is_refused_are_not_waited_for() {
    let mut relay = relay();
    deliver(&mut relay, A, txid(2), &transaction(2, txid(1)));
    let refusal = Refusal::MissingParent(txid(1));
    relay.handle(RelayEvent::Refused { txid: txid(2), refusal }, NOW);
    deliver(&mut relay, A, txid(1), &transaction(1, txid(0)));
    relay.handle(RelayEvent::Refused { txid: txid(1), refusal: Refusal::Unwelcome }, NOW);
    assert!(relay.orphans.take_all(NOW).is_empty());
    assert_eq!(announce(&mut relay, B, &[txid(1), txid(2)]), []);
    relay.handle(RelayEvent::Connected { txids: Vec::new() }, NOW);
    assert_eq!(announce(&mut relay, B, &[txid(1)]), requested(B, txid(1)), "it may be valid now");
}

#[test]
fn a_block_brings_orphans_another_chance() {
    let mut relay = relay();
    let child = transaction(2, txid(1));
    deliver(&mut relay, A, txid(2), &child);
    relay.handle(RelayEvent::Refused { txid: txid(2), refusal: Refusal::MissingParent(txid(1)) }, NOW);
    let actions = relay.handle(RelayEvent::Connected { txids: Vec::new() }, NOW);
    assert!(actions.contains(&RelayAction::Submit { txid: txid(2), transaction: child }));
}

#[test]
fn only_the_sender_of_an_invalid_one_pays() {
    let mut relay = relay();
    let misbehaviour = Misbehaviour::ForgedTransaction;
    deliver(&mut relay, A, txid(1), &transaction(1, txid(0)));
    let refused = RelayEvent::Refused { txid: txid(1), refusal: Refusal::Invalid(misbehaviour) };
    assert_eq!(relay.handle(refused.clone(), NOW), [RelayAction::Misbehaved { peer: A, misbehaviour }]);
    assert_eq!(relay.handle(refused, NOW), [], "an operator's own costs nobody");
}

#[test]
fn the_validator_is_not_flooded() {
    let mut relay = relay();
    let mut large = transaction(0, txid(0));
    large.outputs[0].script_pubkey = vec![0; 1 << 20].into();
    let submitted = (1..100).filter(|number| !deliver(&mut relay, A, txid(*number), &large).is_empty());
    assert_eq!(submitted.count(), 4);
    assert_eq!(announce(&mut relay, B, &[txid(500)]), [], "nor asked for more");
    for number in 1..5 {
        let refused = RelayEvent::Refused { txid: txid(number), refusal: Refusal::Unwelcome };
        relay.handle(refused, NOW);
    }
    assert_eq!((relay.submitted_bytes, relay.submitted.len()), (0, 0));
    assert_eq!(relay.handle(RelayEvent::Tick, NOW), []);
}

/// How much was asked for is known only when it comes.
#[test]
fn not_even_what_was_asked_for_floods_the_validator() {
    let mut relay = relay();
    let mut large = transaction(0, txid(0));
    large.outputs[0].script_pubkey = vec![0; 1 << 20].into();
    let wanted: Vec<Txid> = (1..=100).map(txid).collect();
    announce(&mut relay, A, &wanted);
    let submitted = wanted.iter().filter(|txid| !deliver(&mut relay, A, **txid, &large).is_empty());
    assert_eq!(submitted.count(), MAX_ASKED_BYTES >> 20);
    assert!(relay.requests.is_empty(), "what was dropped is not waited for");
}

#[test]
fn a_stranger_who_announces_without_end_displaces_nobody() {
    let mut relay = relay();
    let [loud, quiet] = [PeerId(3), PeerId(4)];
    for peer in [loud, quiet] {
        relay.handle(RelayEvent::PeerConnected { peer, wants: true, inbound: true }, NOW);
    }
    for first in (0..100_000).step_by(1000) {
        let txids: Vec<Txid> = (first..first + 1000).map(txid).collect();
        announce(&mut relay, loud, &txids);
    }
    announce(&mut relay, quiet, &[txid(200_000)]);
    let asked = relay.handle(RelayEvent::Tick, NOW + STRANGERS_DELAY);
    assert!(asked.contains(&requested(quiet, txid(200_000))[0]));
    assert_eq!(relay.peers[&loud].delayed.len(), 0);
}

#[test]
fn who_dialled_us_is_asked_later_than_whom_we_dialled() {
    let mut relay = relay();
    let stranger = PeerId(3);
    relay.handle(RelayEvent::PeerConnected { peer: stranger, wants: true, inbound: true }, NOW);
    assert_eq!(announce(&mut relay, stranger, &[txid(1), txid(2)]), []);
    assert_eq!(announce(&mut relay, A, &[txid(1)]), requested(A, txid(1)));
    let due = relay.next_tick().unwrap();
    assert_eq!(due, NOW + STRANGERS_DELAY);
    assert_eq!(relay.handle(RelayEvent::Tick, due), requested(stranger, txid(2)));
}

#[test]
fn what_was_evicted_confirmed_or_disconnected_is_judged_anew() {
    let mut relay = relay();
    relay.handle(accepted(1), NOW);
    relay.handle(RelayEvent::Accepted { txid: txid(2), evicted: vec![txid(1)] }, NOW);
    assert_eq!(announce(&mut relay, A, &[txid(2), txid(1)]), requested(A, txid(1)), "it went for another");
    relay.handle(RelayEvent::Connected { txids: vec![txid(1), txid(2)] }, NOW);
    assert!(relay.requests.is_empty(), "a block brought it");
    assert_eq!(announce(&mut relay, B, &[txid(1), txid(2)]), []);
    let told = relay.handle(RelayEvent::Tick, NOW + Duration::from_secs(1000));
    assert_eq!(told, [], "nobody wants to hear of what is in a block");
    relay.handle(RelayEvent::Disconnected { pending: Vec::new() }, NOW);
    assert_eq!(announce(&mut relay, B, &[txid(2)]), requested(B, txid(2)));
}

#[test]
fn what_waits_to_be_announced_outlives_a_change_of_chains_and_what_blocks_give_back_is_announced() {
    let mut relay = relay();
    relay.handle(accepted(1), NOW);
    relay.handle(accepted(2), NOW);
    let pending = vec![txid(1), txid(3)];
    relay.handle(RelayEvent::Disconnected { pending }, NOW);
    let told = relay.handle(RelayEvent::Tick, NOW + Duration::from_secs(1000));
    let txids = vec![txid(1), txid(3)];
    let expected = [A, B].map(|peer| RelayAction::Announce { peer, txids: txids.clone() });
    assert_eq!(told, expected, "2 contradicts the new chain");
}

#[test]
fn what_is_pending_already_is_not_taken_for_refused() {
    let mut relay = relay();
    let tx = transaction(1, txid(0));
    announce(&mut relay, A, &[txid(1)]);
    deliver(&mut relay, A, txid(1), &tx);
    relay.handle(RelayEvent::Refused { txid: txid(1), refusal: Refusal::Known }, NOW);
    assert!(relay.pending.contains(&txid(1)) && !relay.refused.contains(&txid(1)));
}

/// What spends an output that a block has spent is no orphan.
#[test]
fn nobody_waits_for_a_parent_that_is_in_the_chain() {
    let mut relay = relay();
    relay.handle(RelayEvent::Connected { txids: vec![txid(1)] }, NOW);
    deliver(&mut relay, A, txid(2), &transaction(2, txid(1)));
    let refusal = Refusal::MissingParent(txid(1));
    assert_eq!(relay.handle(RelayEvent::Refused { txid: txid(2), refusal }, NOW), []);
    assert!(relay.orphans.take_all(NOW).is_empty());
}

#[test]
fn orphans_of_who_is_gone_are_not_kept() {
    let mut relay = relay();
    deliver(&mut relay, A, txid(2), &transaction(2, txid(1)));
    relay.handle(RelayEvent::PeerDisconnected { peer: A }, NOW);
    let refusal = Refusal::MissingParent(txid(1));
    assert_eq!(relay.handle(RelayEvent::Refused { txid: txid(2), refusal }, NOW), []);
    assert!(relay.orphans.take_all(NOW).is_empty());
    assert_eq!(announce(&mut relay, B, &[txid(2)]), requested(B, txid(2)), "nor is it refused");
}

/// Something that happens in a network.
#[derive(Clone, Debug)]
enum Step {
    Connect(u8),
    Disconnect(u8),
    Announce(u8, Vec<u8>),
    Deliver(u8, u8),
    Answer(u8, u8),
    Move,
    Follow(bool),
    Wait(u8),
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        let (peer, tx) = (u8::arbitrary(g) % 5, u8::arbitrary(g) % 20);
        match u8::arbitrary(g) % 16 {
            0 => Self::Connect(peer),
            1 => Self::Disconnect(peer),
            2..=6 => Self::Announce(peer, Vec::<u8>::arbitrary(g).into_iter().map(|tx| tx % 20).collect()),
            7..=9 => Self::Deliver(peer, tx),
            10..=12 => Self::Answer(tx, u8::arbitrary(g)),
            13 => Self::Move,
            14 => Self::Follow(u8::arbitrary(g) % 8 > 0),
            _ => Self::Wait(u8::arbitrary(g)),
        }
    }
}

quickcheck! {
    /// Whatever happens: nobody is asked who is not there, nobody hears twice or of what he told us, nothing is submitted
    /// twice at a time, and the tracker keeps its own rules.
    fn the_relay_keeps_its_promises(steps: Vec<Step>) -> bool {
        let mut relay = TxRelay::new(RelayConfig::default(), 3, []);
        let mut now = NOW;
        let mut connected = BTreeSet::new();
        let mut told: BTreeMap<PeerId, BTreeSet<Txid>> = BTreeMap::new();
        let mut submitted = BTreeSet::new();
        relay.handle(RelayEvent::FollowsTip(true), now);
        for step in steps {
            let peer_of = |peer: u8| PeerId(peer.into());
            let event = match step {
                Step::Connect(peer) if connected.insert(peer_of(peer)) => {
                    told.insert(peer_of(peer), BTreeSet::new());
                    RelayEvent::PeerConnected { peer: peer_of(peer), wants: peer != 0, inbound: peer > 2 }
                }
                Step::Disconnect(peer) if connected.remove(&peer_of(peer)) => {
                    RelayEvent::PeerDisconnected { peer: peer_of(peer) }
                }
                Step::Announce(peer, txs) if connected.contains(&peer_of(peer)) => {
                    let txids: Vec<Txid> = txs.into_iter().map(|tx| txid(tx.into())).collect();
                    told.entry(peer_of(peer)).or_default().extend(&txids);
                    RelayEvent::Announced { peer: peer_of(peer), txids }
                }
                Step::Deliver(peer, tx) if connected.contains(&peer_of(peer)) => {
                    let (peer, number) = (peer_of(peer), u32::from(tx));
                    told.entry(peer).or_default().insert(txid(number));
                    let transaction = transaction(number, txid(number + 1));
                    RelayEvent::Received { peer, txid: txid(number), transaction }
                }
                Step::Answer(tx, how) => {
                    let txid = txid(tx.into());
                    submitted.remove(&txid);
                    match how % 4 {
                        0 => RelayEvent::Refused { txid, refusal: Refusal::Unwelcome },
                        1 => {
                            let parent = self::txid(u32::from(tx) + 1);
                            RelayEvent::Refused { txid, refusal: Refusal::MissingParent(parent) }
                        }
                        2 => RelayEvent::Disconnected { pending: vec![txid] },
                        _ => RelayEvent::Accepted { txid, evicted: vec![self::txid(u32::from(how) % 20)] },
                    }
                }
                Step::Move => RelayEvent::Connected { txids: Vec::new() },
                Step::Follow(follows) => RelayEvent::FollowsTip(follows),
                Step::Wait(seconds) => {
                    now += Duration::from_secs(seconds.into());
                    RelayEvent::Tick
                }
                _ => continue,
            };
            for action in relay.handle(event, now) {
                match action {
                    RelayAction::Request { peer, txids } => {
                        assert!(connected.contains(&peer) && relay.follows_tip);
                        assert!(!txids.is_empty());
                    }
                    RelayAction::Announce { peer, txids } => {
                        assert!(connected.contains(&peer) && peer != PeerId(0));
                        let known = told.entry(peer).or_default();
                        assert!(txids.iter().all(|txid| known.insert(*txid)), "{peer} hears twice");
                    }
                    RelayAction::Submit { txid, .. } => assert!(submitted.insert(txid), "submitted twice"),
                    RelayAction::Misbehaved { .. } => panic!("nobody did"),
                }
            }
            relay.requests.audit();
        }
        true
    }
}
