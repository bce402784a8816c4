#![doc = include_str!("../README.md")]
//!
//! # Contents
//!
//! | module | what |
//! |---|---|
//! | [`sync`] | the coordinator of initial block download: events in, actions out, no IO |
//! | [`net`] | connections on tokio: handshake, routing, serving blocks, limits, bans, slots, addresses |
//! | [`relay`] | relay of transactions: events in, actions out, no IO |
//! | [`stage`] | the engine thread that drives the coordinator, and the validator thread that owns the store |
//! | [`node`] | puts these together: [`Node::start`] |
//! | [`event`] | what happens in a node, and who is told |
//! | [`mod@import`], [`records`] | files of block records |
//! | [`probe`] | measures how fast a node answers |
//! | [`demo`] | three nodes on loopback |
//! | [`json`] | blocks, transactions and messages as JSON |
//! | [`sim`] | whole networks of coordinators in virtual time, to hunt for bugs |
//! | [`redact`] | keeps secrets out of logs and files |
//! | [`cli`] | the command line |
//! | [`clock`], [`random`] | the only places that read a clock, or draw a number |

pub mod cli;
pub mod clock;
pub mod demo;
pub mod event;
pub mod import;
pub mod json;
pub mod net;
pub mod node;
pub mod probe;
pub mod random;
pub mod records;
pub mod relay;
pub mod redact;
pub mod sim;
pub mod stage;
pub mod sync;

pub use node::{Node, NodeConfig, NodeError};
