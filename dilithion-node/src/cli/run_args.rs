//! The options of `run`.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use dilithion_pow::PowMode;
use dilithion_wire::{Height, Policy};

use super::chain_args::ChainArgs;
use super::http_args::HttpArgs;
use super::ops_args::OpsArgs;
use super::produce_args::ProduceArgs;
use crate::net::SlotLimits;
use crate::node::NodeConfig;
use crate::sync::SyncMode;

/// Options of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    /// The network and its data.
    pub chain: ChainArgs,
    /// Listen on this port [default: the network's]
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// Listen on this address
    #[arg(long, value_name = "IP", default_value = "0.0.0.0")]
    pub bind: IpAddr,
    /// Accept no connections
    #[arg(long)]
    pub no_listen: bool,
    /// Connect to this peer and to nobody else; may be repeated
    #[arg(long, value_name = "IP:PORT")]
    pub connect: Vec<SocketAddr>,
    /// Connect to this peer as well; may be repeated
    #[arg(long, value_name = "IP:PORT")]
    pub addnode: Vec<SocketAddr>,
    /// Dial none of the network's seeds
    #[arg(long)]
    pub no_seeds: bool,
    /// Inbound connections at most [default: 117]
    #[arg(long, value_name = "N")]
    pub max_inbound: Option<usize>,
    /// Connections with one host at most, those from this machine excepted [default: 2]
    #[arg(long, value_name = "N")]
    pub max_connections_per_ip: Option<usize>,
    /// Ban and count peers on this machine by address, as others; for tests
    #[arg(long)]
    pub loopback_as_remote: bool,
    #[command(flatten)]
    /// The HTTP server.
    pub http: HttpArgs,
    /// RandomX with the 256 MiB cache, with the 2 GiB dataset, or as the backlog suggests
    #[arg(long, value_name = "light|fast|auto", default_value = "light")]
    pub pow: PowMode,
    /// Hash threads [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Fetch blocks, or prove headers only and hold until told to `sync_now`
    #[arg(long, value_name = "full|headers", default_value = "full")]
    pub mode: SyncMode,
    /// Keep all rules, or only those that the network of C++ nodes keeps [default: the network's, strict]
    #[arg(long, value_name = "strict|reference", value_parser = policies())]
    pub policy: Option<Policy>,
    /// Stop, with exit code 0, once this block is connected; with --mode headers, once this header is proved
    #[arg(long, value_name = "N")]
    pub stop_at_height: Option<u32>,
    /// Keep the bodies of this many blocks below the tip only (at least 288)
    #[arg(long, value_name = "N")]
    pub prune: Option<u32>,
    #[command(flatten)]
    /// Whether and how blocks are made.
    pub produce: ProduceArgs,
    /// Log every message
    #[arg(long, short, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Log only warnings and errors
    #[arg(long, short)]
    pub quiet: bool,
    #[command(flatten)]
    /// What operators need.
    pub ops: OpsArgs,
}

impl RunArgs {
    /// The node's configuration.
    ///
    /// # Errors
    ///
    /// As [`ChainArgs::node_config`].
    pub fn node_config(&self) -> anyhow::Result<NodeConfig> {
        let mut config = self.chain.node_config()?;
        let port = self.port.unwrap_or(config.params.p2p_port);
        config.net.listen = (!self.no_listen).then(|| SocketAddr::new(self.bind, port));
        config.net.peers = self.connect.iter().chain(&self.addnode).copied().collect();
        let slots = config.net.slots;
        config.net.slots = SlotLimits {
            inbound: self.max_inbound.unwrap_or(slots.inbound),
            per_host: self.max_connections_per_ip.unwrap_or(slots.per_host),
        };
        config.net.loopback_as_remote = self.loopback_as_remote;
        config.net.use_addresses = self.connect.is_empty();
        config.net.use_seeds = self.connect.is_empty() && !self.no_seeds;
        if !self.connect.is_empty() {
            config.net.peers.truncate(self.connect.len());
        }
        config.mode = self.mode;
        config.pow = self.pow;
        config.threads = self.threads;
        if let Some(policy) = self.policy {
            Arc::make_mut(&mut config.params).policy = policy;
        }
        config.stop_at = self.stop_at_height.map(Height);
        config.prune = self.prune;
        config.producer = self.produce.config();
        Ok(config)
    }
}

/// The policies, by the names that chain files give them.
fn policies() -> impl TypedValueParser<Value = Policy> {
    PossibleValuesParser::new(["strict", "reference"]).map(|name| match name.as_str() {
        "reference" => Policy::Reference,
        _ => Policy::Strict,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    /// The options of a command line.
    pub(in crate::cli) fn run_args(line: &str) -> RunArgs {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Some(Command::Run(args)) => *args,
            other => panic!("not run: {other:?}"),
        }
    }

    #[test]
    fn the_documents_flags_are_accepted_as_written() {
        let args = run_args(
            "dilithion-node run --testnet --port=18444 --rpcport=18332 --connect=127.0.0.1:18445 --datadir=/tmp/x",
        );
        let config = args.node_config().unwrap();
        assert_eq!(config.params.name, "testnet");
        assert_eq!(config.net.listen, Some("0.0.0.0:18444".parse().unwrap()));
        assert_eq!(config.net.peers, ["127.0.0.1:18445".parse().unwrap()]);
        let http = args.http.config(&config.params, &config.datadir).unwrap();
        assert_eq!(http.bind, "127.0.0.1:18332".parse().unwrap());
    }

    #[test]
    fn connect_means_these_peers_only() {
        let args = run_args(
            "dilithion-node run --datadir /tmp/x --connect 127.0.0.1:1 --connect 127.0.0.1:2 --addnode 127.0.0.1:3",
        );
        let config = args.node_config().unwrap();
        assert_eq!(config.net.peers.len(), 2);
        assert!(!config.net.use_seeds);
    }

    #[test]
    fn mainnet_dials_its_seeds_unless_told_not_to() {
        let dials = |line: &str| run_args(line).node_config().unwrap().net.use_seeds;
        assert!(dials("dilithion-node run --datadir /tmp/x"));
        assert!(dials("dilithion-node run --datadir /tmp/x --addnode 127.0.0.1:3"));
        assert!(!dials("dilithion-node run --datadir /tmp/x --no-seeds"));
    }

    #[test]
    fn the_policy_is_the_networks_unless_told_otherwise() {
        let policy = |line| run_args(line).node_config().unwrap().params.policy;
        assert_eq!(policy("x run --datadir x"), Policy::Strict);
        assert_eq!(policy("x run --datadir x --policy reference"), Policy::Reference);
        assert!(Cli::try_parse_from(["x", "run", "--policy", "mild"]).is_err());
    }

    #[test]
    fn a_node_fetches_blocks_unless_told_otherwise() {
        let mode = |line: &str| run_args(line).node_config().unwrap().mode;
        assert_eq!(mode("dilithion-node run --datadir /tmp/x"), SyncMode::Full);
        assert_eq!(mode("dilithion-node run --datadir /tmp/x --mode headers"), SyncMode::Headers);
        assert!(Cli::try_parse_from(["dilithion-node", "run", "--mode", "some"]).is_err());
    }
}
