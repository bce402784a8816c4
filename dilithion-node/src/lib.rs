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
//! | [`producer`] | makes blocks on private networks: by a schedule, or when asked to |
//! | [`node`] | puts these together: [`Node::builder`], [`Node::start`] |
//! | [`event`] | what happens in a node, and who is told |
//! | [`http`] | the node over HTTP: JSON, JSON-RPC, figures, a page |
//! | [`mod@import`], [`records`] | files of block records |
//! | [`probe`] | measures how fast a node answers |
//! | [`demo`] | three nodes on loopback |
//! | [`json`] | blocks, transactions and messages as JSON |
//! | [`sim`] | whole networks of coordinators in virtual time, to hunt for bugs |
//! | [`observer`] | writes down what happens, for operators |
//! | [`journal`] | what the node did, in a chain of records |
//! | [`status_file`] | where the node stands, in `state.json` |
//! | [`hook`] | programs that the operator has the node run |
//! | [`usage`], [`limits`] | what the process uses, and may use |
//! | [`fanout`] | one question to several peers at once |
//! | [`daemon`] | one node a data directory, and in the background |
//! | [`durable`] | files that survive a crash |
//! | [`redact`] | keeps secrets out of logs and files |
//! | [`cli`] | the command line |
//! | [`clock`], [`random`] | the only places that read a clock, or draw a number |

// No input panics, nor does any other mistake of a caller.
#![warn(clippy::indexing_slicing, clippy::expect_used, clippy::unreachable)]

pub mod cli;
pub mod clock;
pub mod daemon;
pub mod demo;
pub mod durable;
pub mod event;
pub mod fanout;
pub mod hook;
pub mod http;
pub mod import;
pub mod journal;
pub mod json;
pub mod limits;
pub mod net;
pub mod node;
pub mod observer;
pub mod probe;
pub mod producer;
pub mod random;
pub mod records;
pub mod redact;
pub mod relay;
#[expect(
    clippy::indexing_slicing,
    reason = "a run of the simulator ends at its first fault; nothing in it comes from outside"
)]
pub mod sim;
pub mod stage;
pub mod status_file;
pub mod sync;
pub mod usage;

pub use node::{Node, NodeBuilder, NodeConfig, NodeError, NodeHandle};
