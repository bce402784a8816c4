//! What a block on top of the tip is made of.

use dilithion_chain::{ChainReader, MessageRoom, Tip, validate::check_final};
use dilithion_headers::HeadersConfig;
use dilithion_wire::{
    Amount, Block, BlockHeader, ChainParams, DataMessage, Height, MerkleRoot, OutPoint, Transaction, TxIn,
    TxOut,
};

use super::selection::{Selection, select};
use super::{Payee, ProduceError};

/// Version of the headers and transactions made here: that of the genesis block.
const VERSION: i32 = 1;

/// A block that lacks nothing but a nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The block on top of which it was made.
    pub parent: Tip,
    /// The block.
    pub block: Block,
    /// How many messages it carries.
    pub messages: usize,
}

impl Template {
    /// Its height.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.parent.height.next()
    }
}

/// Makes a block on top of the tip of the store, of what is pending there, at `unix_time` by the wall clock.
///
/// Transactions come in by what they pay for their size, messages by their age. If both would fill the block, each gets
/// half of it.
///
/// # Errors
///
/// [`ProduceError::Store`], and [`ProduceError::AheadOfTime`] if the chain's times are so far ahead that no block may follow.
pub fn assemble(
    params: &ChainParams,
    rules: &HeadersConfig,
    store: &ChainReader,
    payee: &Payee,
    unix_time: u64,
) -> Result<Template, ProduceError> {
    let parent = store.tip()?;
    let header = next_header(rules, store, &parent, unix_time)?;
    let height = parent.height.next();
    let mut room = MessageRoom::of_block(params);
    let waiting = usize::try_from(store.pending_message_stats()?.bytes).unwrap_or(usize::MAX);
    let pending = store.pending_transactions().collect::<Result<Vec<_>, _>>()?;
    let for_transactions = room.bytes.saturating_sub(waiting.min(room.bytes / 2));
    let chosen = select(pending, for_transactions, |tx| check_final(tx, height, header.time).is_ok());
    room.bytes = room.bytes.saturating_sub(chosen.bytes);
    let messages = store.pending_messages(room)?;
    let block = block(header, params, height, (payee, chosen, &messages));
    Ok(Template { parent, block, messages: messages.len() })
}

fn block(
    header: BlockHeader,
    params: &ChainParams,
    height: Height,
    (payee, chosen, messages): (&Payee, Selection, &[DataMessage]),
) -> Block {
    let value = params.subsidy(height).checked_add(chosen.fees).unwrap_or(Amount::MAX_MONEY);
    let reward = TxOut { value, script_pubkey: payee.as_script().clone() };
    let outputs = std::iter::once(reward).chain(messages.iter().flat_map(DataMessage::outputs)).collect();
    // The height makes each coinbase another transaction.
    let input = TxIn {
        previous_output: OutPoint::NULL,
        script_sig: height.0.to_le_bytes().to_vec().into(),
        sequence: u32::MAX,
    };
    let coinbase = Transaction { version: VERSION, inputs: vec![input], outputs, lock_time: 0 };
    let transactions = std::iter::once(coinbase).chain(chosen.transactions).collect();
    let mut block = Block { header, vdf: None, transactions };
    block.header.merkle_root = block.merkle_root();
    block
}

/// A header on top of `parent` with its time and target.
fn next_header(
    rules: &HeadersConfig,
    store: &ChainReader,
    parent: &Tip,
    unix_time: u64,
) -> Result<BlockHeader, ProduceError> {
    let span = u32::try_from(HeadersConfig::MEDIAN_TIME_SPAN).unwrap_or(u32::MAX);
    let first = parent.height.next().0.saturating_sub(span);
    let mut latest = Vec::new();
    for height in first..=parent.height.0 {
        latest.push(header_at(store, Height(height))?);
    }
    let times: Vec<u32> = latest.iter().map(|header| header.time).collect();
    let earliest = u64::from(HeadersConfig::median_time_past(&times)).saturating_add(1);
    let latest_allowed = rules.latest_time(parent.height.next(), unix_time);
    let time = match u32::try_from(unix_time.max(earliest)) {
        Ok(time) if u64::from(time) <= latest_allowed => time,
        _ => return Err(ProduceError::AheadOfTime { earliest, now: unix_time }),
    };
    let above = latest.last().copied().ok_or(ProduceError::TipMoved)?;
    let mut failed = None;
    let bits = rules.next_bits((parent.height, &above), time, |height| {
        header_at(store, height).map_err(|error| failed = Some(error)).ok()
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(BlockHeader {
            version: VERSION,
            prev_hash: parent.hash,
            merkle_root: MerkleRoot::ZERO,
            time,
            bits,
            nonce: 0,
        }),
    }
}

/// A header of the active chain, which may have become shorter since its tip was read.
fn header_at(store: &ChainReader, height: Height) -> Result<BlockHeader, ProduceError> {
    store.header_at(height)?.ok_or(ProduceError::TipMoved)
}
