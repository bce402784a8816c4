//! Why a block is refused.

use dilithion_wire::{Amount, BlockHash, Height, MerkleRoot, OutPoint, Txid};

use super::{MinerError, TransactionError};

/// The rule that a block breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The header names another parent.
    #[error("parent is {found}, not the tip {expected}")]
    Parent {
        /// The block it should build on.
        expected: BlockHash,
        /// The block it names.
        found: BlockHash,
    },
    /// A checkpoint names another block for this height.
    #[error("block {found} is not the checkpoint {expected}")]
    Checkpoint {
        /// The checkpoint.
        expected: BlockHash,
        /// The block.
        found: BlockHash,
    },
    /// The block is above the last checkpoint and its proof of work was never computed. The caller's mistake, not
    /// the sender's.
    #[error("the proof of work of block {hash} was not verified")]
    Unproven {
        /// The claimed id.
        hash: BlockHash,
    },
    /// The transactions are not those that the header commits to.
    #[error("the header commits to merkle root {header}, the transactions have {body}")]
    MerkleRoot {
        /// Root in the header.
        header: MerkleRoot,
        /// Root of the transactions.
        body: MerkleRoot,
    },
    /// A transaction occurs twice.
    #[error("transaction {txid} occurs twice")]
    DuplicateTransaction {
        /// The transaction.
        txid: Txid,
    },
    /// The block or a transaction is malformed.
    #[error(transparent)]
    Structure(#[from] StructureError),
    /// A transaction spends an output that does not exist.
    #[error("transaction {txid} spends {}:{}, which does not exist", outpoint.txid, outpoint.index)]
    MissingInput {
        /// The spending transaction.
        txid: Txid,
        /// The output.
        outpoint: OutPoint,
    },
    /// A transaction spends an output that another one in the same block has spent.
    #[error("transaction {txid} spends {}:{} a second time", outpoint.txid, outpoint.index)]
    DoubleSpend {
        /// The second spender.
        txid: Txid,
        /// The output.
        outpoint: OutPoint,
    },
    /// A transaction spends a coinbase's output too early.
    #[error("transaction {txid} spends a coinbase of height {created} after {age} of {required} blocks")]
    ImmatureSpend {
        /// The spending transaction.
        txid: Txid,
        /// Height of the coinbase.
        created: Height,
        /// Blocks since then.
        age: u32,
        /// Blocks required.
        required: u32,
    },
    /// The inputs of a transaction, or the fees up to it, are worth more than there can be.
    #[error("the input values of transaction {txid} are out of range")]
    InputValues {
        /// The transaction.
        txid: Txid,
    },
    /// A transaction creates more than it spends.
    #[error("transaction {txid} spends {inputs} and creates {outputs}")]
    InputsBelowOutputs {
        /// The transaction.
        txid: Txid,
        /// Value of its inputs.
        inputs: Amount,
        /// Value of its outputs.
        outputs: Amount,
    },
    /// A transaction breaks a rule that it would break in any other block, or on its own, as well.
    #[error("transaction {txid}: {error}")]
    Transaction {
        /// The transaction.
        txid: Txid,
        /// The rule.
        error: TransactionError,
    },
    /// The coinbase does not pay the development fund or the developers' reward.
    #[error(
        "the coinbase has no output or too small a one for the development's share of {required} (smallest: {paid:?})"
    )]
    DevFund {
        /// Key hash of the fund or of the reward.
        payee: [u8; 20],
        /// What each output to it is worth at least.
        required: Amount,
        /// The smallest output to it.
        paid: Option<Amount>,
    },
    /// The block breaks a rule about who may make it.
    #[error(transparent)]
    Miner(#[from] MinerError),
    /// The coinbase creates more than subsidy and fees.
    #[error("the coinbase claims {claimed}, allowed are {allowed}")]
    CoinbaseClaim {
        /// Value of its outputs.
        claimed: Amount,
        /// Subsidy plus fees.
        allowed: Amount,
    },
    /// A transaction repeats an earlier one whose outputs are unspent, on a network that forbids it.
    #[error("output {}:{} exists and is unspent", outpoint.txid, outpoint.index)]
    Overwrite {
        /// The output.
        outpoint: OutPoint,
    },
}

impl BlockError {
    /// The word for this rule in reject messages and logs, as in Bitcoin Core where it has the rule.
    pub const fn reject_reason(&self) -> &'static str {
        match self {
            Self::Parent { .. } => "bad-parent",
            Self::Checkpoint { .. } => "bad-checkpoint",
            Self::Unproven { .. } => "unproven-header",
            Self::MerkleRoot { .. } => "bad-merkle",
            Self::DuplicateTransaction { .. } => "bad-txns-duplicate",
            Self::Structure(_) => "bad-structure",
            Self::MissingInput { .. } => "missing-inputs",
            Self::DoubleSpend { .. } => "double-spend",
            Self::ImmatureSpend { .. } => "bad-txns-premature-spend-of-coinbase",
            Self::InputValues { .. } => "bad-txns-inputvalues-outofrange",
            Self::InputsBelowOutputs { .. } => "bad-txns-in-belowout",
            Self::Transaction { error, .. } => error.reject_reason(),
            Self::DevFund { .. } => "bad-cb-devfund",
            Self::Miner(error) => error.reject_reason(),
            Self::CoinbaseClaim { .. } => "bad-cb-amount",
            Self::Overwrite { .. } => "bad-txns-BIP30",
        }
    }

    /// Whether the body does not belong to the header: the block itself may be valid, and another peer may have it.
    /// Any other fault, except the caller's own [`Unproven`](Self::Unproven), condemns the block.
    pub const fn is_body_mismatch(&self) -> bool {
        matches!(self, Self::MerkleRoot { .. } | Self::DuplicateTransaction { .. })
    }
}

/// How a block or one of its transactions is malformed. `index` is the transaction's position in the block, 0
/// for one that is in none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StructureError {
    /// No transaction at all.
    #[error("the block has no transaction")]
    NoTransactions,
    /// A header of 144 bytes, which no network with RandomX has.
    #[error("the header carries a delay proof")]
    DelayProof,
    /// More bytes than the network allows.
    #[error("the block has {bytes} bytes, at most {max} are allowed")]
    TooLarge {
        /// Size of the transactions in bytes.
        bytes: usize,
        /// `max_block_bytes` of the network.
        max: usize,
    },
    /// The first transaction is not a coinbase.
    #[error("the first transaction is not a coinbase")]
    NoCoinbase,
    /// The coinbase's script is too short or too long.
    #[error("the coinbase script has {bytes} bytes, 2 to {max} are allowed")]
    CoinbaseScript {
        /// Its length.
        bytes: usize,
        /// Longest allowed on this network.
        max: usize,
    },
    /// A transaction without inputs.
    #[error("transaction {index} has no input")]
    NoInputs {
        /// Position in the block.
        index: usize,
    },
    /// A transaction without outputs.
    #[error("transaction {index} has no output")]
    NoOutputs {
        /// Position in the block.
        index: usize,
    },
    /// A second coinbase, or another transaction that spends the null output.
    #[error("transaction {index} spends the null output")]
    NullInput {
        /// Position in the block.
        index: usize,
    },
    /// A transaction spends the same output twice.
    #[error("transaction {index} spends {}:{} twice", outpoint.txid, outpoint.index)]
    DuplicateInput {
        /// Position in the block.
        index: usize,
        /// The output.
        outpoint: OutPoint,
    },
    /// An output value, or their sum, is more than there can be.
    #[error("the output values of transaction {index} are out of range")]
    OutputValues {
        /// Position in the block.
        index: usize,
    },
}
