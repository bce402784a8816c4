//! Messages that blocks of private networks carry: those that wait for a block, and those of the chain.
//!
//! Both change in the transaction that moves the tip: a block enters its messages and takes exactly these off the ones
//! that wait, and one that is disconnected gives them back. `docs/messages.md` of the repository has the layouts.

mod error;
mod follow;
mod pool;
mod read;
mod room;

pub use error::MessageError;
pub(crate) use follow::{check_block, connect_block, disconnect_block, forget_from, rebuild};
pub use pool::{DEFAULT_MAX_PENDING_MESSAGE_BYTES, MessagePool};
pub use room::MessageRoom;
