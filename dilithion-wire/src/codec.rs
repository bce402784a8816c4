//! Messages from and to a stream of bytes, for `tokio_util::codec`.

use std::io;

use bytes::{Buf, BufMut, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::encode::Encode;
use crate::frame::{FrameError, FrameHeader, MAX_PAYLOAD_BYTES};
use crate::magic::Magic;
use crate::message::{Message, RawMessage};

/// The buffer grows to hold this much of a payload at once, on the word of its header: most messages, and more than any
/// block of the testnet. It is all that a connection can make a node set aside without sending anything.
const MIN_GROWTH: usize = 256 * 1024;

/// Cuts a stream of bytes into messages, and the other way round (spec: wire §1.2).
///
/// The bytes may arrive in any pieces. A payload is handed out as the buffer it arrived in. The buffer grows with what
/// has come, not with what a header claims. All errors are final.
///
/// ```
/// use bytes::BytesMut;
/// use dilithion_wire::{Limits, Magic, Message, MessageCodec};
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut codec = MessageCodec::new(Magic::TESTNET);
/// let mut stream = BytesMut::new();
/// codec.encode(Message::Ping(7).to_raw(), &mut stream)?;
/// assert_eq!(stream.len(), 24 + 8);
///
/// let mut tail = stream.split_off(30);
/// assert_eq!(codec.decode(&mut stream)?, None, "more has to come");
/// stream.unsplit(tail.split());
/// let ping = codec.decode(&mut stream)?.expect("a whole message");
/// assert_eq!(ping.decode(&Limits::TESTNET)?, Message::Ping(7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MessageCodec {
    magic: Magic,
    max_payload: usize,
    /// Of the message whose payload is arriving.
    header: Option<FrameHeader>,
}

impl MessageCodec {
    /// For a network.
    #[must_use]
    pub const fn new(magic: Magic) -> Self {
        Self { magic, max_payload: MAX_PAYLOAD_BYTES, header: None }
    }

    /// Accepts payloads of up to `bytes` from now on, [`MAX_PAYLOAD_BYTES`] at most, which is also what it begins with, as
    /// the network does. A node should ask for less: nobody has to send much before the handshake, nor more than
    /// [`MAX_COMMAND_BYTES`](crate::MAX_COMMAND_BYTES) after it. A payload that has begun to arrive is not affected.
    pub fn set_max_payload(&mut self, bytes: usize) {
        self.max_payload = bytes.min(MAX_PAYLOAD_BYTES);
    }

    /// The header of the next message, once it is there.
    fn header(&mut self, src: &mut BytesMut) -> Result<Option<FrameHeader>, FrameError> {
        if self.header.is_none() {
            let Some(bytes) = src.first_chunk() else { return Ok(None) };
            self.header = Some(FrameHeader::parse(bytes, self.magic, self.max_payload)?);
            src.advance(FrameHeader::SIZE);
        }
        Ok(self.header)
    }
}

/// Lets the buffer grow towards a payload of `length` bytes: at once to what is given on credit, and whenever it is full
/// to twice of what has come, which keeps the cost of moving bytes below that of receiving them.
fn make_room(src: &mut BytesMut, length: usize) {
    let received = src.len();
    if received == src.capacity() || src.capacity() < length.min(MIN_GROWTH) {
        let target = length.min(MIN_GROWTH.max(2 * received));
        src.reserve(target - received);
    }
}

impl Decoder for MessageCodec {
    type Item = RawMessage;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<RawMessage>, FrameError> {
        let Some(header) = self.header(src)? else { return Ok(None) };
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        if src.len() < length {
            make_room(src, length);
            return Ok(None);
        }
        self.header = None;
        let payload = src.split_to(length).freeze();
        header.verify(&payload)?;
        Ok(Some(RawMessage { command: header.command, payload }))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<RawMessage>, FrameError> {
        let message = self.decode(src)?;
        if message.is_none() && (self.header.is_some() || !src.is_empty()) {
            return Err(
                io::Error::new(io::ErrorKind::UnexpectedEof, "connection ended inside a message").into()
            );
        }
        Ok(message)
    }
}

impl Encoder<RawMessage> for MessageCodec {
    type Error = FrameError;

    fn encode(&mut self, message: RawMessage, dst: &mut BytesMut) -> Result<(), FrameError> {
        let header = FrameHeader::new(self.magic, message.command, &message.payload)?;
        dst.reserve(FrameHeader::SIZE + message.payload.len());
        header.encode(dst);
        dst.put(message.payload);
        Ok(())
    }
}

/// Writes the payload where it is sent from, without a copy in between.
impl Encoder<&Message> for MessageCodec {
    type Error = FrameError;

    fn encode(&mut self, message: &Message, dst: &mut BytesMut) -> Result<(), FrameError> {
        let length = message.encoded_len();
        if length > MAX_PAYLOAD_BYTES {
            let command = message.command();
            return Err(FrameError::Oversized { command, length: length as u64, max: MAX_PAYLOAD_BYTES });
        }
        let start = dst.len();
        // Into a slice of the right size: a growing buffer would look at its capacity for each field.
        dst.resize(start + FrameHeader::SIZE + length, 0);
        let (_, frame) = dst.split_at_mut(start);
        let (mut header, payload) = frame.split_at_mut(FrameHeader::SIZE);
        message.encode(&mut &mut *payload);
        FrameHeader::new(self.magic, message.command(), payload)?.encode(&mut header);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;
    use crate::command::Command;

    fn stream(messages: &[RawMessage]) -> BytesMut {
        let mut codec = MessageCodec::new(Magic::TESTNET);
        let mut stream = BytesMut::new();
        messages.iter().for_each(|message| codec.encode(message.clone(), &mut stream).unwrap());
        stream
    }

    /// Feeds a stream in pieces of these sizes, again and again, and takes out what is complete after each.
    fn receive(stream: &[u8], pieces: &[usize]) -> Result<Vec<RawMessage>, FrameError> {
        let mut codec = MessageCodec::new(Magic::TESTNET);
        let mut buffer = BytesMut::new();
        let mut messages = Vec::new();
        let mut rest = stream;
        for size in pieces.iter().cycle() {
            let (piece, tail) = rest.split_at(rest.len().min(*size));
            buffer.extend_from_slice(piece);
            while let Some(message) = codec.decode(&mut buffer)? {
                messages.push(message);
            }
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        assert_eq!(codec.decode_eof(&mut buffer)?, None);
        Ok(messages)
    }

    quickcheck! {
        fn messages_arrive_however_they_are_cut(messages: Vec<Message>, pieces: Vec<u8>) -> bool {
            let messages: Vec<_> = messages.iter().map(Message::to_raw).collect();
            let stream = stream(&messages);
            let mut pieces: Vec<usize> = pieces.into_iter().map(Into::into).collect();
            pieces.push(1);
            [pieces.as_slice(), &[1], &[stream.len().max(1)]]
                .iter()
                .all(|pieces| receive(&stream, pieces).is_ok_and(|received| received == messages))
        }

        fn messages_are_written_the_same_directly(messages: Vec<Message>) -> bool {
            let mut codec = MessageCodec::new(Magic::TESTNET);
            let mut direct = BytesMut::new();
            messages.iter().for_each(|message| codec.encode(message, &mut direct).unwrap());
            direct == stream(&messages.iter().map(Message::to_raw).collect::<Vec<_>>())
        }

        fn no_bytes_make_it_panic(bytes: Vec<u8>, with_magic: bool) -> bool {
            let magic = Magic::TESTNET.to_bytes();
            let mut stream = BytesMut::from(if with_magic { magic.as_slice() } else { &[] });
            stream.extend_from_slice(&bytes);
            let mut codec = MessageCodec::new(Magic::TESTNET);
            let short = stream.len() < FrameHeader::SIZE;
            matches!(codec.decode(&mut stream), Ok(None)) == short || with_magic
        }
    }

    fn ping() -> RawMessage {
        Message::Ping(7).to_raw()
    }

    #[test]
    fn damage_ends_the_stream() {
        let damaged = |at: usize| {
            let mut stream = stream(&[ping()]);
            stream[at] ^= 1;
            receive(&stream, &[5]).unwrap_err()
        };
        assert!(matches!(damaged(0), FrameError::BadMagic { .. }));
        assert!(matches!(damaged(15), FrameError::BadCommand(_)));
        assert!(matches!(damaged(20), FrameError::BadChecksum { command: Command::PING, .. }));
        assert!(matches!(damaged(31), FrameError::BadChecksum { .. }));
    }

    #[test]
    fn the_checksum_of_nothing_is_not_looked_at() {
        let verack = Message::Verack.to_raw();
        let mut stream = stream(std::slice::from_ref(&verack));
        stream[20] ^= 1;
        assert_eq!(receive(&stream, &[24]).unwrap(), [verack]);
    }

    #[test]
    fn an_end_inside_a_message_is_an_error() {
        let stream = stream(&[ping()]);
        for len in [1, 23, 24, 31] {
            let error = receive(&stream[..len], &[len]).unwrap_err();
            assert!(matches!(error, FrameError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof));
        }
        assert_eq!(receive(&stream[..0], &[1]).unwrap(), []);
    }

    #[test]
    fn the_cap_can_be_lower_for_a_while() {
        let mut stream = stream(&[ping(), ping()]);
        let mut codec = MessageCodec::new(Magic::TESTNET);
        codec.set_max_payload(8);
        assert_eq!(codec.decode(&mut stream).unwrap(), Some(ping()));
        codec.set_max_payload(7);
        let error = codec.decode(&mut stream).unwrap_err();
        assert!(matches!(error, FrameError::Oversized { length: 8, max: 7, .. }));
        codec.set_max_payload(usize::MAX);
        assert_eq!(codec.max_payload, MAX_PAYLOAD_BYTES);
    }

    fn header_of_the_largest_message() -> FrameHeader {
        let length = u32::try_from(MAX_PAYLOAD_BYTES).unwrap();
        FrameHeader { magic: Magic::TESTNET, command: Command::BLOCK, length, checksum: [0; 4] }
    }

    /// What the buffer can hold after a decoder has seen these many bytes of a large payload in one of this capacity.
    fn capacity_after(received: usize, capacity: usize) -> usize {
        let mut buffer = BytesMut::with_capacity(capacity);
        buffer.resize(received, 0);
        assert_eq!(buffer.capacity(), capacity);
        let header = Some(header_of_the_largest_message());
        let mut codec = MessageCodec { header, ..MessageCodec::new(Magic::TESTNET) };
        assert_eq!(codec.decode(&mut buffer).unwrap(), None);
        buffer.capacity()
    }

    #[test]
    fn a_claim_alone_gets_little_memory() {
        let mut header = BytesMut::new();
        header_of_the_largest_message().encode(&mut header);
        assert_eq!(MessageCodec::new(Magic::TESTNET).decode(&mut header).unwrap(), None);
        let capacity = header.capacity();
        assert!((262_144..=2 * MIN_GROWTH).contains(&capacity), "{capacity}");
        assert!(capacity_after(1, 64) >= MIN_GROWTH, "at once what a claim is good for");
    }

    #[test]
    fn the_buffer_grows_when_it_is_full_and_not_sooner() {
        assert_eq!(capacity_after(MIN_GROWTH - 1, MIN_GROWTH), MIN_GROWTH);
        assert_eq!(capacity_after(MIN_GROWTH + 1, 2 * MIN_GROWTH), 2 * MIN_GROWTH);
        let grown = capacity_after(MIN_GROWTH, MIN_GROWTH);
        assert!((2 * MIN_GROWTH..3 * MIN_GROWTH).contains(&grown), "{grown}");
    }

    #[test]
    fn a_message_gets_the_room_it_takes() {
        let mut stream = BytesMut::new();
        let message = RawMessage { payload: vec![0; 1000].into(), ..ping() };
        MessageCodec::new(Magic::TESTNET).encode(message, &mut stream).unwrap();
        assert_eq!(stream.len(), FrameHeader::SIZE + 1000);
        assert!(stream.capacity() < 2 * stream.len(), "{}", stream.capacity());
    }

    #[test]
    #[cfg_attr(miri, ignore = "32 MiB of checksum take an hour")]
    fn the_largest_message_there_is_can_be_sent() {
        let payload = vec![0; MAX_PAYLOAD_BYTES].into();
        let message = Message::Unknown { command: Command::from_static("huge"), payload };
        let (mut direct, mut raw) = (BytesMut::new(), BytesMut::new());
        let mut codec = MessageCodec::new(Magic::TESTNET);
        codec.encode(&message, &mut direct).unwrap();
        codec.encode(message.to_raw(), &mut raw).unwrap();
        assert_eq!(direct.len(), FrameHeader::SIZE + MAX_PAYLOAD_BYTES);
        assert!(direct == raw);
    }

    #[test]
    fn what_no_node_would_accept_is_not_sent() {
        let payload = vec![0; MAX_PAYLOAD_BYTES + 1].into();
        let huge = Message::Unknown { command: Command::from_static("huge"), payload };
        let mut stream = stream(&[ping()]);
        let before = stream.clone();
        let mut codec = MessageCodec::new(Magic::TESTNET);
        assert!(matches!(codec.encode(&huge, &mut stream), Err(FrameError::Oversized { .. })));
        assert!(matches!(codec.encode(huge.to_raw(), &mut stream), Err(FrameError::Oversized { .. })));
        assert_eq!(stream, before);
    }

    #[test]
    fn payloads_are_not_copied() {
        let mut stream = stream(&[ping()]);
        let range = stream.as_ptr_range();
        let message = MessageCodec::new(Magic::TESTNET).decode(&mut stream).unwrap().unwrap();
        assert!(range.contains(&message.payload.as_ptr()));
    }
}
