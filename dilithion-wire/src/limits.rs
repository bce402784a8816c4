//! How much of anything may travel.

use std::fmt;

use crate::header::BlockHeader;
use crate::misbehaviour::Misbehaviour;
use crate::vdf::VdfProof;

/// Headers in a `headers` message (spec: wire §2).
pub const MAX_HEADERS_PER_MESSAGE: usize = 2000;
/// Hashes in the locator of a `getheaders` message (spec: wire §2).
pub const MAX_LOCATOR_HASHES: usize = 32;
/// Items in an `inv` or `getdata` message (spec: wire §2).
pub const MAX_INVENTORY: usize = 50_000;
/// Entries in an `addr` message (spec: wire §2).
pub const MAX_ADDRESSES: usize = 50_000;
/// Bytes of a user agent that are read (spec: wire §1.4).
pub const MAX_USER_AGENT_BYTES: usize = 256;
/// Bytes of the reason in a `reject` message (spec: wire §2).
pub const MAX_REJECT_REASON_BYTES: usize = 200;
/// Inputs, and outputs, of a transaction inside a block (spec: consensus §6).
pub const MAX_TX_IN_OUT: usize = 100_000;
/// Inputs, and outputs, of a transaction in a `tx` message (spec: wire §2).
pub const MAX_RELAYED_TX_IN_OUT: usize = 10_000;
/// Transactions of a block (spec: consensus §6).
pub const MAX_BLOCK_TRANSACTIONS: usize = 100_000;
/// Transactions sent along in a `cmpctblock` message (spec: wire §5.6).
pub const MAX_PREFILLED_TRANSACTIONS: usize = 10_000;
/// Short ids in a `cmpctblock` message (spec: wire §5.6).
pub const MAX_SHORT_IDS: usize = 100_000;
/// Transactions asked for in a `getblocktxn` message (spec: wire §5.6).
pub const MAX_REQUESTED_TRANSACTIONS: usize = 50_000;
/// Payload bytes of any known command (spec: wire §1.5): what [`MessageCodec`] should be told to accept after a handshake.
#[cfg_attr(feature = "codec", doc = "\n\n[`MessageCodec`]: crate::MessageCodec::set_max_payload")]
#[cfg_attr(not(feature = "codec"), doc = "\n\n[`MessageCodec`]: crate#features")]
pub const MAX_COMMAND_BYTES: usize = 8_388_608;
/// Bytes of a `getblocktxn` message (spec: wire §1.5).
pub(crate) const MAX_REQUEST_BYTES: usize = 200_033;

/// Most bytes of a block's transactions that a testnet node takes from another; its sender is banned for more (spec: wire
/// §2).
pub const TESTNET_RELAYED_BLOB_BYTES: usize = 100_000;

/// Bytes of any script on the testnet and its kin (spec: consensus §6).
const S_MAX_SCRIPT: usize = 10_000;
/// Bytes of a coinbase's input script on the testnet and its kin (spec: consensus §6).
const S_MAX_COINBASE_SCRIPT: usize = 100;
/// Bytes of an input script on mainnet (spec: consensus §6).
const M_MAX_SCRIPT_SIG: usize = 20_000;
/// Bytes of an output script on mainnet (spec: consensus §6).
const M_MAX_SCRIPT_PUBKEY: usize = 10_000;
/// Bytes of a block's transactions on mainnet (spec: wire §2).
const M_MAX_BLOB_BYTES: usize = 4_194_304;

/// Bytes of the longest form of a [`CompactSize`](crate::CompactSize).
const MAX_COMPACT_SIZE_BYTES: usize = 9;

/// The sizes that differ between networks.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes that the transactions of a block may take, their count included. Testnet nodes refuse what is above
    /// [`TESTNET_RELAYED_BLOB_BYTES`] when it is sent to them, though their rules allow ten times that.
    pub max_blob_bytes: usize,
    /// Most bytes of an input script.
    pub max_script_sig: usize,
    /// Most bytes of an output script.
    pub max_script_pubkey: usize,
    /// Most bytes of a coinbase's input script. Decoding does not look at it; validation does.
    pub max_coinbase_script: usize,
    /// Headers of this version and above have 144 bytes ([`ExtendedHeader`](crate::ExtendedHeader)); 0 if all have 80.
    pub vdf_header_version: i32,
}

impl Limits {
    /// Of mainnet. No built-in network has larger sizes.
    pub const MAINNET: Self = Self {
        max_blob_bytes: M_MAX_BLOB_BYTES,
        max_script_sig: M_MAX_SCRIPT_SIG,
        max_script_pubkey: M_MAX_SCRIPT_PUBKEY,
        max_coinbase_script: M_MAX_SCRIPT_SIG,
        vdf_header_version: 4,
    };

    /// Of the testnet.
    pub const TESTNET: Self = Self {
        max_blob_bytes: 1_000_000,
        max_script_sig: S_MAX_SCRIPT,
        max_script_pubkey: S_MAX_SCRIPT,
        max_coinbase_script: S_MAX_COINBASE_SCRIPT,
        vdf_header_version: 0,
    };

    /// Whether a header of this version has 144 bytes.
    #[must_use]
    pub const fn has_vdf(&self, version: i32) -> bool {
        self.vdf_header_version > 0 && version >= self.vdf_header_version
    }

    /// Most bytes of a `headers` message: [`MAX_HEADERS_PER_MESSAGE`] of the longest, and the longest count (spec: wire
    /// §1.5).
    #[must_use]
    pub const fn max_headers_bytes(&self) -> usize {
        let vdf = if self.vdf_header_version > 0 { VdfProof::SIZE } else { 0 };
        MAX_HEADERS_PER_MESSAGE * (BlockHeader::SIZE + vdf + 1) + MAX_COMPACT_SIZE_BYTES
    }
}

/// The sizes of [`Limits::MAINNET`], the largest, with headers of 80 bytes whatever their version.
impl Default for Limits {
    fn default() -> Self {
        Self { vdf_header_version: 0, ..Self::MAINNET }
    }
}

/// What a number in front of a list counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Counted {
    /// Entries of an `addr` message.
    Addresses,
    /// Items of an `inv` or `getdata` message.
    Inventory,
    /// Hashes of a block locator.
    LocatorHashes,
    /// Headers of a `headers` message.
    Headers,
    /// Transactions of a block.
    Transactions,
    /// Inputs of a transaction.
    Inputs,
    /// Outputs of a transaction.
    Outputs,
    /// Transactions sent along with a compact block.
    Prefilled,
    /// Short ids of a compact block.
    ShortIds,
    /// Positions asked for in `getblocktxn`.
    Positions,
}

impl Counted {
    /// The most that there may be.
    #[must_use]
    pub const fn max(self) -> usize {
        match self {
            Self::Addresses => MAX_ADDRESSES,
            Self::Inventory => MAX_INVENTORY,
            Self::LocatorHashes => MAX_LOCATOR_HASHES,
            Self::Headers => MAX_HEADERS_PER_MESSAGE,
            Self::Transactions => MAX_BLOCK_TRANSACTIONS,
            Self::Inputs | Self::Outputs => MAX_TX_IN_OUT,
            Self::Prefilled => MAX_PREFILLED_TRANSACTIONS,
            Self::ShortIds => MAX_SHORT_IDS,
            Self::Positions => MAX_REQUESTED_TRANSACTIONS,
        }
    }

    /// The fewest bytes that one takes.
    #[must_use]
    pub const fn min_size(self) -> usize {
        match self {
            Self::Addresses => 30,
            Self::Inventory => 36,
            Self::LocatorHashes => 32,
            Self::Headers => 81,
            Self::Transactions => 10,
            Self::Inputs => 41,
            Self::Outputs => 9,
            Self::Prefilled => 11,
            Self::ShortIds => 6,
            Self::Positions => 1,
        }
    }

    /// What a peer that sent too many has done.
    pub(crate) const fn misbehaviour(self) -> Misbehaviour {
        match self {
            Self::Addresses => Misbehaviour::TooManyAddresses,
            Self::Inventory => Misbehaviour::TooManyInventoryItems,
            Self::LocatorHashes => Misbehaviour::LocatorTooLong,
            Self::Headers => Misbehaviour::TooManyHeaders,
            Self::Inputs | Self::Outputs => Misbehaviour::OversizedTransaction,
            Self::Prefilled | Self::ShortIds => Misbehaviour::OversizedCompactBlock,
            Self::Transactions | Self::Positions => Misbehaviour::Malformed,
        }
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Addresses => "addresses",
            Self::Inventory => "inventory items",
            Self::LocatorHashes => "locator hashes",
            Self::Headers => "headers",
            Self::Transactions => "transactions",
            Self::Inputs => "inputs",
            Self::Outputs => "outputs",
            Self::Prefilled => "prefilled transactions",
            Self::ShortIds => "short ids",
            Self::Positions => "transaction positions",
        })
    }
}
