//! What values look like in JSON.

use std::collections::BTreeSet;

use dilithion_wire::{Address, ChainParams, Command, InventoryKind, Message, RawMessage, Txid};
use quickcheck::{Arbitrary, Gen, quickcheck};
use serde_json::{Value, json};

quickcheck! {
    fn messages_come_back(message: Message) -> bool {
        let text = serde_json::to_string(&message).unwrap();
        serde_json::from_str::<Message>(&text).unwrap() == message
    }

    fn addresses_come_back(address: Address) -> bool {
        serde_json::from_value::<Address>(serde_json::to_value(address).unwrap()).unwrap() == address
    }
}

#[test]
fn hashes_are_in_display_order_and_bytes_in_hex() {
    let genesis = ChainParams::testnet().genesis_block();
    let value = serde_json::to_value(&genesis).unwrap();
    assert_eq!(value["header"]["merkle_root"], genesis.header.merkle_root.to_string());
    let script = value["transactions"][0]["outputs"][0]["script_pubkey"].clone();
    assert_eq!(script, hex::encode(&genesis.transactions[0].outputs[0].script_pubkey));
    assert_eq!(value["transactions"][0]["outputs"][0]["value"], 5_000_000_000_u64);
}

#[test]
fn messages_are_named_by_their_command() {
    let mut seen = BTreeSet::new();
    let mut g = Gen::new(10);
    for message in (0..1000).map(|_| Message::arbitrary(&mut g)) {
        let name = match &message {
            Message::VdfHeaders(_) => "vdfheaders".to_owned(),
            Message::Dna { .. } => "dna".to_owned(),
            Message::Unknown { .. } => "unknown".to_owned(),
            message => message.command().to_string(),
        };
        assert_eq!(serde_json::to_value(&message).unwrap()["command"], name);
        seen.insert(name);
    }
    let plain = Command::KNOWN.iter().filter(|command| !command.is_dna());
    assert_eq!(seen.len(), plain.count() + 3);
    assert_eq!(serde_json::to_value(Message::Verack).unwrap(), json!({ "command": "verack" }));
    assert_eq!(serde_json::to_value(Message::Ping(7)).unwrap(), json!({ "command": "ping", "payload": 7 }));
}

#[test]
fn what_is_no_value_is_refused() {
    let refused = |value: Value| serde_json::from_value::<Txid>(value).is_err();
    assert!(refused(json!("00")));
    assert!(refused(json!(7)));
    assert!(serde_json::from_value::<Command>(json!("twelve chars")).is_err());
    for (name, command) in
        [("dna", "ping"), ("dna", "notfound"), ("unknown", "block"), ("unknown", "dnaireq")]
    {
        let hidden = json!({ "command": name, "payload": { "command": command, "payload": "" } });
        assert!(serde_json::from_value::<Message>(hidden).is_err(), "{name}: {command}");
    }
    let block = serde_json::from_value::<InventoryKind>(json!({ "other": 2 })).unwrap();
    assert_eq!(block, InventoryKind::Block);
    let raw = json!({ "command": "ping", "payload": "0g" });
    assert!(serde_json::from_value::<RawMessage>(raw).is_err());
}
