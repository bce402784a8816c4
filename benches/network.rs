//! The path of a message between the engine and the socket, beside the figures of the design documents for the C++ node:
//! 1.5 million messages of 244 bytes a second, 377 MB/s.

use std::hint::black_box;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dilithion_node::net::{Lane, SendQueue, lane_of};
use dilithion_wire::{ChainParams, Command, MessageCodec, RawMessage};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::StreamExt;
use tokio_util::codec::{Decoder, Encoder, FramedRead};

/// Bytes of a message on the wire, as in the documents.
const MESSAGE: usize = 244;
/// Bytes of its header.
const HEADER: usize = 24;
/// Messages of a round.
const ROUND: u64 = 10_000;

fn message() -> RawMessage {
    RawMessage { command: Command::TX, payload: Bytes::from(vec![7; MESSAGE - HEADER]) }
}

fn codec() -> MessageCodec {
    MessageCodec::new(ChainParams::regtest().magic)
}

/// A stream of so many messages.
fn stream(messages: u64) -> BytesMut {
    let mut stream = BytesMut::new();
    for _ in 0..messages {
        codec().encode(message(), &mut stream).expect("it fits");
    }
    stream
}

fn one_core(c: &mut Criterion) {
    let mut group = c.benchmark_group("network/one core");
    group.throughput(Throughput::Elements(ROUND));
    group.bench_function("queue", |b| {
        let message = message();
        let mut queue = SendQueue::new();
        b.iter(|| {
            for _ in 0..ROUND {
                queue.push(lane_of(&message.command), message.clone(), MESSAGE);
            }
            while let Some(popped) = queue.pop() {
                black_box(popped);
            }
        });
    });
    group.bench_function("queue and encode, with checksum", |b| {
        let (message, mut codec) = (message(), codec());
        let (mut queue, mut buffer) = (SendQueue::new(), BytesMut::new());
        b.iter(|| {
            for _ in 0..ROUND {
                queue.push(lane_of(&message.command), message.clone(), MESSAGE);
            }
            while let Some((_, raw, _)) = queue.pop() {
                codec.encode(raw, &mut buffer).expect("it fits");
            }
            black_box(&mut buffer).clear();
        });
    });
    group.bench_function("decode and route, with checksum", |b| {
        let stream = stream(ROUND);
        let mut codec = codec();
        b.iter(|| {
            let mut rest = stream.clone();
            let mut control = 0_u64;
            while let Some(raw) = codec.decode(&mut rest).expect("it is sound") {
                control += u64::from(lane_of(&raw.command) == Lane::Control);
            }
            assert_eq!(control, ROUND);
        });
    });
    group.finish();
}

/// One thread decodes what another has encoded.
fn two_cores(c: &mut Criterion) {
    let mut group = c.benchmark_group("network/two cores");
    group.throughput(Throughput::Elements(ROUND));
    group.bench_function("encode, hand over, decode", |b| {
        b.iter_custom(|rounds| {
            let (buffers, received) = mpsc::sync_channel::<BytesMut>(4);
            let began = Instant::now();
            let reader = thread::spawn(move || {
                let mut codec = codec();
                let mut decoded = 0_u64;
                for mut buffer in received {
                    while codec.decode(&mut buffer).expect("it is sound").is_some() {
                        decoded += 1;
                    }
                }
                decoded
            });
            let (message, mut codec) = (message(), codec());
            for _ in 0..rounds {
                let mut buffer = BytesMut::with_capacity(MESSAGE * 10_000);
                for _ in 0..ROUND {
                    codec.encode(message.clone(), &mut buffer).expect("it fits");
                }
                buffers.send(buffer).expect("the reader lives");
            }
            drop(buffers);
            assert_eq!(reader.join().expect("it does not panic"), rounds * ROUND);
            began.elapsed()
        });
    });
    group.finish();
}

/// The whole way over TCP on loopback.
fn loopback(c: &mut Criterion) {
    let mut group = c.benchmark_group("network/loopback");
    group.throughput(Throughput::Bytes(ROUND * MESSAGE as u64));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let stream = stream(ROUND).freeze();
    for (name, checked) in [("write, read", false), ("write, read, decode with checksum", true)] {
        group.bench_function(name, |b| {
            b.iter_custom(|rounds| runtime.block_on(transfer(stream.clone(), rounds, checked)));
        });
    }
    group.finish();
}

async fn transfer(stream: Bytes, rounds: u64, checked: bool) -> Duration {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let writer = tokio::spawn(async move {
        let mut socket = TcpStream::connect(address).await.expect("it listens");
        for _ in 0..rounds {
            socket.write_all(&stream).await.expect("it is read");
        }
    });
    let (mut socket, _) = listener.accept().await.expect("somebody connects");
    let began = Instant::now();
    if checked {
        let mut frames = FramedRead::new(socket, codec());
        let mut read = 0;
        while let Some(frame) = frames.next().await {
            frame.expect("it is sound");
            read += 1;
        }
        assert_eq!(read, rounds * ROUND);
    } else {
        tokio::io::copy(&mut socket, &mut tokio::io::sink()).await.expect("it is read");
    }
    let time = began.elapsed();
    writer.await.expect("it does not panic");
    time
}

criterion_group!(benches, one_core, two_cores, loopback);
criterion_main!(benches);
