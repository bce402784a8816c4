//! Names of things that nodes exchange.

use bytes::BufMut;

use crate::encode::{Decode, DecodeError, Encode};
use crate::hash::{BlockHash, Hash256, Txid};
use crate::reader::Reader;

/// What an [`Inventory`] item names (spec: wire §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "KindText", from = "KindText")
)]
pub enum InventoryKind {
    /// A transaction.
    Tx,
    /// A block.
    Block,
    /// A filtered block, which no node serves.
    FilteredBlock,
    /// A compact block, which no node serves when asked like this.
    CompactBlock,
    /// Something else, by a number that none of the others has. The item is to be skipped; each costs its sender
    /// [`BadInventoryKind`](crate::Misbehaviour::BadInventoryKind).
    Other(u32),
}

impl InventoryKind {
    /// The number on the wire.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        match self {
            Self::Tx => 1,
            Self::Block => 2,
            Self::FilteredBlock => 3,
            Self::CompactBlock => 4,
            Self::Other(kind) => kind,
        }
    }

    /// From the number on the wire.
    #[must_use]
    pub const fn from_u32(kind: u32) -> Self {
        match kind {
            1 => Self::Tx,
            2 => Self::Block,
            3 => Self::FilteredBlock,
            4 => Self::CompactBlock,
            other => Self::Other(other),
        }
    }
}

/// How an [`InventoryKind`] is written for serde. A number that has a name gets it when it is read.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindText {
    Tx,
    Block,
    FilteredBlock,
    CompactBlock,
    Other(u32),
}

#[cfg(feature = "serde")]
impl From<InventoryKind> for KindText {
    fn from(kind: InventoryKind) -> Self {
        match kind {
            InventoryKind::Tx => Self::Tx,
            InventoryKind::Block => Self::Block,
            InventoryKind::FilteredBlock => Self::FilteredBlock,
            InventoryKind::CompactBlock => Self::CompactBlock,
            InventoryKind::Other(kind) => Self::Other(kind),
        }
    }
}

#[cfg(feature = "serde")]
impl From<KindText> for InventoryKind {
    fn from(text: KindText) -> Self {
        match text {
            KindText::Tx => Self::Tx,
            KindText::Block => Self::Block,
            KindText::FilteredBlock => Self::FilteredBlock,
            KindText::CompactBlock => Self::CompactBlock,
            KindText::Other(kind) => Self::from_u32(kind),
        }
    }
}

/// Something a node has or wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Inventory {
    /// What it is.
    pub kind: InventoryKind,
    /// Its id.
    pub hash: Hash256,
}

impl Inventory {
    /// Bytes of an item.
    pub const SIZE: usize = 36;

    /// The bytes that travel.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let (kind, hash) = bytes.split_at_mut(size_of::<u32>());
        kind.copy_from_slice(&self.kind.to_u32().to_le_bytes());
        hash.copy_from_slice(self.hash.as_bytes());
        bytes
    }

    /// From the bytes that travel.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Self {
        let (mut kind, mut hash) = ([0; 4], [0; 32]);
        let (head, tail) = bytes.split_at(kind.len());
        kind.copy_from_slice(head);
        hash.copy_from_slice(tail);
        Self { kind: InventoryKind::from_u32(u32::from_le_bytes(kind)), hash: Hash256::from_bytes(hash) }
    }

    /// A block.
    #[must_use]
    pub fn block(hash: BlockHash) -> Self {
        Self { kind: InventoryKind::Block, hash: hash.into() }
    }

    /// A transaction.
    #[must_use]
    pub fn tx(txid: Txid) -> Self {
        Self { kind: InventoryKind::Tx, hash: txid.into() }
    }
}

impl Encode for Inventory {
    fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(&self.to_bytes());
    }

    fn encoded_len(&self) -> usize {
        Self::SIZE
    }
}

impl Decode for Inventory {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self::from_bytes(&reader.array("inventory item")?))
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;
    use crate::limits::Limits;

    #[test]
    fn constructors_name_the_kind() {
        let block = Inventory::block(BlockHash::from_bytes([1; 32]));
        assert_eq!(block.encode_to_vec()[..5], [2, 0, 0, 0, 1]);
        assert_eq!(Inventory::tx(Txid::ZERO).kind, InventoryKind::Tx);
    }

    quickcheck! {
        fn round_trip(item: Inventory) -> bool {
            Inventory::decode_exact(item.encode_to_vec().into(), &Limits::default()) == Ok(item)
        }

        fn kinds_are_one_to_one(kind: u32) -> bool {
            InventoryKind::from_u32(kind).to_u32() == kind && InventoryKind::from_u32(kind % 8).to_u32() == kind % 8
        }
    }
}
