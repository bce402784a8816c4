//! The node itself.

use serde_json::{Value, json};

use super::args::Args;
use super::chain::chain_word;
use super::error::RpcError;
use super::method::{Answer, Method};
use crate::http::app::App;
use crate::http::figures::difficulty;

pub(super) const METHODS: &[Method] = &[
    Method::new("getmininginfo", &[], "Mining; this node does none", |app, _| Box::pin(get_mining_info(app))),
    Method::new("stop", &[], "Stop the node", |app, _| {
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
        let bits = store.header(&tip.hash)?.map_or(0, |stored| stored.header.bits);
        Ok(json!({
            "mining": false,
            "hashrate": 0,
            "threads": 0,
            "blocks": tip.height.0,
            "difficulty": difficulty(bits),
            "pooledtx": store.pending_stats()?.count,
            "chain": chain_word(&app.node.params().name),
        }))
    })
    .await
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
