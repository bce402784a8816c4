//! `addr`.

use bytes::BufMut;

use crate::address::Address;
use crate::encode::{Decode, DecodeError, Encode};
use crate::reader::Reader;

/// Where a node was seen, and when (spec: wire §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TimedAddress {
    /// When it was last seen, in seconds since 1970.
    pub time: u32,
    /// Where it is.
    pub address: Address,
}

impl Encode for TimedAddress {
    fn encode(&self, out: &mut impl BufMut) {
        out.put_u32_le(self.time);
        self.address.encode(out);
    }

    fn encoded_len(&self) -> usize {
        size_of::<u32>() + self.address.encoded_len()
    }
}

impl Decode for TimedAddress {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { time: reader.u32("time")?, address: Address::decode(reader)? })
    }
}
