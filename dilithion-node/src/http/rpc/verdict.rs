//! What the operator says against blocks, and takes back.

use serde_json::Value;

use super::args::Args;
use super::error::RpcError;
use super::method::{Answer, Method};
use crate::http::app::App;
use crate::sync::VerdictError;

pub(super) const METHODS: &[Method] = &[
    Method::action(
        "invalidateblock",
        &["blockhash"],
        "Refuse a block and all that build on it, until it is reconsidered",
        |app, args| Box::pin(invalidate_block(app, args)),
    ),
    Method::action(
        "reconsiderblock",
        &["blockhash"],
        "Take back what invalidateblock said about a block, those below it and those above it",
        |app, args| Box::pin(reconsider_block(app, args)),
    ),
];

async fn invalidate_block(app: App, args: Args) -> Answer {
    app.node.invalidate_block(args.parsed("blockhash")?).await?;
    Ok(Value::Null)
}

async fn reconsider_block(app: App, args: Args) -> Answer {
    app.node.reconsider_block(args.parsed("blockhash")?).await?;
    Ok(Value::Null)
}

impl From<VerdictError> for RpcError {
    fn from(error: VerdictError) -> Self {
        let message = error.to_string();
        match error {
            VerdictError::Unknown { .. } => Self::not_found(message),
            VerdictError::Genesis | VerdictError::BelowCheckpoint { .. } | VerdictError::Pruned { .. } => {
                Self::out_of_range(message)
            }
            VerdictError::Failed { .. } | VerdictError::Stopping => Self::misc(message),
        }
    }
}
