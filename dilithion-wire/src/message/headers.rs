//! `getheaders`, `headers`, `getblocks`.

use bytes::BufMut;

use crate::compact_size::{CompactSize, list_len, put_list};
use crate::encode::{Decode, DecodeError, Encode};
use crate::hash::BlockHash;
use crate::header::BlockHeader;
use crate::limits::Counted;
use crate::reader::Reader;

/// Asks for the headers after the first hash of the locator that the other node knows (spec: wire §2, §5.2). Unlike in
/// Bitcoin there is no version in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetHeaders {
    /// Hashes of the own chain, highest first and genesis last.
    pub locator: Vec<BlockHash>,
    /// Where to stop, or zero.
    pub stop: BlockHash,
}

impl Encode for GetHeaders {
    fn encode(&self, out: &mut impl BufMut) {
        put_list(out, &self.locator);
        self.stop.encode(out);
    }

    fn encoded_len(&self) -> usize {
        list_len(&self.locator) + self.stop.encoded_len()
    }
}

impl Decode for GetHeaders {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { locator: reader.list(Counted::LocatorHashes)?, stop: BlockHash::decode(reader)? })
    }
}

/// Asks for the ids of blocks after the first known hash of the locator. No known node sends or answers it; the layout
/// is Bitcoin's (spec: wire §1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBlocks {
    /// Version of the protocol.
    pub version: u32,
    /// Hashes of the own chain, highest first and genesis last.
    pub locator: Vec<BlockHash>,
    /// Where to stop, or zero.
    pub stop: BlockHash,
}

impl Encode for GetBlocks {
    fn encode(&self, out: &mut impl BufMut) {
        out.put_u32_le(self.version);
        put_list(out, &self.locator);
        self.stop.encode(out);
    }

    fn encoded_len(&self) -> usize {
        size_of::<u32>() + list_len(&self.locator) + self.stop.encoded_len()
    }
}

impl Decode for GetBlocks {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            version: reader.u32("protocol version")?,
            locator: reader.list(Counted::LocatorHashes)?,
            stop: BlockHash::decode(reader)?,
        })
    }
}

/// What follows each header in `headers`: the number of transactions, always none (spec: wire §2).
const NO_TRANSACTIONS: u8 = 0;

pub(super) fn encode(headers: &[BlockHeader], out: &mut impl BufMut) {
    CompactSize::of(headers.len()).encode(out);
    for header in headers {
        header.encode(out);
        out.put_u8(NO_TRANSACTIONS);
    }
}

pub(super) fn encoded_len(headers: &[BlockHeader]) -> usize {
    CompactSize::of(headers.len()).encoded_len()
        + headers.len() * (BlockHeader::SIZE + size_of_val(&NO_TRANSACTIONS))
}

pub(super) fn decode(reader: &mut Reader) -> Result<Vec<BlockHeader>, DecodeError> {
    let expected = reader.count(Counted::Headers)?;
    let mut headers = Vec::with_capacity(expected);
    for index in 0..expected {
        headers.push(BlockHeader::decode(reader)?);
        let CompactSize(count) = CompactSize::decode(reader)?;
        if count != NO_TRANSACTIONS.into() {
            return Err(DecodeError::HeaderWithTransactions { index, count });
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn headers(count: u64, entries: usize, tx_count: u8) -> Result<Vec<BlockHeader>, DecodeError> {
        let mut bytes = CompactSize(count).encode_to_vec();
        for _ in 0..entries {
            bytes.extend_from_slice(&[0; BlockHeader::SIZE]);
            bytes.push(tx_count);
        }
        decode(&mut Reader::with_limits(bytes.into(), &Limits::MAINNET))
    }

    #[test]
    fn two_thousand_headers_and_no_more() {
        assert_eq!(headers(2000, 2000, 0).map(|headers| headers.len()), Ok(2000));
        assert_eq!(
            headers(2001, 2001, 0),
            Err(DecodeError::TooMany { what: Counted::Headers, count: 2001, max: 2000 })
        );
        assert_eq!(
            headers(2000, 1999, 0),
            Err(DecodeError::Unfounded { what: Counted::Headers, count: 2000, left: 1999 * 81 })
        );
    }

    #[test]
    fn a_header_has_no_transactions() {
        assert_eq!(headers(2, 2, 1), Err(DecodeError::HeaderWithTransactions { index: 0, count: 1 }));
    }

    #[test]
    fn headers_of_144_bytes_are_named_as_such() {
        let mut bytes = vec![2];
        for _ in 0..2 {
            bytes.extend_from_slice(&4_i32.to_le_bytes());
            bytes.extend_from_slice(&[0; 140]);
            bytes.push(0);
        }
        let result = decode(&mut Reader::with_limits(bytes.into(), &Limits::MAINNET));
        assert_eq!(result, Err(DecodeError::VdfHeader { version: 4 }));
    }

    #[test]
    fn locators_are_bounded() {
        let request = |hashes: usize| {
            let request = GetHeaders { locator: vec![BlockHash::ZERO; hashes], stop: BlockHash::ZERO };
            GetHeaders::decode_exact(request.encode_to_vec().into(), &Limits::TESTNET)
        };
        assert_eq!(request(32).map(|request| request.locator.len()), Ok(32));
        assert!(matches!(request(33), Err(DecodeError::TooMany { what: Counted::LocatorHashes, .. })));
    }
}
