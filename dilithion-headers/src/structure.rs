//! The checks that need no hashing (spec: design §3, consensus §4–§5c).

use std::collections::HashSet;

use dilithion_pow::difficulty::Ancestor;
use dilithion_pow::{CompactTarget, Target, Work};
use dilithion_wire::{BlockHash, BlockHeader, Height};

use crate::context::{TimeWindow, expected_bits};
use crate::tree::{HeaderTree, NodeId};
use crate::{HeaderFault, HeadersConfig, HeadersError};

/// The ids of a batch as far as its own headers name them: each by the next one's prev field, the last is unknown.
pub(crate) fn claim(headers: &[BlockHeader], position: usize) -> Option<BlockHash> {
    headers.get(position + 1).map(|next| next.prev_hash)
}

/// Checks headers that are to follow `parent`, each on the one before.
pub(crate) fn check_batch(
    config: &HeadersConfig,
    tree: &HeaderTree,
    parent: NodeId,
    headers: &[BlockHeader],
    unix_time: u64,
) -> Result<(), HeadersError> {
    let base = tree.node(parent);
    let of = |header: &BlockHeader| Ancestor { time: header.time, bits: CompactTarget(header.bits) };
    let ancestor = |height: Height| match height.0.checked_sub(base.height.next().0) {
        Some(position) => headers.get(position as usize).map(of),
        None => tree.ancestor(parent, height).map(|node| of(&tree.node(node).header)),
    };

    let mut window = TimeWindow::ending_at(tree, parent);
    let mut above = of(&base.header);
    let mut height = base.height;
    let mut work = base.work;
    let mut claims = HashSet::with_capacity(headers.len());
    for (position, header) in headers.iter().enumerate() {
        height = height.next();
        let bad = |fault| HeadersError::BadHeader { height, fault };
        check_version(config, header.version).map_err(bad)?;
        // The reference node did not enforce this rule when it made the chains that have checkpoints, and what they
        // contain is settled by them (spec: consensus §0).
        let median = if config.is_below_checkpoint(height) { 0 } else { window.median() };
        let latest = unix_time.saturating_add(config.max_future_seconds_at(height).into());
        check_time(header.time, median, latest).map_err(bad)?;
        work = add_work(work, header.bits).map_err(bad)?;
        if let Some(expected) = expected_bits(config, height, header.time, above, ancestor)
            && expected.0 != header.bits
        {
            return Err(bad(HeaderFault::Bits { bits: header.bits, expected: expected.0 }));
        }
        if let Some(hash) = claim(headers, position) {
            check_id(config, header, height, &hash).map_err(bad)?;
            if !claims.insert(hash) {
                return Err(bad(HeaderFault::RepeatedClaim { hash }));
            }
        }
        window.push(header.time);
        above = of(header);
    }
    Ok(())
}

/// spec: consensus §5c of the recorded chains (1…4), §1 of the networks with a second layout.
fn check_version(config: &HeadersConfig, version: i32) -> Result<(), HeaderFault> {
    let other_layout = config.vdf_header_version > 0 && version >= config.vdf_header_version;
    if version > 0 && !other_layout { Ok(()) } else { Err(HeaderFault::Version(version)) }
}

fn check_time(time: u32, median: u32, limit: u64) -> Result<(), HeaderFault> {
    match time {
        0 => Err(HeaderFault::ZeroTime),
        _ if time <= median => Err(HeaderFault::TimeTooOld { time, median }),
        _ if u64::from(time) > limit => Err(HeaderFault::TimeTooNew { time, limit }),
        _ => Ok(()),
    }
}

/// Work of the chain with one more block. It must grow: the best chain is told by it.
fn add_work(chain: Work, bits: u32) -> Result<Work, HeaderFault> {
    let compact = CompactTarget(bits);
    let sum = chain.saturating_add(compact.work());
    if compact.target() == Target::ZERO || sum <= chain || sum == Work::MAX {
        return Err(HeaderFault::Target { bits });
    }
    Ok(sum)
}

/// What must hold for a header's id, claimed or computed.
pub(crate) fn check_id(
    config: &HeadersConfig,
    header: &BlockHeader,
    height: Height,
    hash: &BlockHash,
) -> Result<(), HeaderFault> {
    if !meets_target(header, hash) {
        return Err(HeaderFault::Work { hash: *hash });
    }
    match config.checkpoint_at(height) {
        Some(expected) if expected != *hash => Err(HeaderFault::Checkpoint { hash: *hash, expected }),
        _ => Ok(()),
    }
}

/// Whether the id, as a number, is below the header's own target.
pub(crate) fn meets_target(header: &BlockHeader, hash: &BlockHash) -> bool {
    CompactTarget(header.bits).target().is_met_by(hash.as_bytes())
}
