//! A node in a few lines.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dilithion_pow::{Hasher, PowMode};
use dilithion_wire::{ChainParams, Height};

use super::{Node, NodeConfig, NodeError};
use crate::event::Events;
use crate::http::HttpConfig;
use crate::producer::Payee;
use crate::sync::SyncMode;

/// Fills a [`NodeConfig`] step by step, and starts a node from it. What has no method here is a field there: see
/// [`config`](Self::config).
///
/// ```
/// use std::net::SocketAddr;
/// use std::sync::Arc;
///
/// use dilithion_node::Node;
/// use dilithion_wire::ChainParams;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let datadir = folder.path();
/// let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
/// let params = Arc::new(ChainParams::regtest());
/// let node = Node::builder(params, datadir).listen(any_port).http(any_port).start().await?;
///
/// let block = node.produce_now().await?; // on a private network everybody may
/// assert_eq!((block.height.0, node.store().tip()?.hash), (1, block.hash));
/// println!("http://{}/", node.http().expect("it was asked for"));
/// node.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct NodeBuilder {
    config: NodeConfig,
}

/// Goes on from a configuration.
impl From<NodeConfig> for NodeBuilder {
    fn from(config: NodeConfig) -> Self {
        Self { config }
    }
}

impl NodeBuilder {
    /// Accepts connections at this address; port 0 for any free one, which [`Node::listening`] tells.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.config.net.listen = Some(address);
        self
    }

    /// Stays connected to this peer; may be repeated. Without [`discover`](Self::discover), to nobody else.
    pub fn connect(mut self, peer: SocketAddr) -> Self {
        self.config.net.peers.push(peer);
        self
    }

    /// Dials the network's seeds and the addresses that peers tell of.
    pub fn discover(mut self) -> Self {
        self.config.net.use_addresses = true;
        self.config.net.use_seeds = true;
        self
    }

    /// Shows the node at this address, of loopback only, as [`HttpServer`](crate::http::HttpServer) does; port 0 for any
    /// free one, which [`Node::http`] tells. Its token is in the data directory. For other addresses set
    /// [`NodeConfig::http`].
    pub fn http(mut self, address: SocketAddr) -> Self {
        self.config.http =
            Some(HttpConfig { bind: address, ..HttpConfig::new(address.port(), &self.config.datadir) });
        self
    }

    /// Fetches blocks, or their headers only.
    pub fn mode(mut self, mode: SyncMode) -> Self {
        self.config.mode = mode;
        self
    }

    /// Makes a block every so often, on private networks only. [`Node::produce_now`] needs no schedule.
    pub fn produce(mut self, interval: Duration) -> Self {
        self.config.producer.interval = Some(interval);
        self
    }

    /// Who gets the coins of blocks made here; without it nobody.
    pub fn pay(mut self, payee: Payee) -> Self {
        self.config.producer.payee = Some(payee);
        self
    }

    /// RandomX in light or fast mode, or as the backlog suggests.
    pub fn pow(mut self, mode: PowMode) -> Self {
        self.config.pow = mode;
        self
    }

    /// Hash threads; without it one per core.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.config.threads = Some(threads);
        self
    }

    /// Computes ids by this instead of a RandomX of its own: nodes of one network in one program can share one.
    pub fn hasher(mut self, hasher: Arc<dyn Hasher>) -> Self {
        self.config.hasher = Some(hasher);
        self
    }

    /// Connects no block above this height.
    pub fn stop_at(mut self, height: Height) -> Self {
        self.config.stop_at = Some(height);
        self
    }

    /// Keeps the bodies of so many blocks below the tip only.
    pub fn prune(mut self, blocks: u32) -> Self {
        self.config.prune = Some(blocks);
        self
    }

    /// Tells this what happens.
    pub fn events(mut self, events: Arc<dyn Events>) -> Self {
        self.config.events = events;
        self
    }

    /// What has been filled in so far.
    #[must_use]
    pub fn config(self) -> NodeConfig {
        self.config
    }

    /// Starts the node. Must be called on a tokio runtime.
    ///
    /// # Errors
    ///
    /// As [`Node::start`].
    pub async fn start(self) -> Result<Node, NodeError> {
        Node::start(self.config).await
    }
}

impl Node {
    /// A node that neither listens nor dials, yet: see [`NodeBuilder`].
    pub fn builder(params: Arc<ChainParams>, datadir: impl Into<PathBuf>) -> NodeBuilder {
        NodeConfig::new(params, datadir).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_fills_its_field_and_the_rest_stays_as_it_is() {
        let address: SocketAddr = "127.0.0.1:7".parse().unwrap();
        let params = Arc::new(ChainParams::regtest());
        let plain = Node::builder(Arc::clone(&params), "/tmp/x").config();
        assert!(plain.net.listen.is_none() && plain.net.peers.is_empty() && plain.http.is_none());
        let filled = Node::builder(params, "/tmp/x")
            .listen(address)
            .connect(address)
            .connect(address)
            .http(address)
            .mode(SyncMode::Headers)
            .produce(Duration::from_secs(5))
            .prune(300)
            .stop_at(Height(9))
            .config();
        assert_eq!((filled.net.listen, filled.net.peers.len()), (Some(address), 2));
        assert!(!filled.net.use_seeds && !filled.net.use_addresses);
        let http = filled.http.clone().unwrap();
        assert_eq!((http.bind, http.datadir.as_path()), (address, filled.datadir.as_path()));
        assert_eq!((filled.mode, filled.stop_at), (SyncMode::Headers, Some(Height(9))));
        assert_eq!((filled.producer.interval, filled.prune), (Some(Duration::from_secs(5)), Some(300)));
        assert!(NodeBuilder::from(plain).discover().config().net.use_seeds);
    }
}
