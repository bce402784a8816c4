//! Decoding and encoding of messages, beside what nobody can do without, in the same run:
//!
//! * `limit: SHA3-256d`: the checksum of the same bytes. The share of it that the rest of the codec adds is the codec's.
//! * `limit: two permutations`: what the checksum of a small message comes to.
//! * `keccak: …`: other implementations of the checksum.
//! * `bitcoin: …`: the decoder of the `bitcoin` crate on the equivalent message, its checksum (SHA-256d) left out on both
//!   sides.

use std::hint::black_box;

use bitcoin::consensus::encode::{Decodable, deserialize};
use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dilithion_wire::{
    Block, BlockHeader, ChainParams, Encode, Hash256, Inventory, InventoryKind, MAX_HEADERS_PER_MESSAGE,
    Message, MessageCodec, OutPoint, RawMessage, Transaction, TxIn, TxOut, sha3_256d,
};
use tokio_util::codec::{Decoder, Encoder};

/// Bytes of an input's script: an ML-DSA-65 signature of 3309 bytes, a public key of 1952, each with its length before it.
const SCRIPT_SIG: usize = 3309 + 1952 + 4;
/// Bytes of an output's script.
const SCRIPT_PUBKEY: usize = 25;

fn transaction(seed: u8) -> Transaction {
    Transaction {
        version: 1,
        inputs: vec![TxIn {
            previous_output: OutPoint { txid: [seed; 32].into_hash(), index: 0 },
            script_sig: vec![seed; SCRIPT_SIG].into(),
            sequence: u32::MAX,
        }],
        outputs: vec![
            TxOut {
                value: dilithion_wire::Amount::COIN,
                script_pubkey: vec![seed; SCRIPT_PUBKEY].into()
            };
            2
        ],
        lock_time: 0,
    }
}

trait IntoHash {
    fn into_hash<T: From<Hash256>>(self) -> T;
}

impl IntoHash for [u8; 32] {
    fn into_hash<T: From<Hash256>>(self) -> T {
        Hash256::from_bytes(self).into()
    }
}

/// The messages of a sync, from the largest to the smallest.
fn messages(params: &ChainParams) -> Vec<(&'static str, Message)> {
    let header: BlockHeader = params.genesis_header();
    // Fifteen transactions make a block of 80 kB.
    let transactions = (0..15).map(transaction).collect();
    let item = |n: u16| {
        let mut hash = [7; 32];
        hash[..2].copy_from_slice(&n.to_le_bytes());
        Inventory { kind: InventoryKind::Tx, hash: Hash256::from_bytes(hash) }
    };
    vec![
        ("headers(2000)", Message::Headers(vec![header; MAX_HEADERS_PER_MESSAGE])),
        ("block(80 kB)", Message::Block(Block { header, vdf: None, transactions })),
        ("inv(1000)", Message::Inv((0..1000).map(item).collect())),
        ("tx", Message::Tx(transaction(1))),
        ("ping", Message::Ping(7)),
    ]
}

fn framed(messages: &[Message], params: &ChainParams) -> Bytes {
    let mut codec = MessageCodec::new(params.magic);
    let mut stream = BytesMut::new();
    for message in messages {
        codec.encode(message, &mut stream).expect("a message of legal size");
    }
    stream.freeze()
}

/// Takes every message out of a stream and decodes it.
fn decode_all(stream: &mut BytesMut, params: &ChainParams) -> usize {
    let mut codec = MessageCodec::new(params.magic);
    let mut count = 0;
    while let Some(raw) = codec.decode(stream).expect("a valid stream") {
        black_box(raw.decode(&params.limits).expect("a valid message"));
        count += 1;
    }
    count
}

/// The whole way of a message, from the stream's bytes to the value and back.
fn whole(criterion: &mut Criterion) {
    let params = ChainParams::testnet();
    let mut group = criterion.benchmark_group("codec");
    for (name, message) in messages(&params) {
        let stream = framed(std::slice::from_ref(&message), &params);
        let payload = message.to_raw().payload;
        group.throughput(Throughput::Bytes(payload.len() as u64));
        // What the socket wrote is there already; taking it apart is what counts.
        group.bench_function(BenchmarkId::new("decode", name), |bencher| {
            bencher.iter_batched_ref(
                || BytesMut::from(&stream[..]),
                |stream| decode_all(stream, &params),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("encode", name), |bencher| {
            let mut codec = MessageCodec::new(params.magic);
            let mut buffer = BytesMut::new();
            bencher.iter(|| {
                buffer.clear();
                codec.encode(&message, &mut buffer).expect("a message of legal size");
            });
        });
        group.bench_function(BenchmarkId::new("limit: SHA3-256d", name), |bencher| {
            bencher.iter(|| sha3_256d(black_box(&payload)));
        });
    }
    group.bench_function("limit: two permutations", |bencher| {
        let keccak = keccak::Keccak::new();
        keccak.with_f1600(|permute| {
            let mut state = [0; 25];
            bencher.iter(|| {
                permute(black_box(&mut state));
                permute(black_box(&mut state));
            });
        });
    });
    group.finish();
}

/// What a node receives while it syncs: many blocks, some headers, and small messages in between.
fn mixed(criterion: &mut Criterion) {
    let params = ChainParams::testnet();
    let mut messages: Vec<Message> = messages(&params).into_iter().map(|(_, message)| message).collect();
    let block = messages[1].clone();
    messages.extend(std::iter::repeat_n(block, 15));
    messages.extend(std::iter::repeat_n(Message::Ping(1), 100));
    let stream = framed(&messages, &params);
    let payloads: Vec<Bytes> = messages.iter().map(|message| message.to_raw().payload).collect();
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("decode/mixed stream", |bencher| {
        bencher.iter_batched_ref(
            || BytesMut::from(&stream[..]),
            |stream| assert_eq!(decode_all(stream, &params), messages.len()),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("limit: SHA3-256d/mixed stream", |bencher| {
        bencher.iter(|| payloads.iter().map(|payload| sha3_256d(payload)[0]).fold(0, u8::wrapping_add));
    });
    group.finish();
}

/// Payloads without frame and checksum, beside the `bitcoin` crate on the equivalent bytes.
fn payloads(criterion: &mut Criterion) {
    let params = ChainParams::testnet();
    let mut group = criterion.benchmark_group("payload");
    for (name, message) in messages(&params) {
        let raw = message.to_raw();
        group.throughput(Throughput::Bytes(raw.payload.len() as u64));
        group.bench_function(BenchmarkId::new("decode", name), |bencher| {
            bencher.iter(|| black_box(&raw).decode(&params.limits).expect("a valid message"));
        });
        group.bench_function(BenchmarkId::new("bitcoin: decode", name), |bencher| {
            let (bytes, decode) = equivalent(&message, &raw);
            bencher.iter(|| decode(black_box(&bytes)));
        });
    }
    group.bench_function("bitcoin: SHA-256d/ping", |bencher| {
        use bitcoin::hashes::{Hash, sha256d};
        bencher.iter(|| sha256d::Hash::hash(black_box(&[7; 8])));
    });
    group.finish();
}

/// The bytes of the same message in Bitcoin, and what reads them. Values are dropped inside, as ours are.
fn equivalent(message: &Message, raw: &RawMessage) -> (Vec<u8>, fn(&[u8])) {
    fn read<T: Decodable>(bytes: &[u8]) {
        black_box(deserialize::<T>(bytes).expect("valid in Bitcoin"));
    }

    /// What the crate does for a `headers` message, which it offers with its checksum only.
    fn read_headers(mut bytes: &[u8]) {
        let count = bitcoin::VarInt::consensus_decode(&mut bytes).expect("a count").0;
        let mut headers = Vec::with_capacity(usize::try_from(count).expect("a small count"));
        for _ in 0..count {
            headers.push(bitcoin::block::Header::consensus_decode(&mut bytes).expect("a header"));
            assert_eq!(u8::consensus_decode(&mut bytes).expect("a byte"), 0);
        }
        black_box(headers);
    }

    let same = raw.payload.to_vec();
    match message {
        Message::Headers(_) => (same, read_headers),
        Message::Inv(_) => (same, read::<Vec<bitcoin::p2p::message_blockdata::Inventory>>),
        Message::Tx(_) => (same, read::<bitcoin::Transaction>),
        Message::Block(block) => {
            // There is no length before the transactions.
            let mut bytes = block.header.encode_to_vec();
            bytes.push(u8::try_from(block.transactions.len()).expect("few"));
            bytes.extend(block.transactions.iter().flat_map(Encode::encode_to_vec));
            (bytes, read::<bitcoin::Block>)
        }
        _ => (whole_ping(), read::<bitcoin::p2p::message::RawNetworkMessage>),
    }
}

/// A message with its frame: there is nothing in a ping but that. Its checksum is measured beside it.
fn whole_ping() -> Vec<u8> {
    use bitcoin::p2p::{Magic, message};
    let ping = message::RawNetworkMessage::new(Magic::REGTEST, message::NetworkMessage::Ping(7));
    bitcoin::consensus::encode::serialize(&ping)
}

type Sha3 = fn(&[u8]) -> [u8; 32];

/// Which implementation of SHA3-256 the checksum should use.
fn keccaks(criterion: &mut Criterion) {
    fn pure_rust(data: &[u8]) -> [u8; 32] {
        use sha3::Digest;
        sha3::Sha3_256::digest(data).into()
    }

    fn keccak_asm(data: &[u8]) -> [u8; 32] {
        keccak_asm::Sha3_256::digest(data).into()
    }

    fn tiny_keccak(data: &[u8]) -> [u8; 32] {
        use tiny_keccak::Hasher;
        let mut hasher = tiny_keccak::Sha3::v256();
        let mut digest = [0; 32];
        hasher.update(data);
        hasher.finalize(&mut digest);
        digest
    }

    let implementations: [(&str, Sha3); 3] =
        [("sha3", pure_rust), ("keccak-asm", keccak_asm), ("tiny-keccak", tiny_keccak)];
    let mut group = criterion.benchmark_group("keccak");
    for bytes in [8, 4096, 162_003] {
        let data = vec![7; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        for (name, sha3) in implementations {
            assert_eq!(sha3(&data), dilithion_wire::sha3_256(&data));
            group.bench_function(BenchmarkId::new(name, bytes), |bencher| {
                bencher.iter(|| sha3(&sha3(black_box(&data))));
            });
        }
    }
    group.finish();
}

criterion_group!(codec, whole, mixed, payloads, keccaks);
criterion_main!(codec);
