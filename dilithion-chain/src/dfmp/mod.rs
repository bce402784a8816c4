//! The handicap of those who mine much (DFMP): by what factor the target of a block is harder for its miner (spec:
//! consensus §13.4).
//!
//! The factor is the product of two. *Maturity*: a new identity pays a surcharge, which it grows out of. *Heat*: whoever
//! mined much of the last blocks pays more for each further one, and so does whoever was paid by them. How much, depends
//! on the [`Era`]. All of it is integer arithmetic in millionths, wrapping where the reference node's wraps.
//!
//! ```
//! use dilithion_chain::dfmp::{Multiplier, Standing, multiplier};
//! use dilithion_wire::{ChainParams, Height};
//!
//! let rules = ChainParams::mainnet().mik.unwrap();
//! let nobody = Standing::default();
//! assert_eq!(multiplier(&nobody, Height(44_001), &rules), Multiplier(2_500_000));
//! let regular = Standing { first_seen: Some(Height(40_000)), mined: 14, ..nobody };
//! assert_eq!(multiplier(&regular, Height(44_001), &rules).to_string(), "1.500000");
//! ```

mod era;
mod heat;
mod maturity;
mod multiplier;
mod standing;
mod window;

pub use era::Era;
pub use heat::Heat;
pub use maturity::{age, maturity};
pub use multiplier::{Multiplier, effective_target, multiplier};
pub use standing::Standing;
pub use window::{HeatWindow, Mined};
