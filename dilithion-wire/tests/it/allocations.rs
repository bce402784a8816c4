//! How much memory a peer can make us take.

use allocation_counter::measure;
use bytes::{BufMut, Bytes, BytesMut};
use dilithion_wire::{Command, FrameHeader, Limits, Magic, Message, MessageCodec, RawMessage};
use quickcheck::{TestResult, quickcheck};
use tokio_util::codec::Decoder;

/// What may be taken beyond what was received: an error with its text, the shared ends of byte strings, and for the codec
/// what its buffer grows by at once.
const CONSTANT: u64 = 1024;
const CODEC_CONSTANT: u64 = 256 * 1024 + CONSTANT;

/// Most bytes in memory at any time while a payload is decoded, what is handed out included.
fn taken(command: Command, payload: &Bytes) -> u64 {
    let raw = RawMessage { command, payload: payload.clone() };
    let mut decoded = None;
    let info = measure(|| decoded = Some(raw.decode(&Limits::MAINNET)));
    info.bytes_max
}

/// Whether at most twice the payload and a constant is taken, or for what has transactions in it [`DENSEST`] times.
fn is_bounded(command: Command, payload: &Bytes) -> bool {
    let factor = if has_transactions(command) { DENSEST } else { 2 };
    taken(command, payload) <= factor * payload.len() as u64 + positions_constant(command) + CONSTANT
}

/// An output without a script has 9 bytes and takes 40, a transaction with nothing in it has 10 and takes 56. Real ones
/// stay below twice their bytes (`real_blocks_take_less_than_twice_their_bytes`): signatures are not copied.
const DENSEST: u64 = 6;

fn has_transactions(command: Command) -> bool {
    matches!(command, Command::BLOCK | Command::TX | Command::CMPCTBLOCK | Command::BLOCKTXN)
}

/// A position has one byte and takes four, 50,000 of them at most.
fn positions_constant(command: Command) -> u64 {
    if command == Command::GETBLOCKTXN { 2 * 50_000 } else { 0 }
}

quickcheck! {
    fn no_payload_takes_much_memory(bytes: Vec<u8>) -> bool {
        Command::KNOWN.iter().all(|command| {
            let sizes = command.payload_sizes(&Limits::MAINNET).unwrap();
            let mut payload = bytes.clone();
            payload.resize(payload.len().clamp(*sizes.start(), *sizes.end()), 0xfd);
            is_bounded(*command, &payload.into())
        })
    }

    fn no_damaged_message_takes_much_memory(message: Message, at: usize, bytes: u32) -> TestResult {
        let raw = message.to_raw();
        let mut payload = raw.payload.to_vec();
        if payload.is_empty() {
            return TestResult::discard();
        }
        // A larger number in the place of another.
        let at = at % payload.len();
        let end = payload.len().min(at + 4);
        payload[at..end].copy_from_slice(&bytes.to_le_bytes()[..end - at]);
        TestResult::from_bool(is_bounded(raw.command, &payload.into()))
    }

    fn no_stream_takes_much_memory(claim: u32, received: Vec<u8>) -> bool {
        let mut header = BytesMut::new();
        let length = claim % (32 * 1024 * 1024);
        FrameHeader { magic: Magic::MAINNET, command: Command::BLOCK, length, checksum: [0; 4] }.encode(&mut header);
        let info = measure(|| {
            let mut codec = MessageCodec::new(Magic::MAINNET);
            let mut stream = BytesMut::from(&header[..]);
            let first = codec.decode(&mut stream).map(|message| message.is_some());
            stream.put_slice(&received);
            let second = codec.decode(&mut stream).map(|message| message.is_some());
            std::hint::black_box((first.is_ok(), second.is_ok()));
        });
        info.bytes_max <= 2 * received.len() as u64 + CODEC_CONSTANT
    }
}

/// A long message, in pieces as they come from a socket: the buffer grows with what is there.
#[test]
fn a_long_message_takes_little_more_than_has_come() {
    const LENGTH: u32 = 8_000_000;
    const PIECE: usize = 8192;
    let mut header = BytesMut::new();
    FrameHeader { magic: Magic::MAINNET, command: Command::BLOCK, length: LENGTH, checksum: [0; 4] }
        .encode(&mut header);
    for received in [300_000_usize, 1_000_000, 3_000_000, 7_990_000] {
        let info = measure(|| {
            let mut codec = MessageCodec::new(Magic::MAINNET);
            let mut stream = BytesMut::from(&header[..]);
            for _ in 0..received / PIECE {
                assert!(matches!(codec.decode(&mut stream), Ok(None)));
                stream.put_bytes(7, PIECE);
            }
        });
        // Growing may copy: the old buffer is there as long as that takes.
        assert!(info.bytes_max <= 3 * received as u64 + CODEC_CONSTANT, "{} for {received}", info.bytes_max);
    }
}

/// Claims of the highest counts that are allowed, with few bytes behind them.
#[test]
fn claims_alone_take_nothing() {
    let hash = "11".repeat(32);
    for (command, payload) in [
        (Command::INV, "fe50c30000".to_owned() + &hash),
        (Command::ADDR, "fe50c30000".to_owned() + &hash),
        (Command::HEADERS, "fdd007".to_owned() + &hash),
        (Command::GETHEADERS, "20".to_owned() + &hash),
        (Command::GETBLOCKTXN, hash.clone() + "fe50c30000"),
        (Command::BLOCKTXN, hash.clone() + "fea0860100"),
        (Command::TX, "01000000fea0860100".to_owned() + &hash.repeat(2)),
        (Command::BLOCK, "00".repeat(80) + "ffffff3f00000000" + &hash),
        (Command::CMPCTBLOCK, "00".repeat(88) + "00fea0860100"),
    ] {
        let payload = Bytes::from(hex::decode(payload).unwrap());
        assert!(taken(command, &payload) <= CONSTANT, "{command}");
    }
}

/// The worst there is: as many elements as the bytes can hold.
#[test]
fn the_densest_messages_stay_below_their_bounds() {
    let list = |count: u32, element: &[u8]| {
        let mut bytes = BytesMut::new();
        bytes.put_u8(0xfe);
        bytes.put_u32_le(count);
        bytes.put_slice(&element.repeat(count as usize));
        bytes.to_vec()
    };
    let empty_transaction = [0; 10];
    let outputs = [&[0; 5], list(100_000, &[0; 9]).as_slice(), &[0; 4]].concat();
    for (command, payload) in [
        (Command::INV, list(49_999, &[1; 36])),
        (Command::ADDR, list(29_000, &[1; 30])),
        (Command::HEADERS, list(2000, &[0; 81])),
        (Command::GETBLOCKTXN, [vec![0; 32], list(50_000, &[1])].concat()),
        (Command::BLOCKTXN, [vec![0; 32], list(100_000, &empty_transaction)].concat()),
        (Command::BLOCKTXN, [vec![0; 32], list(1, &outputs)].concat()),
        (Command::CMPCTBLOCK, [vec![0; 89], list(100_000, &[1; 6])].concat()),
    ] {
        let payload = Bytes::from(payload);
        let raw = RawMessage { command, payload: payload.clone() };
        assert!(raw.decode(&Limits::MAINNET).is_ok(), "{command}: {:?}", raw.decode(&Limits::MAINNET).err());
        assert!(
            is_bounded(command, &payload),
            "{command}: {} of {}",
            taken(command, &payload),
            payload.len()
        );
    }
}
