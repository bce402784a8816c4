//! The options of `run` for the HTTP server.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use clap::Args;
use dilithion_wire::ChainParams;

use crate::http::{Allowed, HttpConfig};

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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;
    use crate::cli::run_args::tests::run_args;

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
}
