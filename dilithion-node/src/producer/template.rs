//! What a block on top of the tip is made of.

use dilithion_chain::dfmp::{Multiplier, Standing};
use dilithion_chain::mik::Identity;
use dilithion_chain::mining::BlockPlan;
use dilithion_chain::{ChainReader, MessageRoom, Tip, validate::check_final};
use dilithion_headers::HeadersConfig;
use dilithion_pow::Target;
use dilithion_wire::{Block, BlockHeader, ChainParams, DataMessage, Height, MerkleRoot};

use super::selection::select;
use super::{MinerIdentity, Payee, ProduceError};

/// Version of the headers made here: that of the genesis block.
const VERSION: i32 = 1;
/// The longest script of a coinbase that names its miner (spec: consensus §13.2).
const MAX_NAMING_SCRIPT: usize = 20_000;
/// Transactions beside the coinbase at most: more, and networks with attestations do not find those (spec: mainnet-node
/// §2.8). Only tiny ones could be as many.
const MAX_TRANSACTIONS: usize = 0xfffe;

/// Who makes a block.
#[derive(Clone, Copy, Debug)]
pub struct Maker<'a> {
    /// Who gets the coins.
    pub payee: &'a Payee,
    /// Who the coinbase says it was, on networks where it does.
    pub identity: Option<&'a MinerIdentity>,
}

/// A block that lacks nothing but a nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The block on top of which it was made.
    pub parent: Tip,
    /// The block.
    pub block: Block,
    /// What its id has to be below: its header's target, or less for who made much lately.
    pub target: Target,
    /// By what factor it is less.
    pub multiplier: Multiplier,
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
/// [`ProduceError::Store`]; [`ProduceError::AheadOfTime`] if the chain's times are so far ahead that no block may follow;
/// what [`MinerIdentity::claim`] says.
pub fn assemble(
    params: &ChainParams,
    rules: &HeadersConfig,
    store: &ChainReader,
    maker: Maker<'_>,
    unix_time: u64,
) -> Result<Template, ProduceError> {
    let parent = store.tip()?;
    let header = next_header(rules, store, &parent, unix_time)?;
    let height = parent.height.next();
    let mut room = MessageRoom::of_block(params);
    if params.mik.is_some() {
        room.bytes = room.bytes.saturating_sub(MAX_NAMING_SCRIPT);
    }
    let waiting = usize::try_from(store.pending_message_stats()?.bytes).unwrap_or(usize::MAX);
    // Parents come first, so that those which are left out leave no child behind.
    let pending = store.pending_transactions().take(MAX_TRANSACTIONS).collect::<Result<Vec<_>, _>>()?;
    let for_transactions = room.bytes.saturating_sub(waiting.min(room.bytes / 2));
    let chosen = select(pending, for_transactions, |tx| check_final(tx, height, header.time).is_ok());
    room.bytes = room.bytes.saturating_sub(chosen.bytes);
    let messages = store.pending_messages(room)?;
    let plan = BlockPlan {
        bits: header.bits,
        fees: chosen.fees,
        transactions: chosen.transactions,
        payout: Some(maker.payee.as_script().clone()),
        outputs: messages.iter().flat_map(DataMessage::outputs).collect(),
        ..BlockPlan::on(params, parent.hash, height, header.time)
    };
    let (block, standing) = made(&plan, store, maker)?;
    let (target, multiplier) = (plan.target(&standing), plan.multiplier(&standing));
    Ok(Template { parent, block, target, multiplier, messages: messages.len() })
}

/// The block of a plan, and what the chain says about its maker.
fn made(
    plan: &BlockPlan<'_>,
    store: &ChainReader,
    Maker { payee, identity }: Maker<'_>,
) -> Result<(Block, Standing), ProduceError> {
    let payout = payee.as_script();
    let (Some(rules), Some(identity)) = (&plan.params.mik, identity) else {
        return Ok((plan.anonymous(payout.clone()), Standing::default()));
    };
    let standing = store.standing(Some(&identity.id()), &Identity::of_script(payout), rules)?;
    let registered = standing.public_key.is_some();
    let claim = identity.claim(plan.params, plan.height, plan.time, registered)?;
    Ok((identity.make(plan, &claim)?, standing))
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
