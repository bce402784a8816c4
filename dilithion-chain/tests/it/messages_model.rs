//! Random submissions, blocks and changes of branch: messages are where a naive model says after each step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dilithion_chain::{Candidate, Chainstate, Depth};
use dilithion_wire::{ChainParams, DataMessage, Height, MessageId};
use quickcheck::{Arbitrary, Gen, QuickCheck};

use crate::messages::{block_with, waiting};
use crate::{import, open};

/// Few, so that they meet.
const IDS: u64 = 12;

#[derive(Debug, Clone)]
enum Step {
    /// Submit messages, known or not.
    Submit(Vec<(u64, bool)>),
    /// Connect a block with so many of those that wait, and with others.
    Mine(u8, Vec<(u64, bool)>),
    /// Go back so many blocks.
    Back(u8),
    /// Change to a branch from so many blocks back, one block longer, with these messages in its first block.
    Reorg(u8, Vec<(u64, bool)>),
    /// Close the store and open it again.
    Reopen,
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        let few = |g: &mut Gen| Vec::arbitrary(g).into_iter().take(4).collect::<Vec<_>>();
        match u8::arbitrary(g) % 9 {
            0 => Self::Back(u8::arbitrary(g) % 4),
            1 | 2 => Self::Reorg(u8::arbitrary(g) % 4, few(g)),
            3 => Self::Reopen,
            4 | 5 => Self::Mine(u8::arbitrary(g) % 6, few(g)),
            _ => Self::Submit(few(g)),
        }
    }
}

/// One of two texts under one of few ids; the empty sender's are long.
fn made((nonce, other): (u64, bool)) -> DataMessage {
    let nonce = nonce % IDS;
    let (sender, length) = if nonce < 2 { ("", 15_000) } else { ("Alice", 3) };
    let content = if other { "a" } else { "b" }.repeat(length);
    DataMessage::new(sender, content, 0, nonce).unwrap()
}

/// The messages of each block, from height 1, and those that wait.
#[derive(Debug, Clone, Default)]
struct Model {
    blocks: Vec<(Candidate, Vec<DataMessage>)>,
    waiting: Vec<DataMessage>,
}

impl Model {
    /// Height and text of each id in the chain.
    fn in_chain(&self) -> BTreeMap<MessageId, (u32, DataMessage)> {
        let mut first = BTreeMap::new();
        for (height, (_, messages)) in (1..).zip(&self.blocks) {
            for message in messages {
                first.entry(message.id()).or_insert((height, message.clone()));
            }
        }
        first
    }

    fn submit(&mut self, message: &DataMessage) -> bool {
        let id = message.id();
        let new = !self.in_chain().contains_key(&id) && self.waiting.iter().all(|other| other.id() != id);
        self.waiting.extend(new.then(|| message.clone()));
        new
    }

    fn connect(&mut self, block: Candidate, messages: Vec<DataMessage>) {
        self.waiting.retain(|waiting| messages.iter().all(|message| message.id() != waiting.id()));
        self.blocks.push((block, messages));
    }

    fn back_to(&mut self, height: usize) {
        let gone = self.blocks.split_off(height);
        let mut known: BTreeSet<MessageId> = self.in_chain().into_keys().collect();
        let mut returned: Vec<DataMessage> = gone.into_iter().flat_map(|(_, messages)| messages).collect();
        returned.retain(|message| known.insert(message.id()));
        self.waiting = [returned, std::mem::take(&mut self.waiting)].concat();
    }
}

fn walk(steps: Vec<Step>) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let params = Arc::new(ChainParams::regtest());
    let mut chain = open(dir.path(), &params);
    let mut model = Model::default();
    for (tag, step) in (1000..).step_by(10).zip(steps) {
        match step {
            Step::Submit(messages) => {
                let messages: Vec<DataMessage> = messages.into_iter().map(made).collect();
                let results = chain.message_pool().submit_all(&messages).unwrap();
                for (message, result) in messages.iter().zip(results) {
                    assert_eq!(model.submit(message), result.is_ok(), "{result:?}");
                }
            }
            Step::Mine(count, others) => {
                let mut messages: Vec<DataMessage> =
                    model.waiting.iter().take(count.into()).cloned().collect();
                messages.extend(others.into_iter().map(made));
                let block = next(&params, &model, tag, &messages);
                import(&mut chain, std::slice::from_ref(&block), 1);
                model.connect(block, messages);
            }
            Step::Back(count) => {
                let height = model.blocks.len().saturating_sub(count.into());
                model.back_to(height);
                chain.disconnect_to(Height(u32::try_from(height).unwrap())).unwrap();
            }
            Step::Reorg(count, messages) => {
                let fork = model.blocks.len().saturating_sub(count.into());
                let longer = model.blocks.len() - fork + 1;
                model.back_to(fork);
                let mut messages: Vec<DataMessage> = messages.into_iter().map(made).collect();
                let mut branch = Vec::new();
                for place in 0..longer {
                    let block = next(&params, &model, tag + u32::try_from(place).unwrap(), &messages);
                    branch.push(block.clone());
                    model.connect(block, std::mem::take(&mut messages));
                }
                chain.reorg(Height(u32::try_from(fork).unwrap()), &branch).unwrap();
            }
            Step::Reopen => {
                drop(chain);
                chain = open(dir.path(), &params);
            }
        }
        check(&chain, &model);
    }
    true
}

fn next(params: &ChainParams, model: &Model, tag: u32, messages: &[DataMessage]) -> Candidate {
    let parent = model.blocks.last().map_or(params.genesis.hash, |(block, _)| block.hash);
    block_with(params, (parent, u32::try_from(model.blocks.len()).unwrap()), tag, messages)
}

fn check(chain: &Chainstate, model: &Model) {
    let reader = chain.reader();
    assert_eq!(waiting(chain), model.waiting);
    let in_chain = model.in_chain();
    for nonce in 0..IDS {
        let id = made((nonce, false)).id();
        let stored = reader.message(&id).unwrap().map(|found| (found.height.0, found.message));
        assert_eq!(stored.as_ref(), in_chain.get(&id));
    }
    let stats = reader.pending_message_stats().unwrap();
    let bytes: usize = model.waiting.iter().map(DataMessage::outputs_len).sum();
    assert_eq!((stats.count, stats.bytes), (model.waiting.len() as u64, bytes as u64));
    reader.check_integrity(Depth::Full).unwrap();
}

#[test]
fn messages_agree_with_a_naive_model() {
    QuickCheck::new().rng(Gen::new(25)).tests(25).quickcheck(walk as fn(Vec<Step>) -> bool);
}
