//! The threads behind the network: the engine drives the coordinator, the validator owns the store.

mod engine;
mod inputs;
mod judgement;
mod publisher;
mod round_robin;
mod store;
mod submission;
mod validator;
mod validator_thread;

pub(crate) use engine::{Engine, EngineParts};
pub(crate) use inputs::EngineEvent;
pub use inputs::EngineHandle;
pub(crate) use judgement::{Judgement, Verdict};
pub(crate) use publisher::DetailPublisher;
pub use publisher::{StatusReceiver, TipReceiver};
pub use store::BlockStore;
pub(crate) use submission::{Submission, Trial};
pub use validator::BlockValidator;
pub(crate) use validator_thread::{ValidatorThread, pending_ids};
