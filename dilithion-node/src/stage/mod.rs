//! The threads behind the network: the engine drives the coordinator, the validator owns the store.

mod engine;
mod store;
mod validator;
mod validator_thread;

pub(crate) use engine::{Engine, EngineParts};
pub use engine::{EngineHandle, StatusReceiver};
pub use store::BlockStore;
pub use validator::BlockValidator;
pub(crate) use validator_thread::ValidatorThread;
