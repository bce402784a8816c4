//! The commands and their options. Scripts rely on these names.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use dilithion_pow::PowMode;
use dilithion_wire::{ChainParams, Height, MessageId, Policy};

use super::bench_ibd::IbdArgs;
use super::ops_args::{ConfigArgs, JournalWhat, OpsArgs};
use super::produce_args::ProduceArgs;
use super::submit::SubmitArgs;
use crate::http::{Allowed, HttpConfig};
use crate::net::SlotLimits;
use crate::node::NodeConfig;

/// A Dilithion node. Without a command it runs the demo.
#[derive(Debug, Parser)]
#[command(name = "dilithion-node", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node until SIGINT or SIGTERM
    Run(Box<RunArgs>),
    /// Import block records: for each block a u32 LE length and the payload of its `block` message
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        /// The network and its data.
        chain: ChainArgs,
    },
    /// Export the chain as block records
    Export {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        /// The network and its data.
        chain: ChainArgs,
    },
    /// Decode hex (`-` reads it from standard input) and print it as JSON
    Inspect {
        #[command(subcommand)]
        /// What the bytes are.
        what: InspectWhat,
        #[command(flatten)]
        /// The network whose limits and proof of work apply.
        chain: ChainArgs,
    },
    /// Read from the store, also while a node runs
    Query {
        #[command(subcommand)]
        /// What to read.
        what: QueryWhat,
        #[command(flatten)]
        /// The network and its data.
        chain: ChainArgs,
    },
    /// Let a message wait for a block, whether a node runs or not; prints its id. On private networks only
    Submit(SubmitArgs),
    /// Walk the store and check that it is a chain
    CheckChain {
        /// Compute the RandomX hash of every header again
        #[arg(long)]
        pow: bool,
        /// If the store is damaged, cut it back to the last block up to which it is sound; no node may be running
        #[arg(long)]
        repair: bool,
        #[command(flatten)]
        /// The network and its data.
        chain: ChainArgs,
    },
    /// Write a compact, consistent copy of the store into a new directory, also while a node runs
    Backup {
        /// The directory, which must not exist
        dir: PathBuf,
        #[command(flatten)]
        /// The network and its data.
        chain: ChainArgs,
    },
    /// Measure how fast this machine is
    Bench {
        #[command(subcommand)]
        /// What to measure.
        what: BenchWhat,
    },
    /// Run whole networks of nodes in virtual time and check that nothing goes wrong
    Sim(SimArgs),
    /// Read a journal of what a node did
    Journal {
        #[command(subcommand)]
        /// What to do with it.
        what: JournalWhat,
    },
    /// Show the settings of `run`, and where each comes from
    Config(Box<ConfigArgs>),
    /// Sync two fresh nodes from a third on this machine and show how
    Demo,
}

/// Options of `sim`.
#[derive(Debug, Args)]
pub struct SimArgs {
    /// The seed of the first run; the others follow
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// How many seeds
    #[arg(long, value_name = "K", default_value_t = 1)]
    pub runs: u64,
    /// One scenario only [default: each of them with each seed]
    #[arg(long, value_name = "S")]
    pub scenario: Option<String>,
    /// Threads; the result does not depend on them
    #[arg(long, value_name = "N", default_value = "1")]
    pub jobs: NonZeroUsize,
    /// Keep the nodes' stores on disk, as a real node does
    #[arg(long)]
    pub disk: bool,
    /// End with a JSON object on one line
    #[arg(long)]
    pub json: bool,
    /// List the scenarios
    #[arg(long)]
    pub list: bool,
}

/// What `inspect` decodes.
#[derive(Debug, Subcommand)]
pub enum InspectWhat {
    /// An 80-byte block header
    Header {
        /// The bytes
        hex: String,
    },
    /// A transaction
    Tx {
        /// The bytes
        hex: String,
    },
    /// A block, as in a `block` message
    Block {
        /// The bytes
        hex: String,
    },
    /// A whole message with its 24-byte header
    Message {
        /// The bytes
        hex: String,
    },
}

/// What `query` reads.
#[derive(Debug, Subcommand)]
pub enum QueryWhat {
    /// The height of the tip
    Height,
    /// The id of the block at a height [default: of the tip]
    Hash {
        #[command(flatten)]
        /// The height.
        at: AtHeight,
    },
    /// The block at a height, as JSON [default: the tip]
    Block {
        #[command(flatten)]
        /// The height.
        at: AtHeight,
    },
    /// The block at the tip, as JSON
    Latest,
    /// A message by its id, as JSON, with the height of its block unless it still waits for one
    Message {
        /// The id
        id: MessageId,
    },
    /// Number, sum and SHA3-256 digest of all unspent outputs
    UtxoDigest,
}

/// A height, by itself or after `--height`.
#[derive(Args, Clone, Copy, Debug)]
pub struct AtHeight {
    /// The height
    #[arg(value_name = "HEIGHT")]
    pub height: Option<u32>,
    /// The height
    #[arg(id = "at_height", long = "height", value_name = "HEIGHT", conflicts_with = "height")]
    pub flag: Option<u32>,
}

impl AtHeight {
    /// The height that was given, if one was.
    #[must_use]
    pub fn get(self) -> Option<Height> {
        self.height.or(self.flag).map(Height)
    }
}

/// What `bench` measures.
#[derive(Debug, Subcommand)]
pub enum BenchWhat {
    /// RandomX hashes per second
    Pow {
        /// With the 256 MiB cache, or with the 2 GiB dataset, which is built first
        #[arg(long, value_name = "light|fast", default_value = "light")]
        mode: PowMode,
        /// Hash threads [default: one per core]
        #[arg(long, value_name = "N")]
        threads: Option<NonZeroUsize>,
        /// How long to hash
        #[arg(long, value_name = "S", default_value_t = 10.0)]
        seconds: f64,
        /// Print a JSON object on one line
        #[arg(long)]
        json: bool,
    },
    /// A full sync between two processes on this machine, and what limits it
    Ibd(IbdArgs),
}

/// A built-in network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Network {
    /// The live network
    Mainnet,
    /// The public test network
    Testnet,
    /// A private network with trivial proof of work
    Regtest,
}

impl Network {
    fn params(self) -> ChainParams {
        match self {
            Self::Mainnet => ChainParams::mainnet(),
            Self::Testnet => ChainParams::testnet(),
            Self::Regtest => ChainParams::regtest(),
        }
    }

    /// The data directory's name in the user's home, as the C++ nodes name theirs.
    fn folder(self) -> &'static str {
        match self {
            Self::Mainnet => ".dilithion",
            Self::Testnet => ".dilithion-testnet",
            Self::Regtest => ".dilithion-regtest",
        }
    }
}

/// Which network, and where its data lies.
#[derive(Args, Clone, Debug, Default)]
pub struct ChainArgs {
    /// The network
    #[arg(long, global = true, value_enum, conflicts_with_all = ["testnet", "chain"])]
    pub network: Option<Network>,
    /// Short for --network testnet
    #[arg(long, global = true, conflicts_with = "chain")]
    pub testnet: bool,
    /// A chain file (TOML) with the parameters of a private network
    #[arg(long, global = true, value_name = "FILE")]
    pub chain: Option<PathBuf>,
    /// The data directory [default: in the home directory]
    #[arg(long, global = true, value_name = "DIR")]
    pub datadir: Option<PathBuf>,
}

impl ChainArgs {
    fn built_in(&self) -> Network {
        self.network.unwrap_or(if self.testnet { Network::Testnet } else { Network::Mainnet })
    }

    /// The network's parameters.
    ///
    /// # Errors
    ///
    /// If the chain file cannot be read or makes no sense.
    pub fn params(&self) -> anyhow::Result<Arc<ChainParams>> {
        let Some(file) = &self.chain else { return Ok(Arc::new(self.built_in().params())) };
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let params = ChainParams::from_toml(&text).with_context(|| format!("in {}", file.display()))?;
        Ok(Arc::new(params))
    }

    /// The configuration of a node on this network, without connections.
    ///
    /// # Errors
    ///
    /// As [`ChainArgs::params`]; or if there is neither `--datadir` nor a home directory.
    pub fn node_config(&self) -> anyhow::Result<NodeConfig> {
        let params = self.params()?;
        let datadir = match &self.datadir {
            Some(datadir) => datadir.clone(),
            None => {
                let home = std::env::home_dir().context("no home directory; use --datadir")?;
                let folder = match &self.chain {
                    Some(_) => format!(".dilithion-{}", params.name),
                    None => self.built_in().folder().to_owned(),
                };
                home.join(folder)
            }
        };
        Ok(NodeConfig::new(params, datadir))
    }
}

/// The HTTP server: its page, its API, JSON-RPC.
#[derive(Args, Clone, Debug)]
pub struct HttpArgs {
    /// Port of the HTTP server; 0 for any free one [default: the network's RPC port]
    #[arg(long, value_name = "N")]
    pub rpcport: Option<u16>,
    /// Address of the HTTP server; other than loopback only with --rpcallow
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub rpcbind: IpAddr,
    /// Who may ask the HTTP server beside this machine: an address, a network like 10.0.0.0/8, or a name by which
    /// the server is called; may be repeated
    #[arg(long, value_name = "WHO")]
    pub rpcallow: Vec<Allowed>,
    /// A name that, with --rpcpassword, opens what the file .cookie in the data directory opens
    #[arg(long, value_name = "NAME", requires = "rpcpassword")]
    pub rpcuser: Option<String>,
    /// The password for --rpcuser; better given in the environment, as others can see command lines
    #[arg(long, value_name = "WORD", env = "DILITHION_RPCPASSWORD", hide_env_values = true)]
    pub rpcpassword: Option<String>,
    /// Run no HTTP server
    #[arg(long, conflicts_with = "rpcport")]
    pub no_rpc: bool,
}

impl HttpArgs {
    /// The server's configuration; `None` if there is to be none.
    #[must_use]
    pub fn config(&self, params: &ChainParams, datadir: &Path) -> Option<HttpConfig> {
        let bind = SocketAddr::new(self.rpcbind, self.rpcport.unwrap_or(params.rpc_port));
        let user = self.rpcuser.clone().zip(self.rpcpassword.clone());
        let config = HttpConfig { bind, allow: self.rpcallow.clone(), user, datadir: datadir.to_owned() };
        (!self.no_rpc).then_some(config)
    }
}

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
    /// Keep all rules, or only those that the network of C++ nodes keeps [default: the network's, strict]
    #[arg(long, value_name = "strict|reference", value_parser = policies())]
    pub policy: Option<Policy>,
    /// Stop, with exit code 0, once this block is connected
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
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn run_args(line: &str) -> RunArgs {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Some(Command::Run(args)) => *args,
            other => panic!("not run: {other:?}"),
        }
    }

    #[test]
    fn the_policy_is_the_networks_unless_told_otherwise() {
        let policy = |line| run_args(line).node_config().unwrap().params.policy;
        assert_eq!(policy("x run --datadir x"), Policy::Strict);
        assert_eq!(policy("x run --datadir x --policy reference"), Policy::Reference);
        assert!(Cli::try_parse_from(["x", "run", "--policy", "mild"]).is_err());
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
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
    fn the_http_server_listens_on_the_networks_port_unless_told_otherwise() {
        let params = ChainParams::regtest();
        let config = |line: &str| run_args(line).http.config(&params, Path::new("/tmp/x"));
        let own = config("dilithion-node run").unwrap();
        assert_eq!(own.bind, SocketAddr::from(([127, 0, 0, 1], params.rpc_port)));
        assert!(own.user.is_none());
        let told =
            "dilithion-node run --rpcport 0 --rpcbind ::1 --rpcallow 10.0.0.0/8 --rpcuser a --rpcpassword b";
        let told = config(told).unwrap();
        assert_eq!((told.bind.port(), told.allow.len(), told.user.is_some()), (0, 1, true));
        assert!(config("dilithion-node run --no-rpc").is_none());
        assert!(Cli::try_parse_from(["dilithion-node", "run", "--rpcuser", "a"]).is_err());
        assert!(Cli::try_parse_from(["dilithion-node", "run", "--rpcallow", "10.0.0.0/99"]).is_err());
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
    fn unknown_options_are_errors() {
        assert!(Cli::try_parse_from(["dilithion-node", "run", "--nonsense"]).is_err());
        assert!(Cli::try_parse_from(["dilithion-node", "run", "--network", "moon"]).is_err());
    }

    #[test]
    fn chain_options_may_stand_before_and_after_the_inner_command() {
        for line in [
            "dilithion-node query --datadir /tmp/x hash 5",
            "dilithion-node query hash 5 --datadir /tmp/x",
            "dilithion-node query hash --height 5 --datadir /tmp/x",
        ] {
            let Some(Command::Query { what, chain }) = Cli::try_parse_from(line.split(' ')).unwrap().command
            else {
                panic!("not query");
            };
            assert!(matches!(what, QueryWhat::Hash { at } if at.get() == Some(Height(5))));
            assert_eq!(chain.datadir, Some("/tmp/x".into()));
        }
    }
}
