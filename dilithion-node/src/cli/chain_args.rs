//! Which network, and where its data lies: options of most commands.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, ValueEnum};
use dilithion_wire::ChainParams;

use crate::node::NodeConfig;

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
