//! What the server answers from. The node itself is always there; a part that is not has no routes and no methods.

use std::fmt;
use std::io;
use std::sync::Arc;

use serde_json::Value;

use crate::node::NodeHandle;
use crate::observer::Observer;

/// What the server answers from.
#[derive(Clone)]
pub struct Services {
    /// The node.
    pub node: NodeHandle,
    /// The record of events, if one is kept.
    pub journal: Option<Arc<dyn JournalSource>>,
}

impl Services {
    /// The node alone.
    #[must_use]
    pub fn new(node: NodeHandle) -> Self {
        Self { node, journal: None }
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services")
            .field("node", &self.node)
            .field("journal", &self.journal.is_some())
            .finish()
    }
}

/// Events of the node, in order. Calls may wait for the disk.
pub trait JournalSource: Send + Sync + 'static {
    /// How many events there are, and the hash of the last one, as lower-case hex.
    fn head(&self) -> (u64, String);

    /// Whether the events that follow the first `after` can be had without reading a file.
    fn remembers(&self, after: u64) -> bool;

    /// At most `limit` events that follow the first `after`, or the oldest there are; and how many there were before them.
    ///
    /// # Errors
    /// If the file cannot be read.
    fn after(&self, after: u64, limit: usize) -> io::Result<(u64, Vec<Value>)>;
}

impl JournalSource for Observer {
    fn head(&self) -> (u64, String) {
        let (events, head) = self.journal().head();
        (events, head.map(|hash| hash.to_string()).unwrap_or_default())
    }

    fn remembers(&self, after: u64) -> bool {
        self.journal().remembers(after)
    }

    fn after(&self, after: u64, limit: usize) -> io::Result<(u64, Vec<Value>)> {
        let page = self.journal().after(after, limit).map_err(io::Error::other)?;
        let events = page.lines.iter().map(|line| serde_json::from_str(line).map_err(io::Error::other));
        Ok((page.first, events.collect::<io::Result<_>>()?))
    }
}
