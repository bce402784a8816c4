//! The pending heights by the peer that they avoid.

use alloc::collections::{BTreeMap, BTreeSet};

/// The pending heights, grouped by the peer that they avoid.
///
/// The grouping is what finds the lowest height for a peer without walking over all those that avoid it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingIndex<P, H> {
    /// No group is empty.
    groups: BTreeMap<Option<P>, BTreeSet<H>>,
    /// The lowest height of each group.
    heads: BTreeSet<(H, Option<P>)>,
}

impl<P: Copy + Ord, H: Copy + Ord> PendingIndex<P, H> {
    pub(crate) fn new() -> Self {
        Self { groups: BTreeMap::new(), heads: BTreeSet::new() }
    }

    /// The lowest height, and the peer that it avoids.
    pub(crate) fn lowest(&self) -> Option<(H, Option<P>)> {
        self.heads.first().copied()
    }

    /// The lowest height that does not avoid `peer`.
    pub(crate) fn lowest_for(&self, peer: P) -> Option<H> {
        // Each group has one head, so this is the first or the second.
        self.heads.iter().find(|(_, avoid)| *avoid != Some(peer)).map(|&(height, _)| height)
    }

    /// The heights that avoid `peer`, ascending.
    pub(crate) fn avoiding(&self, peer: P) -> impl Iterator<Item = H> {
        self.groups.get(&Some(peer)).into_iter().flatten().copied()
    }

    /// Applies `change` to the group of heights that avoid `avoid`, and keeps the heads in step.
    pub(crate) fn update(&mut self, avoid: Option<P>, change: impl FnOnce(&mut BTreeSet<H>) -> bool) {
        let group = self.groups.entry(avoid).or_default();
        let before = group.first().copied();
        change(group);
        let after = group.first().copied();
        if before != after {
            if let Some(head) = before {
                self.heads.remove(&(head, avoid));
            }
            match after {
                Some(head) => {
                    self.heads.insert((head, avoid));
                }
                None => {
                    self.groups.remove(&avoid);
                }
            }
        }
    }
}
