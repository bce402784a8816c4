//! What the pool tells about itself.

use std::fmt;

use super::Queued;
use crate::HasherStats;

/// The pool at one moment. The text form is one line for people.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PowStats {
    /// Hashing threads.
    pub threads: usize,
    /// Niceness of the hashing threads, where they have one.
    pub niceness: Option<i32>,
    /// Threads at work now.
    pub busy: usize,
    /// Jobs that wait, not counting those at work.
    pub queued: Queued,
    /// Hashes computed so far.
    pub hashed: u64,
    /// Panics in the hasher or the sink so far: anything but 0 is a fault.
    pub panics: u64,
    /// Message of the last panic.
    pub last_panic: Option<String>,
    /// Mode, pages and progress of the hash function.
    pub hasher: HasherStats,
}

impl fmt::Display for PowStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { threads, busy, hashed, queued, hasher, .. } = self;
        write!(f, "{busy} of {threads} threads busy, {hashed} hashed, queued: {queued}; {hasher}")?;
        if let Some(panic) = &self.last_panic {
            write!(f, "; {} panics, the last: {panic}", self.panics)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pages, PowMode};

    #[test]
    fn reads_as_a_sentence() {
        let mut stats = PowStats {
            threads: 2,
            niceness: Some(10),
            busy: 1,
            queued: Queued { tip: 1, claims: 2000, background: 7 },
            hashed: 40,
            hasher: HasherStats {
                wanted: Some(PowMode::Auto),
                active: Some(PowMode::Light),
                pages: Some(Pages::Transparent),
                dataset_percent: Some(12),
                reason: None,
            },
            ..PowStats::default()
        };
        assert_eq!(
            stats.to_string(),
            "1 of 2 threads busy, 40 hashed, queued: 1 tip, 2000 claims, 7 background; \
             light mode (auto wanted), transparent huge pages, dataset 12 % built"
        );
        stats.panics = 1;
        stats.last_panic = Some("boom".to_owned());
        stats.hasher = HasherStats { reason: Some("no memory".to_owned()), ..HasherStats::default() };
        assert!(stats.to_string().ends_with("one mode; 1 panics, the last: boom"), "{stats}");
    }
}
