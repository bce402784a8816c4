//! Putting maturity and heat together, and what that makes of a target.

use std::fmt;

use dilithion_pow::{CompactTarget, Target};
use dilithion_wire::{Height, MikParams};

use super::era::Era;
use super::heat::Heat;
use super::maturity::{age, maturity};
use super::standing::Standing;

/// A factor of one, in millionths (spec: consensus §13.4).
pub(super) const ONE: i64 = 1_000_000;

/// By how much the target is harder, in millionths. Shown as a decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Multiplier(pub i64);

impl Multiplier {
    /// No harder at all.
    pub const ONE: Self = Self(ONE);

    /// What is left of a target, at least 1. A factor below one, which only the wrapping of impossibly large ones gives,
    /// changes nothing (spec: mainnet-node §2.2).
    #[must_use]
    pub fn apply(self, target: Target) -> Target {
        target.hardened(u64::try_from(self.0).unwrap_or(0))
    }
}

impl fmt::Display for Multiplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let millionths = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:06}", millionths / ONE.unsigned_abs(), millionths % ONE.unsigned_abs())
    }
}

/// The factor for a miner of this standing at a height. The product of maturity and heat wraps as it does in the reference
/// node: exact up to 52 blocks of the last 360 (spec: mainnet-node §2.2).
#[must_use]
pub fn multiplier(standing: &Standing, height: Height, rules: &MikParams) -> Multiplier {
    let Some(era) = Era::at(height, rules) else { return Multiplier::ONE };
    let dynamic = Heat::is_dynamic(height, rules);
    let among = |count: u32| dynamic.then_some(count);
    let mut heat = Heat::of(era, among(standing.miners), rules).after(standing.mined);
    if era != Era::V2 {
        heat = heat.max(Heat::of(era, among(standing.payees), rules).after(standing.paid));
    }
    let maturity = maturity(era, age(era, standing, height, rules));
    Multiplier(maturity.wrapping_mul(heat) / ONE)
}

/// What the hash of a block with these `bits` must stay below if a miner of this standing made it.
#[must_use]
pub fn effective_target(bits: u32, standing: &Standing, height: Height, rules: &MikParams) -> Target {
    multiplier(standing, height, rules).apply(CompactTarget(bits).target())
}
