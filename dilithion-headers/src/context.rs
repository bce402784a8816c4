//! What a header's rules need to know of the headers before it.

use dilithion_pow::CompactTarget;
use dilithion_pow::difficulty::Ancestor;
use dilithion_wire::Height;

use crate::HeadersConfig;
use crate::tree::{HeaderTree, NodeId};

/// Predecessors whose times count for the median time past (spec: consensus §5b).
pub(crate) const MEDIAN_TIME_SPAN: usize = 11;

/// The times of the latest headers of a branch.
#[derive(Debug, Clone, Default)]
pub(crate) struct TimeWindow {
    times: [u32; MEDIAN_TIME_SPAN],
    len: usize,
}

impl TimeWindow {
    /// The times up to and with `tip`.
    pub(crate) fn ending_at(tree: &HeaderTree, tip: NodeId) -> Self {
        let mut times: Vec<u32> = tree
            .self_and_ancestors(tip)
            .take(MEDIAN_TIME_SPAN)
            .map(|node| tree.node(node).header.time)
            .collect();
        times.reverse();
        let mut window = Self::default();
        times.into_iter().for_each(|time| window.push(time));
        window
    }

    /// Adds the next header's time; the oldest falls out of a full window.
    pub(crate) fn push(&mut self, time: u32) {
        if self.len == MEDIAN_TIME_SPAN {
            self.times.rotate_left(1);
            self.len -= 1;
        }
        if let Some(slot) = self.times.get_mut(self.len) {
            *slot = time;
            self.len += 1;
        }
    }

    /// Median time past of the header that comes next: element n/2 in ascending order.
    pub(crate) fn median(&self) -> u32 {
        let mut sorted = self.times;
        let used = sorted.get_mut(..self.len).unwrap_or_default();
        used.sort_unstable();
        used.get(used.len() / 2).copied().unwrap_or(0)
    }
}

/// The compact target that the header at `height`, with this time, must have, or `None` where the network leaves it open.
///
/// `ancestor` finds the branch's header at a height; it is asked once at most.
pub(crate) fn expected_bits(
    config: &HeadersConfig,
    height: Height,
    time: u32,
    parent: Ancestor,
    ancestor: impl FnOnce(Height) -> Option<Ancestor>,
) -> Option<CompactTarget> {
    if config.enforce_bits_above.is_none_or(|above| height <= above) {
        return None;
    }
    Some(config.difficulty.next_bits(height.0, Some(time), parent, |height| ancestor(Height(height))))
}
