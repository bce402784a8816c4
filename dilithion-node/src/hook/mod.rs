//! Programs that the operator has the node run: when a block came, the chain was reorganised, something is wrong, and
//! before the node starts.
//!
//! A hook is a program with arguments, not a shell line, so nothing that a peer says can become a command. It runs in a
//! process group of its own. When its time is up the whole group gets SIGTERM, and SIGKILL some seconds later; nothing of
//! it stays behind. No hook can hang the node: all but the startup gate run on one [`HookWorker`] thread.

mod command;
mod run;
mod worker;

pub use self::command::{HookCommand, ParseHookError};
pub use self::run::{
    DEFAULT_GRACE, DEFAULT_MAX_OUTPUT, DEFAULT_TIMEOUT, End, HookLimits, HookOptions, Outcome, Stop, run,
};
pub use self::worker::{HookEdge, HookKind, HookQueue, HookReport, HookWorker, Hooks, MAX_QUEUED};

#[cfg(test)]
mod tests;
