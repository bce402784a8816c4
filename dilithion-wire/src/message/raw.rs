//! A message before it is decoded.

use bytes::Bytes;
use thiserror::Error;

use super::Message;
use crate::command::Command;
use crate::encode::DecodeError;
use crate::limits::Limits;
use crate::misbehaviour::Misbehaviour;
use crate::reader::Reader;

/// Command and payload of a message. Cheap to clone and to hand on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RawMessage {
    /// What it is.
    pub command: Command,
    /// Its contents.
    #[cfg_attr(feature = "serde", serde(with = "crate::serde_hex"))]
    pub payload: Bytes,
}

impl RawMessage {
    /// Decodes it, for a network with these limits.
    ///
    /// # Errors
    ///
    /// [`MessageError`]; the message is to be dropped, the connection can go on.
    pub fn decode(&self, limits: &Limits) -> Result<Message, MessageError> {
        self.check_size(limits)?;
        let mut reader = Reader::with_limits(self.payload.clone(), limits);
        Message::decode(self.command, &self.payload, &mut reader)
            .map_err(|source| MessageError::Decode { command: self.command, source })
    }

    /// Checks the size of the payload, as [`decode`](Self::decode) does first (spec: wire §1.5).
    ///
    /// # Errors
    ///
    /// [`MessageError::Size`].
    pub fn check_size(&self, limits: &Limits) -> Result<(), MessageError> {
        let (command, bytes) = (self.command, self.payload.len());
        match command.payload_sizes(limits) {
            Some(sizes) if !sizes.contains(&bytes) => {
                Err(MessageError::Size { command, bytes, min: *sizes.start(), max: *sizes.end() })
            }
            _ => Ok(()),
        }
    }
}

/// Why a message is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The payload is shorter or longer than any of its command.
    #[error("`{command}` of {bytes} bytes, {min} to {max} are allowed")]
    Size {
        /// Which message.
        command: Command,
        /// Bytes of the payload.
        bytes: usize,
        /// The fewest allowed.
        min: usize,
        /// The most allowed.
        max: usize,
    },
    /// The payload is not what the command promises.
    #[error("`{command}`: {source}")]
    Decode {
        /// Which message.
        command: Command,
        /// What is wrong.
        source: DecodeError,
    },
}

impl MessageError {
    /// What a peer that sent the message has done (spec: wire §4).
    #[must_use]
    pub const fn misbehaviour(&self) -> Misbehaviour {
        match self {
            // Sent by some, read by none (spec: wire §1.5).
            Self::Size { command: Command::REJECT | Command::GETBLOCKS, .. }
            | Self::Decode { command: Command::REJECT | Command::GETBLOCKS, .. } => Misbehaviour::Unread,
            Self::Size { .. } => Misbehaviour::PayloadSize,
            Self::Decode { source, .. } => source.misbehaviour(),
        }
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::{TestResult, quickcheck};

    use super::*;
    use crate::encode::Encode;
    use crate::inventory::{Inventory, InventoryKind};
    use crate::limits::Counted;

    fn raw(command: Command, payload: Vec<u8>) -> RawMessage {
        RawMessage { command, payload: payload.into() }
    }

    fn from_hex(command: Command, payload: &str) -> RawMessage {
        raw(command, hex::decode(payload).unwrap())
    }

    fn decode(command: Command, payload: &str) -> Result<Message, MessageError> {
        from_hex(command, payload).decode(&Limits::TESTNET)
    }

    quickcheck! {
        fn round_trip(message: Message) -> bool {
            let raw = message.to_raw();
            raw.payload.len() == message.encoded_len() && raw.decode(&Limits::MAINNET) == Ok(message)
        }

        fn what_follows_a_message_is_ignored(message: Message, more: Vec<u8>) -> TestResult {
            let mut longer = message.to_raw();
            longer.payload = [&longer.payload, more.as_slice()].concat().into();
            // Where more bytes mean more, or none are allowed.
            let meaningful = matches!(message, Message::Version(_) | Message::Dna { .. } | Message::Unknown { .. });
            if meaningful || longer.check_size(&Limits::MAINNET).is_err() {
                return TestResult::discard();
            }
            TestResult::from_bool(longer.decode(&Limits::MAINNET) == Ok(message))
        }

        fn every_cut_is_noticed(message: Message, at: usize) -> TestResult {
            let whole = message.to_raw();
            let tolerant = matches!(message, Message::Version(_) | Message::Dna { .. } | Message::Unknown { .. });
            if tolerant || whole.payload.is_empty() {
                return TestResult::discard();
            }
            let cut = RawMessage { payload: whole.payload.slice(..at % whole.payload.len()), ..whole };
            TestResult::from_bool(cut.decode(&Limits::MAINNET).is_err())
        }

        fn no_bytes_make_it_panic(payload: Vec<u8>) -> bool {
            Command::KNOWN.iter().all(|command| {
                // Padded to a size that passes, so that the decoder sees it.
                let mut payload = payload.clone();
                let sizes = command.payload_sizes(&Limits::MAINNET).expect("known");
                payload.resize(payload.len().clamp(*sizes.start(), *sizes.end()), 0);
                let raw = raw(*command, payload);
                match raw.decode(&Limits::MAINNET) {
                    // What is understood is understood again, though a short one may be too short to be sent.
                    Ok(message) => {
                        let RawMessage { command, payload } = message.to_raw();
                        let mut reader = Reader::with_limits(payload.clone(), &Limits::MAINNET);
                        Message::decode(command, &payload, &mut reader) == Ok(message)
                    }
                    Err(error) => error.misbehaviour().score() <= 100,
                }
            })
        }

        fn no_damage_makes_it_panic(message: Message, at: usize, byte: u8) -> bool {
            let raw = message.to_raw();
            let mut payload = raw.payload.to_vec();
            if let Some(position) = at.checked_rem(payload.len()) {
                payload[position] = byte;
            }
            let damaged = RawMessage { payload: payload.into(), ..raw };
            match damaged.decode(&Limits::TESTNET) {
                Ok(message) => message.command() == damaged.command,
                Err(error) => !error.to_string().is_empty(),
            }
        }
    }

    #[test]
    fn payloads_have_to_fit_their_command() {
        for command in Command::KNOWN {
            let sizes = command.payload_sizes(&Limits::MAINNET).unwrap();
            let check = |bytes: usize| raw(*command, vec![0; bytes]).check_size(&Limits::MAINNET);
            assert_eq!(check(*sizes.start()), Ok(()));
            assert_eq!(check(*sizes.end()), Ok(()));
            let outside = [sizes.start().checked_sub(1), Some(sizes.end() + 1)];
            for bytes in outside.into_iter().flatten() {
                let error = raw(*command, vec![0; bytes]).decode(&Limits::MAINNET).unwrap_err();
                assert!(matches!(error, MessageError::Size { bytes: found, .. } if found == bytes));
                let unread = [Command::REJECT, Command::GETBLOCKS].contains(command);
                let expected = if unread { Misbehaviour::Unread } else { Misbehaviour::PayloadSize };
                assert_eq!(error.misbehaviour(), expected);
            }
        }
    }

    #[test]
    fn sizes_are_those_of_the_specification() {
        for (command, min, max) in [
            (Command::VERSION, 85, 400),
            (Command::VERACK, 0, 0),
            (Command::PONG, 8, 8),
            (Command::ADDR, 1, 900_000),
            (Command::GETDATA, 1, 1_800_000),
            (Command::BLOCK, 80, 8_388_608),
            (Command::TX, 60, 1_048_576),
            (Command::GETHEADERS, 33, 8236),
            (Command::GETBLOCKS, 36, 8236),
            (Command::HEADERS, 1, 290_009),
            (Command::REJECT, 1, 1024),
            (Command::SENDCMPCT, 9, 9),
            (Command::GETBLOCKTXN, 33, 200_033),
            (Command::BLOCKTXN, 33, 8_388_608),
            (Command::DNALPING, 8, 8),
            (Command::DNATSYNC, 25, 25),
            (Command::DNABWTEST, 20, 1_048_596),
            (Command::DNABWRES, 24, 24),
            (Command::DNAIREQ, 20, 20),
            (Command::DNAIRES, 21, 8192),
            (Command::DNAVCHALL, 92, 8192),
            (Command::DNAVRESP, 70, 8192),
            (Command::DNAVATTS, 112, 8192),
        ] {
            assert_eq!(command.payload_sizes(&Limits::MAINNET), Some(min..=max), "{command}");
        }
    }

    #[test]
    fn without_long_headers_fewer_bytes_are_enough() {
        assert_eq!(Command::HEADERS.payload_sizes(&Limits::TESTNET), Some(1..=162_009));
        let too_long = raw(Command::HEADERS, vec![0; 162_010]);
        assert_eq!(too_long.decode(&Limits::TESTNET).unwrap_err().misbehaviour(), Misbehaviour::PayloadSize);
        assert_eq!(too_long.decode(&Limits::MAINNET), Ok(Message::Headers(Vec::new())));
    }

    #[test]
    fn advisory_messages_are_not_opened() {
        let payload = vec![7; 20];
        let read = raw(Command::DNAIREQ, payload.clone()).decode(&Limits::MAINNET).unwrap();
        assert_eq!(read, Message::Dna { command: Command::DNAIREQ, payload: payload.into() });
    }

    #[test]
    fn unknown_messages_are_handed_through() {
        let command = Command::from_static("notfound");
        let unknown = raw(command, vec![1, 2, 3]);
        let message = unknown.decode(&Limits::TESTNET).unwrap();
        assert_eq!(message, Message::Unknown { command, payload: unknown.payload.clone() });
        assert_eq!(message.to_raw(), unknown);
    }

    #[test]
    fn each_mistake_has_its_price() {
        for (command, payload, misbehaviour) in [
            (Command::HEADERS, "fdd107", Misbehaviour::TooManyHeaders),
            (Command::HEADERS, "01", Misbehaviour::Malformed),
            (Command::HEADERS, &format!("01{}01", "00".repeat(80)), Misbehaviour::HeaderWithTransactions),
            (Command::GETHEADERS, &format!("21{}", "00".repeat(33 * 32)), Misbehaviour::LocatorTooLong),
            (Command::ADDR, "fe51c30000", Misbehaviour::TooManyAddresses),
            (Command::GETDATA, "fe51c30000", Misbehaviour::TooManyInventoryItems),
            (Command::INV, "01", Misbehaviour::Malformed),
            (Command::BLOCK, &format!("{}fe41420f00", "00".repeat(80)), Misbehaviour::OversizedBlock),
            (
                Command::TX,
                &format!("01000000fea1860100{}", "00".repeat(60)),
                Misbehaviour::OversizedTransaction,
            ),
            (Command::PING, "00", Misbehaviour::PayloadSize),
        ] {
            let error = decode(command, payload).unwrap_err();
            assert_eq!(error.misbehaviour(), misbehaviour, "{error}");
        }
    }

    #[test]
    fn no_count_is_believed_beyond_the_bytes_at_hand() {
        for (command, payload, what) in [
            (Command::INV, "fe50c30000".to_owned(), Counted::Inventory),
            (Command::ADDR, "fe50c30000".to_owned(), Counted::Addresses),
            (Command::HEADERS, "fdd007".to_owned(), Counted::Headers),
            (Command::GETBLOCKTXN, format!("{}fd50c3", "00".repeat(32)), Counted::Positions),
            (Command::BLOCKTXN, format!("{}fd50c3", "00".repeat(32)), Counted::Transactions),
        ] {
            let error = decode(command, &payload).unwrap_err();
            let MessageError::Decode { source: DecodeError::Unfounded { what: found, .. }, .. } = error
            else {
                panic!("{error}");
            };
            assert_eq!(found, what);
        }
    }

    #[test]
    fn counts_in_any_form_are_read() {
        let item = "02000000".to_owned() + &"11".repeat(32);
        for count in ["01", "fd0100", "fe01000000", "ff0100000000000000"] {
            let Ok(Message::Inv(items)) = decode(Command::INV, &format!("{count}{item}")) else {
                panic!("{count}");
            };
            assert_eq!(items.len(), 1);
        }
    }

    #[test]
    fn items_of_unknown_kind_do_not_spoil_the_message() {
        let items = ["05000000", "02000000"].map(|kind| kind.to_owned() + &"11".repeat(32)).concat();
        let Ok(Message::Inv(items)) = decode(Command::INV, &format!("02{items}")) else { panic!() };
        let kinds = items.iter().map(|item: &Inventory| item.kind).collect::<Vec<_>>();
        assert_eq!(kinds, [InventoryKind::Other(5), InventoryKind::Block]);
    }
}
