//! The address manager: which nodes are known, and which to try next. No IO.

mod entry;
mod manager;
mod slot;

pub use entry::KnownAddress;
pub use manager::AddressManager;
pub(super) use manager::SavedAddresses;
