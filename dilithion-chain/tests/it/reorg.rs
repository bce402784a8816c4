//! Coinbases that repeat earlier ones, and random trees of blocks against the naive model.

use std::iter;

use dilithion_chain::{Candidate, Depth};
use dilithion_wire::{Amount, Block, ChainParams, Height, OutPoint};
use quickcheck::{Arbitrary, Gen, QuickCheck};

use crate::builder::{coinbase, output, seal, spend, subsidy};
use crate::model::Model;
use crate::{digest, import, open, recorded};

fn model_digest(params: &ChainParams, blocks: &[Candidate]) -> String {
    let genesis = params.genesis_block();
    Model::of(iter::once(&genesis).chain(blocks.iter().map(|block| &block.block))).digest()
}

#[test]
fn a_repeated_coinbase_overwrites_and_undo_restores() {
    let (mut params, _) = recorded::first_500();
    std::sync::Arc::make_mut(&mut params).consensus.coinbase_maturity = 1;
    let repeated = coinbase(7, Amount(50));
    let first = seal(params.genesis.hash, vec![repeated.clone()], 1);
    let second = seal(first.hash, vec![repeated.clone()], 2);
    let spender = spend(&[output(&repeated, 0)], vec![Amount(50)]);
    let third = seal(second.hash, vec![coinbase(8, Amount(1)), spender.clone()], 3);
    // Repeated again: what it overwrites is spent by now, and its spender repeats as well, over its own output.
    let fourth = seal(third.hash, vec![repeated.clone()], 4);
    let fifth = seal(fourth.hash, vec![coinbase(9, Amount(1)), spender], 5);
    let blocks = [first, second, third, fourth, fifth];

    for batch in 1..=blocks.len() {
        let dir = tempfile::tempdir().unwrap();
        let mut chain = open(dir.path(), &params);
        import(&mut chain, &blocks, batch);
        for height in (0..=blocks.len()).rev() {
            assert_eq!(
                digest(&chain),
                model_digest(&params, &blocks[..height]),
                "height {height}, batch {batch}"
            );
            chain.reader().check_integrity(Depth::Full).unwrap();
            if height == 2 {
                let coin = chain.reader().utxo(&output(&repeated, 0)).unwrap().unwrap();
                assert_eq!((coin.height, coin.coinbase), (Height(2), true));
            }
            if height == 1 {
                let coin = chain.reader().utxo(&output(&repeated, 0)).unwrap().unwrap();
                assert_eq!(coin.height, Height(1));
            }
            if height > 0 {
                chain.disconnect_tip().unwrap();
            }
        }
        // And all at once, both ways.
        import(&mut chain, &blocks, blocks.len());
        assert_eq!(digest(&chain), model_digest(&params, &blocks));
        chain.disconnect_to(Height(0)).unwrap();
        assert_eq!(digest(&chain), model_digest(&params, &[]));
    }
}

/// One step of a random walk through a tree of blocks.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Connect so many new blocks in one batch.
    Grow(u8),
    /// Go back so many blocks.
    Back(u8),
    /// Go back so many blocks and connect the same ones again.
    Again(u8),
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 4 {
            0 => Self::Back(u8::arbitrary(g) % 6),
            1 => Self::Again(u8::arbitrary(g) % 6),
            _ => Self::Grow(u8::arbitrary(g) % 6),
        }
    }
}

/// Makes valid blocks out of random numbers, few enough tags for coinbases to repeat.
struct Miner {
    params: ChainParams,
    random: u32,
}

impl Miner {
    fn next(&mut self, below: u32) -> u32 {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.random >> 16) % below
    }

    /// A block on top of `chain` that spends some of `unspent` and maybe an output of its own.
    fn mine(&mut self, chain: &[Candidate], unspent: &mut Vec<(OutPoint, Amount)>) -> Candidate {
        let prev = chain.last().map_or(self.params.genesis.hash, |block| block.hash);
        let tag = self.next(8);
        let mut transactions = vec![subsidy(&self.params, 1, tag)];
        for _ in 0..self.next(3) {
            let count = u32::try_from(unspent.len()).unwrap();
            if count == 0 {
                break;
            }
            let (outpoint, value) = unspent.swap_remove(self.next(count).try_into().unwrap());
            let (low, high) = (value.0 / 3, value.0 - value.0 / 3);
            let tx = spend(&[outpoint], vec![Amount(low), Amount(high)]);
            if transactions.iter().all(|other| other.txid() != tx.txid()) {
                unspent.extend([(output(&tx, 0), Amount(low)), (output(&tx, 1), Amount(high))]);
                transactions.push(tx);
            }
        }
        let nonce = self.next(u32::from(u16::MAX)) << 16 | self.next(u32::from(u16::MAX));
        seal(prev, transactions, nonce)
    }
}

/// What a chain leaves to spend, by the same rules as the model.
fn unspent(params: &ChainParams, chain: &[Candidate]) -> Vec<(OutPoint, Amount)> {
    let genesis = params.genesis_block();
    let blocks: Vec<&Block> = iter::once(&genesis).chain(chain.iter().map(|block| &block.block)).collect();
    Model::of(blocks).unspent()
}

#[test]
fn random_walks_through_trees_of_blocks_agree_with_the_model() {
    fn walk(steps: Vec<Step>, random: u32) -> bool {
        let (mut params, _) = recorded::first_500();
        std::sync::Arc::make_mut(&mut params).consensus.coinbase_maturity = 0;
        let mut miner = Miner { params: (*params).clone(), random };
        let dir = tempfile::tempdir().unwrap();
        let mut chain = open(dir.path(), &params);
        let mut blocks: Vec<Candidate> = Vec::new();
        for step in steps {
            match step {
                Step::Grow(count) => {
                    let from = blocks.len();
                    for _ in 0..count {
                        let mut unspent = unspent(&params, &blocks);
                        let block = miner.mine(&blocks, &mut unspent);
                        blocks.push(block);
                    }
                    import(&mut chain, &blocks[from..], 6);
                }
                Step::Back(count) => {
                    blocks.truncate(blocks.len().saturating_sub(count.into()));
                    chain.disconnect_to(Height(blocks.len().try_into().unwrap())).unwrap();
                }
                Step::Again(count) => {
                    let from = blocks.len().saturating_sub(count.into());
                    chain.disconnect_to(Height(from.try_into().unwrap())).unwrap();
                    import(&mut chain, &blocks[from..], 6);
                }
            }
            assert_eq!(digest(&chain), model_digest(&params, &blocks));
        }
        chain.reader().check_integrity(Depth::Full).unwrap();
        true
    }
    QuickCheck::new().tests(25).quickcheck(walk as fn(Vec<Step>, u32) -> bool);
}
