//! JSON-RPC as scripts use it.

use dilithion_wire::Encode;
use serde_json::{Value, json};

use super::client::Served;
use crate::miner::Miner;
use crate::wallet::Wallet;
use crate::wire_peer::RawPeer;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_needs_its_header_and_the_token() {
    let served = Served::start(&Miner::shared().genesis()).await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"getblockcount"}"#;
    assert_eq!(served.post("/", "X-Dilithion-RPC: 1\r\n", call).await.status, 401);
    assert_eq!(served.post("/", &served.auth(), call).await.status, 403);
    assert_eq!(served.post("/", &format!("{}X-Dilithion-RPC: 2\r\n", served.auth()), call).await.status, 403);
    assert_eq!(served.rpc_raw(call).await.json(), json!({ "jsonrpc": "2.0", "result": 0, "id": 1 }));
    served.stop().await;
}

/// JSON-RPC 2.0 §4 to §6.
#[tokio::test(flavor = "multi_thread")]
async fn the_envelope_is_that_of_the_specification() {
    let served = Served::start(&Miner::shared().genesis()).await;
    let code = |body: &'static str| {
        let served = &served;
        async move { served.rpc_raw(body).await.json()["error"]["code"].clone() }
    };
    assert_eq!(code("{").await, -32700);
    assert_eq!(code("5").await, -32600);
    assert_eq!(code("[]").await, -32600);
    assert_eq!(code(r#"{"id":1}"#).await, -32600);
    assert_eq!(code(r#"{"jsonrpc":"3.0","id":1,"method":"help"}"#).await, -32600);
    assert_eq!(code(r#"{"id":1,"method":"getbalance"}"#).await, -32601);
    assert_eq!(code(r#"{"id":1,"method":"getblockhash"}"#).await, -32602);
    assert_eq!(code(r#"{"id":1,"method":"getblockhash","params":["x"]}"#).await, -32602);
    assert_eq!(code(r#"{"id":1,"method":"getblockhash","params":[-1]}"#).await, -32602);
    assert_eq!(code(r#"{"id":1,"method":"getblockhash","params":[1,2]}"#).await, -32602);
    assert_eq!(code(r#"{"id":1,"method":"getblockhash","params":[9]}"#).await, -8);
    assert_eq!(served.rpc_raw("{").await.status, 400);

    let batch = r#"[{"id":"a","method":"getblockcount"},{"method":"getblockcount"},7,{"id":null,"method":"nothing"}]"#;
    let answer = served.rpc_raw(batch).await.json();
    let answers = answer.as_array().unwrap();
    assert_eq!(answers.len(), 3, "a notification has no answer");
    assert_eq!(answers[0], json!({ "jsonrpc": "2.0", "result": 0, "id": "a" }));
    assert_eq!((&answers[1]["error"]["code"], &answers[1]["id"]), (&(-32600).into(), &Value::Null));
    assert_eq!(answers[2]["error"]["code"], -32601);
    let notification = served.rpc_raw(r#"{"method":"getblockcount"}"#).await;
    assert_eq!((notification.status, notification.body.len()), (204, 0));
    let many = format!("[{}]", vec![r#"{"id":1,"method":"getblockcount"}"#; 101].join(","));
    assert_eq!(served.rpc_raw(&many).await.json()["error"]["code"], -32600);
    served.stop().await;
}

/// What the help lists exists; what it lists is all that spec: lessons §7 A asks for, and the chosen parts of B to D.
#[tokio::test(flavor = "multi_thread")]
async fn the_help_lists_what_scripts_rely_on() {
    let served = Served::start(&Miner::shared().genesis()).await;
    let help = served.rpc("help", json!([])).await.unwrap();
    let lines = help["commands"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    let listed: Vec<&str> = lines.map(|line| line.split(' ').next().unwrap()).collect();
    for name in [
        "getblockchaininfo",
        "getblockcount",
        "getbestblockhash",
        "getblockhash",
        "getblock",
        "getconnectioncount",
        "getpeerinfo",
        "getnetworkinfo",
        "getmempoolinfo",
        "getrawmempool",
        "getchaintips",
        "addnode",
        "stop",
        "help",
        "getblocktrackerinfo",
        "waitforblock",
        "waitforblockheight",
        "waitfornewblock",
        "getindexinfo",
        "disconnectnode",
        "setban",
        "listbanned",
        "clearbanned",
        "checkchain",
        "getrawtransaction",
        "decoderawtransaction",
        "gettxout",
        "sendrawtransaction",
        "getmininginfo",
        "getnetworkhashps",
        "invalidateblock",
        "reconsiderblock",
        "testmempoolaccept",
    ] {
        assert!(listed.contains(&name), "{name} is missing");
    }
    for name in listed.into_iter().filter(|name| *name != "stop" && !name.starts_with("wait")) {
        if let Err(error) = served.rpc(name, json!([])).await {
            assert_eq!(error["code"], -32602, "{name}: {error}");
        }
    }
    let one = served.rpc("help", json!(["getblockhash"])).await.unwrap();
    assert_eq!(one, "getblockhash height - Hash of the block at a height");
    assert_eq!(served.rpc("help", json!(["dance"])).await.unwrap_err()["code"], -32601);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_is_told_as_the_reference_node_tells_it() {
    let chain = Miner::shared().extend(&Miner::shared().genesis(), 3, 0);
    let served = Served::start(&chain).await;
    let tip = chain.tip.to_string();
    let info = served.rpc("getblockchaininfo", json!([])).await.unwrap();
    assert_eq!((&info["chain"], &info["blocks"]), (&"regtest".into(), &3.into()));
    assert_eq!(
        (&info["bestblockhash"], &info["mediantime"]),
        (&json!(tip), &chain.blocks[2].header.time.into())
    );
    assert!(info["difficulty"].as_f64().unwrap() > 0.0);
    assert_eq!(info["chainwork"].as_str().unwrap().len(), 64);
    assert_eq!(served.rpc("getbestblockhash", json!([])).await, Ok(json!(tip)));
    assert_eq!(served.rpc("getblockhash", json!({ "height": 3 })).await, Ok(json!({ "blockhash": tip })));

    let block = served.rpc("getblock", json!({ "hash": tip })).await.unwrap();
    let header = chain.blocks[3].header;
    assert_eq!(
        (&block["height"], &block["tx_count"], &block["confirmations"]),
        (&3.into(), &1.into(), &1.into())
    );
    assert_eq!(block["previousblockhash"], header.prev_hash.to_string());
    assert_eq!(block["merkleroot"], header.merkle_root.to_string());
    assert_eq!((&block["time"], &block["nonce"]), (&header.time.into(), &header.nonce.into()));
    assert_eq!(block["tx"][0], chain.blocks[3].transactions[0].txid().to_string());
    let genesis = served.rpc("getblock", json!([header.prev_hash.to_string(), 2])).await.unwrap();
    assert_eq!(genesis["nextblockhash"], tip);
    assert_eq!(genesis["tx"][0]["vout"][0]["value"], 50.0);
    let bytes = served.rpc("getblock", json!([tip, 0])).await.unwrap();
    assert_eq!(bytes, hex::encode(chain.blocks[3].encode_to_vec()));
    assert_eq!(served.rpc("getblock", json!(["00".repeat(32)])).await.unwrap_err()["code"], -5);
    assert_eq!(served.rpc("getblock", json!(["zz"])).await.unwrap_err()["code"], -8);

    let tips = served.rpc("getchaintips", json!([])).await.unwrap();
    assert_eq!(tips, json!([{ "height": 3, "hash": tip, "branchlen": 0, "status": "active" }]));
    let checked = served.rpc("checkchain", json!([])).await.unwrap();
    assert_eq!((&checked["chain_valid"], &checked["blocks_verified"]), (&true.into(), &4.into()));
    assert_eq!(served.rpc("checkchain", json!([2])).await.unwrap()["blocks_verified"], 2);
    let mining = served.rpc("getmininginfo", json!([])).await.unwrap();
    assert_eq!((&mining["mining"], &mining["blocks"]), (&false.into(), &3.into()));
    // One hash in four is good enough.
    let took = chain.blocks[3].header.time - chain.blocks[0].header.time;
    let rate = 12.0 / f64::from(took);
    for told in [&mining["hashrate"], &mining["networkhashps"]] {
        assert!((told.as_f64().unwrap() - rate).abs() < 1e-6, "{told}, not {rate}");
    }
    for params in [json!([]), json!([2, 2]), json!([1, -1])] {
        let told = served.rpc("getnetworkhashps", params).await.unwrap().as_f64().unwrap();
        assert!((told - rate).abs() < 1e-6, "the blocks come at even times");
    }
    assert_eq!(served.rpc("getnetworkhashps", json!([120, 0])).await, Ok(json!(0.0)), "genesis took no time");
    for params in [json!([0]), json!([-1]), json!([10_001]), json!([120, 4])] {
        assert_eq!(served.rpc("getnetworkhashps", params).await.unwrap_err()["code"], -8);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_found_in_blocks_and_among_the_unspent() {
    let chain = Miner::shared().extend(&Miner::shared().genesis(), 3, 0);
    let served = Served::start(&chain).await;
    let coinbase = &chain.blocks[2].transactions[0];
    let (txid, bytes) = (coinbase.txid().to_string(), hex::encode(coinbase.encode_to_vec()));
    assert_eq!(served.rpc("getrawtransaction", json!([txid])).await, Ok(json!(bytes)));
    let block = chain.blocks[3].header.prev_hash.to_string();
    for params in [json!([txid, true]), json!([txid, 1, block])] {
        let found = served.rpc("getrawtransaction", params).await.unwrap();
        assert_eq!((&found["blockhash"], &found["confirmations"]), (&json!(block), &2.into()));
        assert_eq!((&found["hex"], &found["txid"]), (&json!(bytes), &json!(txid)));
    }
    let elsewhere = json!([txid, true, chain.tip.to_string()]);
    assert_eq!(served.rpc("getrawtransaction", elsewhere).await.unwrap_err()["code"], -5);
    assert_eq!(served.rpc("getrawtransaction", json!(["11".repeat(32)])).await.unwrap_err()["code"], -5);

    let decoded = served.rpc("decoderawtransaction", json!([bytes])).await.unwrap();
    assert_eq!((&decoded["txid"], &decoded["vout"][0]["scriptPubKey"]["hex"]), (&json!(txid), &"51".into()));
    for bad in ["", "zz", "00", &format!("{bytes}00")] {
        assert_eq!(served.rpc("decoderawtransaction", json!([bad])).await.unwrap_err()["code"], -22, "{bad}");
    }
    let out = served.rpc("gettxout", json!({ "txid": txid, "n": 0 })).await.unwrap();
    assert_eq!(
        (&out["value"], &out["confirmations"], &out["coinbase"]),
        (&50.0.into(), &2.into(), &true.into())
    );
    assert_eq!(out["bestblock"], chain.tip.to_string());
    assert_eq!(served.rpc("gettxout", json!([txid, 1])).await, Ok(Value::Null));
    assert_eq!(served.rpc("getrawmempool", json!([])).await, Ok(json!([])));
    let pool = served.rpc("getmempoolinfo", json!([])).await.unwrap();
    assert_eq!((&pool["size"], &pool["bytes"]), (&0.into(), &0.into()));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_and_bans_are_told_and_changed() {
    let served = Served::start(&Miner::shared().genesis()).await;
    assert_eq!(served.rpc("getconnectioncount", json!([])).await, Ok(json!(0)));
    let mut peer = RawPeer::connect(&served.node, Miner::shared()).await;
    peer.shake_hands().await;
    served.node.status().wait_for(|status| status.peers == 1).await.unwrap();
    assert_eq!(served.rpc("getconnectioncount", json!([])).await, Ok(json!(1)));
    let info = served.rpc("getpeerinfo", json!([])).await.unwrap()[0].take();
    for field in [
        "id",
        "addr",
        "inbound",
        "bytes_sent",
        "bytes_recv",
        "conntime",
        "lastsend",
        "lastrecv",
        "version",
        "subver",
        "startingheight",
        "relaytxes",
        "misbehavior",
    ] {
        assert!(!info[field].is_null(), "{field}");
    }
    assert_eq!((&info["subver"], &info["inbound"]), (&"/test:1.0/".into(), &true.into()));
    let network = served.rpc("getnetworkinfo", json!([])).await.unwrap();
    assert_eq!((&network["connections_in"], &network["protocolversion"]), (&1.into(), &70001.into()));
    let blocks = served.rpc("getblocktrackerinfo", json!([])).await.unwrap();
    assert_eq!((&blocks["total_in_flight"], &blocks["per_peer"][0]["peer"]), (&0.into(), &info["id"]));
    assert_eq!(served.rpc("disconnectnode", json!([info["addr"]])).await, Ok(Value::Null));
    assert!(peer.is_closed().await);
    assert_eq!(served.rpc("disconnectnode", json!(["", 77])).await.unwrap_err()["code"], -29);

    let ban = |params: Value| served.rpc("setban", params);
    assert_eq!(ban(json!(["192.0.2.9", "add", 90])).await, Ok(Value::Null));
    let banned = served.rpc("listbanned", json!([])).await.unwrap()[0].take();
    assert_eq!((&banned["address"], &banned["ban_duration"]), (&"192.0.2.9".into(), &90.into()));
    assert_eq!(ban(json!(["192.0.2.9", "remove"])).await, Ok(Value::Null));
    assert_eq!(ban(json!(["192.0.2.9", "remove"])).await.unwrap_err()["code"], -30);
    assert_eq!(ban(json!(["192.0.2.0/24", "add"])).await.unwrap_err()["code"], -30);
    assert_eq!(ban(json!(["192.0.2.9", "add", 1000, true])).await.unwrap_err()["code"], -8, "in 1970");
    assert_eq!(ban(json!(["192.0.2.9", "add"])).await, Ok(Value::Null));
    assert_eq!(served.rpc("clearbanned", json!([])).await, Ok(Value::Null));
    assert_eq!(served.rpc("listbanned", json!([])).await, Ok(json!([])));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_when_the_block_is_there() {
    let (miner, short) = (Miner::shared(), Miner::shared().genesis());
    let longer = miner.extend(&short, 2, 0);
    let (served, source) = (Served::start(&short).await, Served::start(&longer).await);
    let there = served.rpc("waitforblockheight", json!([0])).await.unwrap();
    assert_eq!(there["height"], 0);
    assert_eq!(served.rpc("waitfornewblock", json!([1])).await.unwrap()["height"], 0, "in vain");
    let block = json!({ "blockhash": longer.tip.to_string() });
    let (by_hash, by_height) =
        (served.rpc("waitforblock", block), served.rpc("waitforblockheight", json!([2])));
    let connect = async { served.node.handle().add_peer(source.node.listening().unwrap()) };
    let (by_hash, by_height, ()) = tokio::join!(by_hash, by_height, connect);
    let expected = json!({ "hash": longer.tip.to_string(), "height": 2 });
    assert_eq!((by_hash, by_height), (Ok(expected.clone()), Ok(expected)));
    source.stop().await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_handed_in_and_pending() {
    let miner = Miner::fast();
    let wallet = Wallet::new(&miner.params);
    let script = wallet.script();
    let chain = (0..5).fold(miner.genesis(), |chain, _| miner.extend_with(&chain, &script, &[]));
    let served = Served::on(&miner, &chain).await;
    let transaction = wallet.spend(&chain.blocks[1].transactions[0]);
    let (txid, bytes) = (transaction.txid().to_string(), hex::encode(transaction.encode_to_vec()));
    assert_eq!(served.rpc("sendrawtransaction", json!([bytes])).await, Ok(json!(txid)));
    let again = served.rpc("sendrawtransaction", json!([bytes])).await.unwrap_err();
    assert_eq!(again["code"], -26);
    assert!(again["message"].as_str().unwrap().starts_with("txn-already-in-mempool"));
    assert_eq!(served.rpc("sendrawtransaction", json!(["00"])).await.unwrap_err()["code"], -22);

    assert_eq!(served.rpc("getrawmempool", json!([])).await, Ok(json!([txid])));
    let entry = served.rpc("getrawmempool", json!([true])).await.unwrap()[&txid].take();
    assert_eq!((&entry["size"], &entry["fee"]), (&transaction.encoded_len().into(), &json!(0.01)));
    let pool = served.rpc("getmempoolinfo", json!([])).await.unwrap();
    assert_eq!((&pool["size"], &pool["min_fee_rate"]), (&1.into(), &pool["max_fee_rate"]));
    let found = served.rpc("getrawtransaction", json!([txid, true])).await.unwrap();
    assert_eq!((&found["confirmations"], &found["blockhash"]), (&0.into(), &Value::Null));
    let spent = chain.blocks[1].transactions[0].txid().to_string();
    assert_eq!(served.rpc("gettxout", json!([spent, 0])).await, Ok(Value::Null));
    assert_eq!(served.rpc("gettxout", json!([spent, 0, false])).await.unwrap()["confirmations"], 5);
    assert_eq!(served.rpc("gettxout", json!([txid, 0])).await.unwrap()["confirmations"], 0);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_tried_and_nothing_comes_of_it() {
    let miner = Miner::fast();
    let wallet = Wallet::new(&miner.params);
    let script = wallet.script();
    let chain = (0..5).fold(miner.genesis(), |chain, _| miner.extend_with(&chain, &script, &[]));
    let served = Served::on(&miner, &chain).await;
    let parent = wallet.spend(&chain.blocks[1].transactions[0]);
    let child = wallet.spend(&parent);
    let hex = |transaction: &dilithion_wire::Transaction| hex::encode(transaction.encode_to_vec());
    let of = |transactions: &[&dilithion_wire::Transaction]| {
        json!([transactions.iter().map(|transaction| hex(transaction)).collect::<Vec<_>>()])
    };
    let coins = served.node.store().utxo_stats().unwrap();

    let tried = served.rpc("testmempoolaccept", of(&[&child, &parent, &child])).await.unwrap();
    let [orphan, good, good_child] = [&tried[0], &tried[1], &tried[2]];
    assert_eq!((&orphan["allowed"], &orphan["txid"]), (&false.into(), &json!(child.txid().to_string())));
    assert_eq!(orphan["reject-reason"], "missing-inputs");
    assert_eq!((&good["allowed"], &good_child["allowed"]), (&true.into(), &true.into()), "one after another");
    assert_eq!((&good["vsize"], &good["fees"]["base"]), (&parent.encoded_len().into(), &json!(0.01)));
    assert_eq!(served.rpc("getrawmempool", json!([])).await, Ok(json!([])));
    assert_eq!(served.rpc("getmempoolinfo", json!([])).await.unwrap()["bytes"], 0);
    assert_eq!(served.node.store().utxo_stats().unwrap(), coins);

    served.rpc("sendrawtransaction", json!([hex(&parent)])).await.unwrap();
    let again = served.rpc("testmempoolaccept", of(&[&parent, &child])).await.unwrap();
    assert_eq!(again[0]["reject-reason"], "txn-already-in-mempool");
    assert_eq!(again[1]["allowed"], true);
    assert_eq!(served.rpc("getrawmempool", json!([])).await, Ok(json!([parent.txid().to_string()])));

    let code = |params: Value| {
        let served = &served;
        async move { served.rpc("testmempoolaccept", params).await.unwrap_err()["code"].clone() }
    };
    assert_eq!(code(json!([[]])).await, -8);
    assert_eq!(code(json!([vec!["00"; 26]])).await, -8);
    assert_eq!(code(json!([["00"]])).await, -22);
    assert_eq!(code(json!(["00"])).await, -32602);
    served.stop().await;
}

/// A peer may call itself anything; people see no escape, no control character and no secret of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_peer_calls_itself_is_cleaned() {
    let served = Served::start(&Miner::shared().genesis()).await;
    let mut peer = RawPeer::connect(&served.node, Miner::shared()).await;
    let dilithion_wire::Message::Version(said) = crate::wire_peer::version(0) else { panic!("a version") };
    let name = "/x\u{1b}[31m:\r\n\u{7}\u{202e}Authorization: Bearer abcdefghijklmnopqrst-123/".to_owned();
    peer.send(&dilithion_wire::Message::Version(dilithion_wire::VersionMessage { user_agent: name, ..said }))
        .await;
    peer.wait_for("verack").await;
    peer.send(&dilithion_wire::Message::Verack).await;
    peer.wait_for("sendheaders").await;
    let clean = "/x:\u{fffd}\u{fffd}\u{fffd}Authorization: [BEARER_TOKEN]/";
    let info = served.rpc("getpeerinfo", json!([])).await.unwrap();
    assert_eq!(info[0]["subver"], clean);
    assert_eq!(served.json("/api/v1/peers").await["peers"][0]["user_agent"], clean);
    served.stop().await;
}
