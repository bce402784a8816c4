//! Headers, transactions, blocks and messages as JSON. Hashes are in display order, amounts in ions.

use dilithion_pow::CompactTarget;
use dilithion_wire::{Block, BlockHash, BlockHeader, DataMessage, Height, Message, Transaction, TxIn, TxOut};
use serde_json::{Value, json};

/// Gives an object a field, or another value of a field; a value that is no object stays as it is.
pub(crate) fn set(object: &mut Value, field: &str, value: impl Into<Value>) {
    if let Value::Object(fields) = object {
        fields.insert(field.to_owned(), value.into());
    }
}

/// A header with its id.
#[must_use]
pub fn header(header: &BlockHeader, hash: BlockHash) -> Value {
    let mut value = header_fields(header);
    set(&mut value, "hash", hash.to_string());
    value
}

/// A header's own fields; its id takes a RandomX hash.
fn header_fields(header: &BlockHeader) -> Value {
    let bits = CompactTarget(header.bits);
    json!({
        "version": header.version,
        "prev_hash": header.prev_hash.to_string(),
        "merkle_root": header.merkle_root.to_string(),
        "time": header.time,
        "bits": bits.to_string(),
        "target": bits.target().to_string(),
        "nonce": header.nonce,
    })
}

/// A transaction with its id.
#[must_use]
pub fn transaction(transaction: &Transaction) -> Value {
    json!({
        "txid": transaction.txid().to_string(),
        "version": transaction.version,
        "size": transaction.encoded_len(),
        "inputs": transaction.inputs.iter().map(input).collect::<Vec<_>>(),
        "outputs": transaction.outputs.iter().enumerate().map(output).collect::<Vec<_>>(),
        "lock_time": transaction.lock_time,
    })
}

fn input(input: &TxIn) -> Value {
    let script = hex::encode(&input.script_sig);
    if input.previous_output.is_null() {
        return json!({ "coinbase": script, "sequence": input.sequence });
    }
    json!({
        "txid": input.previous_output.txid.to_string(),
        "index": input.previous_output.index,
        "script_sig": script,
        "sequence": input.sequence,
    })
}

fn output((index, output): (usize, &TxOut)) -> Value {
    json!({ "index": index, "value": output.value.0, "script_pubkey": hex::encode(&output.script_pubkey) })
}

/// A block with its id.
#[must_use]
pub fn block(block: &Block, hash: BlockHash) -> Value {
    let mut value = header(&block.header, hash);
    set(&mut value, "size", block.encoded_len());
    set(&mut value, "transactions", block.transactions.iter().map(transaction).collect::<Value>());
    value
}

/// A message that a block brought, or that waits for one.
#[must_use]
pub fn data_message(message: &DataMessage, height: Option<Height>) -> Value {
    json!({
        "id": message.id().to_string(),
        "sender": message.sender(),
        "content": message.content(),
        "timestamp": message.timestamp(),
        "nonce": message.nonce(),
        "height": height.map(|height| height.0),
    })
}

/// A message's content. Ids of headers are left out: each takes a RandomX hash.
#[must_use]
pub fn message(message: &Message) -> Value {
    match message {
        Message::Version(version) => json!({
            "version": version.version,
            "services": version.services.0,
            "time": version.time,
            "receiver": version.receiver.to_socket_addr().to_string(),
            "sender": version.sender.to_socket_addr().to_string(),
            "nonce": version.nonce,
            "user_agent": version.user_agent,
            "start_height": version.start_height,
            "relay": version.relay,
            "genesis": version.genesis.map(|genesis| genesis.to_string()),
        }),
        Message::Ping(nonce) | Message::Pong(nonce) => json!({ "nonce": nonce }),
        Message::Addr(addresses) => addresses
            .iter()
            .map(|entry| json!({ "time": entry.time, "address": entry.address.to_socket_addr().to_string() }))
            .collect(),
        Message::Inv(items) | Message::GetData(items) => items
            .iter()
            .map(|item| json!({ "kind": format!("{:?}", item.kind).to_lowercase(), "hash": item.hash.to_string() }))
            .collect(),
        Message::GetHeaders(request) => json!({
            "locator": request.locator.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "stop": request.stop.to_string(),
        }),
        Message::Headers(headers) => headers.iter().map(header_fields).collect(),
        Message::Block(block) => {
            let mut value = header_fields(&block.header);
            set(&mut value, "transactions", block.transactions.iter().map(transaction).collect::<Value>());
            value
        }
        Message::Tx(tx) => transaction(tx),
        // Empty messages have nothing to show; the rest is shown as bytes beside this.
        _ => Value::Null,
    }
}
