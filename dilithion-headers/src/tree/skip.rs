//! Walking down a branch in few steps: each node points at one further ancestor (Bitcoin Core's skip list).

use dilithion_wire::Height;

use super::{HeaderTree, NodeId};

/// Height that the node at `height` skips to.
fn skip_height(height: u32) -> u32 {
    let without_lowest_one = |n: u32| n & n.wrapping_sub(1);
    match height {
        0 | 1 => 0,
        odd if odd % 2 == 1 => without_lowest_one(without_lowest_one(odd - 1)) + 1,
        even => without_lowest_one(even),
    }
}

impl HeaderTree {
    /// The node that a child of `parent` skips to.
    pub(super) fn skip_of_child(&self, parent: NodeId) -> Option<NodeId> {
        self.ancestor(parent, Height(skip_height(self.node(parent).height.next().0)))
    }

    /// The node at `height` on the branch that ends in `node`; `None` if the branch is shorter.
    pub(crate) fn ancestor(&self, node: NodeId, height: Height) -> Option<NodeId> {
        let mut walk = node;
        if self.node(walk).height < height {
            return None;
        }
        if self.is_active(walk) {
            return self.active_at(height);
        }
        while self.node(walk).height > height {
            let at = self.node(walk).height.0;
            let (skip, parent_skip) = (skip_height(at), skip_height(at - 1));
            // Take the skip only if the parent's would not lead closer.
            let worth_it = skip == height.0
                || (skip > height.0 && !(parent_skip < skip.saturating_sub(2) && parent_skip >= height.0));
            let next = if worth_it { self.node(walk).skip } else { None };
            walk = next.or(self.node(walk).parent)?;
        }
        Some(walk)
    }

    /// The last node that both branches share.
    pub(crate) fn fork_point(&self, a: NodeId, b: NodeId) -> Option<NodeId> {
        let height = self.node(a).height.min(self.node(b).height);
        let (mut a, mut b) = (self.ancestor(a, height)?, self.ancestor(b, height)?);
        while a != b {
            // Nodes at one height skip to one height.
            let skips = (self.node(a).skip, self.node(b).skip);
            (a, b) = match skips {
                (Some(x), Some(y)) if x != y => (x, y),
                _ => (self.node(a).parent?, self.node(b).parent?),
            };
        }
        Some(a)
    }
}

#[cfg(test)]
mod tests {
    use super::skip_height;

    #[test]
    fn skips_go_down_and_get_far() {
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(skip_height), [0, 0, 0, 1, 0, 1, 4, 1, 0, 1]);
        assert!((1..10_000).all(|height| skip_height(height) < height));
    }
}
