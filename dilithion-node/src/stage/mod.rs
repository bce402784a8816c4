//! The threads behind the network: the engine drives the coordinator, the validator owns the store.

mod engine;
mod judgement;
mod store;
mod submission;
mod validator;
mod validator_thread;

pub(crate) use engine::EngineEvent;
pub(crate) use engine::{DetailPublisher, Engine, EngineParts};
pub use engine::{EngineHandle, StatusReceiver, TipReceiver};
pub(crate) use judgement::{Judgement, Verdict};
pub use store::BlockStore;
pub(crate) use submission::{Submission, Trial};
pub use validator::BlockValidator;
pub(crate) use validator_thread::ValidatorThread;
