//! Messages that blocks of private networks carry.

#[cfg(any(test, feature = "quickcheck"))]
mod arbitrary;
mod id;
mod outputs;

use std::str;

use bytes::{BufMut, Bytes};
use thiserror::Error;

pub use id::{MessageId, ParseMessageIdError};

use crate::compact_size::{put_var_bytes, var_bytes_len};
use crate::encode::{Decode, DecodeError, Encode};
use crate::reader::Reader;

/// Bytes of a message's content at most (requirement M15).
pub const MAX_CONTENT_BYTES: usize = 64 << 10;
/// Bytes of a sender's name at most: the documents give no number, this is that of user agents.
pub const MAX_SENDER_BYTES: usize = 256;

/// A text that somebody wants in the chain (`Message` of document 004). Blocks carry it in their coinbases on networks that
/// are [private](crate::ChainParams::is_private); `docs/messages.md` of the repository has the layout.
///
/// ```
/// use dilithion_wire::{DataMessage, Transaction};
///
/// let message = DataMessage::new("Alice", "Hello", 1_700_000_000, 42)?;
/// assert_eq!(message.id().to_string(), "dc47851cb5a6644e93511e9d2ca4584ede182ddfbed25b038dfef8355714a0e5");
///
/// let outputs: Vec<_> = message.outputs().collect();
/// let found: Vec<DataMessage> = DataMessage::find_in(&outputs).collect();
/// assert_eq!(found, [message]);
/// # Ok::<(), dilithion_wire::DataMessageError>(())
/// ```
#[doc(alias = "Message")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DataMessage {
    sender: String,
    content: String,
    timestamp: u64,
    nonce: u64,
}

/// Why something is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the {field} has {bytes} bytes, at most {max} are allowed")]
pub struct DataMessageError {
    /// `sender` or `content`.
    pub field: &'static str,
    /// Bytes that it has.
    pub bytes: usize,
    /// Bytes that it may have.
    pub max: usize,
}

impl DataMessage {
    /// A message of `sender`, written at `timestamp` (seconds since 1970). Two messages of a sender with the same nonce have
    /// the same id, whatever is in them: only the first one gets into the chain.
    ///
    /// # Errors
    ///
    /// [`DataMessageError`] if the sender is longer than [`MAX_SENDER_BYTES`] or the content than [`MAX_CONTENT_BYTES`].
    pub fn new(
        sender: impl Into<String>,
        content: impl Into<String>,
        timestamp: u64,
        nonce: u64,
    ) -> Result<Self, DataMessageError> {
        let (sender, content) = (sender.into(), content.into());
        for (field, bytes, max) in
            [("sender", sender.len(), MAX_SENDER_BYTES), ("content", content.len(), MAX_CONTENT_BYTES)]
        {
            if bytes > max {
                return Err(DataMessageError { field, bytes, max });
            }
        }
        Ok(Self { sender, content, timestamp, nonce })
    }

    /// Its id: BLAKE3 of the sender and the nonce, big-endian in eight bytes (spec: operations §4). It says nothing about the
    /// content; what a block carries, its merkle root vouches for.
    #[must_use]
    pub fn id(&self) -> MessageId {
        MessageId::of(&self.sender, self.nonce)
    }

    /// Who says that he wrote it. Nothing proves it.
    #[must_use]
    pub fn sender(&self) -> &str {
        &self.sender
    }

    /// The text.
    #[must_use]
    pub fn content(&self) -> &str {
        &self.content
    }

    /// When it was written, in seconds since 1970, by the sender's clock.
    #[must_use]
    pub const fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// What tells the messages of a sender apart.
    #[must_use]
    pub const fn nonce(&self) -> u64 {
        self.nonce
    }
}

/// `u64` time, `u64` nonce, sender and content each after its length: see `docs/messages.md` of the repository.
impl Encode for DataMessage {
    fn encode(&self, out: &mut impl BufMut) {
        out.put_u64_le(self.timestamp);
        out.put_u64_le(self.nonce);
        put_var_bytes(out, self.sender.as_bytes());
        put_var_bytes(out, self.content.as_bytes());
    }

    fn encoded_len(&self) -> usize {
        2 * size_of::<u64>() + var_bytes_len(self.sender.as_bytes()) + var_bytes_len(self.content.as_bytes())
    }
}

impl Decode for DataMessage {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let timestamp = reader.u64("message time")?;
        let nonce = reader.u64("message nonce")?;
        let sender = text(&reader.var_bytes("sender", MAX_SENDER_BYTES)?, "sender")?;
        let content = text(&reader.var_bytes("content", MAX_CONTENT_BYTES)?, "content")?;
        Ok(Self { sender, content, timestamp, nonce })
    }
}

fn text(bytes: &Bytes, field: &'static str) -> Result<String, DecodeError> {
    str::from_utf8(bytes).map(str::to_owned).map_err(|_| DecodeError::Text { field })
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;
    use crate::limits::Limits;

    quickcheck! {
        fn messages_are_read_as_they_were_written(message: DataMessage) -> bool {
            let bytes = message.encode_to_vec();
            bytes.len() == message.encoded_len()
                && DataMessage::decode_exact(bytes.into(), &Limits::TESTNET) == Ok(message)
        }

        fn any_bytes_are_refused_or_understood(bytes: Vec<u8>) -> bool {
            match DataMessage::decode_exact(bytes.clone().into(), &Limits::TESTNET) {
                // The shortest form of a length is not the only one.
                Ok(message) => message.encoded_len() <= bytes.len(),
                Err(error) => !error.to_string().is_empty(),
            }
        }
    }

    #[test]
    fn what_is_too_long_is_no_message() {
        let text = |bytes: usize| "x".repeat(bytes);
        let fits = DataMessage::new(text(MAX_SENDER_BYTES), text(MAX_CONTENT_BYTES), 0, 0).unwrap();
        let mut bytes = fits.encode_to_vec();
        assert_eq!(DataMessage::decode_exact(bytes.clone().into(), &Limits::TESTNET), Ok(fits));
        // One byte more in the sender's length, which takes three bytes behind time and nonce.
        bytes[17] += 1;
        let refused = DataMessage::decode_exact(bytes.into(), &Limits::TESTNET);
        assert_eq!(refused, Err(DecodeError::TooLong { field: "sender", bytes: 257, max: MAX_SENDER_BYTES }));
        let error = DataMessage::new(text(MAX_SENDER_BYTES + 1), "", 0, 0).unwrap_err();
        assert_eq!((error.field, error.bytes, error.max), ("sender", 257, 256));
        let error = DataMessage::new("", text(MAX_CONTENT_BYTES + 1), 0, 0).unwrap_err();
        assert_eq!((error.field, error.bytes, error.max), ("content", 65_537, 65_536));
    }

    #[test]
    fn only_texts_are_texts() {
        let mut bytes = DataMessage::new("Alice", "x", 1, 2).unwrap().encode_to_vec();
        *bytes.last_mut().unwrap() = 0xff;
        let refused = DataMessage::decode_exact(bytes.into(), &Limits::TESTNET);
        assert_eq!(refused, Err(DecodeError::Text { field: "content" }));
    }
}
