//! The address manager: which nodes are known, and which to try next. No IO.
//!
//! Made as Bitcoin Core's against eclipse: addresses lie in buckets that a secret key chooses by the network they are in
//! and the network that told of them, so that one network, or one liar, reaches only a few buckets; picking goes by
//! bucket, so that filling them brings little. Addresses that once worked are kept apart, and yield only to others that
//! work when they no longer do.

mod entry;
mod manager;
mod slot;

pub use entry::KnownAddress;
pub use manager::AddressManager;
pub(super) use manager::SavedAddresses;
