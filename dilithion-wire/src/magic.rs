//! The number in front of every message.

use std::fmt;

/// Says which network a message belongs to (spec: wire §1.1). Little-endian on the wire, as everything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Magic(pub u32);

impl Magic {
    /// Of mainnet.
    pub const MAINNET: Self = Self(0xd171_4102);
    /// Of the testnet.
    pub const TESTNET: Self = Self(0xdab5_bffa);
    /// Of regtest.
    pub const REGTEST: Self = Self(0xfabf_b5da);

    /// The bytes as they travel.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }

    /// From the bytes as they travel.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(bytes))
    }
}

impl fmt::Display for Magic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Debug for Magic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Magic({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_little_endian() {
        assert_eq!(Magic::MAINNET.to_bytes(), [0x02, 0x41, 0x71, 0xd1]);
        assert_eq!(Magic::TESTNET.to_bytes(), [0xfa, 0xbf, 0xb5, 0xda]);
        assert_eq!(Magic::from_bytes(Magic::REGTEST.to_bytes()), Magic::REGTEST);
        assert_eq!(Magic(1).to_string(), "0x00000001");
    }
}
