//! Why a call fails, with the numbers of JSON-RPC and of Bitcoin Core (`rpc/protocol.h`).

use dilithion_chain::StoreError;
use serde_json::{Value, json};

use crate::http::ApiError;

/// Why a call fails.
#[derive(Debug)]
pub(super) struct RpcError {
    code: i32,
    message: String,
}

impl RpcError {
    /// The text is no JSON.
    pub(super) fn parse(message: impl Into<String>) -> Self {
        Self { code: -32700, message: message.into() }
    }

    /// The JSON is no request.
    pub(super) fn invalid_request(message: impl Into<String>) -> Self {
        Self { code: -32600, message: message.into() }
    }

    /// There is no such method.
    pub(super) fn method_not_found(method: &str) -> Self {
        Self { code: -32601, message: format!("there is no method '{method}'; try help") }
    }

    /// Parameters of the wrong number or type.
    pub(super) fn invalid_params(message: impl Into<String>) -> Self {
        Self { code: -32602, message: message.into() }
    }

    /// Something failed (`RPC_MISC_ERROR`).
    pub(super) fn misc(message: impl Into<String>) -> Self {
        Self { code: -1, message: message.into() }
    }

    /// There is no such block or transaction (`RPC_INVALID_ADDRESS_OR_KEY`).
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self { code: -5, message: message.into() }
    }

    /// A parameter out of its range (`RPC_INVALID_PARAMETER`).
    pub(super) fn out_of_range(message: impl Into<String>) -> Self {
        Self { code: -8, message: message.into() }
    }

    /// Bytes that are no transaction (`RPC_DESERIALIZATION_ERROR`).
    pub(super) fn decode(message: impl Into<String>) -> Self {
        Self { code: -22, message: message.into() }
    }

    /// A transaction breaks a rule (`RPC_VERIFY_REJECTED`).
    pub(super) fn rejected(message: impl Into<String>) -> Self {
        Self { code: -26, message: message.into() }
    }

    /// No connection is to be had (`RPC_CLIENT_NODE_NOT_CONNECTED`).
    pub(super) fn not_connected(message: impl Into<String>) -> Self {
        Self { code: -29, message: message.into() }
    }

    /// An address that is none (`RPC_CLIENT_INVALID_IP_OR_SUBNET`).
    pub(super) fn bad_address(message: impl Into<String>) -> Self {
        Self { code: -30, message: message.into() }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "code": self.code, "message": self.message })
    }
}

impl From<ApiError> for RpcError {
    fn from(error: ApiError) -> Self {
        Self::misc(error.to_string())
    }
}

impl From<StoreError> for RpcError {
    fn from(error: StoreError) -> Self {
        Self::misc(format!("the store: {error}"))
    }
}
