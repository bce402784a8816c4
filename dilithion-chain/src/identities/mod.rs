//! The identity store: who mined what on the active chain, kept in step with it.
//!
//! What a block says about its miner changes two tables in the block's own transaction, and any disconnect restores them
//! exactly: the state is a function of the chain. The reference node's is not (spec: mainnet-node §2.3, consensus §13.4);
//! under [`Policy::Reference`](dilithion_wire::Policy::Reference) neither is ours, until the store is opened under the
//! strict policy again.

mod batch;
mod mined;
mod rebuild;
mod state;

pub(crate) use batch::IdentityBatch;
pub(crate) use rebuild::{check_all, check_block, fill, forget, settle};
pub(crate) use state::{ConnectedMiner, MinerState, standing};
