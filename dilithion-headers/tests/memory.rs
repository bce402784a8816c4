//! What a header costs in memory, counted by the allocator.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use allocation_counter::{AllocationInfo, measure};
use dilithion_headers::{HeadersConfig, HeadersManager, StoredHeader};
use dilithion_wire::{BlockHash, BlockHeader, ChainParams, MerkleRoot, sha3_256};

/// So many that what is allocated ahead hardly counts. The first size is just after the tables of claims have grown,
/// the others are just before and after the index has.
const SIZES: [usize; 3] = [57_400, 88_700, 88_800];

/// Headers with their ids; each on the one before, or all on genesis.
fn stored(count: usize, verified: bool, in_a_row: bool) -> Vec<StoredHeader> {
    let params = ChainParams::regtest();
    let genesis = params.genesis_header();
    let mut prev_hash = params.genesis.hash;
    let one = |number: usize| {
        let nonce = u32::try_from(number).unwrap();
        let header = BlockHeader { prev_hash, merkle_root: MerkleRoot::ZERO, nonce, ..genesis };
        let hash = BlockHash::from_bytes(sha3_256(&header.to_bytes()));
        prev_hash = if in_a_row { hash } else { prev_hash };
        StoredHeader { header, hash, verified }
    };
    (0..count).map(one).collect()
}

fn tree_of(headers: &[StoredHeader]) -> AllocationInfo {
    let params = ChainParams::regtest();
    let mut manager = None;
    let info = measure(|| {
        let config = HeadersConfig::from_params(&params);
        let manager =
            manager.insert(HeadersManager::new(config, params.genesis_header(), params.genesis.hash));
        for header in headers {
            manager.restore(*header).unwrap();
        }
    });
    assert_eq!(manager.unwrap().len(), headers.len() + 1);
    info
}

/// Bytes per header, rounded up: kept, and at the worst moment on the way there.
fn bytes_per_header(headers: &[StoredHeader]) -> (u64, u64) {
    let info = tree_of(headers);
    let count = headers.len() as u64;
    (info.bytes_current.unsigned_abs().div_ceil(count), info.bytes_max.div_ceil(count))
}

#[test]
fn a_header_costs_160_bytes_at_most() {
    let headers = stored(SIZES[SIZES.len() - 1], true, true);
    for size in SIZES {
        let (kept, peak) = bytes_per_header(&headers[..size]);
        assert!(kept <= 160 && peak <= 160, "{size} headers: {kept} bytes each, {peak} at the peak");
    }
}

#[test]
fn an_unproved_header_costs_260_bytes_at_most() {
    let headers = stored(SIZES[SIZES.len() - 1], false, true);
    for size in SIZES {
        let (kept, _) = bytes_per_header(&headers[..size]);
        assert!(kept <= 260, "{size} headers: {kept} bytes each");
    }
}

#[test]
fn a_header_that_nothing_builds_on_costs_320_bytes_at_most() {
    let (kept, _) = bytes_per_header(&stored(SIZES[0], true, false));
    assert!(kept <= 320, "{kept} bytes each");
}
