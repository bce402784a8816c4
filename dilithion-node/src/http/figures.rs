//! Figures about the chain that both APIs give.

use dilithion_chain::{ChainReader, StoreError};
use dilithion_pow::{CompactTarget, Target, Work};
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

/// Estimated RandomX hashes a second of the whole network: the work of the last `blocks` blocks up to a height, by the time
/// between the earliest and the latest of them and of the block before (`GetNetworkHashPS` of Bitcoin Core). 0 if that is
/// none.
pub(super) fn network_hash_rate(store: &ChainReader, height: Height, blocks: u32) -> Result<f64, StoreError> {
    let first = Height(height.0.saturating_sub(blocks));
    let (Some(before), Some(after)) = (store.work_at(first)?, store.work_at(height)?) else {
        return Ok(0.0);
    };
    let mut times = Vec::new();
    for height in (first.0..=height.0).map(Height) {
        times.extend(store.header_at(height)?.map(|header| header.time));
    }
    let span = |times: &[u32]| Some(times.iter().max()?.saturating_sub(*times.iter().min()?));
    let seconds = span(&times).filter(|seconds| *seconds > 0);
    Ok(seconds.map_or(0.0, |seconds| work_as_f64(after.saturating_sub(before)) / f64::from(seconds)))
}

fn work_as_f64(work: Work) -> f64 {
    work.to_be_bytes().iter().fold(0.0, |sum, byte| sum * 256.0 + f64::from(*byte))
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
}
