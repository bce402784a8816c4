//! The emergency adjustment: after a long gap the next block is easier, and what follows inherits that (spec: consensus
//! §12.3a).

use ruint::aliases::U256;

use super::retarget::Product;
use crate::{CompactTarget, Target};

/// Block times without a block until it begins.
const PATIENCE: i64 = 6;
/// The same from version 3 on.
const PATIENCE_V3: i64 = 15;
/// Most steps at once.
const MAX_STEPS: i64 = 20;
/// A step makes the target a quarter larger.
const STEP: (u64, u64) = (5, 4);

/// How many steps a block gets that comes `gap` seconds after its parent, if any.
pub(super) fn steps(block_time: u32, patient: bool, gap: i64) -> Option<u32> {
    let threshold = i64::from(block_time) * if patient { PATIENCE_V3 } else { PATIENCE };
    if threshold == 0 || gap <= threshold {
        return None;
    }
    let steps = ((gap - threshold) / threshold + 1).min(MAX_STEPS);
    u32::try_from(steps).ok()
}

/// The target after so many steps, each rounded down.
pub(super) fn ease(base: CompactTarget, steps: u32) -> CompactTarget {
    let (times, over) = STEP;
    let step = |target: U256| -> U256 {
        let product: Product = target.widening_mul(ruint::Uint::<64, 1>::from(times));
        (product / Product::from(over)).wrapping_to()
    };
    Target((0..steps).fold(base.target().0, |target, _| step(target))).to_compact()
}
