//! Block headers.

use bytes::{Buf, BufMut};

use crate::encode::{Decode, DecodeError, Encode};
use crate::hash::{BlockHash, MerkleRoot};
use crate::reader::Reader;

/// Header of a block (spec: consensus §1). Its id, the RandomX hash of its 80 bytes, is for others to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BlockHeader {
    /// Version of the format.
    pub version: i32,
    /// Id of the block before.
    pub prev_hash: BlockHash,
    /// Commitment to the transactions.
    pub merkle_root: MerkleRoot,
    /// When the block was made, in seconds since 1970.
    pub time: u32,
    /// The target that the id has to be below, in compact form (spec: consensus §4).
    pub bits: u32,
    /// Chosen so that it is.
    pub nonce: u32,
}

impl BlockHeader {
    /// Bytes of a header.
    pub const SIZE: usize = 80;

    /// The bytes that are hashed and that travel.
    #[must_use]
    #[inline]
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let (version, rest) = bytes.split_at_mut(4);
        version.copy_from_slice(&self.version.to_le_bytes());
        let (prev_hash, rest) = rest.split_at_mut(32);
        prev_hash.copy_from_slice(self.prev_hash.as_bytes());
        let (merkle_root, rest) = rest.split_at_mut(32);
        merkle_root.copy_from_slice(self.merkle_root.as_bytes());
        for (field, value) in rest.chunks_exact_mut(4).zip([self.time, self.bits, self.nonce]) {
            field.copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    /// Reads any 80 bytes; the rules for the fields are not those of the format.
    #[must_use]
    #[inline]
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Self {
        // Each read is of a fixed part of the 80 bytes, so none can run dry.
        let mut rest = bytes.as_slice();
        Self {
            version: rest.get_i32_le(),
            prev_hash: BlockHash::from_bytes(take_hash(&mut rest)),
            merkle_root: MerkleRoot::from_bytes(take_hash(&mut rest)),
            time: rest.get_u32_le(),
            bits: rest.get_u32_le(),
            nonce: rest.get_u32_le(),
        }
    }
}

fn take_hash(rest: &mut &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    rest.copy_to_slice(&mut hash);
    hash
}

impl Encode for BlockHeader {
    fn encode(&self, out: &mut impl BufMut) {
        // One write: growing buffers look at their capacity each time.
        out.put_slice(&self.to_bytes());
    }

    fn encoded_len(&self) -> usize {
        Self::SIZE
    }
}

/// Fails on the versions whose headers have 144 bytes ([`Limits::vdf_header_version`](crate::Limits)): those are for
/// [`ExtendedHeader`](crate::ExtendedHeader).
impl Decode for BlockHeader {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let header = Self::from_bytes(&reader.array("header")?);
        if reader.limits().has_vdf(header.version) {
            return Err(DecodeError::VdfHeader { version: header.version });
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use quickcheck::quickcheck;

    use super::*;
    use crate::limits::Limits;

    quickcheck! {
        fn round_trip(header: BlockHeader) -> bool {
            let bytes = header.to_bytes();
            BlockHeader::from_bytes(&bytes) == header
                && bytes.len() == header.encoded_len()
                && BlockHeader::decode_exact(Bytes::copy_from_slice(&bytes), &Limits::default()) == Ok(header)
        }
    }

    #[test]
    fn fields_stand_where_the_format_says() {
        let header = BlockHeader {
            version: 1,
            prev_hash: BlockHash::from_bytes([2; 32]),
            merkle_root: MerkleRoot::from_bytes([3; 32]),
            time: 4,
            bits: 5,
            nonce: 6,
        };
        let bytes = header.to_bytes();
        assert_eq!(bytes[..4], [1, 0, 0, 0]);
        assert_eq!((bytes[4], bytes[35], bytes[36], bytes[67]), (2, 2, 3, 3));
        assert_eq!(bytes[68..], [4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0]);
    }

    #[test]
    fn long_headers_are_refused_where_they_exist() {
        let decode = |version: i32, limits: &Limits| {
            let mut bytes = [0; BlockHeader::SIZE];
            bytes[..4].copy_from_slice(&version.to_le_bytes());
            BlockHeader::decode_exact(Bytes::copy_from_slice(&bytes), limits)
        };
        assert!(decode(4, &Limits::TESTNET).is_ok());
        assert!(decode(3, &Limits::MAINNET).is_ok());
        assert!(decode(-1, &Limits::MAINNET).is_ok());
        assert_eq!(decode(4, &Limits::MAINNET), Err(DecodeError::VdfHeader { version: 4 }));
    }
}
