//! What the fuzz targets check.

use bytes::{Bytes, BytesMut};
use dilithion_chain::mik::{Section, SectionKind};
use dilithion_wire::{
    BlockTxn, ChainParams, Command, CompactBlock, DataMessage, Decode, Limits, Magic, Message, MessageCodec,
    PartialBlock, RawMessage, Transaction, TxOut,
};
use tokio_util::codec::{Decoder, Encoder};

/// A payload of one of these commands, the first byte saying which: it is refused with a reason, or understood, and then
/// what is written for it is understood as the same.
pub fn one_of(commands: &[Command], data: &[u8]) {
    if let Some((first, payload)) = data.split_first() {
        message(commands[usize::from(*first) % commands.len()], payload);
    }
}

/// The same, of one command.
pub fn message(command: Command, payload: &[u8]) {
    let payload = Bytes::copy_from_slice(payload);
    for limits in [Limits::MAINNET, Limits::TESTNET] {
        match (RawMessage { command, payload: payload.clone() }).decode(&limits) {
            Err(error) => {
                assert!(error.misbehaviour().score() <= 100);
                assert!(!error.to_string().is_empty());
            }
            Ok(message) => {
                let raw = message.to_raw();
                assert_eq!(raw.command, command);
                // A shorter form of its numbers can make a message too short to be sent.
                if raw.check_size(&limits).is_ok() {
                    assert_eq!(raw.decode(&limits), Ok(message));
                }
            }
        }
    }
}

/// A stream: the first byte says in what pieces it arrives. How it is cut makes no difference to what is read.
pub fn codec(data: &[u8]) {
    let Some((first, stream)) = data.split_first() else { return };
    let whole = receive(stream, stream.len().max(1));
    assert_eq!(receive(stream, usize::from(*first) + 1), whole);
    let mut again = BytesMut::new();
    for raw in &whole {
        let sent = MessageCodec::new(Magic::TESTNET).encode(raw.clone(), &mut again);
        assert!(sent.is_ok());
    }
    assert_eq!(receive(&again, 1000), whole);
}

fn receive(stream: &[u8], piece: usize) -> Vec<RawMessage> {
    let mut codec = MessageCodec::new(Magic::TESTNET);
    let mut buffer = BytesMut::new();
    let mut messages = Vec::new();
    for piece in stream.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(raw)) => messages.push(raw),
                Ok(None) => break,
                Err(_) => return messages,
            }
        }
    }
    messages
}

/// What becomes of a block that is sent compactly: the first byte says of each transaction whether the receiver knows it,
/// and the second whether and how the answer is spoilt.
pub fn compact_round_trip(data: &[u8]) {
    let [known, spoil, payload @ ..] = data else { return };
    let raw = RawMessage { command: Command::BLOCK, payload: Bytes::copy_from_slice(payload) };
    let Ok(Message::Block(mut block)) = raw.decode(&Limits::MAINNET) else { return };
    block.header.merkle_root = block.merkle_root();
    let is_known = |index: usize| index > 0 && known >> (index % 8) & 1 == 1;
    let with_ids = block.transactions.iter().map(|transaction| (transaction.txid(), transaction)).enumerate();
    let pool = with_ids.filter(|(index, _)| is_known(*index)).map(|(_, known)| known);
    let Ok(partial) = PartialBlock::new(CompactBlock::new(&block, 7), pool) else { return };
    let mut supplied = match partial.request(block.header.prev_hash) {
        Ok(Some(request)) => {
            BlockTxn::answer(&block, &request).map(|answer| answer.transactions).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    match spoil {
        1 => supplied.reverse(),
        2 => drop(supplied.pop()),
        3 => supplied.extend(block.transactions.last().cloned()),
        _ => {}
    }
    match partial.finish(supplied, &Limits::MAINNET) {
        Ok(finished) => assert_eq!(finished, block),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A compact block, put together with its own prefilled transactions as what is known and what is supplied.
pub fn partial_block(data: &[u8]) {
    let raw = RawMessage { command: Command::CMPCTBLOCK, payload: Bytes::copy_from_slice(data) };
    let Ok(Message::CompactBlock(compact)) = raw.decode(&Limits::MAINNET) else { return };
    let own: Vec<Transaction> =
        compact.prefilled.iter().map(|prefilled| prefilled.transaction.clone()).collect();
    let known = own.iter().map(|transaction| (transaction.txid(), transaction));
    let count = compact.transaction_count();
    let Ok(partial) = PartialBlock::new(compact, known) else { return };
    let missing: Vec<u32> = partial.missing().collect();
    assert!(missing.is_sorted() && missing.len() <= count);
    if let Ok(block) = partial.finish(own.into_iter().cycle().take(missing.len()), &Limits::MAINNET) {
        assert_eq!(block.transactions.len(), count);
        assert_eq!(block.merkle_root(), block.header.merkle_root);
    }
}

/// Messages in the outputs of a transaction: each is found once, and again in the outputs that it would take itself.
pub fn data_messages(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let Ok(transaction) = Transaction::decode_exact(bytes, &Limits::TESTNET) else { return };
    let messages: Vec<DataMessage> = DataMessage::find_in(&transaction.outputs).collect();
    let again: Vec<TxOut> = messages.iter().flat_map(DataMessage::outputs).collect();
    assert!(again.len() <= transaction.outputs.len());
    assert!(DataMessage::find_in(&again).eq(messages));
}

/// A chain file.
pub fn chain_file(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(params) = ChainParams::from_toml(text)
    {
        assert!(params.consensus.retarget_interval > 0);
        assert!(!params.genesis_block().transactions.is_empty());
    }
}

/// The script of a coinbase, as it is and with a marker of a section put in front: what is found is what reading byte by
/// byte finds, and lies within the script.
pub fn mik(data: &[u8]) {
    section(data);
    if let Some((kind, rest)) = data.split_first() {
        // Filled up, so that a short input reaches what stands behind a signature.
        let filler = if kind & 4 == 0 { 0 } else { 1952 + 3309 };
        section(&[&[0xdf, 1 + kind % 2][..], &vec![*kind; filler], rest].concat());
    }
}

fn section(script: &[u8]) {
    let found = Section::parse(script);
    let expected = by_hand(script);
    assert_eq!(found.is_some(), expected.is_some());
    let (Some(found), Some(expected)) = (found, expected) else { return };
    assert_eq!(&found.signature[..], &script[expected.signature..][..3309]);
    assert!(script.as_ptr_range().contains(&found.signature.as_ptr()));
    assert_eq!(found.dna.map(|dna| &dna[..]), expected.dna.map(|at| &script[at..][..32]));
    match found.kind {
        SectionKind::Registration { public_key, nonce, attestations } => {
            assert_eq!((nonce, attestations.len()), (expected.nonce, expected.attestations));
            assert_eq!(&public_key[..], &script[expected.signature - 1952..][..1952]);
            assert_eq!(attestations.iter().count(), attestations.len());
        }
        SectionKind::Reference { identity } => {
            assert_eq!(&identity.as_bytes()[..], &script[expected.signature - 20..][..20]);
        }
    }
}

/// Where the parts of a section are.
struct Parts {
    signature: usize,
    nonce: u64,
    dna: Option<usize>,
    attestations: usize,
}

/// The rules as they are written down, by index (spec: consensus §13.2).
fn by_hand(script: &[u8]) -> Option<Parts> {
    let at = |index: usize| script.get(index).copied();
    if script.len() < 3331 {
        return None;
    }
    let mut index = if (1..=4).contains(&script[0]) { usize::from(script[0]) + 1 } else { 0 };
    let registration = loop {
        if at(index)? == 0xdf {
            match at(index + 1)? {
                1 => break true,
                2 => break false,
                _ => index += 1,
            }
        }
        index += 1;
    };
    let signature = index + 2 + if registration { 1952 } else { 20 };
    let mut next = signature + 3309;
    if next > script.len() {
        return None;
    }
    let mut nonce = 0;
    if registration && next + 8 <= script.len() {
        nonce = (0..8).fold(0, |nonce, byte| nonce | u64::from(script[next + byte]) << (8 * byte));
        next += 8;
    }
    let mut dna = None;
    if at(next) == Some(0xdd) && next + 33 <= script.len() {
        dna = Some(next + 1);
        next += 33;
    }
    let mut attestations = 0;
    if registration && at(next) == Some(0xda) {
        let count = usize::from(at(next + 1).unwrap_or(0));
        if next + 2 + count * 3314 <= script.len() {
            attestations = count;
        }
    }
    Some(Parts { signature, nonce, dna, attestations })
}
