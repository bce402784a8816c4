//! The threads behind the network: the engine drives the coordinator, the validator owns the store.

mod engine;
mod validator;

pub(crate) use engine::{Engine, EngineParts};
pub use engine::{EngineHandle, StatusReceiver};
pub(crate) use validator::Validator;
