//! Messages that arrive while blocks are made (requirement M15).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use dilithion_chain::{Depth, MessageRoom};
use dilithion_wire::{ChainParams, DataMessage, Height, MessageId};

use crate::messages::{message, mine, waiting};
use crate::open;

const THREADS: u64 = 4;
const PER_THREAD: u64 = 2500;
/// Messages of one transaction.
const CHUNK: u64 = 20;
const BLOCKS: u64 = 50;

/// 10,000 submissions against 50 blocks: none is lost, none is in the chain twice.
#[test]
fn nothing_is_lost_or_doubled_while_blocks_are_made() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &Arc::new(ChainParams::regtest()));
    let (submitted, progress) = mpsc::channel();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (pool, submitted) = (chain.message_pool(), submitted.clone());
            thread::spawn(move || {
                let sender = format!("sender {thread}");
                for first in (0..PER_THREAD).step_by(CHUNK.try_into().unwrap()) {
                    let mut messages: Vec<DataMessage> =
                        (first..first + CHUNK).map(|nonce| message(&sender, nonce)).collect();
                    // The same one again is refused, wherever the first one is by now.
                    messages.push(message(&sender, first));
                    messages.push(message(&sender, first / 2));
                    let taken = pool.submit_all(&messages).unwrap();
                    assert_eq!(taken.iter().filter(|taken| taken.is_ok()).count() as u64, CHUNK);
                    submitted.send(()).unwrap();
                }
            })
        })
        .collect();
    drop(submitted);

    let mut carried = Vec::new();
    for _ in 0..BLOCKS {
        for _ in 0..THREADS * PER_THREAD / CHUNK / BLOCKS {
            progress.recv().unwrap();
        }
        let messages = chain.reader().pending_messages(MessageRoom::of_block(chain.params())).unwrap();
        mine(&mut chain, &messages);
        carried.extend(messages);
    }
    for thread in threads {
        thread.join().unwrap();
    }

    let left = waiting(&chain);
    let all: BTreeSet<MessageId> = carried.iter().chain(&left).map(DataMessage::id).collect();
    assert_eq!(all.len() as u64, THREADS * PER_THREAD, "none is lost");
    assert_eq!(carried.len() + left.len(), all.len(), "none is there twice");
    let reader = chain.reader();
    let in_blocks: usize = (1..=chain.tip().height.0)
        .map(|height| reader.block_at(Height(height)).unwrap().unwrap())
        .map(|block| DataMessage::find_in(&block.transactions[0].outputs).count())
        .sum();
    assert_eq!(in_blocks, carried.len());
    assert!(carried.iter().all(|message| reader.message(&message.id()).unwrap().is_some()));
    assert!(carried.len() > left.len(), "{} carried, {} left", carried.len(), left.len());
    reader.check_integrity(Depth::Full).unwrap();
}
