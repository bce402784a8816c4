//! What is stored, and how: one LMDB environment with a named database per kind of record.
//!
//! | database | key | value |
//! |---|---|---|
//! | `index` | block hash | insertion number |
//! | `headers` | insertion number | hash, height, proof flag, 80-byte header |
//! | `blocks` | insertion number | payload of a `block` message |
//! | `undo` | insertion number | outputs that the block removed, checksum |
//! | `heights` | height | insertion number, hash, chain work (active chain only) |
//! | `utxo` | txid, index | value, height, coinbase flag, script |
//! | `identities` | miner | first and last height, key |
//! | `miners` | height | miner, payee, what undoing it takes (active chain only) |
//! | `revoked` | hash of a block that the operator refuses | nothing |
//! | `metadata` | name | tip, genesis, schema version, network, next insertion number, lowest body, whether miners have identities |
//! | `pending` | kind of record, and number, id, output or fee rate | see [`pending`] and [`pending_messages`] |
//! | `messages` | id of a message | height, message (active chain of private networks only) |
//!
//! A block gets its insertion number when its header is first stored. Numbers only rise, and a header comes after its
//! parent, so bodies, headers and undo records are appended in order and a walk by number meets parents first.

pub(crate) mod blocks;
pub(crate) mod env;
#[cfg(feature = "fault-injection")]
mod faults;
pub(crate) mod headers;
pub(crate) mod heights;
pub(crate) mod lock;
mod map;
pub(crate) mod messages;
pub(crate) mod metadata;
pub(crate) mod miners;
pub(crate) mod pages;
pub(crate) mod pending;
pub(crate) mod pending_messages;
pub(crate) mod pending_transaction;
mod record;
pub(crate) mod tables;
pub(crate) mod txn;
pub(crate) mod undo;
pub(crate) mod utxo;
