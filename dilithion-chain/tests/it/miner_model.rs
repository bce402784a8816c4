//! Random chains of miners, with branches and ways back, against counting everything anew.

use std::slice;
use std::sync::Arc;

use dilithion_chain::mik::Identity;
use dilithion_chain::mining::Claim;
use dilithion_chain::{Candidate, Chainstate, Depth, ReorgError};
use dilithion_wire::{BlockHash, ChainParams, Height};
use quickcheck::{Arbitrary, Gen, QuickCheck};

use crate::miners::{Chronicle, keys, mined, params, plan, registration};
use crate::{import, open};

/// One block: who makes it, whom it pays, and whether it registers its miner though that is known.
#[derive(Debug, Clone, Copy)]
struct Turn {
    miner: u8,
    payee: u8,
    register: bool,
}

#[derive(Debug, Clone)]
enum Op {
    Extend(Vec<Turn>),
    /// Replaces so many blocks by one more; one of them breaks a rule.
    Branch {
        depth: u8,
        turns: Vec<Turn>,
        spoilt: bool,
    },
    Back(u8),
    Reopen,
}

impl Arbitrary for Turn {
    fn arbitrary(g: &mut Gen) -> Self {
        // Few miners and fewer payees, so that there is heat.
        let payee = if bool::arbitrary(g) { u8::arbitrary(g) % 2 } else { u8::arbitrary(g) % 6 };
        Self { miner: u8::arbitrary(g) % 6, payee, register: u8::arbitrary(g) % 8 == 0 }
    }
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        let turns = |g: &mut Gen, max: u8| (0..=u8::arbitrary(g) % max).map(|_| Turn::arbitrary(g)).collect();
        match u8::arbitrary(g) % 8 {
            0..=3 => Self::Extend(turns(g, 12)),
            4 | 5 => Self::Branch {
                depth: u8::arbitrary(g) % 10,
                turns: turns(g, 12),
                spoilt: u8::arbitrary(g) % 3 == 0,
            },
            6 => Self::Back(u8::arbitrary(g) % 8),
            _ => Self::Reopen,
        }
    }
}

/// A chain as the test sees it.
#[derive(Clone)]
struct Model {
    params: Arc<ChainParams>,
    chronicle: Chronicle,
    /// Ids from the genesis block on.
    ids: Vec<BlockHash>,
}

impl Model {
    fn new(params: &Arc<ChainParams>) -> Self {
        let ids = vec![params.genesis.hash];
        Self { params: Arc::clone(params), chronicle: Chronicle::default(), ids }
    }

    fn back(&mut self, height: u32) {
        self.chronicle.truncate(height);
        self.ids.truncate(height as usize + 1);
    }

    /// Makes a valid block and applies it. It is valid only if model and store agree on the miner's handicap, at least as
    /// often as the id comes close.
    fn mine(&mut self, turn: Turn) -> Candidate {
        let rules = self.params.mik.as_ref().unwrap();
        let key = &keys()[usize::from(turn.miner)];
        let payout = keys()[usize::from(turn.payee)].script_pubkey();
        let height = self.chronicle.height() + 1;
        let standing = self.chronicle.standing(&key.identity(), &Identity::of_script(&payout), rules);
        let claim = if turn.register || standing.public_key.is_none() {
            registration(&self.params, key, height)
        } else {
            Claim::Reference { dna: None }
        };
        let mut plan = plan(&self.params, *self.ids.last().unwrap(), height);
        plan.payout = Some(payout);
        let candidate = mined(plan.mined_by(key, &claim).unwrap(), height, &standing, rules);
        self.chronicle.push(&candidate.block);
        self.ids.push(candidate.hash);
        candidate
    }

    /// Whether the store knows the same about everybody.
    fn agrees(&self, chain: &Chainstate) {
        let reader = chain.reader();
        let rules = self.params.mik.as_ref().unwrap();
        assert_eq!(chain.tip().hash, *self.ids.last().unwrap());
        let mut known = 0;
        for key in keys() {
            let payee = Identity::of_script(&key.script_pubkey());
            let expected = self.chronicle.standing(&key.identity(), &payee, rules);
            assert_eq!(reader.standing(Some(&key.identity()), &payee, rules).unwrap(), expected);
            known += usize::from(expected.first_seen.is_some());
        }
        assert_eq!(reader.miners().unwrap().len(), known);
    }
}

fn store_and_model_agree(ops: Vec<Op>) -> bool {
    let (dir, params) = (tempfile::tempdir().unwrap(), params());
    let mut chain = open(dir.path(), &params);
    let mut model = Model::new(&params);
    for op in ops {
        let tip = chain.tip().height.0;
        match op {
            Op::Extend(turns) => {
                let blocks: Vec<Candidate> = turns.iter().map(|turn| model.mine(*turn)).collect();
                let batch = 1 + usize::from(turns[0].payee);
                import(&mut chain, &blocks, batch);
            }
            Op::Branch { depth, turns, spoilt } => {
                let depth = u32::from(depth).min(tip);
                let mut branch = model.clone();
                branch.back(tip - depth);
                let turns = turns.iter().cycle().take(depth as usize + 1);
                let mut blocks: Vec<Candidate> = turns.map(|turn| branch.mine(*turn)).collect();
                let fork = Height(tip - depth);
                if spoilt {
                    // The last one claims more than there is.
                    let mut last = blocks.pop().unwrap();
                    last.block.transactions[0].outputs[0].value.0 += 1;
                    last.block.header.merkle_root = last.block.merkle_root();
                    blocks.push(last);
                    assert!(matches!(chain.reorg(fork, &blocks), Err(ReorgError::Refused(_))));
                } else {
                    chain.reorg(fork, &blocks).unwrap();
                    model = branch;
                }
            }
            Op::Back(depth) => {
                let height = tip - u32::from(depth).min(tip);
                chain.disconnect_to(Height(height)).unwrap();
                model.back(height);
            }
            Op::Reopen => {
                drop(chain);
                chain = open(dir.path(), &params);
            }
        }
        model.agrees(&chain);
    }
    chain.reader().check_integrity(Depth::Full).unwrap();
    // The next block is judged by this state as well.
    let next = model.mine(Turn { miner: 0, payee: 0, register: false });
    import(&mut chain, slice::from_ref(&next), 1);
    true
}

#[test]
fn random_branches() {
    QuickCheck::new().tests(25).quickcheck(store_and_model_agree as fn(Vec<Op>) -> bool);
}
