//! The store against its limits: connecting beside raw LMDB puts of the same records in the same batches, coins at
//! several sizes of the set, a reorganisation, opening a long chain.
//!
//! All blocks are below a checkpoint, so that validation is not part of it. `STORE_BENCH_HUGE=1` adds 10 million coins.

mod recorded;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dilithion_chain::{Candidate, Chainstate, Depth, Policy, StoreOptions};
use dilithion_wire::{
    Amount, Block, BlockHash, BlockHeader, ChainParams, Checkpoint, Encode, Height, MerkleRoot, OutPoint,
    Transaction, TxIn, TxOut, sha3_256,
};
use heed::types::Bytes as Raw;
use heed::{Database, Env, EnvOpenOptions, PutFlags, WithoutTls};
use tempfile::TempDir;

use self::recorded::{candidates, connect};

const CHAIN: &[u8] = include_bytes!("../testdata/recorded-500.dat");
const PARAMS: &str = include_str!("../testdata/private.toml");
/// Outputs of a block that fills the set of coins.
const COINS_PER_BLOCK: u32 = 5000;

/// The recording's parameters, with everything below a checkpoint that is never reached.
fn params() -> Arc<ChainParams> {
    let mut params = ChainParams::from_toml(PARAMS).expect("the recording's parameters");
    params.checkpoints =
        vec![Checkpoint { height: Height(u32::MAX - 1), hash: BlockHash::from_bytes([1; 32]) }];
    params.consensus.max_block_bytes = u32::MAX;
    Arc::new(params)
}

/// A block with a coinbase of so many outputs.
fn made(prev_hash: BlockHash, tag: u32, outputs: u32) -> Candidate {
    let script_sig = Bytes::copy_from_slice(&tag.to_le_bytes());
    let output = TxOut { value: Amount(1), script_pubkey: Bytes::from_static(&[0x51; 25]) };
    let coinbase = Transaction {
        version: 1,
        inputs: vec![TxIn { previous_output: OutPoint::NULL, script_sig, sequence: u32::MAX }],
        outputs: vec![output; outputs as usize],
        lock_time: 0,
    };
    let mut block = Block {
        header: BlockHeader {
            version: 1,
            prev_hash,
            merkle_root: MerkleRoot::ZERO,
            time: 1_730_000_000,
            bits: 0x203f_ffff,
            nonce: tag,
        },
        vdf: None,
        transactions: vec![coinbase],
    };
    block.header.merkle_root = block.merkle_root();
    Candidate { hash: BlockHash::from_bytes(sha3_256(&block.header.to_bytes())), verified: true, block }
}

fn branch(mut on: BlockHash, tags: std::ops::Range<u32>, outputs: u32) -> Vec<Candidate> {
    tags.map(|tag| {
        let block = made(on, tag, outputs);
        on = block.hash;
        block
    })
    .collect()
}

fn empty(params: &Arc<ChainParams>) -> (TempDir, Chainstate) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let chain = open(dir.path(), params, Depth::Last(0));
    (dir, chain)
}

fn open(dir: &Path, params: &Arc<ChainParams>, check: Depth) -> Chainstate {
    // Signatures would hide what the store costs; the bench `signatures` is about them.
    let options = StoreOptions { check, policy: Some(Policy::Reference), ..StoreOptions::default() };
    Chainstate::open(dir, Arc::clone(params), options).expect("a store")
}

/// One write to LMDB: database, key, value or none to delete, whether to append.
type Put = (usize, Vec<u8>, Option<Vec<u8>>, bool);

/// What connecting these blocks in these batches puts into LMDB.
fn puts(blocks: &[Candidate], batch: usize) -> Vec<Vec<Put>> {
    let mut number = 0_u64;
    let batches = blocks.chunks(batch).map(|batch| {
        let mut puts: Vec<Put> = Vec::new();
        let mut coins: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        for Candidate { hash, block, .. } in batch {
            number += 1;
            let key = number.to_be_bytes().to_vec();
            let mut undo = vec![0; 36];
            for (tx, txid) in block.transactions.iter().zip(block.txids()) {
                for input in tx.inputs.iter().filter(|input| !input.previous_output.is_null()) {
                    let outpoint = input.previous_output;
                    undo.extend_from_slice(&[0; 36 + 8 + 4 + 1 + 4 + 25]);
                    let key = [outpoint.txid.as_bytes(), &outpoint.index.to_be_bytes()[..]].concat();
                    if coins.remove(&key).is_none() {
                        coins.insert(key, None);
                    }
                }
                for (index, output) in (0_u32..).zip(&tx.outputs) {
                    let key = [txid.as_bytes(), &index.to_be_bytes()[..]].concat();
                    coins.insert(key, Some([&[0; 13], &output.script_pubkey[..]].concat()));
                }
            }
            puts.push((0, key.clone(), Some(block.encode_to_vec()), true));
            puts.push((1, key.clone(), Some(vec![0; 117]), true));
            puts.push((2, key.clone(), Some(undo), true));
            puts.push((3, number.to_be_bytes()[4..].to_vec(), Some(vec![0; 72]), false));
            puts.push((4, hash.as_bytes().to_vec(), Some(key), false));
        }
        puts.extend(coins.into_iter().map(|(key, value)| (5, key, value, false)));
        puts
    });
    batches.collect()
}

fn raw_env(dir: &Path) -> (Env<WithoutTls>, Vec<Database<'static, Raw, Raw>>) {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(1 << 30).max_dbs(8);
    #[expect(unsafe_code, reason = "LMDB maps a file")]
    // SAFETY: the folder is new and nobody else knows of it.
    let env = unsafe { options.open(dir) }.expect("an environment");
    let txn = env.write_txn().expect("a transaction");
    let tables = env.create_databases_and_commit(txn, |opener, txn| -> Result<_, heed::Error> {
        let mut tables = Vec::new();
        for name in ["blocks", "headers", "undo", "heights", "index", "utxo"] {
            tables.push(opener.create_database::<Raw, Raw>(txn, Some(name))?);
        }
        let tables = <[_; 6]>::try_from(tables).expect("six of them");
        Ok(heed::CommitOrAbort::<_, ()>::Commit(tables))
    });
    let tables = tables.expect("tables").unwrap_commit();
    (env, tables.to_vec())
}

fn write_raw(env: &Env<WithoutTls>, tables: &[Database<'static, Raw, Raw>], batches: &[Vec<Put>]) {
    for batch in batches {
        let mut txn = env.write_txn().expect("a transaction");
        for (table, key, value, append) in batch {
            let flags = if *append { PutFlags::APPEND } else { PutFlags::empty() };
            match value {
                Some(value) => tables[*table].put_with_flags(&mut txn, flags, key, value).expect("room"),
                None => drop(tables[*table].delete(&mut txn, key).expect("a table")),
            }
        }
        txn.commit().expect("a disk");
    }
}

fn connecting(criterion: &mut Criterion) {
    let params = params();
    let blocks = candidates(CHAIN, &params);
    let mut group = criterion.benchmark_group("store/connect");
    for (name, count, batch) in [("import, 200 a commit", blocks.len(), 200), ("tip, 1 a commit", 60, 1)] {
        let blocks = &blocks[..count];
        group.sample_size(10).throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("store", name), |bencher| {
            bencher.iter_batched(
                || empty(&params),
                |(dir, mut chain)| {
                    connect(&mut chain, blocks, batch);
                    (dir, chain)
                },
                BatchSize::PerIteration,
            );
        });
        let puts = puts(blocks, batch);
        group.bench_function(BenchmarkId::new("raw puts", name), |bencher| {
            bencher.iter_batched(
                || {
                    let dir = tempfile::tempdir().expect("a temporary folder");
                    let env = raw_env(dir.path());
                    (dir, env)
                },
                |(dir, (env, tables))| {
                    write_raw(&env, &tables, &puts);
                    (dir, env)
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn coins(criterion: &mut Criterion) {
    let params = params();
    let mut sizes = vec![10_000, 1_000_000];
    if std::env::var_os("STORE_BENCH_HUGE").is_some() {
        sizes.push(10_000_000);
    }
    let mut group = criterion.benchmark_group("store/coins");
    group.sample_size(10);
    for size in sizes {
        let (_dir, mut chain) = empty(&params);
        let mut outpoints = Vec::new();
        for tag in 0..size / COINS_PER_BLOCK {
            let block = made(chain.tip().hash, tag, COINS_PER_BLOCK);
            outpoints.push(OutPoint { txid: block.block.txids()[0], index: tag * 7919 % COINS_PER_BLOCK });
            connect(&mut chain, &[block], 1);
        }
        let reader = chain.reader();
        let mut next = 0;
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("get", size), |bencher| {
            bencher.iter(|| {
                next = (next + 7919) % outpoints.len();
                black_box(reader.utxo(&outpoints[next]).expect("a sound store").is_some())
            });
        });
        let below = chain.tip();
        let mut tag = 1 << 30;
        group.throughput(Throughput::Elements(1000));
        group.bench_function(BenchmarkId::new("insert 1000 and commit", size), |bencher| {
            bencher.iter_custom(|times| {
                let mut took = Duration::ZERO;
                for _ in 0..times {
                    tag += 1;
                    let block = [made(below.hash, tag, 1000)];
                    let start = Instant::now();
                    connect(&mut chain, &block, 1);
                    took += start.elapsed();
                    chain.disconnect_to(below.height).expect("undo records");
                }
                took
            });
        });
    }
    group.finish();
}

fn reorganising(criterion: &mut Criterion) {
    let params = params();
    let mut free = ChainParams::clone(&params);
    free.checkpoints = Vec::new();
    let (dir, mut chain) = empty(&params);
    let mut blocks = candidates(CHAIN, &params);
    blocks.truncate(200);
    connect(&mut chain, &blocks, 200);
    drop(chain);
    // Without the checkpoint, a branch may be left.
    let mut chain = open(dir.path(), &Arc::new(free), Depth::Last(0));
    let fork = Height(200);
    let on = blocks[199].hash;
    let (short, long) = (branch(on, 0..100, 2), branch(on, 1000..1101, 2));
    let mut group = criterion.benchmark_group("store/reorg");
    group.sample_size(10);
    group.bench_function("100 blocks", |bencher| {
        bencher.iter_custom(|times| {
            let mut took = Duration::ZERO;
            for _ in 0..times {
                chain.disconnect_to(fork).expect("undo records");
                connect(&mut chain, &short, 100);
                let start = Instant::now();
                chain.reorg(fork, &long).expect("a better branch");
                took += start.elapsed();
            }
            took
        });
    });
    group.finish();
}

fn long_chain(criterion: &mut Criterion) {
    let params = params();
    let (dir, mut chain) = empty(&params);
    for part in 0..100 {
        let blocks = branch(chain.tip().hash, part * 1000..(part + 1) * 1000, 1);
        connect(&mut chain, &blocks, 1000);
    }
    let mut group = criterion.benchmark_group("store/100 k blocks");
    group.sample_size(10);
    let reader = chain.reader();
    group.bench_function("tip", |bencher| bencher.iter(|| reader.tip().expect("a tip")));
    drop((reader, chain));
    for (name, check) in [("open, last 288 checked", Depth::Last(288)), ("open, all checked", Depth::Full)] {
        group.bench_function(name, |bencher| bencher.iter(|| open(dir.path(), &params, check)));
    }
    group.finish();
}

criterion_group!(store, connecting, coins, reorganising, long_chain);
criterion_main!(store);
