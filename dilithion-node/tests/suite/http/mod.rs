//! The HTTP server of a real node.

mod access;
mod actions;
mod browser;
mod chromium;
pub mod client;
mod documents;
mod hostile;
mod live;
mod openapi;
mod program;
mod rest;
mod rpc;
mod verdicts;
