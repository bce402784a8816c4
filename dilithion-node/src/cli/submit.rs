//! `submit`: a message that is to wait for a block.

use anyhow::Context;
use clap::Args;
use dilithion_chain::StoreError;
use dilithion_wire::DataMessage;

use super::term::say;
use super::{BadInput, ChainArgs, submit_http};
use crate::clock::{Clock, SystemClock};
use crate::node::{NodeError, open_chainstate};
use crate::random::random_u64;

/// Options of `submit`.
#[derive(Args, Clone, Debug)]
pub struct SubmitArgs {
    /// Who says it, in at most 256 bytes
    #[arg(long, value_name = "NAME")]
    pub sender: String,
    /// What is said, in at most 65536 bytes
    #[arg(long, value_name = "TEXT")]
    pub content: String,
    /// The port of the running node's HTTP server [default: the network's]
    #[arg(long, value_name = "N")]
    pub rpcport: Option<u16>,
    #[command(flatten)]
    /// The network and its data.
    pub chain: ChainArgs,
}

/// Gives a message to the node that runs, or else to the store, and says its id.
pub(super) fn submit(args: &SubmitArgs) -> anyhow::Result<()> {
    let config = args.chain.node_config()?;
    let now = SystemClock::new().now().unix;
    let message = DataMessage::new(&*args.sender, &*args.content, now, random_u64())
        .map_err(|error| BadInput(error.to_string()))?;
    let id = match open_chainstate(&config) {
        Ok(chain) => chain.message_pool().submit(&message)??.to_string(),
        Err(NodeError::Store(error)) if matches!(*error, StoreError::Locked { .. }) => {
            let port = args.rpcport.unwrap_or(config.params.rpc_port);
            submit_http::submit(port, &config.datadir, &message).with_context(|| {
                format!("{error}, and its HTTP server on port {port} does not take the message")
            })?
        }
        Err(error) => return Err(error.into()),
    };
    say(&id);
    Ok(())
}
