//! `sendcmpct`, `cmpctblock`, `getblocktxn`, `blocktxn` (spec: wire §5.6). They differ from BIP 152: the transactions
//! sent along come before the short ids, and positions count from the start of the block. What they mean is in
//! `compact_block`.

use bytes::BufMut;

use crate::compact_size::{CompactSize, list_len, put_list};
use crate::encode::{Decode, DecodeError, Encode};
use crate::hash::BlockHash;
use crate::header::BlockHeader;
use crate::limits::{Counted, MAX_BLOCK_TRANSACTIONS};
use crate::reader::Reader;
use crate::transaction::Transaction;
use crate::vdf::{ExtendedHeader, VdfProof};

/// Asks for announcements by `cmpctblock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SendCompact {
    /// Whether without being asked each time.
    pub high_bandwidth: bool,
    /// Version of compact blocks; only 1 has a meaning.
    pub version: u64,
}

impl Encode for SendCompact {
    fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(self.high_bandwidth.into());
        out.put_u64_le(self.version);
    }

    fn encoded_len(&self) -> usize {
        size_of::<u8>() + size_of::<u64>()
    }
}

impl Decode for SendCompact {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            high_bandwidth: reader.u8("high-bandwidth flag")? != 0,
            version: reader.u64("compact block version")?,
        })
    }
}

/// Six bytes that tell the transactions of a block apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct ShortId(#[cfg_attr(feature = "serde", serde(with = "crate::serde_hex"))] pub [u8; 6]);

impl Encode for ShortId {
    fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(&self.0);
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }
}

impl Decode for ShortId {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.array("short id").map(Self)
    }
}

/// A transaction sent along with a compact block.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PrefilledTransaction {
    /// Its position in the block.
    pub position: u32,
    /// The transaction.
    pub transaction: Transaction,
}

impl Encode for PrefilledTransaction {
    fn encode(&self, out: &mut impl BufMut) {
        CompactSize(self.position.into()).encode(out);
        self.transaction.encode(out);
    }

    fn encoded_len(&self) -> usize {
        CompactSize(self.position.into()).encoded_len() + self.transaction.encoded_len()
    }
}

impl Decode for PrefilledTransaction {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { position: decode_position(reader)?, transaction: Transaction::decode(reader)? })
    }
}

/// A position that no block has room for is refused at once.
fn decode_position(reader: &mut Reader) -> Result<u32, DecodeError> {
    let CompactSize(position) = CompactSize::decode(reader)?;
    let known = u32::try_from(position).ok().filter(|_| position < MAX_BLOCK_TRANSACTIONS as u64);
    known.ok_or(DecodeError::PositionOutOfRange { position })
}

/// A block whose transactions are named by short ids.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CompactBlock {
    /// Header of the block.
    pub header: BlockHeader,
    /// What follows the header where headers have 144 bytes, as in [`Block`](crate::Block).
    pub vdf: Option<VdfProof>,
    /// Part of the key of the short ids.
    pub nonce: u64,
    /// Transactions sent along: the coinbase.
    pub prefilled: Vec<PrefilledTransaction>,
    /// Short ids of the others, in their order.
    pub short_ids: Vec<ShortId>,
}

impl Encode for CompactBlock {
    fn encode(&self, out: &mut impl BufMut) {
        self.extended_header().encode(out);
        out.put_u64_le(self.nonce);
        put_list(out, &self.prefilled);
        put_list(out, &self.short_ids);
    }

    fn encoded_len(&self) -> usize {
        self.extended_header().encoded_len()
            + size_of::<u64>()
            + list_len(&self.prefilled)
            + list_len(&self.short_ids)
    }
}

impl Decode for CompactBlock {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let ExtendedHeader { header, vdf } = ExtendedHeader::decode(reader)?;
        Ok(Self {
            header,
            vdf,
            nonce: reader.u64("nonce")?,
            prefilled: reader.list(Counted::Prefilled)?,
            short_ids: reader.fixed_list(Counted::ShortIds, "short ids", |bytes| ShortId(*bytes))?,
        })
    }
}

/// Asks for transactions of a compact block.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GetBlockTxn {
    /// The block.
    pub block: BlockHash,
    /// Positions of the transactions in the block.
    pub positions: Vec<u32>,
}

impl Encode for GetBlockTxn {
    fn encode(&self, out: &mut impl BufMut) {
        self.block.encode(out);
        CompactSize::of(self.positions.len()).encode(out);
        self.positions.iter().for_each(|position| CompactSize((*position).into()).encode(out));
    }

    fn encoded_len(&self) -> usize {
        let positions: usize =
            self.positions.iter().map(|position| CompactSize((*position).into()).encoded_len()).sum();
        self.block.encoded_len() + CompactSize::of(self.positions.len()).encoded_len() + positions
    }
}

impl Decode for GetBlockTxn {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let block = BlockHash::decode(reader)?;
        let count = reader.count(Counted::Positions)?;
        let mut positions = Vec::with_capacity(count);
        for _ in 0..count {
            positions.push(decode_position(reader)?);
        }
        Ok(Self { block, positions })
    }
}

/// Transactions of a compact block.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BlockTxn {
    /// The block.
    pub block: BlockHash,
    /// The transactions, in the order in which they were asked for.
    pub transactions: Vec<Transaction>,
}

impl Encode for BlockTxn {
    fn encode(&self, out: &mut impl BufMut) {
        self.block.encode(out);
        put_list(out, &self.transactions);
    }

    fn encoded_len(&self) -> usize {
        self.block.encoded_len() + list_len(&self.transactions)
    }
}

impl Decode for BlockTxn {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { block: BlockHash::decode(reader)?, transactions: reader.list(Counted::Transactions)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::misbehaviour::Misbehaviour;

    #[test]
    fn prefilled_come_first_and_positions_are_absolute() {
        let transaction = Transaction { version: 1, inputs: Vec::new(), outputs: Vec::new(), lock_time: 0 };
        let block = CompactBlock {
            header: BlockHeader::from_bytes(&[0; BlockHeader::SIZE]),
            vdf: None,
            nonce: 2,
            prefilled: vec![
                PrefilledTransaction { position: 0, transaction: transaction.clone() },
                PrefilledTransaction { position: 3, transaction },
            ],
            short_ids: vec![ShortId([9; 6])],
        };
        let tail = hex::encode(&block.encode_to_vec()[BlockHeader::SIZE..]);
        let tx = "01000000000000000000";
        assert_eq!(tail, format!("020000000000000002{}{tx}{}{tx}01090909090909", "00", "03"));
    }

    #[test]
    fn positions_beyond_any_block_are_refused() {
        for (position, fine) in
            [("fd0000", true), ("fe9f860100", true), ("fea0860100", false), ("ff0000000001000000", false)]
        {
            let bytes = hex::decode(format!("{}01{position}", "11".repeat(32))).unwrap();
            let read = GetBlockTxn::decode(&mut Reader::new(bytes.into()));
            assert_eq!(read.is_ok(), fine, "{read:?}");
            let error = read.err().map(|error| error.misbehaviour());
            assert!(fine || error == Some(Misbehaviour::PositionOutOfRange));
        }
    }

    #[test]
    fn counts_are_bounded() {
        let compact = |prefilled: &str| {
            let mut bytes = vec![0; BlockHeader::SIZE + 8];
            bytes.extend_from_slice(&hex::decode(prefilled).unwrap());
            CompactBlock::decode(&mut Reader::new(bytes.into())).unwrap_err()
        };
        assert!(matches!(
            compact("fd1127"),
            DecodeError::TooMany { what: Counted::Prefilled, count: 10_001, .. }
        ));
        assert!(matches!(compact("fd1027"), DecodeError::Unfounded { what: Counted::Prefilled, .. }));
        assert!(matches!(compact("00fea1860100"), DecodeError::TooMany { what: Counted::ShortIds, .. }));
    }
}
