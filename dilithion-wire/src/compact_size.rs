//! The variable-length number before lists and byte strings.

use bytes::BufMut;

use crate::encode::{Decode, DecodeError, Encode};
use crate::reader::Reader;

/// First byte of a number in two bytes more (spec: wire §1.3).
const TWO_BYTES: u8 = 0xfd;
/// First byte of a number in four bytes more.
const FOUR_BYTES: u8 = 0xfe;
/// First byte of a number in eight bytes more.
pub(crate) const EIGHT_BYTES: u8 = 0xff;

/// A number in 1, 3, 5 or 9 bytes (spec: wire §1.3).
///
/// It is written in the shortest form and read in any, as the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactSize(pub u64);

impl CompactSize {
    /// The number of elements or bytes in a collection.
    #[must_use]
    pub const fn of(len: usize) -> Self {
        // No platform has a wider `usize`.
        Self(len as u64)
    }
}

impl Encode for CompactSize {
    fn encode(&self, out: &mut impl BufMut) {
        match *self {
            Self(n) if n < TWO_BYTES.into() => out.put_uint_le(n, 1),
            Self(n) if n <= u16::MAX.into() => {
                out.put_u8(TWO_BYTES);
                out.put_uint_le(n, 2);
            }
            Self(n) if n <= u32::MAX.into() => {
                out.put_u8(FOUR_BYTES);
                out.put_uint_le(n, 4);
            }
            Self(n) => {
                out.put_u8(EIGHT_BYTES);
                out.put_u64_le(n);
            }
        }
    }

    fn encoded_len(&self) -> usize {
        match *self {
            Self(n) if n < TWO_BYTES.into() => 1,
            Self(n) if n <= u16::MAX.into() => 3,
            Self(n) if n <= u32::MAX.into() => 5,
            Self(_) => 9,
        }
    }
}

impl Decode for CompactSize {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let field = "compact size";
        Ok(Self(match reader.u8(field)? {
            TWO_BYTES => reader.u16(field)?.into(),
            FOUR_BYTES => reader.u32(field)?.into(),
            EIGHT_BYTES => reader.u64(field)?,
            byte => byte.into(),
        }))
    }
}

/// Writes a byte string with its length before it.
pub(crate) fn put_var_bytes(out: &mut impl BufMut, bytes: &[u8]) {
    CompactSize::of(bytes.len()).encode(out);
    out.put_slice(bytes);
}

/// Bytes that [`put_var_bytes`] takes.
pub(crate) fn var_bytes_len(bytes: &[u8]) -> usize {
    CompactSize::of(bytes.len()).encoded_len() + bytes.len()
}

/// Writes the number of items and the items.
pub(crate) fn put_list<T: Encode>(out: &mut impl BufMut, items: &[T]) {
    CompactSize::of(items.len()).encode(out);
    items.iter().for_each(|item| item.encode(out));
}

/// Bytes that [`put_list`] takes.
pub(crate) fn list_len<T: Encode>(items: &[T]) -> usize {
    CompactSize::of(items.len()).encoded_len() + items.iter().map(T::encoded_len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use quickcheck::quickcheck;

    use super::*;
    use crate::limits::Limits;

    fn decode(bytes: &[u8]) -> Result<u64, DecodeError> {
        CompactSize::decode_exact(Bytes::copy_from_slice(bytes), &Limits::default()).map(|size| size.0)
    }

    #[test]
    fn every_form_begins_where_the_shorter_one_ends() {
        for (number, bytes) in [
            (0, "00"),
            (0xfc, "fc"),
            (0xfd, "fdfd00"),
            (0xffff, "fdffff"),
            (0x1_0000, "fe00000100"),
            (0xffff_ffff, "feffffffff"),
            (0x1_0000_0000, "ff0000000001000000"),
            (u64::MAX, "ffffffffffffffffff"),
        ] {
            let encoded = CompactSize(number).encode_to_vec();
            assert_eq!(hex::encode(&encoded), bytes);
            assert_eq!(encoded.len(), CompactSize(number).encoded_len());
            assert_eq!(decode(&encoded), Ok(number));
        }
    }

    #[test]
    fn longer_forms_than_needed_are_read() {
        for bytes in ["05", "fd0500", "fe05000000", "ff0500000000000000"] {
            assert_eq!(decode(&hex::decode(bytes).unwrap()), Ok(5));
        }
    }

    #[test]
    fn a_cut_number_is_refused() {
        for bytes in ["", "fd05", "fe050000", "ff05000000000000"] {
            assert!(matches!(decode(&hex::decode(bytes).unwrap()), Err(DecodeError::Truncated { .. })));
        }
    }

    quickcheck! {
        fn round_trip(number: u64, shift: u8) -> bool {
            let number = number >> (shift % 64);
            decode(&CompactSize(number).encode_to_vec()) == Ok(number)
        }
    }
}
