//! Sets of heights that never take much memory. No IO.

use std::ops::RangeInclusive;

use dilithion_wire::Height;

/// Ranges that are told apart. A peer that syncs takes long runs; one that downloads from eight nodes at once leaves gaps
/// where the others' blocks are, which it does not come back for. One less than a power of two: there is one more for a moment.
const MAX_RANGES: usize = 255;

/// Heights, as ranges in ascending order that neither meet nor overlap. What was put in is always found again; to stay
/// within its bound it may hold some that were not: those of the smallest gap are then taken as put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HeightRanges(Vec<RangeInclusive<u32>>);

impl HeightRanges {
    /// Puts a height in; tells whether it is new.
    pub(super) fn insert(&mut self, Height(height): Height) -> bool {
        // The first range that ends at the height or above it, or right below it.
        let next = self.0.partition_point(|range| range.end().saturating_add(1) < height);
        let Some(found) = self.0.get_mut(next).filter(|range| *range.start() <= height.saturating_add(1))
        else {
            self.0.insert(next, height..=height);
            self.merge_smallest_gap();
            return true;
        };
        if found.contains(&height) {
            return false;
        }
        *found = *found.start().min(&height)..=*found.end().max(&height);
        self.join(next);
        true
    }

    /// Whether nothing was put in.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Joins a range with the one above it, if they meet.
    fn join(&mut self, lower: usize) {
        let (Some(below), Some(above)) = (self.0.get(lower), self.0.get(lower + 1)) else { return };
        if below.end().saturating_add(1) >= *above.start() {
            self.fill_gap(lower);
        }
    }

    fn merge_smallest_gap(&mut self) {
        if self.0.len() <= MAX_RANGES {
            return;
        }
        let gap = |pair: &[RangeInclusive<u32>]| match pair {
            [below, above] => above.start().saturating_sub(*below.end()),
            _ => u32::MAX,
        };
        let smallest = self.0.windows(2).enumerate().min_by_key(|(_, pair)| gap(pair));
        if let Some((lower, _)) = smallest {
            self.fill_gap(lower);
        }
    }

    fn fill_gap(&mut self, lower: usize) {
        let above = self.0.remove(lower + 1);
        if let Some(below) = self.0.get_mut(lower) {
            *below = *below.start()..=*above.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use quickcheck::quickcheck;

    use super::*;

    fn of(heights: impl IntoIterator<Item = u32>) -> HeightRanges {
        let mut ranges = HeightRanges::default();
        for height in heights {
            ranges.insert(Height(height));
        }
        ranges
    }

    #[test]
    fn runs_are_one_range_in_whatever_order_they_come() {
        assert_eq!(of(0..100_000).0, [0..=99_999]);
        assert_eq!(of((0..1000).rev()).0, [0..=999]);
        assert_eq!(of([1, 3, 2, u32::MAX, u32::MAX - 1]).0, [1..=3, u32::MAX - 1..=u32::MAX]);
    }

    #[test]
    fn the_smallest_gap_is_given_up() {
        let mut heights: Vec<u32> = (0..255).map(|number| number * 10).collect();
        heights.push(2542);
        let mut ranges = of(heights);
        assert_eq!(ranges.0.len(), MAX_RANGES);
        assert!(!ranges.insert(Height(2541)), "it lies in the gap");
        assert!(ranges.insert(Height(5)));
    }

    quickcheck! {
        /// As long as there are few ranges they are a set of heights.
        fn few_ranges_are_exact(heights: Vec<u8>) -> bool {
            let (mut ranges, mut set) = (HeightRanges::default(), BTreeSet::new());
            heights.into_iter().all(|height| ranges.insert(Height(height.into())) == set.insert(height))
        }

        /// Whatever comes, what was put in is never new again, and the bound holds.
        fn what_was_put_in_is_found(heights: Vec<u32>, step: u16) -> bool {
            let scattered = (0..1000).map(|number| number * (u32::from(step) + 2));
            let heights: Vec<u32> = heights.into_iter().chain(scattered).collect();
            let mut ranges = of(heights.iter().copied());
            let apart = ranges.0.windows(2).all(|pair| pair[0].end() + 1 < *pair[1].start());
            apart && ranges.0.len() <= MAX_RANGES && heights.into_iter().all(|height| !ranges.insert(Height(height)))
        }
    }
}
