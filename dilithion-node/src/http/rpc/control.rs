//! The node itself.

use dilithion_wire::Height;
use serde_json::{Value, json};

use super::args::Args;
use super::chain::chain_word;
use super::error::RpcError;
use super::method::{Answer, Method};
use crate::http::app::App;
use crate::http::figures::{HASH_RATE_BLOCKS, MAX_HASH_RATE_BLOCKS, difficulty, network_hash_rate};
use crate::producer::Payee;

/// Blocks made in one call at most.
const MAX_GENERATED: u32 = 1000;

pub(super) const METHODS: &[Method] = &[
    Method::new("getmininginfo", &[], "Whether the node makes blocks, and on top of what", |app, _| {
        Box::pin(get_mining_info(app))
    }),
    Method::new(
        "getnetworkhashps",
        &["nblocks", "height"],
        "Estimated hashes a second of the whole network, over so many blocks up to a height",
        |app, args| Box::pin(get_network_hash_rate(app, args)),
    ),
    Method::action(
        "generatetoaddress",
        &["nblocks", "address"],
        "Make blocks on a private network, and pay an address",
        |app, args| Box::pin(generate_to_address(app, args)),
    ),
    Method::action("stop", &[], "Stop the node", |app, _| {
        Box::pin(async move {
            app.node.request_stop();
            Ok("Dilithion server stopping".into())
        })
    }),
    Method::new("help", &["command"], "The methods, or one of them", |_, args| {
        Box::pin(async move { help(&args) })
    }),
];

async fn get_mining_info(app: App) -> Answer {
    app.blocking(|app| {
        let store = app.node.store();
        let tip = store.tip()?;
        let rate = network_hash_rate(store, tip.height, HASH_RATE_BLOCKS)?;
        let bits = store.header(&tip.hash)?.map_or(0, |stored| stored.header.bits);
        Ok(json!({
            "mining": app.node.produces(),
            "hashrate": rate,
            "networkhashps": rate,
            "threads": u8::from(app.node.produces()),
            "blocks": tip.height.0,
            "difficulty": difficulty(bits),
            "pooledtx": store.pending_stats()?.count,
            "chain": chain_word(&app.node.params().name),
        }))
    })
    .await
}

/// As in Bitcoin Core, a negative height is the tip.
async fn get_network_hash_rate(app: App, args: Args) -> Answer {
    let blocks = args.optional::<i64>("nblocks")?.unwrap_or(HASH_RATE_BLOCKS.into());
    let blocks = u32::try_from(blocks).ok().filter(|blocks| (1..=MAX_HASH_RATE_BLOCKS).contains(blocks));
    let blocks = blocks
        .ok_or_else(|| RpcError::out_of_range(format!("nblocks must be 1 to {MAX_HASH_RATE_BLOCKS}")))?;
    let height = args.optional::<i64>("height")?.unwrap_or(-1);
    app.blocking(move |app| {
        let store = app.node.store();
        let tip = store.tip()?.height;
        let height = if height < 0 { Some(tip) } else { u32::try_from(height).ok().map(Height) };
        let height = height.filter(|height| *height <= tip);
        let height = height.ok_or_else(|| RpcError::out_of_range("height is above the tip"))?;
        Ok(network_hash_rate(store, height, blocks)?.into())
    })
    .await
}

async fn generate_to_address(app: App, args: Args) -> Answer {
    let count: u32 = args.required("nblocks")?;
    if count > MAX_GENERATED {
        return Err(RpcError::out_of_range(format!("nblocks: at most {MAX_GENERATED} at once")));
    }
    let address: String = args.required("address")?;
    let payee = Payee::address(&address).map_err(|error| RpcError::bad_address(error.to_string()))?;
    let mut hashes = Vec::new();
    for _ in 0..count {
        let produced = app.node.produce(Some(payee.clone())).await;
        hashes.push(produced.map_err(|error| RpcError::misc(error.to_string()))?.hash.to_string());
    }
    Ok(hashes.into())
}

fn help(args: &Args) -> Answer {
    match args.optional::<String>("command")? {
        Some(name) => {
            let method = Method::find(&name).ok_or_else(|| RpcError::method_not_found(&name))?;
            Ok(line(method).into())
        }
        None => {
            Ok(json!({ "commands": Method::all().map(|method| line(method).into()).collect::<Vec<Value>>() }))
        }
    }
}

fn line(method: &Method) -> String {
    let params: String = method.params.iter().map(|name| format!(" {name}")).collect();
    format!("{}{params} - {}", method.name, method.help)
}
