//! Transactions.

use bytes::{BufMut, Bytes};

use crate::amount::Amount;
use crate::compact_size::{list_len, put_list, put_var_bytes, var_bytes_len};
use crate::digest::sha3_256;
use crate::encode::{Decode, DecodeError, Encode};
use crate::hash::Txid;
use crate::limits::Counted;
use crate::reader::Reader;

/// An output of an earlier transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OutPoint {
    /// The transaction.
    pub txid: Txid,
    /// Position among its outputs.
    pub index: u32,
}

impl OutPoint {
    /// What a coinbase spends: no output.
    pub const NULL: Self = Self { txid: Txid::ZERO, index: u32::MAX };

    /// Whether it names no output.
    #[must_use]
    pub fn is_null(&self) -> bool {
        *self == Self::NULL
    }
}

/// What a transaction spends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TxIn {
    /// The output that is spent.
    pub previous_output: OutPoint,
    /// Proof that it may be: signature and public key (spec: consensus §9).
    #[cfg_attr(feature = "serde", serde(with = "crate::serde_hex"))]
    pub script_sig: Bytes,
    /// `u32::MAX` unless the lock time counts.
    pub sequence: u32,
}

/// What a transaction creates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TxOut {
    /// How much.
    pub value: Amount,
    /// Who may spend it (spec: consensus §9).
    #[cfg_attr(feature = "serde", serde(with = "crate::serde_hex"))]
    pub script_pubkey: Bytes,
}

/// A transaction (spec: consensus §6). Decoding checks its layout and sizes, no rule beyond.
///
/// The scripts of a decoded transaction are slices of the bytes it came in, and keep all of them in memory: a block's, or
/// whatever else a peer sent in one message. Keep [`detached`](Self::detached) ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Transaction {
    /// Version of the format.
    pub version: i32,
    /// What it spends.
    pub inputs: Vec<TxIn>,
    /// What it creates.
    pub outputs: Vec<TxOut>,
    /// Height or time before which it is not valid.
    pub lock_time: u32,
}

impl Transaction {
    /// Its id: the SHA3-256 of its bytes. The form in which its sizes arrived does not matter.
    #[must_use]
    pub fn txid(&self) -> Txid {
        Txid::from_bytes(sha3_256(&self.encode_to_vec()))
    }

    /// Whether it creates new coins: its one input spends nothing (spec: consensus §6).
    #[must_use]
    pub fn is_coinbase(&self) -> bool {
        matches!(self.inputs.as_slice(), [input] if input.previous_output.is_null())
    }

    /// The same with scripts of its own: what it was received in can go.
    #[must_use]
    pub fn detached(&self) -> Self {
        let mut own = self.clone();
        for input in &mut own.inputs {
            input.script_sig = Bytes::copy_from_slice(&input.script_sig);
        }
        for output in &mut own.outputs {
            output.script_pubkey = Bytes::copy_from_slice(&output.script_pubkey);
        }
        own
    }

    /// How many bytes it takes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        size_of::<i32>() + list_len(&self.inputs) + list_len(&self.outputs) + size_of::<u32>()
    }
}

impl Encode for Transaction {
    fn encode(&self, out: &mut impl BufMut) {
        out.put_i32_le(self.version);
        put_list(out, &self.inputs);
        put_list(out, &self.outputs);
        out.put_u32_le(self.lock_time);
    }

    fn encoded_len(&self) -> usize {
        self.encoded_len()
    }
}

impl Decode for Transaction {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            version: reader.i32("transaction version")?,
            inputs: reader.list(Counted::Inputs)?,
            outputs: reader.list(Counted::Outputs)?,
            lock_time: reader.u32("lock time")?,
        })
    }
}

impl Encode for TxIn {
    fn encode(&self, out: &mut impl BufMut) {
        self.previous_output.encode(out);
        put_var_bytes(out, &self.script_sig);
        out.put_u32_le(self.sequence);
    }

    fn encoded_len(&self) -> usize {
        self.previous_output.encoded_len() + var_bytes_len(&self.script_sig) + size_of::<u32>()
    }
}

impl Decode for TxIn {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let max_script = reader.limits().max_script_sig;
        Ok(Self {
            previous_output: OutPoint::decode(reader)?,
            script_sig: reader.var_bytes("input script", max_script)?,
            sequence: reader.u32("sequence")?,
        })
    }
}

impl Encode for TxOut {
    fn encode(&self, out: &mut impl BufMut) {
        out.put_u64_le(self.value.0);
        put_var_bytes(out, &self.script_pubkey);
    }

    fn encoded_len(&self) -> usize {
        size_of::<u64>() + var_bytes_len(&self.script_pubkey)
    }
}

impl Decode for TxOut {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let max_script = reader.limits().max_script_pubkey;
        Ok(Self {
            value: Amount(reader.u64("value")?),
            script_pubkey: reader.var_bytes("output script", max_script)?,
        })
    }
}

impl Encode for OutPoint {
    fn encode(&self, out: &mut impl BufMut) {
        self.txid.encode(out);
        out.put_u32_le(self.index);
    }

    fn encoded_len(&self) -> usize {
        self.txid.encoded_len() + size_of::<u32>()
    }
}

impl Decode for OutPoint {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { txid: Txid::decode(reader)?, index: reader.u32("output index")? })
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;
    use crate::limits::Limits;

    fn with_scripts(script_sig: usize, script_pubkey: usize) -> Transaction {
        Transaction {
            version: 1,
            inputs: vec![TxIn {
                previous_output: OutPoint::NULL,
                script_sig: vec![1; script_sig].into(),
                sequence: u32::MAX,
            }],
            outputs: vec![TxOut { value: Amount::COIN, script_pubkey: vec![2; script_pubkey].into() }],
            lock_time: 0,
        }
    }

    fn decode(bytes: Vec<u8>, limits: &Limits) -> Result<Transaction, DecodeError> {
        Transaction::decode_exact(bytes.into(), limits)
    }

    quickcheck! {
        fn round_trip(tx: Transaction) -> bool {
            let bytes = tx.encode_to_vec();
            bytes.len() == tx.encoded_len() && decode(bytes, &Limits::default()) == Ok(tx)
        }

        fn every_cut_is_noticed(tx: Transaction, at: usize) -> bool {
            let mut bytes = tx.encode_to_vec();
            bytes.truncate(at % bytes.len());
            decode(bytes, &Limits::default()).is_err()
        }
    }

    #[test]
    fn scripts_are_slices_of_what_was_received() {
        let bytes = Bytes::from(with_scripts(100, 10).encode_to_vec());
        let tx = Transaction::decode_exact(bytes.clone(), &Limits::default()).unwrap();
        assert!(bytes.as_ptr_range().contains(&tx.inputs[0].script_sig.as_ptr()));
        assert!(bytes.as_ptr_range().contains(&tx.outputs[0].script_pubkey.as_ptr()));
    }

    #[test]
    fn a_detached_transaction_has_scripts_of_its_own() {
        let bytes = Bytes::from(with_scripts(100, 10).encode_to_vec());
        let tx = Transaction::decode_exact(bytes.clone(), &Limits::default()).unwrap();
        let own = tx.detached();
        drop(tx);
        assert!(bytes.is_unique(), "nothing holds it any more");
        assert_eq!(own, with_scripts(100, 10));
    }

    #[test]
    fn script_limits_are_those_of_the_network() {
        for (limits, script_sig, script_pubkey, fine) in [
            (Limits::TESTNET, 10_000, 10_000, true),
            (Limits::TESTNET, 10_001, 0, false),
            (Limits::TESTNET, 0, 10_001, false),
            (Limits::MAINNET, 20_000, 10_000, true),
            (Limits::MAINNET, 20_001, 0, false),
            (Limits::MAINNET, 0, 10_001, false),
        ] {
            let result = decode(with_scripts(script_sig, script_pubkey).encode_to_vec(), &limits);
            assert_eq!(result.is_ok(), fine, "{result:?}");
            assert!(fine || matches!(result, Err(DecodeError::TooLong { .. })));
        }
    }

    #[test]
    fn nothing_is_allocated_for_inputs_that_cannot_be_there() {
        let claim =
            |count: &str| decode(hex::decode(format!("01000000{count}")).unwrap(), &Limits::default());
        let too_many = claim("fea1860100").unwrap_err();
        assert_eq!(too_many, DecodeError::TooMany { what: Counted::Inputs, count: 100_001, max: 100_000 });
        let unfounded = claim("fea0860100").unwrap_err();
        assert_eq!(unfounded, DecodeError::Unfounded { what: Counted::Inputs, count: 100_000, left: 0 });
    }

    #[test]
    fn the_id_does_not_depend_on_the_form_of_sizes() {
        let tx = with_scripts(3, 1);
        let bytes = tx.encode_to_vec();
        let mut long = bytes.clone();
        long.splice(4..5, [0xfd, 1, 0]);
        let decoded = decode(long, &Limits::default()).unwrap();
        assert_eq!((decoded.txid(), decoded), (tx.txid(), tx));
    }

    #[test]
    fn only_one_input_of_nothing_makes_a_coinbase() {
        let mut tx = with_scripts(2, 1);
        assert!(tx.is_coinbase());
        tx.inputs[0].previous_output.index = 0;
        assert!(!tx.is_coinbase());
        tx.inputs[0].previous_output = OutPoint::NULL;
        tx.inputs.push(tx.inputs[0].clone());
        assert!(!tx.is_coinbase());
    }
}
