//! A block that breaks one rule is refused by that rule's name and leaves no trace: rules for transactions.

use dilithion_chain::TransactionError as Error;
use dilithion_wire::{Amount, Height, Transaction, TransactionParams};

use crate::builder::{coinbase, output, spend};
use crate::fixture::{FEE, Fixture};
use crate::signer::{pay_to_key, sign, signed};

/// The valid transaction, changed and signed again.
fn changed(fixture: &Fixture, change: impl FnOnce(&mut Transaction)) -> Transaction {
    let mut tx = fixture.spending();
    change(&mut tx);
    sign(tx)
}

#[test]
fn version() {
    let mut fixture = Fixture::new();
    for version in [0, 256, i32::MAX] {
        let tx = changed(&fixture, |tx| tx.version = version);
        let error = fixture.refused_transaction(tx);
        assert_eq!((&error, error.reject_reason()), (&Error::Version { version }, "bad-txns-version"));
    }
    let tx = changed(&fixture, |tx| tx.version = 255);
    fixture.accepted(vec![fixture.subsidy(), tx]);
    // The comparison is signed in the reference node.
    let mut fixture = Fixture::new();
    let tx = changed(&fixture, |tx| tx.version = -1);
    fixture.accepted(vec![fixture.subsidy(), tx]);
}

#[test]
fn version_of_a_coinbase() {
    let mut fixture = Fixture::new();
    let mut tx = fixture.subsidy();
    tx.version = 0;
    let candidate = fixture.next(vec![tx]);
    assert_eq!(fixture.refused(&candidate).reject_reason(), "bad-txns-version");
}

#[test]
fn size() {
    let mut fixture = Fixture::with(|params| {
        params.consensus.max_block_bytes = 2_000_000;
        params.transactions.max_fee = Amount(100_000_000);
    });
    let grown = |fixture: &Fixture, extra: usize| {
        let mut tx = pay_to_key(spend(&[fixture.mature()], vec![Amount(fixture.value().0 - 99_000_000)]));
        tx.outputs[0].script_pubkey = vec![0x6a; extra].into();
        sign(tx)
    };
    let base = grown(&fixture, 300).encoded_len() - 300 + 2;
    let max = 1_000_000;
    let tx = grown(&fixture, max + 1 - base);
    let error = fixture.refused_transaction(tx);
    assert_eq!(error, Error::TooLarge { bytes: max + 1, max });
    assert_eq!(error.reject_reason(), "bad-txns-oversize");
    let tx = grown(&fixture, max - base);
    assert_eq!(tx.encoded_len(), max);
    fixture.accepted(vec![fixture.subsidy(), tx]);
}

#[test]
fn number_of_inputs_and_outputs() {
    let mut fixture = Fixture::new();
    let nowhere = |index| dilithion_wire::OutPoint { index, ..crate::builder::nowhere() };
    let inputs: Vec<_> = (0..10_001).map(nowhere).collect();
    let error = fixture.refused_transaction(spend(&inputs, vec![Amount(100_000)]));
    assert_eq!(error, Error::TooManyInputs { count: 10_001, max: 10_000 });
    assert_eq!(error.reject_reason(), "bad-txns-too-many-inputs");

    // 10,000 outputs are allowed, and paid for: on this network, by size and without a limit.
    let mut fixture = Fixture::with(|params| params.transactions.max_fee = Amount::MAX_MONEY);
    let value = Amount(fixture.value().0 / 10_001 - 1000);
    let tx = signed(&[fixture.mature()], vec![value; 10_001]);
    let error = fixture.refused_transaction(tx);
    assert_eq!(error, Error::TooManyOutputs { count: 10_001, max: 10_000 });
    assert_eq!(error.reject_reason(), "bad-txns-too-many-outputs");
    let tx = signed(&[fixture.mature()], vec![value; 10_000]);
    fixture.accepted(vec![fixture.subsidy(), tx]);
}

#[test]
fn dust() {
    let mut fixture = Fixture::new();
    let pay = |fixture: &Fixture, small| {
        signed(&[fixture.mature()], vec![Amount(fixture.value().0 - 100_000), Amount(small)])
    };
    let tx = pay(&fixture, 49_999);
    let error = fixture.refused_transaction(tx);
    assert_eq!(error, Error::Dust { index: 1, value: Amount(49_999), min: Amount(50_000) });
    assert_eq!(error.reject_reason(), "dust");
    let tx = pay(&fixture, 50_000);
    fixture.accepted(vec![fixture.subsidy(), tx]);
    // A coinbase may create less: its subsidy halves until it is dust.
    fixture.accepted(vec![coinbase(1, Amount(0))]);
}

#[test]
fn outputs_that_nobody_can_spend_may_be_dust_on_mainnet() {
    let data = |fixture: &Fixture| {
        changed(fixture, |tx| {
            let mut output = tx.outputs[0].clone();
            (output.value, output.script_pubkey) = (Amount::ZERO, vec![0x6a, 1, 2].into());
            tx.outputs.push(output);
        })
    };
    let mut testnet = Fixture::new();
    let tx = data(&testnet);
    assert_eq!(testnet.refused_transaction(tx).reject_reason(), "dust");
    let mut mainnet = Fixture::with(|params| params.transactions = TransactionParams::MAINNET);
    let tx = data(&mainnet);
    mainnet.accepted(vec![mainnet.subsidy(), tx]);
}

#[test]
fn output_scripts() {
    let odd = |fixture: &Fixture| changed(fixture, |tx| tx.outputs[0].script_pubkey = vec![0x51].into());
    let mut testnet = Fixture::new();
    let tx = odd(&testnet);
    testnet.accepted(vec![testnet.subsidy(), tx]);
    let mut mainnet = Fixture::with(|params| params.transactions = TransactionParams::MAINNET);
    let tx = odd(&mainnet);
    let error = mainnet.refused_transaction(tx);
    assert_eq!((&error, error.reject_reason()), (&Error::OutputScript { index: 0 }, "scriptpubkey"));
}

#[test]
fn lock_times() {
    let mut fixture = Fixture::new();
    let (height, time) = (fixture.height(), 1_730_000_000);
    let locked = |fixture: &Fixture, lock_time, sequence| {
        changed(fixture, |tx| (tx.lock_time, tx.inputs[0].sequence) = (lock_time, sequence))
    };
    for lock_time in [height + 1, 499_999_999, time + 1, u32::MAX] {
        let tx = locked(&fixture, lock_time, 0);
        let error = fixture.refused_transaction(tx);
        assert_eq!(error, Error::NotFinal { lock_time, height: Height(height), time });
        assert_eq!(error.reject_reason(), "bad-txns-nonfinal");
    }
    for (lock_time, sequence) in [(height, 0), (time, 0), (500_000_000, 0), (u32::MAX, u32::MAX)] {
        let mut fixture = Fixture::new();
        let tx = locked(&fixture, lock_time, sequence);
        fixture.accepted(vec![fixture.subsidy(), tx]);
    }
}

#[test]
fn relative_locks() {
    // The mature output is 100 blocks old in the next block.
    let locked = |fixture: &Fixture, version, sequence| {
        changed(fixture, |tx| (tx.version, tx.inputs[0].sequence) = (version, sequence))
    };
    let mut mainnet = Fixture::with(|params| params.transactions = TransactionParams::MAINNET);
    for sequence in [101, 0xffff, 1 << 16 | 101] {
        let tx = locked(&mainnet, 2, sequence);
        let required = sequence & 0xffff;
        let error = mainnet.refused_transaction(tx);
        assert_eq!(error, Error::RelativeLock { input: 0, age: 100, required });
        assert_eq!(error.reject_reason(), "non-BIP68-final");
    }
    for (version, sequence) in [(2, 100), (1, 101), (-2, 101), (2, 1 << 31 | 101), (2, 1 << 22 | 101)] {
        let mut mainnet = Fixture::with(|params| params.transactions = TransactionParams::MAINNET);
        let tx = locked(&mainnet, version, sequence);
        mainnet.accepted(vec![mainnet.subsidy(), tx]);
    }
    let mut testnet = Fixture::new();
    let tx = locked(&testnet, 2, 101);
    testnet.accepted(vec![testnet.subsidy(), tx]);
}

#[test]
fn fees() {
    for rules in [TransactionParams::TESTNET, TransactionParams::MAINNET] {
        let pay =
            |fixture: &Fixture, fee| signed(&[fixture.mature()], vec![Amount(fixture.value().0 + FEE - fee)]);
        let mut fixture = Fixture::with(|params| params.transactions = rules);
        let bytes = pay(&fixture, FEE).encoded_len();
        let (min, max) = (rules.fee_floor(bytes), rules.max_fee);
        for (fee, expected, reason) in [
            (min.0 - 1, Error::FeeTooLow { fee: Amount(min.0 - 1), min }, "min-fee-not-met"),
            (0, Error::FeeTooLow { fee: Amount(0), min }, "min-fee-not-met"),
            (max.0 + 1, Error::FeeTooHigh { fee: Amount(max.0 + 1), max }, "absurdly-high-fee"),
        ] {
            let tx = pay(&fixture, fee);
            let error = fixture.refused_transaction(tx);
            assert_eq!((&error, error.reject_reason()), (&expected, reason));
        }
        let tx = pay(&fixture, min.0);
        let next = signed(&[output(&tx, 0)], vec![Amount(fixture.value().0 + FEE - min.0 - max.0)]);
        fixture.accepted(vec![fixture.subsidy(), tx, next]);
    }
}
