//! The crate against the rest of the repository: its recorded chain, its chain files, its fuzz targets. Not packaged.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[cfg(feature = "chain-file")]
mod chain_files;
mod fuzz_targets;
mod recorded;
