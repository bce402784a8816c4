//! Coinbases that repeat earlier ones, and random trees of blocks against the naive model.

use std::iter;
use std::path::Path;
use std::sync::Arc;

use dilithion_chain::{
    Candidate, Chainstate, Depth, MIN_PRUNE, Policy, ReorgError, StoreError, StoreOptions,
};
use dilithion_wire::{Amount, Block, ChainParams, Height, OutPoint};
use quickcheck::{Arbitrary, Gen, QuickCheck};

use crate::builder::{coinbase, nowhere, output, seal, spend, subsidy};
use crate::model::Model;
use crate::{digest, import, open, recorded, small};

fn model_digest(params: &ChainParams, blocks: &[Candidate]) -> String {
    let genesis = params.genesis_block();
    Model::of(iter::once(&genesis).chain(blocks.iter().map(|block| &block.block))).digest()
}

#[test]
fn a_repeated_coinbase_overwrites_and_undo_restores() {
    let (mut params, _) = recorded::first_500();
    let rules = Arc::make_mut(&mut params);
    rules.consensus.coinbase_maturity = 1;
    rules.policy = Policy::Reference; // nothing here is signed
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
    /// Change to a new branch from so many blocks back, one block longer.
    Reorg(u8),
    /// Try a branch like that, whose last block is bad.
    BadReorg(u8),
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 6 {
            0 => Self::Back(u8::arbitrary(g) % 6),
            1 => Self::Again(u8::arbitrary(g) % 6),
            2 => Self::Reorg(u8::arbitrary(g) % 6),
            3 => Self::BadReorg(u8::arbitrary(g) % 6),
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

/// A store and what should be in it, walking through a tree of blocks.
struct Walk {
    miner: Miner,
    chain: Chainstate,
    blocks: Vec<Candidate>,
    /// Blocks that are never left: those below are pruned.
    base: usize,
}

impl Walk {
    fn new(dir: &Path, base: usize, prune: Option<u32>, random: u32) -> Self {
        let (mut params, mut blocks) = recorded::first_500();
        let rules = Arc::make_mut(&mut params);
        rules.consensus.coinbase_maturity = 0;
        rules.policy = Policy::Reference; // nothing here is signed
        blocks.truncate(base);
        let miner = Miner { params: (*params).clone(), random };
        let mut chain = Chainstate::open(dir, params, StoreOptions { prune, ..small() }).unwrap();
        import(&mut chain, &blocks, 300);
        Self { miner, chain, blocks, base }
    }

    /// Mines blocks on top of the first ones of the chain.
    fn mine_on(&mut self, height: usize, count: usize) -> Vec<Candidate> {
        let mut blocks = self.blocks[..height].to_vec();
        for _ in 0..count {
            let mut unspent = unspent(&self.miner.params, &blocks);
            let block = self.miner.mine(&blocks, &mut unspent);
            blocks.push(block);
        }
        blocks.split_off(height)
    }

    fn back(&self, count: u8) -> usize {
        self.blocks.len().saturating_sub(count.into()).max(self.base)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Grow(count) => {
                let new = self.mine_on(self.blocks.len(), count.into());
                import(&mut self.chain, &new, 6);
                self.blocks.extend(new);
            }
            Step::Back(count) => {
                self.blocks.truncate(self.back(count));
                self.chain.disconnect_to(Height(self.blocks.len().try_into().unwrap())).unwrap();
            }
            Step::Again(count) => {
                let from = self.back(count);
                self.chain.disconnect_to(Height(from.try_into().unwrap())).unwrap();
                import(&mut self.chain, &self.blocks[from..], 6);
            }
            Step::Reorg(count) => {
                let from = self.back(count);
                let new = self.mine_on(from, self.blocks.len() - from + 1);
                self.chain.reorg(Height(from.try_into().unwrap()), &new).unwrap();
                self.blocks.truncate(from);
                self.blocks.extend(new);
            }
            Step::BadReorg(count) => {
                let from = self.back(count);
                let mut new = self.mine_on(from, self.blocks.len() - from + 1);
                let last = new.last_mut().unwrap();
                let bad = vec![coinbase(0, Amount(1)), spend(&[nowhere()], vec![Amount(1)])];
                *last = seal(last.block.header.prev_hash, bad, 0);
                let error = self.chain.reorg(Height(from.try_into().unwrap()), &new).unwrap_err();
                assert!(matches!(error, ReorgError::Refused(_)), "{error}");
            }
        }
    }

    fn check(&self) {
        let params = &self.miner.params;
        assert_eq!(digest(&self.chain), model_digest(params, &self.blocks));
        let tip = self.blocks.last().map_or(params.genesis.hash, |block| block.hash);
        assert_eq!(self.chain.tip().hash, tip);
        assert_eq!(self.chain.reader().tip().unwrap(), self.chain.tip());
    }
}

#[test]
fn random_walks_through_trees_of_blocks_agree_with_the_model() {
    fn walk(steps: Vec<Step>, random: u32) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let mut walk = Walk::new(dir.path(), 0, None, random);
        for step in steps {
            walk.step(step);
            walk.check();
        }
        walk.chain.reader().check_integrity(Depth::Full).unwrap();
        true
    }
    QuickCheck::new().tests(25).quickcheck(walk as fn(Vec<Step>, u32) -> bool);
}

#[test]
fn random_walks_agree_with_the_model_while_pruned() {
    fn walk(steps: Vec<Step>, random: u32) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let mut walk = Walk::new(dir.path(), 300, Some(MIN_PRUNE), random);
        let mut highest = 300;
        for step in steps {
            walk.step(step);
            highest = highest.max(walk.blocks.len());
            walk.check();
            let lowest = highest + 1 - usize::try_from(MIN_PRUNE).unwrap();
            let reader = walk.chain.reader();
            assert_eq!(reader.lowest_body().unwrap(), Height(lowest.try_into().unwrap()));
            assert!(reader.block(&walk.blocks[lowest - 1].hash).unwrap().is_some());
            assert!(matches!(reader.block(&walk.blocks[lowest - 2].hash), Err(StoreError::Pruned { .. })));
        }
        walk.chain.reader().check_integrity(Depth::Full).unwrap();
        true
    }
    QuickCheck::new().rng(Gen::new(8)).tests(3).quickcheck(walk as fn(Vec<Step>, u32) -> bool);
}
