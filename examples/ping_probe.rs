//! Pings a node until it closes, and prints how fast it answered: `ping_probe CHAIN.toml IP:PORT`.
//!
//! Waits until the node listens, so it can be started first.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use dilithion_node::probe::{ProbeError, measure_ping};
use dilithion_wire::ChainParams;
use tokio_util::sync::CancellationToken;

const INTERVAL: Duration = Duration::from_millis(10);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().context("usage: ping_probe CHAIN.toml IP:PORT")?;
    let node: SocketAddr = arguments.next().context("usage: ping_probe CHAIN.toml IP:PORT")?.parse()?;
    let params = ChainParams::from_toml(&std::fs::read_to_string(file)?)?;
    loop {
        match measure_ping(&params, node, INTERVAL, CancellationToken::new()).await {
            Ok(latency) => {
                println!("{latency}");
                return Ok(());
            }
            Err(ProbeError::Io(_)) => tokio::time::sleep(INTERVAL).await,
            Err(error) => return Err(error.into()),
        }
    }
}
