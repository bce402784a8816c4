//! What the fuzz targets check.

use bytes::{Bytes, BytesMut};
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
