//! All methods, as data.

use std::future::Future;
use std::pin::Pin;

use serde_json::Value;

use super::args::Args;
use super::error::RpcError;
use super::{chain, control, network, sync, transactions};
use crate::http::app::App;

/// What a method comes to.
pub(super) type Answer = Result<Value, RpcError>;
/// A method at work.
pub(super) type Running = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A method.
pub(super) struct Method {
    pub(super) name: &'static str,
    /// Names of its parameters, in order.
    pub(super) params: &'static [&'static str],
    /// What it does, in a line.
    pub(super) help: &'static str,
    /// Whether this node has what it needs.
    pub(super) exists: fn(&App) -> bool,
    pub(super) run: fn(App, Args) -> Running,
}

/// All methods, by part.
pub(super) const METHODS: [&[Method]; 5] =
    [chain::METHODS, sync::METHODS, network::METHODS, transactions::METHODS, control::METHODS];

impl Method {
    /// A method that every node has.
    pub(super) const fn new(
        name: &'static str,
        params: &'static [&'static str],
        help: &'static str,
        run: fn(App, Args) -> Running,
    ) -> Self {
        Self { name, params, help, exists: |_| true, run }
    }

    /// A method that needs a part which not every node has.
    pub(super) const fn needing(self, exists: fn(&App) -> bool) -> Self {
        Self { exists, ..self }
    }

    /// The methods that this node has.
    pub(super) fn all(app: &App) -> impl Iterator<Item = &'static Self> + '_ {
        METHODS.into_iter().flatten().filter(|method| (method.exists)(app))
    }

    /// A method that this node has, by its name.
    pub(super) fn find(app: &App, name: &str) -> Option<&'static Self> {
        Self::all(app).find(|method| method.name == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_described() {
        let methods: Vec<&Method> = METHODS.into_iter().flatten().collect();
        let names: BTreeSet<&str> = methods.iter().map(|method| method.name).collect();
        assert_eq!(names.len(), methods.len());
        assert!(methods.iter().all(|method| !method.help.is_empty()));
    }
}
