//! Headers are linked at once by the ids they claim, and proved later, in any order.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use dilithion_headers::{HeadersConfig, HeadersManager};
use dilithion_wire::{BlockHash, BlockHeader, ChainParams, MerkleRoot, PeerId, sha3_256};

/// Stands for RandomX, which takes a hundred thousand times as long.
fn hash(header: &[u8; 80]) -> [u8; 32] {
    sha3_256(header)
}

/// A header on top of `parent` whose hash meets its target.
fn mine(parent: BlockHash, time: u32) -> BlockHeader {
    let bits = 0x203f_ffff;
    let template =
        BlockHeader { version: 1, prev_hash: parent, merkle_root: MerkleRoot::ZERO, time, bits, nonce: 0 };
    let candidates = (0..).map(|nonce| BlockHeader { nonce, ..template });
    candidates.into_iter().find(|header| hash(&header.to_bytes())[31] < 0x3f).expect("one in four does")
}

fn main() -> anyhow::Result<()> {
    let params = ChainParams::regtest();
    let genesis = params.genesis_header();
    let mut batch = Vec::new();
    let mut parent = params.genesis.hash;
    for position in 1..=2000 {
        let header = mine(parent, genesis.time + position * 240);
        parent = BlockHash::from_bytes(hash(&header.to_bytes()));
        batch.push(header);
    }

    let mut headers = HeadersManager::new(HeadersConfig::from_params(&params), genesis, params.genesis.hash);
    let now = u64::from(genesis.time) + 10_000_000;
    let queued = headers.queue_headers(PeerId(1), &batch, now)?;
    println!("{} headers came in; {} hashes decide whether they are kept", queued.new, queued.jobs.len());

    let mut jobs = queued.jobs;
    let mut hashed = 0;
    while let Some(job) = jobs.pop() {
        let effects = headers.on_hash(job.token, hash(&job.header));
        hashed += 1;
        for accepted in &effects.accepted {
            println!(
                "after {hashed} hashes: kept up to height {}, blocks can be requested",
                accepted.last_height
            );
        }
        jobs.extend(effects.jobs);
    }
    println!("after {hashed} hashes: proved up to height {}", headers.ready_height());
    assert_eq!(headers.ready_height(), headers.best_height());
    Ok(())
}
