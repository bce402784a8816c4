//! `tx`.

use crate::encode::{Decode, DecodeError};
use crate::limits::{Counted, MAX_RELAYED_TX_IN_OUT};
use crate::reader::Reader;
use crate::transaction::Transaction;

/// A transaction that travels alone may have fewer inputs and outputs than one in a block (spec: wire §2).
pub(super) fn decode(reader: &mut Reader) -> Result<Transaction, DecodeError> {
    let tx = Transaction::decode(reader)?;
    for (what, count) in [(Counted::Inputs, tx.inputs.len()), (Counted::Outputs, tx.outputs.len())] {
        if count > MAX_RELAYED_TX_IN_OUT {
            return Err(DecodeError::TooMany { what, count: count as u64, max: MAX_RELAYED_TX_IN_OUT });
        }
    }
    Ok(tx)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::amount::Amount;
    use crate::encode::Encode;
    use crate::transaction::TxOut;

    #[test]
    #[cfg_attr(miri, ignore = "ten thousand outputs take minutes")]
    fn a_transaction_on_its_own_is_bounded_more_tightly() {
        let outputs = |count| {
            let output = TxOut { value: Amount::COIN, script_pubkey: Bytes::new() };
            let tx =
                Transaction { version: 1, inputs: Vec::new(), outputs: vec![output; count], lock_time: 0 };
            decode(&mut Reader::new(tx.encode_to_vec().into()))
        };
        assert!(outputs(10_000).is_ok());
        assert_eq!(
            outputs(10_001),
            Err(DecodeError::TooMany { what: Counted::Outputs, count: 10_001, max: 10_000 })
        );
    }
}
