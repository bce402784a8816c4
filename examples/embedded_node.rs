//! Two nodes in one program: one makes blocks on a private network, the other syncs from it over loopback.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use dilithion_node::Node;
use dilithion_wire::ChainParams;

const BLOCKS: u32 = 10;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let params = Arc::new(ChainParams::regtest());
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));

    let miner =
        Node::builder(Arc::clone(&params), folder.path().join("miner")).listen(any_port).start().await?;
    for _ in 0..BLOCKS {
        let block = miner.produce_now().await?;
        println!("made block {} ({})", block.height, block.hash);
    }

    let source = miner.listening().context("it was asked to listen")?;
    let follower =
        Node::builder(params, folder.path().join("follower")).connect(source).http(any_port).start().await?;
    println!("watch the other at http://{}/", follower.http().context("it was asked for")?);
    follower.status().wait_for(|status| status.chain_height.0 == BLOCKS).await?;
    println!("synced: {}", follower.store().tip()?.hash);
    assert_eq!(follower.store().tip()?.hash, miner.store().tip()?.hash);

    follower.stop().await;
    miner.stop().await;
    Ok(())
}
