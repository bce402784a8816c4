//! Types, peer-to-peer messages, stream codec and network parameters of the Dilithion chain.
//!
//! ```
//! use dilithion_wire::{ChainParams, Height, Inventory, Message, RawMessage};
//!
//! let params = ChainParams::testnet();
//! let genesis = params.genesis_block();
//! assert_eq!(genesis.merkle_root(), genesis.header.merkle_root);
//! assert_eq!(params.subsidy(Height(210_000)).to_string(), "25.00000000");
//!
//! // What a peer asks, as it travels without its frame, and what we understand.
//! let asked = Message::GetData(vec![Inventory::block(params.genesis.hash)]);
//! let RawMessage { command, payload } = asked.to_raw();
//! assert_eq!((command.as_str(), payload.len()), ("getdata", 37));
//! let understood = RawMessage { command, payload }.decode(&params.limits)?;
//! assert_eq!(understood, asked);
//!
//! // The answer.
//! let answer = Message::Block(genesis).to_raw();
//! assert_eq!(answer.payload.len(), 215);
//!
//! // Nonsense has a price.
//! let nonsense = RawMessage { payload: answer.payload.slice(..100), ..answer };
//! let error = nonsense.decode(&params.limits).unwrap_err();
//! assert_eq!(error.to_string(), "`block`: transactions needs 134 bytes, 19 are left");
//! assert_eq!(error.misbehaviour().score(), 10);
//! # Ok::<(), dilithion_wire::MessageError>(())
//! ```
//!
//! # Contents
//!
//! * Ids: [`BlockHash`], [`Txid`], [`MerkleRoot`], [`Hash256`]; numbers: [`Height`], [`Amount`], [`PeerId`]; the hash
//!   function of all but block ids: [`sha3_256`], [`sha3_256d`].
//! * The chain: [`BlockHeader`], [`Block`], [`Transaction`] with [`TxIn`], [`TxOut`], [`OutPoint`]; [`merkle_root`].
//! * Bytes: [`Encode`], [`Decode`] from a [`Reader`] within [`Limits`], [`CompactSize`], [`DecodeError`].
//! * Messages: [`Message`] is what is said, [`RawMessage`] how it travels; [`Command`], [`MessageError`],
//!   [`Misbehaviour`]. Parts: [`VersionMessage`], [`Address`], [`Inventory`], [`GetHeaders`], [`CompactBlock`] ….
//! * Compact blocks: [`CompactBlock::new`] makes one, [`PartialBlock`] puts the block together again, [`ShortIdKey`].
//! * Texts in blocks of private networks: [`DataMessage`], [`MessageId`].
//! * The stream: [`FrameHeader`], [`FrameError`], [`Magic`], [`checksum`], and `MessageCodec` with the feature `codec`.
//! * Networks: [`ChainParams`], with the feature `chain-file` also from a TOML file.
//!
//! # Messages
//!
//! All integers are little-endian. `n ×` is a [`CompactSize`] count and so many of what follows; `text` is a [`CompactSize`] length
//! and so many bytes. What follows a message in its payload is ignored. A payload outside its bounds costs the sender
//! [`Misbehaviour::PayloadSize`], a count above its bound what [`Counted`] says (spec: wire §1.5, §2, §5.6).
//!
//! Kinds of networks: S, the testnet and its kin, and M, mainnet and its kin. Each message is sent by the nodes of both
//! unless it says M; "nobody" means that no node sends it or none reads it.
//!
//! | command | [`Message`] | payload | bytes | at most | sent |
//! |---|---|---|---|---|---|
//! | `version` | [`Version`](Message::Version) | version `i32`, services `u64`, time `i64`, receiver address, sender address, nonce `u64`, user agent text, start height `i32`, relay `u8`, (genesis hash) | 85 – 400 | user agent of 256 bytes | first by who dials, then by who was dialled |
//! | `verack` | [`Verack`](Message::Verack) | | 0 | | after each `version` |
//! | `ping`, `pong` | [`Ping`](Message::Ping), [`Pong`](Message::Pong) | nonce `u64` | 8 | | by M after a minute of silence; answered by all |
//! | `getaddr` | [`GetAddr`](Message::GetAddr) | | 0 | | after the handshake |
//! | `addr` | [`Addr`](Message::Addr) | n × (time `u32`, address: services `u64`, IPv6, port `u16`) | 1 – 900,000 | 50,000 | once per `getaddr` |
//! | `inv`, `getdata` | [`Inv`](Message::Inv), [`GetData`](Message::GetData) | n × (kind `u32`, hash) | 1 – 1,800,000 | 50,000 | for new blocks and transactions |
//! | `getheaders` | [`GetHeaders`](Message::GetHeaders) | n × hash, stop hash | 33 – 8236 | 32 hashes | to sync, and after an `inv` of an unknown block |
//! | `headers` | [`Headers`](Message::Headers), [`VdfHeaders`](Message::VdfHeaders) | n × (header of 80 bytes, or of 144 with a [`VdfProof`], `0`) | 1 – 162,009, M 290,009 | 2000 | after each `getheaders`, by M as announcement too |
//! | `getblocks` | [`GetBlocks`](Message::GetBlocks) | version `u32`, n × hash, stop hash | 36 – 8236 | 32 hashes | nobody |
//! | `block` | [`Block`](Message::Block) | header, byte length of the rest, n × transaction | 80 – 8,388,608 | [`Limits::max_blob_bytes`] | after `getdata` |
//! | `tx` | [`Tx`](Message::Tx) | transaction: version `i32`, n × input, n × output, lock time `u32` | 60 – 1,048,576 | 10,000 inputs, 10,000 outputs | after `getdata` |
//! | `mempool` | [`Mempool`](Message::Mempool) | | 0 | | M; answered with `inv` |
//! | `reject` | [`Reject`](Message::Reject) | command, code `u8`, reason; lengths of texts in one byte | 1 – 1024 | reason of 200 bytes | M; read by nobody |
//! | `sendheaders` | [`SendHeaders`](Message::SendHeaders) | | 0 | | M, after the handshake |
//! | `sendcmpct` | [`SendCompact`](Message::SendCompact) | high bandwidth `u8`, version `u64` | 9 | | M, after the handshake |
//! | `cmpctblock` | [`CompactBlock`](Message::CompactBlock) | header, nonce `u64`, n × (position, transaction), n × 6 bytes | 80 – 8,388,608 | 10,000, 100,000 | M, to who asked with `sendcmpct` |
//! | `getblocktxn` | [`GetBlockTxn`](Message::GetBlockTxn) | block hash, n × position | 33 – 200,033 | 50,000 | M, after `cmpctblock` |
//! | `blocktxn` | [`BlockTxn`](Message::BlockTxn) | block hash, n × transaction | 33 – 8,388,608 | 100,000 | M, after `getblocktxn` |
//! | `dna…` | [`Dna`](Message::Dna) | not decoded | 8 – 1,048,596 | [`Command::payload_sizes`] | M, advisory; ignored |
//! | others | [`Unknown`](Message::Unknown) | anything | | | ignored |
#![cfg_attr(docsrs, feature(doc_cfg))]
// No input panics, nor does any other mistake of a caller.
#![warn(clippy::indexing_slicing, clippy::expect_used, clippy::unreachable)]

mod address;
mod amount;
#[cfg(any(test, feature = "quickcheck"))]
mod arbitrary;
mod block;
#[cfg(feature = "codec")]
mod codec;
mod command;
mod compact_block;
mod compact_error;
mod compact_size;
mod data_message;
mod digest;
mod encode;
mod frame;
mod hash;
mod header;
mod height;
mod inventory;
mod limits;
mod magic;
mod merkle;
mod message;
mod misbehaviour;
mod params;
mod partial_block;
mod reader;
#[cfg(feature = "serde")]
mod serde_hex;
mod text;
mod transaction;
mod vdf;

pub use address::{Address, Services};
pub use amount::Amount;
pub use block::Block;
#[cfg(feature = "codec")]
pub use codec::MessageCodec;
pub use command::{Command, InvalidCommand};
pub use compact_block::{COMPACT_BLOCK_VERSION, ShortIdKey};
pub use compact_error::CompactBlockError;
pub use compact_size::CompactSize;
pub use data_message::{
    DataMessage, DataMessageError, MAX_CONTENT_BYTES, MAX_SENDER_BYTES, MessageId, ParseMessageIdError,
};
pub use digest::{sha3_256, sha3_256d};
pub use encode::{Decode, DecodeError, Encode};
pub use frame::{FrameError, FrameHeader, MAX_PAYLOAD_BYTES, checksum};
pub use hash::{BlockHash, Hash256, MerkleRoot, ParseHashError, Txid};
pub use header::BlockHeader;
pub use height::{Height, PeerId};
pub use inventory::{Inventory, InventoryKind};
pub use limits::{
    Counted, Limits, MAX_ADDRESSES, MAX_BLOCK_TRANSACTIONS, MAX_COMMAND_BYTES, MAX_HEADERS_PER_MESSAGE,
    MAX_INVENTORY, MAX_LOCATOR_HASHES, MAX_PREFILLED_TRANSACTIONS, MAX_REJECT_REASON_BYTES,
    MAX_RELAYED_TX_IN_OUT, MAX_REQUESTED_TRANSACTIONS, MAX_SHORT_IDS, MAX_TX_IN_OUT, MAX_USER_AGENT_BYTES,
    TESTNET_RELAYED_BLOB_BYTES,
};
pub use magic::Magic;
pub use merkle::merkle_root;
pub use message::{
    BlockTxn, CompactBlock, GetBlockTxn, GetBlocks, GetHeaders, IncompatibleVersion, Message, MessageError,
    PrefilledTransaction, RawMessage, Reject, RejectCode, SendCompact, ShortId, TimedAddress, USER_AGENT,
    VersionMessage,
};
pub use misbehaviour::{BAN_SCORE, Misbehaviour};
#[cfg(feature = "chain-file")]
pub use params::ChainFileError;
pub use params::{
    AttestationParams, ChainParams, Checkpoint, ConsensusParams, DevFundParams, GenesisParams,
    MAINNET_MIN_PEER_VERSION, MAINNET_PROTOCOL_VERSION, MIN_PEER_VERSION, MikParams, PROTOCOL_VERSION,
    Policy, TransactionParams,
};
pub use partial_block::PartialBlock;
pub use reader::Reader;
pub use transaction::{OutPoint, Transaction, TxIn, TxOut};
pub use vdf::{ExtendedHeader, VdfProof};

/// The example of the README is a test.
#[cfg(all(doctest, feature = "codec"))]
#[doc = include_str!("../README.md")]
struct Readme;
