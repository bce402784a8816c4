//! The 24 bytes before every payload.

use bytes::{Buf, BufMut};
use thiserror::Error;

use crate::command::{Command, InvalidCommand};
use crate::digest::sha3_256d;
use crate::magic::Magic;
use crate::misbehaviour::Misbehaviour;

/// Most bytes of any payload (spec: wire §1.2).
pub const MAX_PAYLOAD_BYTES: usize = 32 * 1024 * 1024;

/// The first four bytes of the double SHA3-256 of a payload (spec: wire §1.2).
#[must_use]
pub fn checksum(payload: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = sha3_256d(payload);
    [a, b, c, d]
}

/// What goes before a payload (spec: wire §1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The network.
    pub magic: Magic,
    /// The message.
    pub command: Command,
    /// Bytes of the payload.
    pub length: u32,
    /// [`checksum`] of the payload.
    pub checksum: [u8; 4],
}

impl FrameHeader {
    /// Bytes of a frame header.
    pub const SIZE: usize = 24;

    /// The header for a payload.
    ///
    /// # Errors
    ///
    /// [`FrameError::Oversized`] if no node would accept so many bytes.
    pub fn new(magic: Magic, command: Command, payload: &[u8]) -> Result<Self, FrameError> {
        let oversized =
            FrameError::Oversized { command, length: payload.len() as u64, max: MAX_PAYLOAD_BYTES };
        match u32::try_from(payload.len()) {
            Ok(length) if payload.len() <= MAX_PAYLOAD_BYTES => {
                Ok(Self { magic, command, length, checksum: checksum(payload) })
            }
            _ => Err(oversized),
        }
    }

    /// Appends the bytes to `out`.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(&self.magic.to_bytes());
        out.put_slice(&self.command.to_bytes());
        out.put_u32_le(self.length);
        out.put_slice(&self.checksum);
    }

    /// Reads the bytes of a header of the network with this magic, and checks all but the checksum.
    ///
    /// # Errors
    ///
    /// [`FrameError`], after which nothing on this connection can be understood.
    pub fn parse(bytes: &[u8; Self::SIZE], magic: Magic, max_payload: usize) -> Result<Self, FrameError> {
        // Each read is of a fixed part of the 24 bytes, so none can run dry.
        let mut rest = bytes.as_slice();
        let found = Magic(rest.get_u32_le());
        if found != magic {
            return Err(FrameError::BadMagic { expected: magic, found });
        }
        let command = Command::from_bytes(take(&mut rest))?;
        let length = rest.get_u32_le();
        if u64::from(length) > max_payload as u64 {
            return Err(FrameError::Oversized { command, length: length.into(), max: max_payload });
        }
        Ok(Self { magic, command, length, checksum: take(&mut rest) })
    }

    /// Compares a payload with the checksum. Without payload any checksum will do, as on the whole network.
    ///
    /// # Errors
    ///
    /// [`FrameError::BadChecksum`].
    pub fn verify(&self, payload: &[u8]) -> Result<(), FrameError> {
        if payload.is_empty() {
            return Ok(());
        }
        let expected = checksum(payload);
        if expected != self.checksum {
            return Err(FrameError::BadChecksum { command: self.command, expected, found: self.checksum });
        }
        Ok(())
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let mut part = [0; N];
    rest.copy_to_slice(&mut part);
    part
}

/// Why a connection cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Not a message of this network.
    #[error("magic {found} instead of {expected}")]
    BadMagic {
        /// Of this network.
        expected: Magic,
        /// What came.
        found: Magic,
    },
    /// The command is not one.
    #[error(transparent)]
    BadCommand(#[from] InvalidCommand),
    /// The payload is longer than allowed.
    #[error("`{command}` of {length} bytes, at most {max} are allowed")]
    Oversized {
        /// Which message.
        command: Command,
        /// Bytes of the payload.
        length: u64,
        /// The most allowed.
        max: usize,
    },
    /// The payload is not the one that was sent.
    #[error("checksum of `{command}` is {} instead of {}", hex::encode(found), hex::encode(expected))]
    BadChecksum {
        /// Which message.
        command: Command,
        /// Of the payload.
        expected: [u8; 4],
        /// In the header.
        found: [u8; 4],
    },
    /// The connection failed, or ended inside a message
    /// ([`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof)).
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl FrameError {
    /// What the peer has done, if it counts (spec: wire §1.2): the end of the connection is penalty enough for most.
    #[must_use]
    pub const fn misbehaviour(&self) -> Option<Misbehaviour> {
        match self {
            Self::BadChecksum { .. } => Some(Misbehaviour::BadChecksum),
            Self::BadMagic { .. } | Self::BadCommand(_) | Self::Oversized { .. } | Self::Io(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `ping` of the testnet with some bytes replaced.
    fn parse(at: usize, bytes: &[u8]) -> Result<FrameHeader, FrameError> {
        let mut header = Vec::new();
        FrameHeader::new(Magic::TESTNET, Command::PING, &[1, 2, 3, 4, 5, 6, 7, 8])?.encode(&mut header);
        header[at..at + bytes.len()].copy_from_slice(bytes);
        FrameHeader::parse(&take(&mut header.as_slice()), Magic::TESTNET, MAX_PAYLOAD_BYTES)
    }

    #[test]
    fn a_header_says_what_follows() {
        let header = parse(0, &[]).unwrap();
        assert_eq!((header.magic, header.command, header.length), (Magic::TESTNET, Command::PING, 8));
        assert_eq!(header.checksum, [0xfd, 0x9f, 0xc3, 0x82]);
    }

    #[test]
    fn other_networks_are_refused() {
        let error = parse(0, &Magic::MAINNET.to_bytes()).unwrap_err();
        assert!(matches!(error, FrameError::BadMagic { found: Magic::MAINNET, expected: Magic::TESTNET }));
        assert_eq!(error.to_string(), "magic 0xd1714102 instead of 0xdab5bffa");
    }

    #[test]
    fn commands_are_padded() {
        for at in 9..=15 {
            assert!(matches!(parse(at, &[1]), Err(FrameError::BadCommand(_))), "{at}");
        }
    }

    #[test]
    fn lengths_are_bounded() {
        assert!(parse(16, &0x0200_0000_u32.to_le_bytes()).is_ok());
        let error = parse(16, &0x0200_0001_u32.to_le_bytes()).unwrap_err();
        assert!(matches!(error, FrameError::Oversized { length: 0x0200_0001, .. }));
        assert_eq!(error.misbehaviour(), None);
        let payload = vec![0; MAX_PAYLOAD_BYTES + 1];
        assert!(FrameHeader::new(Magic::TESTNET, Command::BLOCK, &payload).is_err());
    }

    #[test]
    fn a_checksum_matters_if_there_is_something_to_sum() {
        let header = parse(20, &[0]).unwrap();
        assert!(header.verify(&[]).is_ok());
        let error = header.verify(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap_err();
        assert_eq!(error.misbehaviour(), Some(Misbehaviour::BadChecksum));
        assert_eq!(error.to_string(), "checksum of `ping` is 009fc382 instead of fd9fc382");
    }
}
