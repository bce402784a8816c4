//! Types, peer-to-peer messages and network parameters of the Dilithion chain.

mod address;
mod amount;
#[cfg(test)]
mod arbitrary;
mod block;
#[cfg(feature = "codec")]
mod codec;
mod command;
mod compact_size;
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
mod reader;
mod text;
mod transaction;

pub use address::{Address, Services};
pub use amount::Amount;
pub use block::Block;
#[cfg(feature = "codec")]
pub use codec::MessageCodec;
pub use command::{Command, InvalidCommand};
pub use compact_size::CompactSize;
pub use digest::{sha3_256, sha3_256d};
pub use encode::{Decode, DecodeError, Encode};
pub use frame::{FrameError, FrameHeader, MAX_PAYLOAD_BYTES, checksum};
pub use hash::{BlockHash, Hash256, MerkleRoot, ParseHashError, Txid};
pub use header::BlockHeader;
pub use height::{Height, PeerId};
pub use inventory::{Inventory, InventoryKind};
pub use limits::{
    Counted, Limits, MAX_ADDRESSES, MAX_BLOCK_TRANSACTIONS, MAX_HEADERS_PER_MESSAGE, MAX_INVENTORY,
    MAX_LOCATOR_HASHES, MAX_PREFILLED_TRANSACTIONS, MAX_REJECT_REASON_BYTES, MAX_RELAYED_TX_IN_OUT,
    MAX_REQUESTED_TRANSACTIONS, MAX_SHORT_IDS, MAX_TX_IN_OUT, MAX_USER_AGENT_BYTES,
};
pub use magic::Magic;
pub use merkle::merkle_root;
pub use message::{
    BlockTxn, CompactBlock, GetBlockTxn, GetBlocks, GetHeaders, Message, MessageError, PrefilledTransaction,
    RawMessage, Reject, RejectCode, SendCompact, ShortId, TimedAddress, USER_AGENT, VersionMessage,
};
pub use misbehaviour::{BAN_SCORE, Misbehaviour};
#[cfg(feature = "chain-file")]
pub use params::ChainFileError;
pub use params::{
    AttestationParams, ChainParams, Checkpoint, ConsensusParams, DevFundParams, GenesisParams,
    MAINNET_MIN_PEER_VERSION, MAINNET_PROTOCOL_VERSION, MIN_PEER_VERSION, MikParams, PROTOCOL_VERSION,
};
pub use reader::Reader;
pub use transaction::{OutPoint, Transaction, TxIn, TxOut};
