//! The named scenarios. To add one, say in [`Plan`](super::Plan)'s words who takes part, what happens and by when every
//! honest node must have the best chain, and put it into one of these lists; everything else is checked anyway.

mod bugs_download;
mod bugs_forks;
mod bugs_headers;
mod bugs_peers;
mod honest;
mod hostile;
mod trouble;

use super::Scenario;

/// All scenarios: networks without and with trouble, hostile peers, and the bugs that the C++ node had, by number.
#[must_use]
pub fn all() -> Vec<Scenario> {
    [
        honest::SCENARIOS,
        trouble::SCENARIOS,
        hostile::SCENARIOS,
        bugs_download::SCENARIOS,
        bugs_headers::SCENARIOS,
        bugs_forks::SCENARIOS,
        bugs_peers::SCENARIOS,
    ]
    .concat()
}

/// The scenario of a name.
#[must_use]
pub fn by_name(name: &str) -> Option<Scenario> {
    all().into_iter().find(|scenario| scenario.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        let names: std::collections::BTreeSet<&str> = all().iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), all().len());
        assert!(names.iter().all(|name| by_name(name).is_some()));
        assert!(by_name("nonsense").is_none());
    }
}
