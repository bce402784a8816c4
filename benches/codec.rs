//! Decoding and encoding, beside SHA3-256d over the same bytes: no checksummed codec can be faster than that.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dilithion_wire::{BlockHeader, ChainParams, MAX_HEADERS_PER_MESSAGE, Message, MessageCodec, sha3_256d};
use tokio_util::codec::{Decoder, Encoder};

fn messages(params: &ChainParams) -> Vec<(&'static str, Message)> {
    let header: BlockHeader = params.genesis_header();
    vec![
        ("ping", Message::Ping(7)),
        ("headers(2000)", Message::Headers(vec![header; MAX_HEADERS_PER_MESSAGE])),
        ("block", Message::Block(params.genesis_block())),
    ]
}

fn benches(criterion: &mut Criterion) {
    let params = ChainParams::testnet();
    let mut group = criterion.benchmark_group("codec");
    for (name, message) in messages(&params) {
        let raw = message.to_raw();
        let mut framed = BytesMut::new();
        MessageCodec::new(params.magic).encode(raw.clone(), &mut framed).expect("a message of legal size");
        let framed = framed.freeze();
        group.throughput(Throughput::Bytes(framed.len() as u64));
        group.bench_function(BenchmarkId::new("decode", name), |bencher| {
            let mut codec = MessageCodec::new(params.magic);
            bencher.iter(|| {
                let mut buffer = BytesMut::from(&framed[..]);
                let raw = codec.decode(&mut buffer).expect("a whole message").expect("a whole message");
                raw.decode(&params.limits).expect("a valid message")
            });
        });
        group.bench_function(BenchmarkId::new("encode", name), |bencher| {
            let mut codec = MessageCodec::new(params.magic);
            let mut buffer = BytesMut::new();
            bencher.iter(|| {
                buffer.clear();
                codec.encode(message.to_raw(), &mut buffer).expect("a message of legal size");
            });
        });
        group.bench_function(BenchmarkId::new("limit: SHA3-256d", name), |bencher| {
            bencher.iter(|| sha3_256d(black_box(&raw.payload)));
        });
    }
    group.finish();
}

criterion_group!(codec, benches);
criterion_main!(codec);
