//! Random submissions, blocks and changes of branch: the pool is what a naive list says after each step.

use std::cmp::Reverse;
use std::iter;

use dilithion_chain::{Candidate, Chainstate, Depth, FeeRate, StoreOptions};
use dilithion_wire::{Amount, ChainParams, Height, OutPoint, Transaction};
use quickcheck::{Arbitrary, Gen, QuickCheck};

use crate::builder::{coinbase, nowhere, output, seal};
use crate::model::Model;
use crate::signer::{pay_to_key, sign, signed};
use crate::{import, recorded, small};

/// Blocks until a coinbase may be spent.
const MATURITY: u32 = 2;
/// A fee that is high enough for two inputs.
const FEE: u64 = 400_000;
/// The value of coinbases here: a transaction of two of them has enough for any fee.
const VALUE: u64 = 1_000_000_000;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Submit so many random transactions, good and bad.
    Submit(u8),
    /// Connect a block of some pending ones, and maybe of others.
    Mine,
    /// Go back so many blocks.
    Back(u8),
    /// Change to a branch from so many blocks back, one block longer.
    Reorg(u8),
    /// Close the store and open it again.
    Reopen,
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 9 {
            0 => Self::Back(u8::arbitrary(g) % 4),
            1 => Self::Reorg(u8::arbitrary(g) % 4),
            2 => Self::Reopen,
            3 | 4 => Self::Mine,
            _ => Self::Submit(u8::arbitrary(g) % 6),
        }
    }
}

/// A pending transaction, and what it pays.
type Entry = (Transaction, u64);

/// The pool as a list.
#[derive(Debug, Clone, Default)]
struct List {
    entries: Vec<Entry>,
    max_bytes: usize,
}

impl List {
    /// Adds a transaction if it may be in the next block, with room made by the rules of the pool.
    fn admit(&mut self, tx: &Transaction, coins: &Model, next: u32) {
        let Some(fee) = self.fee(tx, coins, next) else { return };
        let mut left = self.entries.clone();
        let bytes = |entries: &[Entry]| entries.iter().map(|(tx, _)| tx.encoded_len()).sum::<usize>();
        while bytes(&left) + tx.encoded_len() > self.max_bytes {
            let lowest = left.iter().enumerate().min_by_key(|(place, entry)| (rate(entry), Reverse(*place)));
            let Some((place, lowest)) = lowest else { return };
            if rate(lowest) >= rate(&(tx.clone(), fee)) {
                return;
            }
            let mut gone = vec![left.remove(place).0];
            left.retain(|(other, _)| {
                let goes = gone.iter().any(|parent| builds_on(other, parent));
                if goes {
                    gone.push(other.clone());
                }
                !goes
            });
            if gone.iter().any(|gone| builds_on(tx, gone)) {
                return;
            }
        }
        left.push((tx.clone(), fee));
        self.entries = left;
    }

    /// The fee, if the transaction keeps the rules that are put to the test here.
    fn fee(&self, tx: &Transaction, coins: &Model, next: u32) -> Option<u64> {
        let mut value = 0;
        for input in &tx.inputs {
            let spent = &input.previous_output;
            if self.entries.iter().any(|(other, _)| spends(other, spent)) {
                return None;
            }
            let parent = self.entries.iter().find(|(other, _)| other.txid() == spent.txid);
            let pending =
                parent.and_then(|(parent, _)| parent.outputs.get(usize::try_from(spent.index).unwrap()));
            let coin = coins.coin(spent).or_else(|| pending.map(|output| (next, false, output.value)));
            let (height, coinbase, worth) = coin?;
            if coinbase && next - height < MATURITY {
                return None;
            }
            value += worth.0;
        }
        let fee = value.checked_sub(tx.outputs.iter().map(|output| output.value.0).sum())?;
        (fee >= FEE && tx.lock_time <= next).then_some(fee)
    }

    /// The same transactions after `first`, on another chain.
    fn refill(&mut self, first: &[Transaction], coins: &Model, next: u32) {
        let waiting = std::mem::take(&mut self.entries);
        for tx in first.iter().chain(waiting.iter().map(|(tx, _)| tx)) {
            self.admit(tx, coins, next);
        }
    }
}

fn rate((tx, fee): &Entry) -> FeeRate {
    FeeRate::of(Amount(*fee), tx.encoded_len())
}

fn spends(tx: &Transaction, outpoint: &OutPoint) -> bool {
    tx.inputs.iter().any(|input| input.previous_output == *outpoint)
}

fn builds_on(tx: &Transaction, parent: &Transaction) -> bool {
    let txid = parent.txid();
    tx.inputs.iter().any(|input| input.previous_output.txid == txid)
}

struct Walk {
    dir: tempfile::TempDir,
    params: std::sync::Arc<ChainParams>,
    chain: Option<Chainstate>,
    options: StoreOptions,
    blocks: Vec<Candidate>,
    list: List,
    random: u32,
}

impl Walk {
    fn new(max_bytes: usize, random: u32) -> Self {
        let (mut params, _) = recorded::first_500();
        std::sync::Arc::make_mut(&mut params).consensus.coinbase_maturity = MATURITY;
        let options = StoreOptions { max_pending_bytes: max_bytes as u64, ..small() };
        let dir = tempfile::tempdir().unwrap();
        let chain = Chainstate::open(dir.path(), params.clone(), options).unwrap();
        let list = List { max_bytes, ..List::default() };
        let mut walk = Self { dir, params, chain: Some(chain), options, blocks: Vec::new(), list, random };
        for _ in 0..6 {
            walk.step(Step::Mine);
        }
        walk
    }

    fn chain(&mut self) -> &mut Chainstate {
        self.chain.as_mut().unwrap()
    }

    fn next(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from(self.random >> 16).unwrap() % below
    }

    fn coins(&self, blocks: &[Candidate]) -> Model {
        let genesis = self.params.genesis_block();
        Model::of(iter::once(&genesis).chain(blocks.iter().map(|block| &block.block)))
    }

    fn height(&self) -> u32 {
        self.blocks.len().try_into().unwrap()
    }

    /// A transaction of one or two outputs that exist, are pending, or are neither; another may spend them already.
    fn make(&mut self, coins: &Model) -> Transaction {
        let genesis = self.params.genesis_block().transactions[0].txid();
        let mut known: Vec<_> =
            coins.unspent().into_iter().filter(|(outpoint, _)| outpoint.txid != genesis).collect();
        for (tx, _) in &self.list.entries {
            known.extend((0..).zip(&tx.outputs).map(|(index, out)| (output(tx, index), out.value)));
        }
        // On a branch, what is pending may be in a block already: each output once.
        known.sort_unstable_by_key(|(outpoint, _)| *outpoint);
        known.dedup_by_key(|(outpoint, _)| *outpoint);
        known.extend((0..2).map(|index| (OutPoint { index, ..nowhere() }, Amount(VALUE))));
        let mut inputs = Vec::new();
        for _ in 0..=self.next(2) {
            let place = self.next(known.len());
            inputs.push(known.swap_remove(place));
        }
        let worth: u64 = inputs.iter().map(|(_, value)| value.0).sum();
        let fee = FEE - 1 + self.next(8) as u64 * 20_000;
        let outputs = 1 + self.next(2) as u64;
        // A fee below the least for two inputs may be enough for one; it is either far too low or high enough.
        let fee = if fee < FEE { 0 } else { fee };
        let share = Amount(worth.saturating_sub(fee) / outputs);
        let outpoints: Vec<_> = inputs.iter().map(|(outpoint, _)| *outpoint).collect();
        let mut tx = signed(&outpoints, vec![share; usize::try_from(outputs).unwrap()]);
        if self.next(4) == 0 {
            (tx.lock_time, tx.inputs[0].sequence) = (self.height() + u32::try_from(self.next(3)).unwrap(), 0);
            tx = sign(tx);
        }
        tx
    }

    /// A valid block on top of some others: pending transactions, and others that may contradict them.
    fn mine(&mut self, on: &[Candidate]) -> Candidate {
        let next = u32::try_from(on.len()).unwrap() + 1;
        // Few tags, so that coinbases repeat; what repeats is young again when the block spends it.
        let tag = u32::try_from(self.next(12)).unwrap();
        let mut transactions = vec![pay_to_key(coinbase(tag, Amount(VALUE)))];
        let prev = on.last().map_or(self.params.genesis.hash, |block| block.hash);
        let mut coins = self.coins(on);
        coins.connect(next, &seal(prev, transactions.clone(), 0).block);
        let mut inside = List { max_bytes: 100_000, ..List::default() };
        for (tx, _) in self.list.entries.clone() {
            if self.next(2) == 0 {
                inside.admit(&tx, &coins, next);
            }
        }
        for _ in 0..self.next(3) {
            let tx = self.make(&coins);
            inside.admit(&tx, &coins, next);
        }
        transactions.extend(inside.entries.into_iter().map(|(tx, _)| tx));
        seal(prev, transactions, self.random)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Submit(count) => {
                let coins = self.coins(&self.blocks);
                let mut new = Vec::new();
                for _ in 0..count {
                    let tx = self.make(&coins);
                    self.list.admit(&tx, &coins, self.height() + 1);
                    new.push(tx);
                }
                let results = self.chain().submit_all(&new, 0).unwrap();
                assert_eq!(results.len(), new.len());
            }
            Step::Mine => {
                let block = self.mine(&self.blocks.clone());
                import(self.chain(), std::slice::from_ref(&block), 1);
                self.blocks.push(block);
                let (coins, next) = (self.coins(&self.blocks), self.height() + 1);
                self.list.refill(&[], &coins, next);
            }
            Step::Back(count) => {
                let gone = self.cut(count);
                let height = Height(self.height());
                self.chain().disconnect_to(height).unwrap();
                self.refill(&gone);
            }
            Step::Reorg(count) => {
                let gone = self.cut(count);
                let fork = Height(self.height());
                let mut all = self.blocks.clone();
                for _ in 0..=gone.len() {
                    let block = self.mine(&all.clone());
                    all.push(block);
                }
                let branch = all[self.blocks.len()..].to_vec();
                self.chain().reorg(fork, &branch).unwrap();
                self.blocks = all;
                self.refill(&gone);
            }
            Step::Reopen => {
                self.chain = None;
                let chain = Chainstate::open(self.dir.path(), self.params.clone(), self.options).unwrap();
                self.chain = Some(chain);
            }
        }
    }

    /// Takes blocks off the list of blocks.
    fn cut(&mut self, count: u8) -> Vec<Candidate> {
        self.blocks.split_off(self.blocks.len().saturating_sub(count.into()).max(4))
    }

    /// Gives the transactions of blocks back to the list of pending ones.
    fn refill(&mut self, gone: &[Candidate]) {
        // The pool keeps no more of them than it has room for, by whole blocks from the lowest.
        let (mut bytes, mut kept) = (0, Vec::new());
        for (position, block) in gone.iter().enumerate() {
            let these = &block.block.transactions[1..];
            bytes += these.iter().map(Transaction::encoded_len).sum::<usize>();
            if bytes > self.list.max_bytes && position > 0 {
                break;
            }
            kept.extend_from_slice(these);
        }
        let (coins, next) = (self.coins(&self.blocks), self.height() + 1);
        self.list.refill(&kept, &coins, next);
    }

    fn check(&mut self) {
        let reader = self.chain().reader();
        let found: Vec<_> = reader
            .pending_transactions()
            .map(|entry| entry.map(|entry| (entry.transaction, entry.fee.0)).unwrap())
            .collect();
        assert_eq!(found, self.list.entries);
        let stats = reader.pending_stats().unwrap();
        let bytes = found.iter().map(|(tx, _)| tx.encoded_len() as u64).sum::<u64>();
        assert_eq!((stats.count, stats.bytes), (found.len() as u64, bytes));
        reader.check_integrity(Depth::Last(1)).unwrap();
    }
}

/// Walks through random steps, and ends with a block of all that is pending.
fn walk<const MAX_BYTES: usize>(steps: Vec<Step>, random: u32) -> bool {
    let mut walk = Walk::new(MAX_BYTES, random);
    for step in steps {
        walk.step(step);
        walk.check();
    }
    let pending = walk.list.entries.iter().map(|(tx, _)| tx.clone());
    let transactions = iter::once(coinbase(99, Amount(1))).chain(pending).collect();
    let tip = walk.chain().tip().hash;
    import(walk.chain(), &[seal(tip, transactions, 7)], 1);
    assert_eq!(walk.chain().reader().pending_stats().unwrap().count, 0);
    true
}

#[test]
fn the_pool_agrees_with_a_naive_list() {
    QuickCheck::new().rng(Gen::new(30)).tests(15).quickcheck(walk::<1_000_000> as fn(Vec<Step>, u32) -> bool);
}

#[test]
fn a_full_pool_agrees_with_a_naive_list() {
    QuickCheck::new().rng(Gen::new(30)).tests(15).quickcheck(walk::<30_000> as fn(Vec<Step>, u32) -> bool);
}
