//! 256-bit identifiers. They travel and are kept in one byte order, and are printed in the reverse of it.

use std::fmt;
use std::str::FromStr;

use bytes::BufMut;
use thiserror::Error;

use crate::encode::{Decode, DecodeError, Encode};
use crate::reader::Reader;

/// A text is no 256-bit hash: 64 hexadecimal digits are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no hash of 64 hexadecimal digits")]
pub struct ParseHashError {
    text: String,
}

/// Parses hex in display order, which is the reverse of the order in memory.
fn parse_display_order(text: &str) -> Result<[u8; 32], ParseHashError> {
    let mut bytes = [0; 32];
    // The decoder takes a "0x" prefix, hashes have none.
    if text.len() != 64 || hex::decode_to_slice(text, &mut bytes).is_err() {
        // Only the head of a text that may be anything and of any length.
        return Err(ParseHashError { text: text.chars().take(80).collect() });
    }
    bytes.reverse();
    Ok(bytes)
}

fn fmt_display_order(bytes: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut reversed = *bytes;
    reversed.reverse();
    f.pad(hex::Buffer::<32>::new().format(&reversed))
}

macro_rules! hash_newtypes {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        ///
        /// Inside are the 32 bytes as they travel; [`Display`](fmt::Display) and [`FromStr`] reverse them. The order
        /// of values is that of the bytes.
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// All bytes zero.
            pub const ZERO: Self = Self([0; 32]);

            /// From bytes in wire order.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes in wire order.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The bytes in wire order.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 32] {
                self.0
            }

            /// Whether all bytes are zero.
            #[must_use]
            pub fn is_zero(&self) -> bool {
                *self == Self::ZERO
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt_display_order(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseHashError;

            fn from_str(text: &str) -> Result<Self, ParseHashError> {
                parse_display_order(text).map(Self)
            }
        }

        /// Text in display order for formats that are read by humans, else the bytes in wire order.
        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    serde::Deserialize::deserialize(deserializer).map(Self)
                }
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl Encode for $name {
            fn encode(&self, out: &mut impl BufMut) {
                out.put_slice(&self.0);
            }

            fn encoded_len(&self) -> usize {
                self.0.len()
            }
        }

        impl Decode for $name {
            fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
                reader.array("hash").map(Self)
            }
        }
    )+};
}

hash_newtypes! {
    /// Some 256-bit hash: what an [`Inventory`](crate::Inventory) item names depends on its kind.
    Hash256;
    /// Id of a block: the RandomX hash of its 80-byte header (spec: consensus §1).
    BlockHash;
    /// Id of a transaction: the SHA3-256 of its bytes (spec: consensus §6).
    Txid;
    /// Root of the merkle tree over the transaction ids of a block (spec: consensus §8).
    MerkleRoot;
}

macro_rules! convert_hash256 {
    ($($name:ident),+) => {$(
        impl From<$name> for Hash256 {
            fn from(hash: $name) -> Self {
                Self(hash.0)
            }
        }

        impl From<Hash256> for $name {
            fn from(hash: Hash256) -> Self {
                Self(hash.0)
            }
        }
    )+};
}

convert_hash256!(BlockHash, Txid);

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    const GENESIS: &str = "411c351d903c4bcc1ba0fe5c47a2056974fbb0bdb191dc25339a1b393c29e8fc";

    #[test]
    fn text_is_the_reverse_of_the_bytes() {
        let hash: BlockHash = GENESIS.parse().unwrap();
        assert_eq!(
            hex::encode(hash.as_bytes()),
            "fce8293c391b9a3325dc91b1bdb0fb746905a2475cfea01bcc4b3c901d351c41"
        );
        assert_eq!(hash.to_string(), GENESIS);
        assert_eq!(format!("{hash:?}"), format!("BlockHash({GENESIS})"));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "00", &GENESIS[1..], &format!("0x{}", &GENESIS[2..]), &format!("{}zz", &GENESIS[2..])]
        {
            let error = text.parse::<Txid>().unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    quickcheck! {
        fn text_round_trip(halves: (u128, u128)) -> bool {
            let mut bytes = [0; 32];
            bytes[..16].copy_from_slice(&halves.0.to_le_bytes());
            bytes[16..].copy_from_slice(&halves.1.to_le_bytes());
            let hash = Hash256::from_bytes(bytes);
            hash.to_string().parse() == Ok(hash) && hash.is_zero() == (bytes == [0; 32])
        }
    }
}
