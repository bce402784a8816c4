//! Blocks before their parents: what is kept, what goes, against a naive list.

use std::time::Duration;

use dilithion_chain::{Candidate, Orphan, OrphanError, OrphanLimits, OrphanPool};
use dilithion_wire::{Amount, BlockHash};
use quickcheck::{Arbitrary, Gen, QuickCheck};

use crate::builder::{coinbase, seal};

const LIFETIME: Duration = Duration::from_secs(10);

fn hash(byte: u8) -> BlockHash {
    BlockHash::from_bytes([byte; 32])
}

/// A block on a parent, of about so many bytes more than the smallest.
fn block(parent: BlockHash, nonce: u32, extra: usize) -> Candidate {
    let mut tx = coinbase(nonce, Amount(1));
    tx.outputs[0].script_pubkey = vec![0x6a; extra].into();
    seal(parent, vec![tx], nonce)
}

/// The memory that a block takes in a pool.
fn bytes(candidate: &Candidate) -> usize {
    let mut pool = OrphanPool::default();
    pool.insert(0_u8, candidate.clone(), Duration::ZERO).unwrap();
    pool.bytes()
}

fn limits(max_bytes: usize, max_bytes_per_peer: usize) -> OrphanLimits {
    OrphanLimits { max_bytes, max_bytes_per_peer, lifetime: LIFETIME }
}

#[test]
fn children_are_taken_when_their_parent_connects() {
    let now = Duration::ZERO;
    let mut pool = OrphanPool::default();
    let first = block(hash(1), 1, 0);
    let second = block(hash(1), 2, 0);
    let grandchild = block(first.hash, 3, 0);
    for (peer, candidate) in [(7_u8, &grandchild), (8, &second), (7, &first)] {
        assert_eq!(pool.insert(peer, candidate.clone(), now), Ok(vec![]));
    }
    assert_eq!(pool.insert(7, first.clone(), now), Err(OrphanError::Known { hash: first.hash }));
    // From another peer it may be another body.
    assert_eq!(pool.insert(9, first.clone(), now), Ok(vec![]));
    assert_eq!(pool.len(), 4);
    assert!(pool.take_children(&hash(2)).is_empty());
    let taken = pool.take_children(&hash(1));
    let expected = [(8, &second), (7, &first), (9, &first)];
    assert_eq!(taken, expected.map(|(peer, candidate)| Orphan { peer, candidate: candidate.clone() }));
    assert!(pool.contains(&grandchild.hash) && !pool.contains(&first.hash));
    assert_eq!(pool.take_children(&first.hash).len(), 1);
    assert_eq!((pool.is_empty(), pool.bytes(), pool.next_expiry()), (true, 0, None));
}

#[test]
fn a_greedy_peer_loses_its_own_blocks_first() {
    let now = Duration::ZERO;
    let small: Vec<_> = (0..8).map(|nonce| block(hash(1), nonce, 0)).collect();
    let unit = bytes(&small[0]);
    let mut pool = OrphanPool::new(limits(5 * unit, 3 * unit));
    for (peer, candidate) in [(1_u8, &small[0]), (2, &small[1]), (2, &small[2]), (2, &small[3])] {
        assert_eq!(pool.insert(peer, candidate.clone(), now), Ok(vec![]));
    }
    // Over its own bound.
    assert_eq!(pool.insert(2, small[4].clone(), now), Ok(vec![small[1].hash]));
    assert_eq!(pool.insert(3, small[5].clone(), now), Ok(vec![]));
    // Over the common bound, by somebody else's block.
    assert_eq!(pool.insert(1, small[6].clone(), now), Ok(vec![small[2].hash]));
    // Nobody has more than the newcomer: it is not kept.
    let big = block(hash(1), 9, 2 * unit - 10);
    assert!((2 * unit..=3 * unit).contains(&bytes(&big)));
    assert_eq!(pool.insert(4, big.clone(), now), Ok(vec![big.hash]));
    assert_eq!(pool.bytes(), 5 * unit);
    let huge = block(hash(1), 10, 3 * unit);
    let expected = OrphanError::TooLarge { hash: huge.hash, bytes: bytes(&huge), max: 3 * unit };
    assert_eq!(pool.insert(4, huge, now), Err(expected));
    assert_eq!((pool.forget_peer(2), pool.forget_peer(2), pool.peer_bytes(2)), (2, 0, 0));
    assert_eq!((pool.len(), pool.bytes()), (3, 3 * unit));
}

#[test]
fn what_waits_too_long_goes() {
    let start = Duration::from_secs(100);
    let mut pool = OrphanPool::new(limits(1 << 20, 1 << 20));
    let (first, second) = (block(hash(1), 1, 0), block(hash(1), 2, 0));
    pool.insert(1_u8, first.clone(), start).unwrap();
    pool.insert(1, second.clone(), start + LIFETIME / 2).unwrap();
    assert_eq!(pool.next_expiry(), Some(start + LIFETIME));
    assert_eq!(pool.expire(start + LIFETIME - Duration::from_nanos(1)), []);
    assert_eq!(pool.expire(start + LIFETIME), [first.hash]);
    assert_eq!(pool.expire(start + LIFETIME * 2), [second.hash]);
    assert_eq!((pool.len(), pool.bytes(), pool.peer_bytes(1)), (0, 0, 0));
}

/// A block without transactions takes memory too, and so does each of many small parts.
#[test]
fn memory_counts_and_not_bytes_on_the_wire() {
    let empty = seal(hash(1), vec![], 1);
    assert!(bytes(&empty) > 2 * empty.block.encoded_len());
    let mut tx = coinbase(1, Amount(1));
    tx.outputs = vec![tx.outputs[0].clone(); 1000];
    let many = seal(hash(1), vec![tx], 1);
    assert!(bytes(&many) > 4 * many.block.encoded_len());
}

#[derive(Debug, Clone)]
enum Step {
    Insert { peer: u8, parent: u8, nonce: u8, extra: u8 },
    Take(u8),
    Forget(u8),
    Wait(u8),
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut below = |bound: u8| u8::arbitrary(g) % bound;
        match below(10) {
            0 => Self::Take(below(4)),
            1 => Self::Forget(below(4)),
            2 | 3 => Self::Wait(below(6)),
            _ => Self::Insert { peer: below(4), parent: below(4), nonce: below(6), extra: below(4) },
        }
    }
}

/// Peer, block, bytes, time of arrival.
type Naive = Vec<(u8, Candidate, usize, Duration)>;

fn share(list: &Naive, peer: u8) -> usize {
    list.iter().filter(|entry| entry.0 == peer).map(|entry| entry.2).sum()
}

fn evict(list: &mut Naive, peer: u8, evicted: &mut Vec<BlockHash>) {
    let oldest = list.iter().position(|entry| entry.0 == peer).unwrap();
    evicted.push(list.remove(oldest).1.hash);
}

fn naive_insert(
    list: &mut Naive,
    limits: &OrphanLimits,
    entry: (u8, Candidate, usize, Duration),
) -> Result<Vec<BlockHash>, OrphanError> {
    let (peer, hash, bytes) = (entry.0, entry.1.hash, entry.2);
    let max = limits.max_bytes.min(limits.max_bytes_per_peer);
    if bytes > max {
        return Err(OrphanError::TooLarge { hash, bytes, max });
    }
    if list.iter().any(|other| other.0 == peer && other.1.hash == hash) {
        return Err(OrphanError::Known { hash });
    }
    list.push(entry);
    let mut evicted = Vec::new();
    while share(list, peer) > limits.max_bytes_per_peer {
        evict(list, peer, &mut evicted);
    }
    while list.iter().map(|entry| entry.2).sum::<usize>() > limits.max_bytes {
        let greediest = (0..4).max_by_key(|peer| share(list, *peer)).unwrap();
        evict(list, greediest, &mut evicted);
    }
    Ok(evicted)
}

#[test]
fn the_pool_agrees_with_a_naive_list() {
    fn agrees(steps: Vec<Step>) -> bool {
        let limits = limits(5000, 3000);
        let (mut pool, mut list) = (OrphanPool::new(limits), Naive::new());
        let mut now = Duration::ZERO;
        for step in steps {
            match step {
                Step::Insert { peer, parent, nonce, extra } => {
                    let extra = usize::from(extra).pow(2) * 300;
                    let candidate = block(hash(parent), nonce.into(), extra);
                    let entry = (peer, candidate.clone(), bytes(&candidate), now);
                    assert_eq!(pool.insert(peer, candidate, now), naive_insert(&mut list, &limits, entry));
                }
                Step::Take(parent) => {
                    let is_child = |candidate: &Candidate| candidate.block.header.prev_hash == hash(parent);
                    let expected: Vec<_> = list
                        .extract_if(.., |entry| is_child(&entry.1))
                        .map(|(peer, candidate, ..)| Orphan { peer, candidate })
                        .collect();
                    assert_eq!(pool.take_children(&hash(parent)), expected);
                }
                Step::Forget(peer) => {
                    let gone = list.extract_if(.., |entry| entry.0 == peer).count();
                    assert_eq!(pool.forget_peer(peer), gone);
                }
                Step::Wait(seconds) => {
                    now += Duration::from_secs(seconds.into());
                    let gone: Vec<_> = list
                        .extract_if(.., |entry| entry.3 + LIFETIME <= now)
                        .map(|entry| entry.1.hash)
                        .collect();
                    assert_eq!(pool.expire(now), gone);
                }
            }
            assert_eq!(pool.len(), list.len());
            assert_eq!(pool.bytes(), list.iter().map(|entry| entry.2).sum::<usize>());
            assert!((0..4).all(|peer| pool.peer_bytes(peer) == share(&list, peer)));
            assert!(list.iter().all(|entry| pool.contains(&entry.1.hash)));
            assert_eq!(pool.next_expiry(), list.iter().map(|entry| entry.3 + LIFETIME).min());
        }
        true
    }
    QuickCheck::new().tests(300).quickcheck(agrees as fn(Vec<Step>) -> bool);
}
