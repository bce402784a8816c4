//! Headers of 144 bytes, which a sister chain has (spec: wire §2, consensus §1).

use bytes::BufMut;

use crate::digest::sha3_256;
use crate::encode::{Decode, DecodeError, Encode};
use crate::hash::BlockHash;
use crate::header::BlockHeader;
use crate::reader::Reader;

/// Proof of a verifiable delay function, which stands in for work. What makes it valid is for others to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct VdfProof {
    /// What the function came to.
    #[cfg_attr(feature = "serde", serde(with = "crate::serde_hex"))]
    pub output: [u8; 32],
    /// Hash of the proof that it did.
    #[cfg_attr(feature = "serde", serde(with = "crate::serde_hex"))]
    pub proof_hash: [u8; 32],
}

impl VdfProof {
    /// Bytes of a proof in a header.
    pub const SIZE: usize = 64;
}

impl Encode for VdfProof {
    fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(&self.output);
        out.put_slice(&self.proof_hash);
    }

    fn encoded_len(&self) -> usize {
        Self::SIZE
    }
}

impl Decode for VdfProof {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { output: reader.array("delay output")?, proof_hash: reader.array("delay proof")? })
    }
}

/// A header in either form: of 80 bytes, or of 144 with a [`VdfProof`]. Which it is depends on its version
/// ([`Limits::vdf_header_version`](crate::Limits)). Networks without such a version have [`BlockHeader`]s only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ExtendedHeader {
    /// The first 80 bytes.
    pub header: BlockHeader,
    /// The others, if there are.
    pub vdf: Option<VdfProof>,
}

impl ExtendedHeader {
    /// Id of a block with a proof: the SHA3-256 of the 144 bytes. `None` without proof, where it is a RandomX hash.
    #[must_use]
    pub fn vdf_block_hash(&self) -> Option<BlockHash> {
        self.vdf.map(|_| BlockHash::from_bytes(sha3_256(&self.encode_to_vec())))
    }
}

impl From<BlockHeader> for ExtendedHeader {
    fn from(header: BlockHeader) -> Self {
        Self { header, vdf: None }
    }
}

impl Encode for ExtendedHeader {
    fn encode(&self, out: &mut impl BufMut) {
        self.header.encode(out);
        if let Some(vdf) = &self.vdf {
            vdf.encode(out);
        }
    }

    fn encoded_len(&self) -> usize {
        BlockHeader::SIZE + self.vdf.as_ref().map_or(0, Encode::encoded_len)
    }
}

impl Decode for ExtendedHeader {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let header = BlockHeader::from_bytes(&reader.array("header")?);
        let vdf = reader.limits().has_vdf(header.version).then(|| VdfProof::decode(reader)).transpose()?;
        Ok(Self { header, vdf })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use quickcheck::quickcheck;

    use super::*;
    use crate::limits::Limits;

    quickcheck! {
        fn round_trip(header: ExtendedHeader) -> bool {
            let bytes = header.encode_to_vec();
            bytes.len() == header.encoded_len()
                && ExtendedHeader::decode_exact(bytes.into(), &Limits::MAINNET) == Ok(header)
        }
    }

    #[test]
    fn the_version_decides_about_the_length() {
        let decode = |version: i32, limits: &Limits| {
            let bytes = [&version.to_le_bytes(), [7; 140].as_slice()].concat();
            ExtendedHeader::decode(&mut Reader::with_limits(bytes.into(), limits)).unwrap()
        };
        let proof = VdfProof { output: [7; 32], proof_hash: [7; 32] };
        for (version, limits, vdf) in [
            (3, Limits::MAINNET, None),
            (4, Limits::MAINNET, Some(proof)),
            (i32::MAX, Limits::MAINNET, Some(proof)),
            (-1, Limits::MAINNET, None),
            (4, Limits::TESTNET, None),
        ] {
            assert_eq!(decode(version, &limits).vdf, vdf, "{version}");
        }
    }

    #[test]
    fn the_id_covers_all_144_bytes() {
        let mut bytes = vec![0; 144];
        bytes[0] = 4;
        let header = ExtendedHeader::decode_exact(Bytes::from(bytes.clone()), &Limits::MAINNET).unwrap();
        assert_eq!(header.vdf_block_hash(), Some(BlockHash::from_bytes(sha3_256(&bytes))));
        assert_eq!(ExtendedHeader::from(header.header).vdf_block_hash(), None);
    }
}
