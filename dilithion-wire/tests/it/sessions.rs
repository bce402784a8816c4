//! Sessions between reference nodes, every message of them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use dilithion_wire::{Command, CompactBlock, FrameHeader, Limits, Magic, Message, PartialBlock, RawMessage};
use serde_json::Value;

use crate::unhex;

/// Splits a frame and checks all of it.
fn unframe(frame: &[u8], magic: Magic) -> RawMessage {
    let (header, payload) = frame.split_first_chunk().unwrap();
    let header = FrameHeader::parse(header, magic, payload.len()).unwrap();
    assert_eq!(header.length as usize, payload.len());
    header.verify(payload).unwrap();
    assert_eq!(FrameHeader::new(magic, header.command, payload).unwrap(), header);
    RawMessage { command: header.command, payload: payload.to_vec().into() }
}

/// Decodes every message of a session and gives it to `check`. Returns the commands that occurred.
fn replay(
    session: &str,
    magic: Magic,
    limits: &Limits,
    check: impl Fn(&RawMessage, &Message),
) -> BTreeSet<Command> {
    let mut commands = BTreeSet::new();
    for line in session.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let raw = unframe(&unhex(row["hex"].as_str().unwrap()), magic);
        assert_eq!(raw.command.as_str(), row["cmd"]);
        let message = raw.decode(limits).unwrap();
        assert_eq!(message.command(), raw.command);
        check(&raw, &message);
        commands.insert(raw.command);
    }
    commands
}

#[test]
fn between_testnet_nodes() {
    let session = include_str!("../data/session-testnet.jsonl");
    let commands = replay(session, Magic::TESTNET, &Limits::TESTNET, |raw, message| {
        assert_eq!(message.to_raw(), *raw);
        assert!(!matches!(message, Message::Unknown { .. }));
    });
    assert_eq!(commands.len(), 12, "{commands:?}");
}

#[test]
fn between_mainnet_nodes() {
    let session = include_str!("../data/session-mainnet.jsonl");
    let commands = replay(session, Magic::MAINNET, &Limits::MAINNET, |raw, message| {
        let again = message.to_raw();
        // One peer tried what happens to bytes after the end of `version`.
        let trailing = raw.command == Command::VERSION && raw.payload.starts_with(&again.payload);
        assert!(again == *raw || trailing, "{message:?}");
        assert!(!matches!(message, Message::Unknown { .. }));
    });
    for command in [Command::CMPCTBLOCK, Command::SENDCMPCT, Command::SENDHEADERS, Command::MEMPOOL] {
        assert!(commands.contains(&command));
    }
}

#[test]
fn compact_blocks_are_the_blocks_that_were_sent() {
    let session = include_str!("../data/session-mainnet.jsonl");
    let (blocks, compact) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    replay(session, Magic::MAINNET, &Limits::MAINNET, |_, message| match message {
        Message::Block(block) => blocks.borrow_mut().push(block.clone()),
        Message::CompactBlock(block) => compact.borrow_mut().push(block.clone()),
        _ => {}
    });
    assert_eq!(compact.borrow().len(), 2);
    for compact in compact.take() {
        let sent = blocks.borrow().iter().find(|block| block.header == compact.header).cloned().unwrap();
        // A node of ours would have sent the same.
        assert_eq!(CompactBlock::new(&sent, compact.nonce), compact);
        let partial = PartialBlock::new(compact, []).unwrap();
        assert_eq!(partial.request(sent.header.prev_hash), Ok(None), "all transactions came along");
        assert_eq!(partial.finish([], &Limits::MAINNET), Ok(sent));
    }
}

#[test]
fn mainnet_nodes_send_their_genesis() {
    let session = include_str!("../data/session-mainnet.jsonl");
    let genesis = std::cell::Cell::new(0);
    replay(session, Magic::MAINNET, &Limits::MAINNET, |raw, message| match message {
        Message::Version(version) if version.user_agent.starts_with("/Dilithion") => {
            assert_eq!(version.genesis.unwrap().as_bytes(), &raw.payload[raw.payload.len() - 32..]);
            genesis.set(genesis.get() + 1);
        }
        _ => {}
    });
    assert!(genesis.get() > 0);
}
