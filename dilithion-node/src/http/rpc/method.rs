//! All methods, as data.

use std::future::Future;
use std::pin::Pin;

use serde_json::Value;

use super::args::Args;
use super::error::RpcError;
use super::{chain, control, network, sync, transactions, verdict};
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
    pub(super) run: fn(App, Args) -> Running,
    /// It does something to the node, so that the journal says who asked for what.
    pub(super) is_action: bool,
}

/// All methods, by part.
pub(super) const METHODS: [&[Method]; 6] = [
    chain::METHODS,
    verdict::METHODS,
    sync::METHODS,
    network::METHODS,
    transactions::METHODS,
    control::METHODS,
];

impl Method {
    /// A method.
    pub(super) const fn new(
        name: &'static str,
        params: &'static [&'static str],
        help: &'static str,
        run: fn(App, Args) -> Running,
    ) -> Self {
        Self { name, params, help, run, is_action: false }
    }

    /// A method that does something to the node: it is written down when it is done.
    pub(super) const fn action(
        name: &'static str,
        params: &'static [&'static str],
        help: &'static str,
        run: fn(App, Args) -> Running,
    ) -> Self {
        Self { is_action: true, ..Self::new(name, params, help, run) }
    }

    /// All methods.
    pub(super) fn all() -> impl Iterator<Item = &'static Self> {
        METHODS.into_iter().flatten()
    }

    /// A method by its name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        Self::all().find(|method| method.name == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_described() {
        let methods: Vec<&Method> = Method::all().collect();
        let names: BTreeSet<&str> = methods.iter().map(|method| method.name).collect();
        assert_eq!(names.len(), methods.len());
        assert!(methods.iter().all(|method| !method.help.is_empty()));
    }
}
