//! Random values for the properties.

use bytes::Bytes;
use quickcheck::{Arbitrary, Gen};

use crate::{
    Address, Amount, Block, BlockHash, BlockHeader, BlockTxn, Command, CompactBlock, GetBlockTxn, GetBlocks,
    GetHeaders, Hash256, Inventory, InventoryKind, MerkleRoot, Message, OutPoint, PrefilledTransaction,
    Reject, RejectCode, SendCompact, Services, ShortId, TimedAddress, Transaction, TxIn, TxOut, Txid,
    VersionMessage,
};

fn bytes32(g: &mut Gen) -> [u8; 32] {
    // Mostly random, now and then one of the values with a meaning.
    match u8::arbitrary(g) % 8 {
        0 => [0; 32],
        1 => [0xff; 32],
        _ => std::array::from_fn(|_| u8::arbitrary(g)),
    }
}

macro_rules! arbitrary_hashes {
    ($($name:ident),+) => {$(
        impl Arbitrary for $name {
            fn arbitrary(g: &mut Gen) -> Self {
                Self::from_bytes(bytes32(g))
            }
        }
    )+};
}

arbitrary_hashes!(Hash256, BlockHash, Txid, MerkleRoot);

/// A few bytes, now and then more than a one-byte length can say.
fn script(g: &mut Gen) -> Bytes {
    let len = if u8::arbitrary(g) % 8 == 0 { 300 } else { usize::arbitrary(g) % 40 };
    (0..len).map(|_| u8::arbitrary(g)).collect()
}

/// Between `min` and `min + 5` elements.
fn few<T: Arbitrary>(g: &mut Gen, min: usize) -> Vec<T> {
    (0..min + usize::arbitrary(g) % 6).map(|_| T::arbitrary(g)).collect()
}

impl Arbitrary for BlockHeader {
    fn arbitrary(g: &mut Gen) -> Self {
        Self {
            version: i32::arbitrary(g),
            prev_hash: BlockHash::arbitrary(g),
            merkle_root: MerkleRoot::arbitrary(g),
            time: u32::arbitrary(g),
            bits: u32::arbitrary(g),
            nonce: u32::arbitrary(g),
        }
    }
}

impl Arbitrary for OutPoint {
    fn arbitrary(g: &mut Gen) -> Self {
        Self { txid: Txid::arbitrary(g), index: u32::arbitrary(g) }
    }
}

impl Arbitrary for TxIn {
    fn arbitrary(g: &mut Gen) -> Self {
        Self { previous_output: OutPoint::arbitrary(g), script_sig: script(g), sequence: u32::arbitrary(g) }
    }
}

impl Arbitrary for TxOut {
    fn arbitrary(g: &mut Gen) -> Self {
        Self { value: Amount(u64::arbitrary(g)), script_pubkey: script(g) }
    }
}

impl Arbitrary for Transaction {
    fn arbitrary(g: &mut Gen) -> Self {
        Self {
            version: i32::arbitrary(g),
            inputs: few(g, 0),
            outputs: few(g, 0),
            lock_time: u32::arbitrary(g),
        }
    }
}

impl Arbitrary for Block {
    fn arbitrary(g: &mut Gen) -> Self {
        Self { header: BlockHeader::arbitrary(g), transactions: few(g, 1) }
    }
}

impl Arbitrary for Address {
    fn arbitrary(g: &mut Gen) -> Self {
        Self {
            services: Services(u64::arbitrary(g)),
            ip: std::array::from_fn(|_| u8::arbitrary(g)),
            port: u16::arbitrary(g),
        }
    }
}

impl Arbitrary for TimedAddress {
    fn arbitrary(g: &mut Gen) -> Self {
        Self { time: u32::arbitrary(g), address: Address::arbitrary(g) }
    }
}

impl Arbitrary for Inventory {
    fn arbitrary(g: &mut Gen) -> Self {
        Self { kind: InventoryKind::from_u32(u32::arbitrary(g) % 8), hash: Hash256::arbitrary(g) }
    }
}

impl Arbitrary for PrefilledTransaction {
    fn arbitrary(g: &mut Gen) -> Self {
        Self { position: u64::arbitrary(g), transaction: Transaction::arbitrary(g) }
    }
}

impl Arbitrary for ShortId {
    fn arbitrary(g: &mut Gen) -> Self {
        Self(std::array::from_fn(|_| u8::arbitrary(g)))
    }
}

impl Arbitrary for VersionMessage {
    fn arbitrary(g: &mut Gen) -> Self {
        Self {
            version: i32::arbitrary(g),
            services: Services(u64::arbitrary(g)),
            time: i64::arbitrary(g),
            receiver: Address::arbitrary(g),
            sender: Address::arbitrary(g),
            nonce: u64::arbitrary(g),
            user_agent: text(g, 256),
            start_height: i32::arbitrary(g),
            relay: bool::arbitrary(g),
            genesis: Option::arbitrary(g),
        }
    }
}

/// A text of at most `max` bytes.
fn text(g: &mut Gen, max: usize) -> String {
    crate::text::head(&String::arbitrary(g), max).to_owned()
}

impl Arbitrary for Message {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 21 {
            0 => Self::Version(VersionMessage::arbitrary(g)),
            1 => Self::Verack,
            2 => Self::Ping(u64::arbitrary(g)),
            3 => Self::Pong(u64::arbitrary(g)),
            4 => Self::GetAddr,
            5 => Self::Addr(few(g, 0)),
            6 => Self::Inv(few(g, 0)),
            7 => Self::GetData(few(g, 0)),
            8 => Self::GetHeaders(GetHeaders { locator: few(g, 0), stop: BlockHash::arbitrary(g) }),
            9 => Self::Headers(few(g, 0)),
            10 => Self::GetBlocks(GetBlocks {
                version: u32::arbitrary(g),
                locator: few(g, 0),
                stop: BlockHash::arbitrary(g),
            }),
            11 => Self::Block(Block::arbitrary(g)),
            // Long enough for the window of sizes.
            12 => Self::Tx(Transaction { inputs: few(g, 2), ..Transaction::arbitrary(g) }),
            13 => Self::Mempool,
            14 => Self::Reject(Reject {
                command: text(g, 12),
                code: RejectCode(u8::arbitrary(g)),
                reason: text(g, 200),
            }),
            15 => Self::SendHeaders,
            16 => Self::SendCompact(SendCompact {
                high_bandwidth: bool::arbitrary(g),
                version: u64::arbitrary(g),
            }),
            17 => Self::CompactBlock(CompactBlock {
                header: BlockHeader::arbitrary(g),
                nonce: u64::arbitrary(g),
                prefilled: few(g, 0),
                short_ids: few(g, 0),
            }),
            18 => Self::GetBlockTxn(GetBlockTxn { block: BlockHash::arbitrary(g), positions: few(g, 0) }),
            19 => Self::BlockTxn(BlockTxn { block: BlockHash::arbitrary(g), transactions: few(g, 0) }),
            _ => Self::Unknown { command: Command::from_static("dnalping"), payload: script(g) },
        }
    }
}
