//! `reject`.

use bytes::BufMut;

use crate::encode::{Decode, DecodeError, Encode};
use crate::limits::MAX_REJECT_REASON_BYTES;
use crate::reader::Reader;
use crate::text;

/// Longest name of a command.
const MAX_COMMAND_BYTES: usize = 12;

/// Why something was refused, as a number (spec: wire §2). The numbers are those of BIP 61.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct RejectCode(pub u8);

impl RejectCode {
    /// Against a rule.
    pub const INVALID: Self = Self(0x10);
    /// Of a version that is too old.
    pub const OBSOLETE: Self = Self(0x11);
    /// Seen before.
    pub const DUPLICATE: Self = Self(0x12);
}

/// Says why a message was refused (spec: wire §2). Mainnet nodes send it, none reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Reject {
    /// Command of the message: at most 12 bytes; what is longer is cut when it is encoded.
    pub command: String,
    /// The reason as a number.
    pub code: RejectCode,
    /// The reason in words: at most [`MAX_REJECT_REASON_BYTES`]; what is longer is cut when it is encoded.
    pub reason: String,
}

impl Reject {
    fn command(&self) -> &str {
        text::head(&self.command, MAX_COMMAND_BYTES)
    }

    fn reason(&self) -> &str {
        text::head(&self.reason, MAX_REJECT_REASON_BYTES)
    }
}

/// A text of at most 255 bytes, with its length in one byte.
fn put_short(out: &mut impl BufMut, text: &str) {
    out.put_uint_le(text.len() as u64, 1);
    out.put_slice(text.as_bytes());
}

fn short(reader: &mut Reader, field: &'static str, max: usize) -> Result<String, DecodeError> {
    let bytes = reader.u8(field)?.into();
    if bytes > max as u64 {
        return Err(DecodeError::TooLong { field, bytes, max });
    }
    reader.bytes(field, bytes).map(|bytes| text::from_wire(&bytes))
}

impl Encode for Reject {
    fn encode(&self, out: &mut impl BufMut) {
        put_short(out, self.command());
        out.put_u8(self.code.0);
        put_short(out, self.reason());
    }

    fn encoded_len(&self) -> usize {
        // Two lengths and the code.
        3 + self.command().len() + self.reason().len()
    }
}

impl Decode for Reject {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            command: short(reader, "rejected command", MAX_COMMAND_BYTES)?,
            code: RejectCode(reader.u8("reject code")?),
            reason: short(reader, "reject reason", MAX_REJECT_REASON_BYTES)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn reject(reason: &str) -> Reject {
        Reject { command: "version".to_owned(), code: RejectCode::INVALID, reason: reason.to_owned() }
    }

    #[test]
    fn texts_have_a_length_of_one_byte() {
        let bytes = reject("wrong genesis").encode_to_vec();
        assert_eq!(hex::encode(&bytes), "0776657273696f6e100d77726f6e672067656e65736973");
        assert_eq!(Reject::decode_exact(bytes.into(), &Limits::default()), Ok(reject("wrong genesis")));
    }

    #[test]
    fn long_reasons_are_cut() {
        let bytes = reject(&"x".repeat(500)).encode_to_vec();
        assert_eq!(Reject::decode_exact(bytes.into(), &Limits::default()), Ok(reject(&"x".repeat(200))));
    }

    #[test]
    fn long_texts_are_refused() {
        for (bytes, max) in [(vec![13; 20], 12), ([vec![0, 0x10], vec![201; 202]].concat(), 200)] {
            let result = Reject::decode_exact(bytes.into(), &Limits::default());
            assert!(matches!(result, Err(DecodeError::TooLong { max: found, .. }) if found == max));
        }
    }
}
