//! Light, fast or automatic hashing.

use std::fmt;
use std::str::FromStr;

use crate::PowError;

/// How RandomX hashes: with the 256 MiB cache alone, or with the 2080 MiB dataset made from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum PowMode {
    /// The cache only: ready in under a second, tens of hashes a second on a core.
    Light,
    /// The dataset too, from the start: several times faster once it is built (the work of about 2400 light
    /// hashes).
    Fast,
    /// Light, until enough hashes wait for the dataset to pay and memory is there for it; then fast.
    #[default]
    Auto,
}

impl PowMode {
    /// The name on command lines and in configuration files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Fast => "fast",
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for PowMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for PowMode {
    type Err = PowError;

    fn from_str(name: &str) -> Result<Self, PowError> {
        [Self::Light, Self::Fast, Self::Auto]
            .into_iter()
            .find(|mode| mode.as_str() == name)
            .ok_or_else(|| PowError::UnknownMode(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for mode in [PowMode::Light, PowMode::Fast, PowMode::Auto] {
            assert_eq!(mode.to_string().parse::<PowMode>().unwrap(), mode);
        }
        assert!(matches!("Fast".parse::<PowMode>(), Err(PowError::UnknownMode(name)) if name == "Fast"));
    }
}
