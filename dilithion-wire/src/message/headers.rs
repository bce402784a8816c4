//! `getheaders`, `headers`, `getblocks`.

use bytes::BufMut;

use super::Message;
use crate::compact_size::{CompactSize, list_len, put_list};
use crate::encode::{Decode, DecodeError, Encode};
use crate::hash::BlockHash;
use crate::header::BlockHeader;
use crate::limits::Counted;
use crate::reader::Reader;
use crate::vdf::ExtendedHeader;

/// Asks for the headers after the first hash of the locator that the other node knows (spec: wire §2, §5.2). Unlike in
/// Bitcoin there is no version in front.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GetHeaders {
    /// Hashes of the own chain, highest first and genesis last.
    pub locator: Vec<BlockHash>,
    /// Where to stop, or zero.
    pub stop: BlockHash,
}

fn locator(reader: &mut Reader) -> Result<Vec<BlockHash>, DecodeError> {
    reader.fixed_list(Counted::LocatorHashes, "locator", |bytes| BlockHash::from_bytes(*bytes))
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
        Ok(Self { locator: locator(reader)?, stop: BlockHash::decode(reader)? })
    }
}

/// Asks for the ids of blocks after the first known hash of the locator. No known node sends or answers it; the layout
/// is Bitcoin's (spec: wire §1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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
            locator: locator(reader)?,
            stop: BlockHash::decode(reader)?,
        })
    }
}

/// What follows each header in `headers`: the number of transactions, always none (spec: wire §2).
const NO_TRANSACTIONS: u8 = 0;

pub(super) fn encode(headers: &[BlockHeader], out: &mut impl BufMut) {
    CompactSize::of(headers.len()).encode(out);
    for header in headers {
        let mut entry = [NO_TRANSACTIONS; ENTRY_BYTES];
        entry[..BlockHeader::SIZE].copy_from_slice(&header.to_bytes());
        out.put_slice(&entry);
    }
}

pub(super) fn encoded_len(headers: &[BlockHeader]) -> usize {
    CompactSize::of(headers.len()).encoded_len() + headers.len() * ENTRY_BYTES
}

/// Bytes of a header of 80 bytes in `headers`.
const ENTRY_BYTES: usize = BlockHeader::SIZE + size_of_val(&NO_TRANSACTIONS);

/// Bytes of the payload with these headers.
pub(super) fn extended_len(headers: &[ExtendedHeader]) -> usize {
    let entries = headers.iter().map(|header| header.encoded_len() + size_of_val(&NO_TRANSACTIONS));
    CompactSize::of(headers.len()).encoded_len() + entries.sum::<usize>()
}

pub(super) fn encode_extended(headers: &[ExtendedHeader], out: &mut impl BufMut) {
    CompactSize::of(headers.len()).encode(out);
    for header in headers {
        header.encode(out);
        out.put_u8(NO_TRANSACTIONS);
    }
}

/// Reads [`Message::Headers`], or [`Message::VdfHeaders`] if one has 144 bytes.
pub(super) fn decode(reader: &mut Reader) -> Result<Message, DecodeError> {
    let expected = reader.count(Counted::Headers)?;
    if let Some(headers) = plain(reader, expected) {
        return Ok(Message::Headers(headers));
    }
    let mut headers = Vec::with_capacity(expected);
    for index in 0..expected {
        headers.push(ExtendedHeader::decode(reader)?);
        let CompactSize(count) = CompactSize::decode(reader)?;
        if count != u64::from(NO_TRANSACTIONS) {
            return Err(DecodeError::HeaderWithTransactions { index, count });
        }
    }
    if headers.iter().any(|header| header.vdf.is_some()) {
        return Ok(Message::VdfHeaders(headers));
    }
    Ok(Message::Headers(headers.into_iter().map(|extended| extended.header).collect()))
}

/// The headers if they come as nearly all do, each in 81 bytes; then all are cut out at once.
fn plain(reader: &Reader, expected: usize) -> Option<Vec<BlockHeader>> {
    let limits = reader.limits();
    let entries = reader.rest().get(..expected * ENTRY_BYTES)?.chunks_exact(ENTRY_BYTES);
    let mut headers = Vec::with_capacity(expected);
    for entry in entries {
        let (header, transactions) = entry.split_first_chunk()?;
        let header = BlockHeader::from_bytes(header);
        if transactions != [NO_TRANSACTIONS] || limits.has_vdf(header.version) {
            return None;
        }
        headers.push(header);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn headers(count: u64, entries: usize, tx_count: &[u8]) -> Result<Message, DecodeError> {
        let mut bytes = CompactSize(count).encode_to_vec();
        for _ in 0..entries {
            bytes.extend_from_slice(&[0; BlockHeader::SIZE]);
            bytes.extend_from_slice(tx_count);
        }
        decode(&mut Reader::with_limits(bytes.into(), &Limits::MAINNET))
    }

    #[test]
    fn two_thousand_headers_and_no_more() {
        assert!(matches!(headers(2000, 2000, &[0]), Ok(Message::Headers(headers)) if headers.len() == 2000));
        assert_eq!(
            headers(2001, 2001, &[0]),
            Err(DecodeError::TooMany { what: Counted::Headers, count: 2001, max: 2000 })
        );
        assert_eq!(
            headers(2000, 1999, &[0]),
            Err(DecodeError::Unfounded { what: Counted::Headers, count: 2000, left: 1999 * 81 })
        );
    }

    #[test]
    fn a_header_has_no_transactions() {
        assert_eq!(headers(2, 2, &[1]), Err(DecodeError::HeaderWithTransactions { index: 0, count: 1 }));
        let long = DecodeError::HeaderWithTransactions { index: 0, count: 7 };
        assert_eq!(headers(1, 1, &[0xfd, 7, 0]), Err(long));
    }

    #[test]
    fn no_transactions_may_be_said_in_any_form() {
        for tx_count in [[0].as_slice(), &[0xfd, 0, 0], &[0xfe, 0, 0, 0, 0], &[0xff, 0, 0, 0, 0, 0, 0, 0, 0]]
        {
            let read = headers(3, 3, tx_count);
            assert!(matches!(&read, Ok(Message::Headers(headers)) if headers.len() == 3), "{read:?}");
        }
    }

    #[test]
    fn headers_of_both_lengths_may_be_mixed() {
        let mut bytes = vec![3];
        for (version, rest) in [(1_i32, 76), (4, 140), (3, 76)] {
            bytes.extend_from_slice(&version.to_le_bytes());
            bytes.resize(bytes.len() + rest, 7);
            bytes.push(0);
        }
        let read = decode(&mut Reader::with_limits(bytes.clone().into(), &Limits::MAINNET)).unwrap();
        let Message::VdfHeaders(headers) = &read else { panic!("{read:?}") };
        let with_proof: Vec<bool> = headers.iter().map(|header| header.vdf.is_some()).collect();
        assert_eq!(with_proof, [false, true, false]);
        assert_eq!(read.encode_to_vec(), bytes);
        assert_eq!(read.encoded_len(), bytes.len());
        // Elsewhere the longer one is 80 bytes and something that is no number of transactions.
        let error = decode(&mut Reader::with_limits(bytes.into(), &Limits::TESTNET)).unwrap_err();
        assert_eq!(error, DecodeError::HeaderWithTransactions { index: 1, count: 7 });
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
