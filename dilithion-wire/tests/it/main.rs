//! The crate against what the reference nodes said and computed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[cfg(all(feature = "codec", feature = "quickcheck"))]
mod allocations;
mod examples;
#[cfg(all(feature = "serde", feature = "quickcheck"))]
mod json;
mod sessions;
mod vectors;

use bytes::Bytes;

fn unhex(text: &str) -> Bytes {
    hex::decode(text).unwrap().into()
}
