//! What limits a figure: another figure of the same run, or a number with its source.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::criterion::Figure;

/// The file `limits.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    limit: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The figure's name; one `*` stands for any text.
    figure: String,
    /// The figure that limits it; its `*` stands for the same text.
    of: Option<String>,
    /// Or what limits it, in the figure's own unit.
    value: Option<f64>,
    says: String,
}

/// What a figure is held against.
#[derive(Serialize)]
pub(crate) struct Limit {
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) says: String,
}

impl Limit {
    /// Less time is more, and so is a higher rate.
    pub(crate) fn reached(&self, figure: &Figure) -> f64 {
        let (value, unit) = figure.shown();
        if unit == "ns" { self.value / value } else { value / self.value }
    }
}

impl Limits {
    pub(crate) fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).expect("limits.toml is beside the benchmarks");
        toml::from_str(&text).expect("limits.toml says what limits what")
    }

    /// The limit of a figure, if one is known and, where it is a figure itself, was measured in this run.
    pub(crate) fn of(&self, figure: &Figure, all: &[Figure]) -> Option<Limit> {
        self.limit.iter().find_map(|entry| {
            let star = matched(&entry.figure, &figure.name)?;
            let (_, unit) = figure.shown();
            let value = match (&entry.of, entry.value) {
                (Some(of), _) => {
                    let name = of.replace('*', star);
                    let limit = all.iter().find(|figure| figure.name == name)?;
                    if unit == "ns" { limit.nanos_each() } else { 1e9 / limit.nanos_each() }
                }
                (None, value) => value?,
            };
            Some(Limit { value, unit, says: entry.says.replace('*', star) })
        })
    }
}

/// What the `*` of a pattern stands for in a name that it matches; nothing, if it has none.
fn matched<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    match pattern.split_once('*') {
        Some((before, after)) => name.strip_prefix(before)?.strip_suffix(after),
        None => (pattern == name).then_some(""),
    }
}
