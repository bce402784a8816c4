//! Maturity: the surcharge of identities that are new.

use dilithion_wire::{Height, MikParams};

use super::era::Era;
use super::multiplier::ONE;
use super::standing::Standing;

/// How the surcharge goes down: one step after so many blocks, none after the last.
struct Steps {
    blocks: u32,
    millionths: &'static [i64],
}

/// spec: consensus §13.4.
const V2: Steps = Steps { blocks: 100, millionths: &[3_000_000, 2_500_000, 2_000_000, 1_500_000] };
/// spec: consensus §13.4.
const V30: Steps =
    Steps { blocks: 160, millionths: &[5_000_000, 4_000_000, 3_000_000, 2_000_000, 1_500_000] };
/// spec: consensus §13.4.
const V31: Steps = Steps { blocks: 100, millionths: &[2_000_000, 1_500_000, 1_250_000, 1_100_000] };
/// spec: consensus §13.4.
const V32: Steps =
    Steps { blocks: 100, millionths: &[2_500_000, 2_000_000, 1_500_000, 1_250_000, 1_100_000] };

/// The factor, in millionths, for an identity that was first seen so many blocks ago; `None`: never.
#[must_use]
pub fn maturity(era: Era, age: Option<u32>) -> i64 {
    let steps = match era {
        Era::V2 => V2,
        Era::V30 => V30,
        Era::V31 => V31,
        Era::V32 | Era::V33 | Era::V34 => V32,
    };
    let step = usize::try_from(age.unwrap_or(0) / steps.blocks).unwrap_or(usize::MAX);
    steps.millionths.get(step).copied().unwrap_or(ONE)
}

/// The age that an identity has at a height: blocks since it was first seen. From version 3 on, one that mined nothing for
/// long is left with an age that is not full ([`MikParams::dormancy_decay`]).
#[must_use]
pub fn age(era: Era, standing: &Standing, height: Height, rules: &MikParams) -> Option<u32> {
    let since = |past: Height| height.0.saturating_sub(past.0);
    let dormant = standing.last_mined.is_some_and(|last| since(last) > rules.dormancy_threshold);
    if dormant && era != Era::V2 {
        return Some(rules.dormancy_decay);
    }
    standing.first_seen.map(since)
}
