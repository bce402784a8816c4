//! Values that the reference nodes computed: signatures, scripts, coinbases.

use std::slice;

use dilithion_chain::signature::{SigningHash, verify};
use dilithion_chain::validate::script::{Proof, paid_key_hash};
use dilithion_chain::validate::{Context, check_block, check_inputs, check_scripts};
use dilithion_chain::{Coin, Policy, TransactionError, UtxoView};
use dilithion_wire::{Amount, ChainParams, Decode, Encode, Height, OutPoint, Transaction, TxOut, sha3_256};
use serde_json::Value;

use crate::builder::seal;
use crate::signer::Key;

/// The file, and the long values that its rows name.
struct Vectors(Value);

impl Vectors {
    fn load() -> Self {
        Self(serde_json::from_str(include_str!("../data/signatures.json")).unwrap())
    }

    fn hex(&self, text: &Value) -> Vec<u8> {
        let values = self.0["values"].as_object().unwrap();
        let text = text.as_str().unwrap();
        let mut text = values.get(text).map_or(text, |value| value.as_str().unwrap()).to_owned();
        for (name, value) in values {
            text = text.replace(&format!("{{{name}}}"), value.as_str().unwrap());
        }
        hex::decode(text).unwrap()
    }
}

fn rows(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

fn transaction(bytes: Vec<u8>) -> Transaction {
    Transaction::decode_exact(bytes.into(), &dilithion_wire::Limits::MAINNET).unwrap()
}

fn coin(script_pubkey: Vec<u8>) -> Coin {
    let output = TxOut { value: Amount(1), script_pubkey: script_pubkey.into() };
    Coin { output, height: Height(0), coinbase: false }
}

#[test]
fn ml_dsa() {
    let vectors = Vectors::load();
    let mut counts = [0, 0];
    for row in rows(&vectors.0["ml_dsa"]) {
        let public_key = vectors.hex(&row["public_key"]);
        let message = vectors.hex(&row["message"]);
        let signature = vectors.hex(&row["signature"]);
        let valid = match (public_key.try_into(), message.try_into(), signature.try_into()) {
            (Ok(public_key), Ok(message), Ok(signature)) => verify(&public_key, &message, &signature),
            _ => false, // a length that no script can have
        };
        assert_eq!(valid, row["valid"], "{}", row["what"]);
        counts[usize::from(valid)] += 1;
    }
    assert_eq!(counts, [8, 2]);
}

#[test]
fn scripts_of_the_testnet() {
    let vectors = Vectors::load();
    for row in rows(&vectors.0["testnet_scripts"]) {
        let tx = transaction(vectors.hex(&row["tx"]));
        assert_eq!(tx.txid().to_bytes()[..], vectors.hex(&row["txid"])[..]);
        let hash = SigningHash::of(&tx);
        assert_eq!(hash.to_bytes()[..], vectors.hex(&row["signing_hash"])[..]);
        let input = number(&row["input"]);
        assert_eq!(hash.message(input, number(&row["chain_id"]))[..], vectors.hex(&row["message"])[..]);
        let spent = coin(vectors.hex(&row["script_pubkey"]));
        let position = usize::try_from(input).unwrap();
        let valid = one_input(&tx, position, &spent, &ChainParams::testnet());
        assert_eq!(valid, row["valid"], "{}", row["what"]);
    }
}

/// Whether one input is valid, which the whole transaction need not be. `check_scripts` answers for the first input that
/// is not, so it is asked as well where the one in question comes first.
fn one_input(tx: &Transaction, position: usize, spent: &Coin, params: &ChainParams) -> bool {
    let message = SigningHash::of(tx).message(u32::try_from(position).unwrap(), params.chain_id);
    let proof = Proof::read(&tx.inputs[position].script_sig, &params.transactions);
    let valid = proof.is_ok_and(|proof| {
        paid_key_hash(&spent.output.script_pubkey) == Some(&proof.key_hash())
            && verify(proof.public_key, &message, proof.signature)
    });
    if position == 0 {
        let failed = check_scripts(tx, slice::from_ref(spent), params, None).err();
        let here = matches!(failed, Some(TransactionError::Script { input: 0, .. }));
        assert_ne!(here, valid, "{failed:?}");
    }
    valid
}

/// What the interpreter of mainnet accepts, but for opcodes other than pushes in an input script, and for an output script
/// that mainnet does not let anybody create.
#[test]
fn scripts_of_mainnet() {
    let vectors = Vectors::load();
    let section = &vectors.0["mainnet_scripts"];
    let unsigned = transaction(vectors.hex(&section["tx"]));
    assert_eq!(SigningHash::of(&unsigned).to_bytes()[..], vectors.hex(&section["signing_hash"])[..]);
    let mut differ = Vec::new();
    for row in rows(&section["rows"]) {
        let mut tx = unsigned.clone();
        let position = usize::try_from(number(&row["input"])).unwrap();
        tx.inputs[position].script_sig = vectors.hex(&row["script_sig"]).into();
        let spent = coin(vectors.hex(&row["script_pubkey"]));
        let valid = one_input(&tx, position, &spent, &ChainParams::mainnet());
        if valid != row["valid"] {
            assert!(!valid, "{}", row["what"]);
            differ.push(row["what"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(differ, ["DUP DROP in scriptSig (not push only)", "scriptPubKey OP_1 (anyone)"]);
}

/// The whole of `sig_vector.txt`, made by the reference code and a key of a known seed.
#[test]
fn a_signed_transaction() {
    let text = include_str!("../data/sig_vector.txt");
    let field = |name: &str| {
        let found = text.split_whitespace().find_map(|word| word.strip_prefix(&format!("{name}=")));
        hex::decode(found.unwrap()).unwrap()
    };
    let key = Key::from_seed(field("seed").try_into().unwrap());
    assert_eq!(sha3_256(key.public_key())[..], field("pubkey_sha3_256")[..]);
    assert_eq!(key.script()[..], field("scriptPubKey")[..]);
    let tx = transaction(field("tx"));
    assert_eq!(tx.encode_to_vec(), field("tx"));
    assert_eq!(tx.txid().to_bytes()[..], field("txid_raw")[..]);
    let hash = SigningHash::of(&tx);
    assert_eq!(hash.to_bytes()[..], field("signing_hash_D")[..]);
    assert_eq!(hash.message(0, 1001)[..], field("M32")[..]);
    assert_eq!(sha3_256(&field("message44"))[..], field("M32")[..]);
    let spent = [coin(field("scriptPubKey"))];
    assert_eq!(check_scripts(&tx, &spent, &ChainParams::testnet(), None), Ok(()));
    check_scripts(&tx, &spent, &ChainParams::regtest(), None).unwrap_err();
}

struct NoCoins;

impl UtxoView for NoCoins {
    fn coin(&self, _: &OutPoint) -> Option<&Coin> {
        None
    }
}

/// `CheckCoinbase` of mainnet. Rows without fees: the others could not be in a block.
#[test]
fn coinbases_of_mainnet() {
    let vectors: Value = serde_json::from_str(include_str!("../data/coinbases.json")).unwrap();
    let mut params = ChainParams::mainnet();
    params.checkpoints.clear();
    let mut counts = [0, 0];
    for row in rows(&vectors).iter().filter(|row| row["fees"] == 0 && row["height"] != 0) {
        let height = Height(number(&row["height"]));
        let tx = transaction(hex::decode(row["tx"].as_str().unwrap()).unwrap());
        // Under the other policy the coinbase alone is looked at, as in the function that made these rows.
        let context =
            Context { params: &params, policy: Policy::Reference, height, parent: params.genesis.hash };
        let candidate = seal(params.genesis.hash, vec![tx], 0);
        let txids = candidate.block.txids();
        let valid = check_block(&candidate, &txids, &context)
            .and_then(|()| check_inputs(&candidate.block, &txids, &NoCoins, &context));
        assert_eq!(valid.is_ok(), row["ok"], "{}: {valid:?}", row["what"]);
        counts[usize::from(valid.is_ok())] += 1;
    }
    assert!(counts.iter().all(|count| *count >= 7), "{counts:?}");
}
