//! A block that breaks one rule is refused by that rule's name and leaves no trace: scripts and signatures.

use dilithion_chain::signature::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES, SigningHash};
use dilithion_chain::validate::script::Proof;
use dilithion_chain::{Candidate, ScriptError, SignatureCache, TransactionError};
use dilithion_wire::{Amount, Height, Transaction, TransactionParams};

use crate::builder::{coinbase, output, seal};
use crate::fixture::{FEE, Fixture};
use crate::signer::{CHAIN_ID, Key, key, pay_to_key, signed};
use crate::{digest, import};

/// The valid transaction with another input script.
fn with_script(fixture: &Fixture, script: impl FnOnce(&Transaction) -> Vec<u8>) -> Transaction {
    let mut tx = fixture.spending();
    tx.inputs[0].script_sig = script(&tx).into();
    tx
}

fn refused(fixture: &mut Fixture, tx: Transaction) -> ScriptError {
    match fixture.refused_transaction(tx) {
        TransactionError::Script { input: 0, error } => error,
        other => unreachable!("{other}"),
    }
}

#[test]
fn signatures() {
    let mut fixture = Fixture::new();
    let valid = fixture.spending();
    let changes: [fn(&mut Transaction); 6] = [
        |tx| tx.outputs[0].value.0 -= 1,
        |tx| tx.version = 2,
        |tx| tx.lock_time = 1,
        |tx| tx.inputs[0].sequence = 1,
        |tx| tx.outputs[0].script_pubkey = Key::from_seed([8; 32]).script(),
        |tx| {
            let mut output = tx.outputs[0].clone();
            output.value = Amount(100_000);
            tx.outputs[0].value.0 -= output.value.0;
            tx.outputs.push(output);
        },
    ];
    for change in changes {
        let mut tx = valid.clone();
        change(&mut tx);
        let error = refused(&mut fixture, tx);
        assert_eq!((error, error.reject_reason()), (ScriptError::Signature, "bad-signature"));
    }
    for (input, chain_id) in [(1, CHAIN_ID), (0, 1)] {
        let tx = with_script(&fixture, |tx| key().unlock(tx, input, chain_id));
        assert_eq!(refused(&mut fixture, tx), ScriptError::Signature);
    }
    for byte in [2, 2 + 47, 2000, 2 + SIGNATURE_BYTES - 1] {
        let tx = with_script(&fixture, |tx| {
            let mut script = tx.inputs[0].script_sig.to_vec();
            script[byte] ^= 1;
            script
        });
        assert_eq!(refused(&mut fixture, tx), ScriptError::Signature, "byte {byte}");
    }
    fixture.accepted(vec![fixture.subsidy(), valid]);
}

#[test]
fn keys() {
    let mut fixture = Fixture::new();
    let tx = with_script(&fixture, |tx| Key::from_seed([8; 32]).unlock(tx, 0, CHAIN_ID));
    let error = refused(&mut fixture, tx);
    assert_eq!((error, error.reject_reason()), (ScriptError::KeyHash, "bad-script"));
}

#[test]
fn forms_of_input_scripts() {
    let mut fixture = Fixture::new();
    let pushed = |tx: &Transaction| {
        let signature = key().signature(tx, 0, CHAIN_ID);
        [&[0x4d, 0xed, 0x0c][..], &signature, &[0x4d, 0xa0, 0x07], key().public_key()].concat()
    };
    let changes: [fn(&Transaction) -> Vec<u8>; 6] = [
        |_| Vec::new(),
        |tx| tx.inputs[0].script_sig[..5264].to_vec(),
        |tx| [&tx.inputs[0].script_sig[..], &[0]].concat(),
        |tx| [&[0xec], &tx.inputs[0].script_sig[1..]].concat(),
        |tx| {
            let mut script = tx.inputs[0].script_sig.to_vec();
            script[2 + SIGNATURE_BYTES] ^= 1; // the length of the key
            script
        },
        pushed,
    ];
    for change in changes {
        let tx = with_script(&fixture, change);
        let bytes = tx.inputs[0].script_sig.len();
        let error = refused(&mut fixture, tx);
        assert_eq!((error, error.reject_reason()), (ScriptError::Form { bytes }, "bad-script"));
    }
    for blank in [0x00, 0xff] {
        let plain = |signature: &[u8], public_key: &[u8]| {
            [&[0xed, 0x0c][..], signature, &[0xa0, 0x07], public_key].concat()
        };
        let tx = with_script(&fixture, |_| plain(&[blank; SIGNATURE_BYTES], key().public_key()));
        assert_eq!(refused(&mut fixture, tx), ScriptError::Blank);
        let tx = with_script(&fixture, |_| plain(&[1; SIGNATURE_BYTES], &[blank; PUBLIC_KEY_BYTES]));
        assert_eq!(refused(&mut fixture, tx), ScriptError::Blank);
    }
    // Mainnet knows opcodes.
    let mut mainnet = Fixture::with(|params| params.transactions = TransactionParams::MAINNET);
    let tx = with_script(&mainnet, pushed);
    assert_eq!(tx.inputs[0].script_sig.len(), 5267);
    mainnet.accepted(vec![mainnet.subsidy(), tx]);
}

#[test]
fn outputs_that_pay_to_no_key() {
    let mut fixture = Fixture::new();
    let mut odd = fixture.spending();
    odd.outputs[0].script_pubkey = vec![0x51].into();
    odd.inputs[0].script_sig = key().unlock(&odd, 0, CHAIN_ID).into();
    fixture.accepted(vec![fixture.subsidy(), odd.clone()]);
    let tx = signed(&[output(&odd, 0)], vec![Amount(fixture.value().0 - FEE)]);
    let error = refused(&mut fixture, tx);
    assert_eq!((error, error.reject_reason()), (ScriptError::OutputScript, "bad-script"));
}

/// Three blocks with a spend in each, one on the other.
fn three(fixture: &Fixture, spoilt: &[usize]) -> Vec<Candidate> {
    let (mut prev, mut spent) = (fixture.chain.tip().hash, fixture.mature());
    let mut blocks = Vec::new();
    for number in 0..3 {
        let paid = FEE * (u64::try_from(number).unwrap() + 1);
        let mut tx = signed(&[spent], vec![Amount(fixture.value().0 + FEE - paid)]);
        if spoilt.contains(&number) {
            let mut script = tx.inputs[0].script_sig.to_vec();
            script[100] ^= 1;
            tx.inputs[0].script_sig = script.into();
        }
        spent = output(&tx, 0);
        let tag = u32::try_from(number).unwrap() + 900;
        let block = seal(prev, vec![pay_to_key(coinbase(tag, Amount(0))), tx], tag);
        prev = block.hash;
        blocks.push(block);
    }
    blocks
}

#[test]
fn the_first_wrong_signature_of_a_slice_decides() {
    for (spoilt, connected) in [(&[0, 2][..], 0_usize), (&[1, 2], 1), (&[2], 2), (&[], 3)] {
        let mut fixture = Fixture::new();
        let start = fixture.height();
        let blocks = three(&fixture, spoilt);
        let outcome = fixture.chain.connect(&blocks).unwrap();
        assert_eq!((outcome.connected.len(), outcome.script_checks), (connected, connected));
        assert_eq!(outcome.fully_validated, connected);
        let height = Height(start + u32::try_from(connected).unwrap());
        match outcome.failure {
            Some(rejected) => {
                assert_eq!((rejected.height, rejected.hash), (height, blocks[connected].hash));
                assert_eq!(rejected.error.reject_reason(), "bad-signature");
            }
            None => assert_eq!(connected, blocks.len()),
        }
        // What is stored is what the good blocks alone would have left.
        let mut alone = Fixture::new();
        import(&mut alone.chain, &blocks[..connected], 1);
        assert_eq!(alone.chain.tip(), fixture.chain.tip());
        assert_eq!(digest(&alone.chain), digest(&fixture.chain));
        for block in &blocks[connected..] {
            assert_eq!(fixture.chain.reader().header(&block.hash).unwrap(), None);
        }
    }
}

#[test]
fn a_wrong_signature_counts_before_a_later_block_that_breaks_another_rule() {
    let mut fixture = Fixture::new();
    let mut blocks = three(&fixture, &[1]);
    blocks[2] = seal(blocks[1].hash, vec![coinbase(0, Amount(u64::MAX / 4))], 0);
    let outcome = fixture.chain.connect(&blocks).unwrap();
    assert_eq!(outcome.connected.len(), 1);
    assert_eq!(outcome.failure.unwrap().hash, blocks[1].hash);

    let mut fixture = Fixture::new();
    let mut blocks = three(&fixture, &[2]);
    blocks[1] = seal(blocks[0].hash, vec![coinbase(0, Amount(u64::MAX / 4))], 0);
    let outcome = fixture.chain.connect(&blocks).unwrap();
    assert_eq!(outcome.connected.len(), 1);
    assert_eq!(outcome.failure.unwrap().error.reject_reason(), "bad-structure");
}

#[test]
fn signatures_that_are_known_are_not_verified_again() {
    let mut fixture = Fixture::new();
    // A wrong signature, of which somebody says that it is valid: only who asks the cache believes it.
    let blocks = three(&fixture, &[0]);
    assert_eq!(fixture.chain.connect(&blocks[..1]).unwrap().failure.unwrap().height.0, fixture.height());
    let cache: SignatureCache = fixture.chain.signature_cache().clone();
    assert!(cache.is_empty());
    let tx = &blocks[0].block.transactions[1];
    let proof = Proof::read(&tx.inputs[0].script_sig, &fixture.params.transactions).unwrap();
    let message = SigningHash::of(tx).message(0, CHAIN_ID);
    cache.insert(&message, proof.public_key, proof.signature);
    assert_eq!(fixture.chain.connect(&blocks[..1]).unwrap().failure, None);
}
