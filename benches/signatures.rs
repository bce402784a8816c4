//! Connecting blocks full of signatures, beside the limit: the same signatures verified with nothing around them, on as
//! many cores. Blocks without checking signatures (policy `reference`) show what the rest costs.

use std::sync::Arc;

use aws_lc_rs::signature::{KeyPair, ML_DSA_65_SIGNING, PqdsaKeyPair};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dilithion_chain::signature::{self, SIGNATURE_BYTES, SigningHash};
use dilithion_chain::validate::script::Proof;
use dilithion_chain::{Candidate, Chainstate, Policy, StoreOptions};
use dilithion_wire::{
    Amount, Block, BlockHash, BlockHeader, ChainParams, MerkleRoot, OutPoint, Transaction, TxIn, TxOut,
    sha3_256, sha3_256d,
};
use rayon::prelude::*;

const PARAMS: &str = include_str!("../testdata/private.toml");
/// Blocks that are connected in one go, each with so many spends that the whole, of 8 MB, is a usual batch of a sync.
const BLOCKS: u32 = 100;
const SPENDS_PER_BLOCK: u32 = 15;
/// What each spend pays.
const FEE: u64 = 200_000;

fn key_hash_script(key: &PqdsaKeyPair) -> Bytes {
    let hash = sha3_256d(key.public_key().as_ref());
    [&[0x76, 0xa9, 0x14][..], &hash[..20], &[0x88, 0xac]].concat().into()
}

fn sign(key: &PqdsaKeyPair, tx: &mut Transaction, chain_id: u32) {
    let message = SigningHash::of(tx).message(0, chain_id);
    let mut signature = [0; SIGNATURE_BYTES];
    key.sign(&message, &mut signature).expect("a key that signs");
    let script = [&[0xed, 0x0c][..], &signature, &[0xa0, 0x07], key.public_key().as_ref()].concat();
    tx.inputs[0].script_sig = script.into();
}

fn transaction(input: OutPoint, script_sig: Vec<u8>, value: u64, script: &Bytes) -> Transaction {
    let input = TxIn { previous_output: input, script_sig: script_sig.into(), sequence: u32::MAX };
    let output = TxOut { value: Amount(value), script_pubkey: script.clone() };
    Transaction { version: 1, inputs: vec![input], outputs: vec![output], lock_time: 0 }
}

fn seal(prev_hash: BlockHash, transactions: Vec<Transaction>) -> Candidate {
    let merkle_root = MerkleRoot::ZERO;
    let header =
        BlockHeader { version: 1, prev_hash, merkle_root, time: 1_730_000_000, bits: 0x203f_ffff, nonce: 0 };
    let mut block = Block { header, vdf: None, transactions };
    block.header.merkle_root = block.merkle_root();
    Candidate { hash: BlockHash::from_bytes(sha3_256(&block.header.to_bytes())), verified: true, block }
}

/// A chain whose blocks after the first each have the same number of signatures.
fn chain(params: &ChainParams) -> Vec<Candidate> {
    let key = PqdsaKeyPair::from_seed(&ML_DSA_65_SIGNING, &[7; 32]).expect("a seed");
    let script = key_hash_script(&key);
    let coinbase =
        |height: u32, value| transaction(OutPoint::NULL, height.to_le_bytes().to_vec(), value, &script);
    let share = params.consensus.initial_subsidy.0 / u64::from(SPENDS_PER_BLOCK); // enough for all the fees
    let mut funding = coinbase(1, share);
    funding.outputs = vec![funding.outputs[0].clone(); SPENDS_PER_BLOCK as usize];
    let txid = funding.txid();
    let mut unspent: Vec<OutPoint> = (0..SPENDS_PER_BLOCK).map(|index| OutPoint { txid, index }).collect();
    let mut blocks = vec![seal(params.genesis.hash, vec![funding])];
    for height in 2..2 + BLOCKS {
        let value = share - u64::from(height - 1) * FEE;
        let mut transactions = vec![coinbase(height, 0)];
        for outpoint in &mut unspent {
            let mut tx = transaction(*outpoint, Vec::new(), value, &script);
            sign(&key, &mut tx, params.chain_id);
            *outpoint = OutPoint { txid: tx.txid(), index: 0 };
            transactions.push(tx);
        }
        let prev = blocks.last().map_or(params.genesis.hash, |block| block.hash);
        blocks.push(seal(prev, transactions));
    }
    blocks
}

fn benches(criterion: &mut Criterion) {
    let mut params = ChainParams::from_toml(PARAMS).expect("the recording's parameters");
    params.consensus.coinbase_maturity = 1;
    let params = Arc::new(params);
    let blocks = chain(&params);
    let (funding, blocks) = blocks.split_at(1);
    let mut group = criterion.benchmark_group("chain/signatures");
    let signatures = u64::from(BLOCKS * SPENDS_PER_BLOCK);
    group.sample_size(20).throughput(Throughput::Elements(signatures));

    let spends = || blocks.iter().flat_map(|block| &block.block.transactions[1..]);
    let raw: Vec<([u8; 32], Proof<'_>)> = spends()
        .map(|tx| {
            let proof = Proof::read(&tx.inputs[0].script_sig, &params.transactions).expect("signed");
            (SigningHash::of(tx).message(0, params.chain_id), proof)
        })
        .collect();
    group.bench_function("limit: verify them on all cores", |bencher| {
        bencher.iter(|| {
            assert!(
                raw.par_iter().all(|(message, proof)| {
                    signature::verify(proof.public_key, message, proof.signature)
                })
            );
        });
    });
    for (name, policy) in [("connect, strict", Policy::Strict), ("connect, reference", Policy::Reference)] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || {
                    let folder = tempfile::tempdir().expect("a temporary folder");
                    let options = StoreOptions { policy: Some(policy), ..StoreOptions::default() };
                    let chain = Chainstate::open(folder.path(), Arc::clone(&params), options);
                    let mut chain = chain.expect("a new store");
                    assert!(chain.connect(funding).expect("a sound store").failure.is_none());
                    (chain, folder)
                },
                |(mut chain, folder)| {
                    assert_eq!(chain.connect(blocks).expect("a sound store").failure, None);
                    (chain, folder)
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(signatures, benches);
criterion_main!(signatures);
