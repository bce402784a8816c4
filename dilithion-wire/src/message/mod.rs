//! Messages: one file per family, and the two forms of any of them.

mod addresses;
mod compact;
mod headers;
mod raw;
mod reject;
mod transaction;
mod version;

use bytes::{BufMut, Bytes};

pub use addresses::TimedAddress;
pub use compact::{BlockTxn, CompactBlock, GetBlockTxn, PrefilledTransaction, SendCompact, ShortId};
pub use headers::{GetBlocks, GetHeaders};
pub use raw::{MessageError, RawMessage};
pub use reject::{Reject, RejectCode};
pub use version::{IncompatibleVersion, USER_AGENT, VersionMessage};

use crate::block::Block;
use crate::command::Command;
use crate::compact_size::{list_len, put_list};
use crate::encode::{DecodeError, Encode};
use crate::header::BlockHeader;
use crate::inventory::Inventory;
use crate::limits::Counted;
use crate::reader::Reader;
use crate::transaction::Transaction;
use crate::vdf::ExtendedHeader;

/// What one node says to another (spec: wire §2, §5.6).
///
/// Encoding writes what it is given. Whether a peer would accept it, decoding says: no list may be longer than
/// [`Counted::max`], no payload than [`Command::payload_sizes`].
#[cfg_attr(
    feature = "serde",
    doc = "\n\nFor serde a message is `{\"command\": …, \"payload\": …}` with the name of its command; `vdfheaders`, `dna` and \
           `unknown` are named so, the latter two with command and bytes inside."
)]
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "command", content = "payload", rename_all = "lowercase")
)]
#[non_exhaustive]
pub enum Message {
    /// Introduction, the first message in each direction.
    Version(VersionMessage),
    /// Acknowledges a `version`.
    Verack,
    /// Asks for a `pong` with the same number.
    Ping(u64),
    /// Answers a `ping`.
    Pong(u64),
    /// Asks for addresses of nodes.
    GetAddr,
    /// Addresses of nodes.
    Addr(Vec<TimedAddress>),
    /// Announces blocks and transactions.
    Inv(Vec<Inventory>),
    /// Asks for blocks and transactions.
    GetData(Vec<Inventory>),
    /// Asks for headers.
    GetHeaders(GetHeaders),
    /// Headers of consecutive blocks.
    Headers(Vec<BlockHeader>),
    /// The same, at least one of them of 144 bytes, which only a sister chain has.
    VdfHeaders(Vec<ExtendedHeader>),
    /// Asks for ids of blocks. No known node answers.
    GetBlocks(GetBlocks),
    /// A block.
    Block(Block),
    /// A transaction.
    Tx(Transaction),
    /// Asks for the ids of all transactions that wait.
    Mempool,
    /// Says why something was refused.
    Reject(Reject),
    /// Asks for announcements of blocks by `headers`.
    SendHeaders,
    /// Asks for announcements of blocks by `cmpctblock`.
    #[cfg_attr(feature = "serde", serde(rename = "sendcmpct"))]
    SendCompact(SendCompact),
    /// A block whose transactions are named by short ids.
    #[cfg_attr(feature = "serde", serde(rename = "cmpctblock"))]
    CompactBlock(CompactBlock),
    /// Asks for transactions of a compact block.
    GetBlockTxn(GetBlockTxn),
    /// Transactions of a compact block.
    BlockTxn(BlockTxn),
    /// An advisory message of mainnet nodes, not decoded; nothing follows from ignoring it (spec: wire §5.8).
    Dna {
        /// Its command, one with [`Command::is_dna`].
        #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::command::deserialize_dna"))]
        command: Command,
        /// Its payload.
        #[cfg_attr(feature = "serde", serde(with = "crate::serde_hex"))]
        payload: Bytes,
    },
    /// Any other message: to be ignored without penalty (spec: wire §1.2).
    Unknown {
        /// Its command, none of [`Command::KNOWN`].
        #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::command::deserialize_unknown"))]
        command: Command,
        /// Its payload.
        #[cfg_attr(feature = "serde", serde(with = "crate::serde_hex"))]
        payload: Bytes,
    },
}

impl Message {
    /// Its name on the wire.
    #[must_use]
    pub const fn command(&self) -> Command {
        match self {
            Self::Version(_) => Command::VERSION,
            Self::Verack => Command::VERACK,
            Self::Ping(_) => Command::PING,
            Self::Pong(_) => Command::PONG,
            Self::GetAddr => Command::GETADDR,
            Self::Addr(_) => Command::ADDR,
            Self::Inv(_) => Command::INV,
            Self::GetData(_) => Command::GETDATA,
            Self::GetHeaders(_) => Command::GETHEADERS,
            Self::Headers(_) | Self::VdfHeaders(_) => Command::HEADERS,
            Self::GetBlocks(_) => Command::GETBLOCKS,
            Self::Block(_) => Command::BLOCK,
            Self::Tx(_) => Command::TX,
            Self::Mempool => Command::MEMPOOL,
            Self::Reject(_) => Command::REJECT,
            Self::SendHeaders => Command::SENDHEADERS,
            Self::SendCompact(_) => Command::SENDCMPCT,
            Self::CompactBlock(_) => Command::CMPCTBLOCK,
            Self::GetBlockTxn(_) => Command::GETBLOCKTXN,
            Self::BlockTxn(_) => Command::BLOCKTXN,
            Self::Dna { command, .. } | Self::Unknown { command, .. } => *command,
        }
    }

    /// Its form on the wire, without the frame.
    #[must_use]
    pub fn to_raw(&self) -> RawMessage {
        let payload = match self {
            // No copy of what is bytes already.
            Self::Dna { payload, .. } | Self::Unknown { payload, .. } => payload.clone(),
            _ => self.encode_to_vec().into(),
        };
        RawMessage { command: self.command(), payload }
    }

    /// Reads a payload. What follows the message in it is ignored (spec: wire §1.6).
    fn decode(command: Command, payload: &Bytes, reader: &mut Reader) -> Result<Self, DecodeError> {
        use crate::encode::Decode as _;

        Ok(match command {
            Command::VERSION => Self::Version(VersionMessage::decode(reader)?),
            Command::VERACK => Self::Verack,
            Command::PING => Self::Ping(reader.u64("nonce")?),
            Command::PONG => Self::Pong(reader.u64("nonce")?),
            Command::GETADDR => Self::GetAddr,
            Command::ADDR => Self::Addr(reader.list(Counted::Addresses)?),
            Command::INV => Self::Inv(inventory(reader)?),
            Command::GETDATA => Self::GetData(inventory(reader)?),
            Command::GETHEADERS => Self::GetHeaders(GetHeaders::decode(reader)?),
            Command::HEADERS => headers::decode(reader)?,
            Command::GETBLOCKS => Self::GetBlocks(GetBlocks::decode(reader)?),
            Command::BLOCK => Self::Block(Block::decode(reader)?),
            Command::TX => Self::Tx(transaction::decode(reader)?),
            Command::MEMPOOL => Self::Mempool,
            Command::REJECT => Self::Reject(Reject::decode(reader)?),
            Command::SENDHEADERS => Self::SendHeaders,
            Command::SENDCMPCT => Self::SendCompact(SendCompact::decode(reader)?),
            Command::CMPCTBLOCK => Self::CompactBlock(CompactBlock::decode(reader)?),
            Command::GETBLOCKTXN => Self::GetBlockTxn(GetBlockTxn::decode(reader)?),
            Command::BLOCKTXN => Self::BlockTxn(BlockTxn::decode(reader)?),
            _ if command.is_dna() => Self::Dna { command, payload: payload.clone() },
            _ => Self::Unknown { command, payload: payload.clone() },
        })
    }
}

fn inventory(reader: &mut Reader) -> Result<Vec<Inventory>, DecodeError> {
    reader.fixed_list(Counted::Inventory, "inventory items", Inventory::from_bytes)
}

/// The payload.
impl Encode for Message {
    fn encode(&self, out: &mut impl BufMut) {
        match self {
            Self::Verack | Self::GetAddr | Self::Mempool | Self::SendHeaders => {}
            Self::Version(version) => version.encode(out),
            Self::Ping(nonce) | Self::Pong(nonce) => out.put_u64_le(*nonce),
            Self::Addr(addresses) => put_list(out, addresses),
            Self::Inv(items) | Self::GetData(items) => put_list(out, items),
            Self::GetHeaders(request) => request.encode(out),
            Self::Headers(headers) => headers::encode(headers, out),
            Self::VdfHeaders(headers) => headers::encode_extended(headers, out),
            Self::GetBlocks(request) => request.encode(out),
            Self::Block(block) => block.encode(out),
            Self::Tx(tx) => tx.encode(out),
            Self::Reject(reject) => reject.encode(out),
            Self::SendCompact(request) => request.encode(out),
            Self::CompactBlock(block) => block.encode(out),
            Self::GetBlockTxn(request) => request.encode(out),
            Self::BlockTxn(transactions) => transactions.encode(out),
            Self::Dna { payload, .. } | Self::Unknown { payload, .. } => out.put_slice(payload),
        }
    }

    fn encoded_len(&self) -> usize {
        match self {
            Self::Verack | Self::GetAddr | Self::Mempool | Self::SendHeaders => 0,
            Self::Version(version) => version.encoded_len(),
            Self::Ping(_) | Self::Pong(_) => size_of::<u64>(),
            Self::Addr(addresses) => list_len(addresses),
            Self::Inv(items) | Self::GetData(items) => list_len(items),
            Self::GetHeaders(request) => request.encoded_len(),
            Self::Headers(headers) => headers::encoded_len(headers),
            Self::VdfHeaders(headers) => headers::extended_len(headers),
            Self::GetBlocks(request) => request.encoded_len(),
            Self::Block(block) => block.encoded_len(),
            Self::Tx(tx) => tx.encoded_len(),
            Self::Reject(reject) => reject.encoded_len(),
            Self::SendCompact(request) => request.encoded_len(),
            Self::CompactBlock(block) => block.encoded_len(),
            Self::GetBlockTxn(request) => request.encoded_len(),
            Self::BlockTxn(transactions) => transactions.encoded_len(),
            Self::Dna { payload, .. } | Self::Unknown { payload, .. } => payload.len(),
        }
    }
}
