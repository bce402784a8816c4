//! How much of the rules is enforced.

/// Which of the rules for blocks are enforced (spec: consensus §0).
///
/// The reference nodes check far less of a block from the network than their rules say. Honest miners keep the rules, so
/// a strict node follows the same chain; a dishonest one could part it from the reference nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "chain-file", derive(serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Policy {
    /// All rules.
    #[default]
    Strict,
    /// Only what the network of reference nodes enforces.
    Reference,
}
