//! The address manager: which nodes are known, and which to try next. No IO.

mod entry;
mod manager;
mod slot;

use entry::KnownAddress;
pub(super) use manager::{AddressManager, SavedAddresses};
