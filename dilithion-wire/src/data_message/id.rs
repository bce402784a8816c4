//! The ids of messages.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A text is no id: 64 hexadecimal digits are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no message id of 64 hexadecimal digits")]
pub struct ParseMessageIdError {
    text: String,
}

/// Id of a [`DataMessage`](super::DataMessage). Unlike the ids of blocks it is printed in the order of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId([u8; 32]);

impl MessageId {
    /// The id of a sender's message: BLAKE3 of the name and the nonce, big-endian (spec: operations §4).
    #[must_use]
    pub fn of(sender: &str, nonce: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(sender.as_bytes());
        hasher.update(&nonce.to_be_bytes());
        Self(hasher.finalize().into())
    }

    /// From its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(hex::Buffer::<32>::new().format(&self.0))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

impl FromStr for MessageId {
    type Err = ParseMessageIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        // The decoder takes a "0x" prefix, ids have none.
        if text.len() != 64 || hex::decode_to_slice(text, &mut bytes).is_err() {
            // Only the head of a text that may be anything and of any length.
            return Err(ParseMessageIdError { text: text.chars().take(80).collect() });
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec: operations §4.
    #[test]
    fn ids_are_those_of_the_golden_vectors() {
        for (sender, nonce, id) in [
            ("Alice", 0, "5871dd4d841c186cae45bac11f23914a5be22c0737bbfde864b45f781e0c8d20"),
            ("Alice", 42, "dc47851cb5a6644e93511e9d2ca4584ede182ddfbed25b038dfef8355714a0e5"),
            ("Bob", 0, "15c08000ea96f0fada061655d25806e949a90c57a29254328e42b54c752c535d"),
        ] {
            assert_eq!(MessageId::of(sender, nonce).to_string(), id);
            assert_eq!(id.parse(), Ok(MessageId::of(sender, nonce)));
        }
    }

    #[test]
    fn ids_have_64_digits() {
        for text in ["", "58", &"g".repeat(64), &format!("0x{}", "0".repeat(62)), &"0".repeat(65)] {
            assert!(text.parse::<MessageId>().is_err(), "{text}");
        }
    }
}
