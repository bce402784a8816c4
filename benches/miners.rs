//! What the rules about miners cost: the recorded chain with them, with miners recorded and not judged, and without, in batches
//! and block by block; and the parts of it alone.

mod connecting;
mod recorded;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dilithion_chain::dfmp::{Standing, multiplier};
use dilithion_chain::mik::{Identity, Section, SectionKind, SignedBlock};
use dilithion_chain::{Candidate, Chainstate, StoreOptions};
use dilithion_wire::{Block, ChainParams, Height, MikParams};
use ruzstd::decoding::StreamingDecoder;

use self::recorded::candidates;

const CHAIN: &[u8] = include_bytes!("../testdata/private-m/chain.dat.zst");
const PARAMS: &str = include_str!("../testdata/private-m/private-m.toml");

/// The recorded blocks.
fn blocks(params: &ChainParams) -> Vec<Candidate> {
    candidates(StreamingDecoder::new(CHAIN).expect("a compressed recording"), params)
}

fn connected(criterion: &mut Criterion, candidates: &[Candidate]) {
    let with = ChainParams::from_toml(PARAMS).expect("the recording's parameters");
    let without = ChainParams { mik: None, attestation: None, ..with.clone() };
    let mut trusting = with.clone();
    if let Some(rules) = &mut trusting.mik {
        rules.assume_valid_height = Height(u32::MAX);
    }
    let mut group = criterion.benchmark_group("miners/connect");
    group.sample_size(10).throughput(Throughput::Elements(candidates.len() as u64));
    for (name, params) in [("with the rules", with), ("recorded, not judged", trusting), ("without", without)]
    {
        let params = Arc::new(params);
        for batch in [200, 1] {
            connecting::measure(&mut group, name, &params, candidates, batch);
        }
    }
    group.finish();
}

/// A registration of the recording: its key and its block.
fn registered(candidates: &[Candidate]) -> ([u8; 1952], &Block, Height) {
    let found =
        (1..).zip(candidates).skip(100).find_map(
            |(height, Candidate { block, .. })| match Section::of_block(block)?.kind {
                SectionKind::Registration { public_key, .. } => Some((*public_key, block, Height(height))),
                SectionKind::Reference { .. } => None,
            },
        );
    found.expect("the recording registers miners")
}

fn parts(criterion: &mut Criterion, candidates: &[Candidate], rules: &MikParams) {
    let mut group = criterion.benchmark_group("miners/part");
    let (public_key, block, height) = registered(candidates);
    let section = Section::of_block(block).expect("a registration");
    group.bench_function("finding the section", |bencher| {
        bencher.iter(|| Section::of_block(black_box(block)).map(|section| section.signature[0]));
    });
    let standing = Standing { first_seen: Some(Height(200)), mined: 30, paid: 40, ..Standing::default() };
    group.bench_function("the multiplier", |bencher| {
        bencher.iter(|| multiplier(black_box(&standing), Height(1000), rules));
    });
    let signed =
        SignedBlock { parent: block.header.prev_hash, height, identity: Identity::of_key(&public_key) };
    let time = block.header.time;
    for (name, time) in [("the signature", time), ("a signature that is found last", time + 179)] {
        let search = rules.signature_search_seconds;
        group.bench_function(name, |bencher| {
            bencher.iter(|| signed.signing_time(&public_key, section.signature, black_box(time), search));
        });
    }

    let folder = tempfile::tempdir().expect("a temporary folder");
    let params = Arc::new(ChainParams::from_toml(PARAMS).expect("the recording's parameters"));
    let mut chain = Chainstate::open(folder.path(), params, StoreOptions::default()).expect("a new store");
    assert!(chain.connect(candidates).expect("a sound store").failure.is_none());
    let reader = chain.reader();
    let (miner, payee) = (signed.identity, Identity::paid_by(block));
    group.bench_function("the standing, read from the store", |bencher| {
        bencher.iter(|| reader.standing(Some(&miner), &payee, rules).expect("a sound store"));
    });
    group.finish();
}

fn benches(criterion: &mut Criterion) {
    let params = ChainParams::from_toml(PARAMS).expect("the recording's parameters");
    let candidates = blocks(&params);
    parts(criterion, &candidates, params.mik.as_ref().expect("miners have identities there"));
    connected(criterion, &candidates);
}

criterion_group!(miners, benches);
criterion_main!(miners);
