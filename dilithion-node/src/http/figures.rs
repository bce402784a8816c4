//! Figures about the chain that both APIs give.

use dilithion_chain::{ChainReader, StoreError};
use dilithion_pow::{CompactTarget, Target};
use dilithion_wire::Height;

/// The target whose difficulty is 1 (`RPC_GetBlockchainInfo` of the C++ nodes).
const DIFFICULTY_ONE: CompactTarget = CompactTarget(0x1f06_0000);
/// Blocks whose median is the time of a chain (`nMedianTimeSpan` of Bitcoin Core).
const MEDIAN_BLOCKS: u32 = 11;

/// How much harder a block is than one of difficulty 1; 0 for a target that nothing meets.
pub(super) fn difficulty(bits: u32) -> f64 {
    let target = as_f64(CompactTarget(bits).target());
    if target > 0.0 { as_f64(DIFFICULTY_ONE.target()) / target } else { 0.0 }
}

fn as_f64(target: Target) -> f64 {
    target.to_le_bytes().iter().rev().fold(0.0, |sum, byte| sum * 256.0 + f64::from(*byte))
}

/// Median time of the last blocks up to a height, in seconds since 1970.
pub(super) fn median_time(store: &ChainReader, height: Height) -> Result<u32, StoreError> {
    let first = height.0.saturating_sub(MEDIAN_BLOCKS - 1);
    let mut times = Vec::new();
    for height in (first..=height.0).map(Height) {
        times.extend(store.header_at(height)?.map(|header| header.time));
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or(0))
}

/// Blocks over which the hash rate is estimated unless something else is asked for (`getnetworkhashps` of Bitcoin Core).
pub(super) const HASH_RATE_BLOCKS: u32 = 120;

/// Blocks over which it may be asked for: enough for two weeks of a block every two minutes, and read in milliseconds.
pub(super) const MAX_HASH_RATE_BLOCKS: u32 = 10_000;

/// Estimated RandomX hashes a second of the whole network: what the last `blocks` blocks up to a height took on average, by
/// the time between the earliest and the latest of them and of the block before (`GetNetworkHashPS` of Bitcoin Core). 0 if
/// that is none. Chain work is no measure: its unit is not a hash (spec: consensus §5c).
pub(super) fn network_hash_rate(store: &ChainReader, height: Height, blocks: u32) -> Result<f64, StoreError> {
    let first = Height(height.0.saturating_sub(blocks));
    let (mut hashes, mut earliest, mut latest) = (0.0, u32::MAX, 0);
    for height in (first.0..=height.0).map(Height) {
        let Some(header) = store.header_at(height)? else { continue };
        (earliest, latest) = (header.time.min(earliest), header.time.max(latest));
        if height > first {
            hashes += hashes_for(header.bits);
        }
    }
    let seconds = latest.saturating_sub(earliest);
    Ok(if seconds > 0 { hashes / f64::from(seconds) } else { 0.0 })
}

/// How many hashes it takes on average to meet a target; 0 for one that nothing meets.
fn hashes_for(bits: u32) -> f64 {
    let target = as_f64(CompactTarget(bits).target());
    // All hashes by those that meet it, of which 0 is one.
    if target > 0.0 { 2.0_f64.powi(256) / (target + 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difficulty_is_relative_to_that_of_the_reference_node() {
        assert!((difficulty(0x1f06_0000) - 1.0).abs() < 1e-12);
        assert!((difficulty(0x1f03_0000) - 2.0).abs() < 1e-12);
        assert!((difficulty(0x1e06_0000) - 256.0).abs() < 1e-9);
        assert!(difficulty(0).abs() < 1e-12);
    }

    #[test]
    fn a_target_takes_so_many_hashes() {
        // 2^240 of 2^256 hashes meet it.
        assert!((hashes_for(0x1f01_0000) - 65_536.0).abs() < 1e-6);
        assert!((hashes_for(0x203f_ffff) - 4.0).abs() < 1e-5);
        assert!(hashes_for(0).abs() < 1e-12);
    }
}
