//! Placeholder target; the runnable files are listed in `Cargo.toml`.
