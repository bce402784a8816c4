//! Splits a byte stream into messages, however it is cut, and decodes them: `decode_stream [FILE]`.
//!
//! Without a file it reads messages that a node would send.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use bytes::BytesMut;
use dilithion_wire::{ChainParams, Message, MessageCodec};
use tokio_util::codec::{Decoder, Encoder};

/// How much is read at a time; a message may need many reads, and a read may hold many messages.
const READ: usize = 7;

fn main() -> anyhow::Result<()> {
    let params = ChainParams::testnet();
    let stream = match std::env::args().nth(1) {
        Some(file) => std::fs::read(file)?,
        None => sample(&params)?,
    };
    let mut codec = MessageCodec::new(params.magic);
    let mut buffer = BytesMut::new();
    let mut messages = 0;
    for part in stream.chunks(READ) {
        buffer.extend_from_slice(part);
        while let Some(raw) = codec.decode(&mut buffer)? {
            messages += 1;
            let shown = match raw.decode(&params.limits) {
                Ok(message) => format!("{message:?}"),
                Err(error) => format!("{error} (score {})", error.misbehaviour().score()),
            };
            println!("{:>10}  {shown}", raw.command.as_str());
        }
    }
    println!("{messages} messages in {} bytes", stream.len());
    Ok(())
}

fn sample(params: &ChainParams) -> anyhow::Result<Vec<u8>> {
    let mut codec = MessageCodec::new(params.magic);
    let mut bytes = BytesMut::new();
    for message in [Message::Verack, Message::Ping(7), Message::Block(params.genesis_block())] {
        codec.encode(message.to_raw(), &mut bytes)?;
    }
    Ok(bytes.to_vec())
}
