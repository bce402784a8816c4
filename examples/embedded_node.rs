//! Two nodes in one program: one is filled with a recorded chain, the other syncs from it over loopback.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use dilithion_node::demo;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let report = demo::run(folder.path(), |height, nodes| {
        println!("{}/{height} blocks, {}/{height} blocks", nodes[0].blocks, nodes[1].blocks);
    })
    .await?;
    println!("tip {} at height {} after {:.1} s", report.tip, report.height, report.elapsed.as_secs_f64());
    assert_eq!(report.height.0, 500);
    Ok(())
}
