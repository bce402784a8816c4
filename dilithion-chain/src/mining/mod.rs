//! Making blocks on networks whose miners have identities: for tests, and for producers on private networks. No wallet.
//!
//! ```
//! use dilithion_chain::dfmp::Standing;
//! use dilithion_chain::mining::{BlockPlan, MinerKey};
//! use dilithion_wire::{ChainParams, Height};
//!
//! # let toml = include_str!("../../../testdata/private-m/private-m.toml");
//! let params = ChainParams::from_toml(toml)?;
//! let key = MinerKey::from_seed(&[7; 32])?;
//! let plan = BlockPlan::on(&params, params.genesis.hash, Height(1), params.genesis.time + 240);
//! let block = plan.mined_by(&key, &key.registration(&params, Height(1), None))?;
//! // What is left is the proof of work: count `block.header.nonce` up until the id meets the target, which is harder for a
//! // miner who made much lately. `ChainReader::standing` knows that; nobody made anything yet.
//! let target = plan.target(&Standing::default());
//! assert_eq!(block.transactions[0].outputs.len(), 3); // the miner, and the development's two
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod key;
mod plan;
mod script;

pub use key::{KeyError, MinerKey};
pub use plan::BlockPlan;
pub use script::{Claim, SeedAttestation};
