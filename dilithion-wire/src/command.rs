//! Names of messages.

use std::fmt;
use std::ops::RangeInclusive;

use thiserror::Error;

use crate::limits::{Limits, MAX_COMMAND_BYTES, MAX_REQUEST_BYTES};

/// Bytes of a command on the wire.
const SIZE: usize = 12;
/// Longest name: the last byte is always zero (spec: wire §1.2).
const MAX_NAME: usize = SIZE - 1;

/// Name of a message: up to eleven printable ASCII characters, padded with zeros (spec: wire §1.2).
///
/// ```
/// use dilithion_wire::Command;
///
/// assert_eq!(Command::GETHEADERS.as_str(), "getheaders");
/// assert_eq!(Command::new("sendpiglets"), Some(Command::from_static("sendpiglets")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Command([u8; SIZE]);

/// As its name.
#[cfg(feature = "serde")]
impl serde::Serialize for Command {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Command {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <String as serde::Deserialize>::deserialize(deserializer)?;
        Self::new(&name).ok_or_else(|| serde::de::Error::custom(format_args!("`{name}` is no command")))
    }
}

/// Reads a command of [`Message::Dna`](crate::Message::Dna).
#[cfg(feature = "serde")]
pub(crate) fn deserialize_dna<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Command, D::Error> {
    let command: Command = serde::Deserialize::deserialize(deserializer)?;
    let wrong = || serde::de::Error::custom(format_args!("`{command}` is no advisory command"));
    command.is_dna().then_some(command).ok_or_else(wrong)
}

/// Reads a command of [`Message::Unknown`](crate::Message::Unknown).
#[cfg(feature = "serde")]
pub(crate) fn deserialize_unknown<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Command, D::Error> {
    let command: Command = serde::Deserialize::deserialize(deserializer)?;
    let wrong = || serde::de::Error::custom(format_args!("`{command}` is known"));
    (!Command::KNOWN.contains(&command)).then_some(command).ok_or_else(wrong)
}

/// Twelve bytes are no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("`{}` is no zero-padded command", .0.escape_ascii())]
pub struct InvalidCommand(pub [u8; SIZE]);

macro_rules! commands {
    (|$limits:ident| $($(#[$doc:meta])* $const:ident = $name:literal, $sizes:expr;)+) => {
        impl Command {
            $($(#[$doc])* pub const $const: Self = Self::from_static($name);)+

            /// All commands of the protocol, of either kind of network.
            pub const KNOWN: &[Self] = &[$(Self::$const),+];

            /// How many bytes the payload may have on a network with these limits, or `None` for a command that is not
            /// [known](Self::KNOWN) (spec: wire §1.5).
            #[must_use]
            pub const fn payload_sizes(&self, $limits: &Limits) -> Option<RangeInclusive<usize>> {
                match *self {
                    $(Self::$const => Some($sizes),)+
                    _ => None,
                }
            }
        }
    };
}

/// Most bytes of a message with a block in it, the longest there are.
const MAX_BLOCK: usize = MAX_COMMAND_BYTES;
/// Most bytes of a message with inventory in it.
const MAX_INVENTORY: usize = 1_800_000;
/// Most bytes of a message with a locator in it.
const MAX_LOCATOR: usize = 8236;
/// Most bytes of most advisory messages.
const MAX_DNA: usize = 8192;
/// Most bytes of `dnabwtest`.
const MAX_DNA_BANDWIDTH_TEST: usize = 1_048_596;

// The name, and how many bytes the payload may have within the limits of a network.
commands! { |limits|
    /// Introduction.
    VERSION = "version", 85..=400;
    /// Acknowledges a `version`.
    VERACK = "verack", 0..=0;
    /// Asks for a `pong`.
    PING = "ping", 8..=8;
    /// Answers a `ping`.
    PONG = "pong", 8..=8;
    /// Asks for addresses.
    GETADDR = "getaddr", 0..=0;
    /// Addresses of nodes.
    ADDR = "addr", 1..=900_000;
    /// Announces blocks and transactions.
    INV = "inv", 1..=MAX_INVENTORY;
    /// Asks for blocks and transactions.
    GETDATA = "getdata", 1..=MAX_INVENTORY;
    /// A block.
    BLOCK = "block", 80..=MAX_BLOCK;
    /// A transaction.
    TX = "tx", 60..=1_048_576;
    /// Asks for headers.
    GETHEADERS = "getheaders", 33..=MAX_LOCATOR;
    /// Asks for ids of blocks.
    GETBLOCKS = "getblocks", 36..=MAX_LOCATOR;
    /// Headers of blocks.
    HEADERS = "headers", 1..=limits.max_headers_bytes();
    /// Asks for ids of all transactions that wait.
    MEMPOOL = "mempool", 0..=0;
    /// Says why something was refused.
    REJECT = "reject", 1..=1024;
    /// Asks for announcements by `headers`.
    SENDHEADERS = "sendheaders", 0..=0;
    /// Asks for announcements by `cmpctblock`.
    SENDCMPCT = "sendcmpct", 9..=9;
    /// A block whose transactions are named by short ids.
    CMPCTBLOCK = "cmpctblock", 80..=MAX_BLOCK;
    /// Asks for transactions of a compact block.
    GETBLOCKTXN = "getblocktxn", 33..=MAX_REQUEST_BYTES;
    /// Transactions of a compact block.
    BLOCKTXN = "blocktxn", 33..=MAX_BLOCK;
    /// Advisory, of mainnet nodes among themselves, as all that follow (spec: wire §5.8): measures latency.
    DNALPING = "dnalping", 8..=8;
    /// Answers a `dnalping`.
    DNALPONG = "dnalpong", 8..=8;
    /// Compares clocks.
    DNATSYNC = "dnatsync", 25..=25;
    /// Measures bandwidth.
    DNABWTEST = "dnabwtest", 20..=MAX_DNA_BANDWIDTH_TEST;
    /// Answers a `dnabwtest`.
    DNABWRES = "dnabwres", 24..=24;
    /// Asks for an identity.
    DNAIREQ = "dnaireq", 20..=20;
    /// Answers a `dnaireq`.
    DNAIRES = "dnaires", 21..=MAX_DNA;
    /// Asks to verify an identity.
    DNAVCHALL = "dnavchall", 92..=MAX_DNA;
    /// Answers a `dnavchall`.
    DNAVRESP = "dnavresp", 70..=MAX_DNA;
    /// Says what a verification found.
    DNAVATTS = "dnavatts", 112..=MAX_DNA;
}

impl Command {
    /// Whether it is one of the advisory `dna…` commands of mainnet, whose payloads are not decoded (spec: wire §5.8).
    #[must_use]
    pub const fn is_dna(&self) -> bool {
        matches!(
            *self,
            Self::DNALPING
                | Self::DNALPONG
                | Self::DNATSYNC
                | Self::DNABWTEST
                | Self::DNABWRES
                | Self::DNAIREQ
                | Self::DNAIRES
                | Self::DNAVCHALL
                | Self::DNAVRESP
                | Self::DNAVATTS
        )
    }
}

impl Command {
    /// A name of up to eleven printable ASCII characters.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        reason = "constants have no iterators; the loop ends before the array does"
    )]
    pub const fn new(name: &str) -> Option<Self> {
        let name = name.as_bytes();
        if name.len() > MAX_NAME {
            return None;
        }
        let mut bytes = [0; SIZE];
        let mut i = 0;
        while i < name.len() {
            if !is_printable(name[i]) {
                return None;
            }
            bytes[i] = name[i];
            i += 1;
        }
        Some(Self(bytes))
    }

    /// A name in the source.
    ///
    /// # Panics
    ///
    /// If it has more than eleven characters or one that is not printable ASCII: use it in constants.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        let command = Self::new(name);
        assert!(command.is_some(), "at most eleven printable ASCII characters");
        match command {
            Some(command) => command,
            None => Self([0; SIZE]),
        }
    }

    /// Reads the bytes of a message header.
    ///
    /// # Errors
    ///
    /// [`InvalidCommand`] if something other than zeros follows the name, the last byte is not zero, or a character is
    /// not printable ASCII.
    #[expect(
        clippy::indexing_slicing,
        reason = "constants have no iterators; the loop ends before the array does"
    )]
    pub const fn from_bytes(bytes: [u8; SIZE]) -> Result<Self, InvalidCommand> {
        let mut len = 0;
        while len < MAX_NAME && is_printable(bytes[len]) {
            len += 1;
        }
        let mut rest = len;
        while rest < SIZE {
            if bytes[rest] != 0 {
                return Err(InvalidCommand(bytes));
            }
            rest += 1;
        }
        Ok(Self(bytes))
    }

    /// The bytes as they travel.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; SIZE] {
        self.0
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(MAX_NAME);
        // All constructors let only ASCII in.
        self.0.get(..len).and_then(|name| str::from_utf8(name).ok()).unwrap_or_default()
    }
}

const fn is_printable(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte == b' '
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({self})")
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    fn padded(name: &[u8]) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[..name.len()].copy_from_slice(name);
        bytes
    }

    #[test]
    fn names_are_padded_with_zeros() {
        assert_eq!(Command::PING.to_bytes(), *b"ping\0\0\0\0\0\0\0\0");
        assert_eq!(Command::from_bytes(*b"getblocktxn\0"), Ok(Command::GETBLOCKTXN));
        assert_eq!(Command::new(""), Some(Command([0; SIZE])));
        assert_eq!(Command::new("twelve chars"), None);
        assert_eq!(Command::new("zero\0"), None);
        assert_eq!(format!("{:>6}|{:?}", Command::INV, Command::INV), "   inv|Command(inv)");
    }

    #[test]
    fn other_bytes_are_no_command() {
        for bytes in
            [*b"getblocktxns", padded(b"ping\0x"), padded(b"\0ping"), padded(b"pi\xff"), padded(b"a\nb")]
        {
            assert_eq!(Command::from_bytes(bytes), Err(InvalidCommand(bytes)));
        }
        let text = Command::from_bytes(padded(b"pi\xff")).unwrap_err().to_string();
        assert!(text.starts_with(r"`pi\xff\x00"), "{text}");
    }

    #[test]
    fn the_known_ones_have_sizes_and_others_have_none() {
        assert_eq!(Command::KNOWN.len(), 30);
        for command in Command::KNOWN {
            let sizes = command.payload_sizes(&Limits::MAINNET).unwrap();
            assert!(sizes.start() <= sizes.end() && *sizes.end() <= MAX_COMMAND_BYTES);
            assert_eq!(command.is_dna(), command.as_str().starts_with("dna"));
        }
        assert_eq!(Command::BLOCK.payload_sizes(&Limits::TESTNET), Some(80..=8_388_608));
        assert_eq!(Command::new("notfound").unwrap().payload_sizes(&Limits::MAINNET), None);
    }

    quickcheck! {
        fn bytes_are_a_command_exactly_if_they_come_from_a_name(bytes: Vec<u8>) -> bool {
            let bytes: [u8; SIZE] = std::array::from_fn(|i| bytes.get(i).copied().unwrap_or(0) & 0x7f);
            match Command::from_bytes(bytes) {
                Ok(command) => Command::new(command.as_str()) == Some(command) && command.to_bytes() == bytes,
                Err(_) => {
                    let end = bytes.iter().position(|byte| !is_printable(*byte)).unwrap_or(SIZE);
                    end == SIZE || bytes[end..].iter().any(|byte| *byte != 0)
                }
            }
        }
    }
}
