//! Heat: the surcharge of those who mined much lately.

use dilithion_wire::{Height, MikParams};

use super::era::Era;
use super::multiplier::ONE;

/// How the surcharge goes up with the number of blocks: none for the free ones, then evenly to the top of a ramp, then by
/// a constant factor for each further block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heat {
    free: u32,
    ramp: u32,
    /// In millionths.
    top: i64,
    /// In percent.
    growth: u64,
}

impl Heat {
    /// spec: consensus §13.4.
    const V2: Self = Self { free: 20, ramp: 5, top: 1_500_000, growth: 108 };
    /// Also of version 3.2 (spec: consensus §13.4).
    const V30: Self = Self { free: 12, ramp: 1, top: 2_000_000, growth: 158 };
    /// spec: consensus §13.4.
    const V31: Self = Self { free: 36, ramp: 1, top: 1_500_000, growth: 108 };
    /// spec: consensus §13.4.
    const V33: Self = Self { free: 12, ramp: 12, top: 4_000_000, growth: 158 };
    /// Of an identity whose machine was not verified (spec: consensus §13.4).
    const V34: Self = Self { free: 3, ramp: 21, top: 4_000_000, growth: 158 };

    /// The curve of an era among so many different miners, or payees. Few of them leave more free blocks to each; `None`
    /// and 0 of them, the least.
    #[must_use]
    pub fn of(era: Era, among: Option<u32>, rules: &MikParams) -> Self {
        let curve = match era {
            Era::V2 => Self::V2,
            Era::V30 | Era::V32 => Self::V30,
            Era::V31 => Self::V31,
            Era::V33 => return Self::V33,
            Era::V34 => return Self::V34,
        };
        let share = among.and_then(|among| rules.observation_window.checked_div(among)).unwrap_or(0);
        Self { free: curve.free.max(share), ..curve }
    }

    /// Whether the number of miners counts at a height.
    #[must_use]
    pub fn is_dynamic(height: Height, rules: &MikParams) -> bool {
        height >= rules.dynamic_scaling_height
    }

    /// The factor, in millionths, for a block after so many others. Exact for up to 77 of them; then the steps wrap as
    /// they do in the reference node (spec: mainnet-node §2.2).
    #[must_use]
    pub fn after(self, blocks: u32) -> i64 {
        let above = blocks.saturating_sub(self.free);
        if above <= self.ramp {
            return ONE + (self.top - ONE) * i64::from(above) / i64::from(self.ramp);
        }
        let steps = above - self.ramp;
        let heat = (0..steps).fold(self.top.cast_unsigned(), |heat, _| heat.wrapping_mul(self.growth) / 100);
        // A hundredth of what 64 bits hold has no sign.
        heat.cast_signed()
    }
}
