//! What the header that comes next must have: for whoever makes blocks.

use dilithion_pow::CompactTarget;
use dilithion_pow::difficulty::Ancestor;
use dilithion_wire::{BlockHeader, Height};

use crate::HeadersConfig;
use crate::context::{MEDIAN_TIME_SPAN, TimeWindow};

impl HeadersConfig {
    /// How many of the latest headers have a say in [`median_time_past`](Self::median_time_past).
    pub const MEDIAN_TIME_SPAN: usize = MEDIAN_TIME_SPAN;

    /// The time that the next header must be after: the median of the latest
    /// [`MEDIAN_TIME_SPAN`](Self::MEDIAN_TIME_SPAN) headers' times, which stand in the order of the chain (spec: consensus
    /// §5b).
    #[must_use]
    pub fn median_time_past(times: &[u32]) -> u32 {
        let mut window = TimeWindow::default();
        times.iter().for_each(|time| window.push(*time));
        window.median()
    }

    /// The compact target that the header after `parent` carries if it has this time. Where the network leaves it open, it is
    /// what the rules would ask for. `ancestor` finds the branch's header at a height; it is asked once at most.
    #[must_use]
    pub fn next_bits(
        &self,
        (height, parent): (Height, &BlockHeader),
        time: u32,
        ancestor: impl FnOnce(Height) -> Option<BlockHeader>,
    ) -> u32 {
        let of = |header: &BlockHeader| Ancestor { time: header.time, bits: CompactTarget(header.bits) };
        let ancestor = |height| ancestor(Height(height)).as_ref().map(of);
        self.difficulty.next_bits(height.next().0, Some(time), of(parent), ancestor).0
    }

    /// The latest time that the header at `height` may have, if it is `unix_time` now (spec: consensus §5b, §12).
    #[must_use]
    pub fn latest_time(&self, height: Height, unix_time: u64) -> u64 {
        unix_time.saturating_add(self.max_future_seconds_at(height).into())
    }
}

#[cfg(test)]
mod tests {
    use dilithion_wire::ChainParams;

    use super::*;
    use crate::HeadersManager;

    #[test]
    fn the_median_is_that_of_the_latest_eleven() {
        let times: Vec<u32> = (0..20).rev().collect();
        assert_eq!(HeadersConfig::median_time_past(&times), 5);
        assert_eq!(HeadersConfig::median_time_past(&[4, 9]), 9);
        assert_eq!(HeadersConfig::median_time_past(&[7]), 7);
    }

    /// What is asked for here is what a header is checked against.
    #[test]
    fn a_header_made_by_these_rules_keeps_them() {
        let params = ChainParams::regtest();
        let config = HeadersConfig::from_params(&params);
        let genesis = params.genesis_header();
        let time = HeadersConfig::median_time_past(&[genesis.time]) + 1;
        let bits = config.next_bits((Height::GENESIS, &genesis), time, |_| None);
        let header = BlockHeader { prev_hash: params.genesis.hash, time, bits, ..genesis };
        let queue = |header: BlockHeader, now| {
            let mut headers = HeadersManager::new(config.clone(), genesis, params.genesis.hash);
            headers.queue_headers(dilithion_wire::PeerId(1), &[header], now).is_ok()
        };
        let now = u64::from(time);
        assert!(queue(header, now));
        assert!(!queue(BlockHeader { time: time - 1, ..header }, now));
        assert!(!queue(BlockHeader { bits: bits - 1, ..header }, now));
        let latest = u32::try_from(config.latest_time(Height(1), now)).unwrap();
        assert!(queue(BlockHeader { time: latest, ..header }, now));
        assert!(!queue(BlockHeader { time: latest + 1, ..header }, now));
    }
}
