//! `sendcmpct`, `cmpctblock`, `getblocktxn`, `blocktxn` (spec: wire §5.6). They differ from BIP 152: the transactions
//! sent along come before the short ids, and positions count from the start of the block.

use bytes::BufMut;

use crate::compact_size::{CompactSize, list_len, put_list};
use crate::encode::{Decode, DecodeError, Encode};
use crate::hash::BlockHash;
use crate::header::BlockHeader;
use crate::limits::Counted;
use crate::reader::Reader;
use crate::transaction::Transaction;

/// Asks for announcements by `cmpctblock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
pub struct ShortId(pub [u8; 6]);

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
pub struct PrefilledTransaction {
    /// Its position in the block.
    pub position: u64,
    /// The transaction.
    pub transaction: Transaction,
}

impl Encode for PrefilledTransaction {
    fn encode(&self, out: &mut impl BufMut) {
        CompactSize(self.position).encode(out);
        self.transaction.encode(out);
    }

    fn encoded_len(&self) -> usize {
        CompactSize(self.position).encoded_len() + self.transaction.encoded_len()
    }
}

impl Decode for PrefilledTransaction {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let CompactSize(position) = CompactSize::decode(reader)?;
        Ok(Self { position, transaction: Transaction::decode(reader)? })
    }
}

/// A block whose transactions are named by short ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactBlock {
    /// Header of the block.
    pub header: BlockHeader,
    /// Part of the key of the short ids.
    pub nonce: u64,
    /// Transactions sent along: the coinbase.
    pub prefilled: Vec<PrefilledTransaction>,
    /// Short ids of the others, in their order.
    pub short_ids: Vec<ShortId>,
}

impl Encode for CompactBlock {
    fn encode(&self, out: &mut impl BufMut) {
        self.header.encode(out);
        out.put_u64_le(self.nonce);
        put_list(out, &self.prefilled);
        put_list(out, &self.short_ids);
    }

    fn encoded_len(&self) -> usize {
        BlockHeader::SIZE + size_of::<u64>() + list_len(&self.prefilled) + list_len(&self.short_ids)
    }
}

impl Decode for CompactBlock {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            header: BlockHeader::decode(reader)?,
            nonce: reader.u64("nonce")?,
            prefilled: reader.list(Counted::Prefilled)?,
            short_ids: reader.list(Counted::ShortIds)?,
        })
    }
}

/// Asks for transactions of a compact block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBlockTxn {
    /// The block.
    pub block: BlockHash,
    /// Positions of the transactions in the block.
    pub positions: Vec<u64>,
}

impl Encode for GetBlockTxn {
    fn encode(&self, out: &mut impl BufMut) {
        self.block.encode(out);
        CompactSize::of(self.positions.len()).encode(out);
        self.positions.iter().for_each(|position| CompactSize(*position).encode(out));
    }

    fn encoded_len(&self) -> usize {
        let positions: usize =
            self.positions.iter().map(|position| CompactSize(*position).encoded_len()).sum();
        self.block.encoded_len() + CompactSize::of(self.positions.len()).encoded_len() + positions
    }
}

impl Decode for GetBlockTxn {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let block = BlockHash::decode(reader)?;
        let positions: Vec<CompactSize> = reader.list(Counted::Positions)?;
        Ok(Self { block, positions: positions.into_iter().map(|CompactSize(position)| position).collect() })
    }
}

/// Transactions of a compact block.
#[derive(Clone, Debug, PartialEq, Eq)]
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

    #[test]
    fn prefilled_come_first_and_positions_are_absolute() {
        let transaction = Transaction { version: 1, inputs: Vec::new(), outputs: Vec::new(), lock_time: 0 };
        let block = CompactBlock {
            header: BlockHeader::from_bytes(&[0; BlockHeader::SIZE]),
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
