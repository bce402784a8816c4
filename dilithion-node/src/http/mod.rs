//! The node over HTTP: what it does, and a few things that it can be told. On loopback unless told otherwise.
//!
//! | path | what |
//! |---|---|
//! | `GET /` | a page that shows the node live |
//! | `GET /api/v1/…` | the same as JSON, described by `GET /api/v1/openapi.json` |
//! | `GET /api/v1/events` | the same as it changes (server-sent events) |
//! | `POST /api/v1/action/…` | acts on the node; needs the token of `<datadir>/.cookie` |
//! | `POST /` | JSON-RPC 2.0 with the methods and fields of the C++ nodes; needs the token, and `X-Dilithion-RPC: 1` |
//! | `GET /metrics` | for Prometheus (`docs/metrics.md`) |
//! | `GET /healthy`, `/ready`, `/health`, `/height`, `/latest`, `/block/H` | for scripts |
//!
//! Answers come from snapshots and from the store; no request waits for the engine, and none can make it wait. What
//! each request passes before it is answered is in `guard`; how many are served at a time, in `slots`.
//!
//! | module | what |
//! |---|---|
//! | `config`, `cookie`, `guard`, `slots` | who may ask, how much, how long |
//! | `server`, `routes`, `app`, `error` | the server itself |
//! | `rest`, `events`, `page` | the API for people and programs |
//! | `rpc` | the API of the C++ nodes |
//! | `metrics` | figures for Prometheus |
//! | `services` | where other parts of a node join in |

mod app;
mod config;
mod cookie;
mod error;
mod events;
mod figures;
mod guard;
mod held;
mod metrics;
mod page;
mod rest;
mod routes;
mod rpc;
mod server;
mod services;
mod slots;

pub use config::{Allowed, BadAllowed, HttpConfig};
pub use cookie::{COOKIE_FILE, COOKIE_USER, Credentials};
pub use error::ApiError;
pub use guard::{MAX_BODY_BYTES, READ_TIMEOUT};
pub use rpc::RPC_HEADER;
pub use server::{HttpError, HttpListener, HttpServer};
pub use services::{JournalSource, Services};
pub use slots::MAX_CONNECTIONS;
