//! Huge pages.

use std::fmt;

/// The pages below a large block of memory. Huge ones save 15 % of the time of a light hash, 40 % of a fast one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pages {
    /// Reserved huge pages (hugetlbfs).
    Reserved,
    /// Transparent huge pages.
    Transparent,
    /// Pages of the usual size.
    Small,
}

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reserved => "reserved huge pages",
            Self::Transparent => "transparent huge pages",
            Self::Small => "small pages",
        })
    }
}
