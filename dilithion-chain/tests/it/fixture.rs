//! A chain that is ready for a block that breaks a rule.

use std::slice;
use std::sync::Arc;

use dilithion_chain::{BlockError, Candidate, Chainstate, StructureError, TransactionError};
use dilithion_wire::{Amount, ChainParams, Height, OutPoint, Transaction};

use crate::builder::{output, seal, subsidy};
use crate::signer::{pay_to_key, signed};
use crate::{digest, import, open, recorded};

/// A fee within the bounds of all networks for transactions of a few inputs.
pub(crate) const FEE: u64 = 1_000_000;

/// A chain of coinbases, the first of which has just matured, so that the next block may spend it.
pub(crate) struct Fixture {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) params: Arc<ChainParams>,
    pub(crate) chain: Chainstate,
    pub(crate) coinbases: Vec<Transaction>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// On a network whose rules differ from those of the recorded one.
    pub(crate) fn with(change: impl FnOnce(&mut ChainParams)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut params, _) = recorded::first_500();
        change(Arc::make_mut(&mut params));
        let mut chain = open(dir.path(), &params);
        let mut coinbases = Vec::new();
        let mut blocks: Vec<Candidate> = Vec::new();
        for height in 1..=params.consensus.coinbase_maturity {
            let prev = blocks.last().map_or(params.genesis.hash, |block| block.hash);
            let tx = pay_to_key(subsidy(&params, height, height));
            blocks.push(seal(prev, vec![tx.clone()], height));
            coinbases.push(tx);
        }
        import(&mut chain, &blocks, 100);
        Self { dir, params, chain, coinbases }
    }

    pub(crate) fn height(&self) -> u32 {
        self.chain.tip().height.0 + 1
    }

    /// The next coinbase, claiming the whole subsidy.
    pub(crate) fn subsidy(&self) -> Transaction {
        pay_to_key(subsidy(&self.params, self.height(), self.height()))
    }

    /// The output of the only coinbase that has matured.
    pub(crate) fn mature(&self) -> OutPoint {
        output(&self.coinbases[0], 0)
    }

    /// A valid transaction: it spends that output for a fee.
    pub(crate) fn spending(&self) -> Transaction {
        signed(&[self.mature()], vec![self.value()])
    }

    /// What the mature output leaves after a fee.
    pub(crate) fn value(&self) -> Amount {
        Amount(self.params.subsidy(Height(1)).0 - FEE)
    }

    pub(crate) fn next(&self, transactions: Vec<Transaction>) -> Candidate {
        seal(self.chain.tip().hash, transactions, 0)
    }

    /// Offers a block, expects it to be refused without a trace, and returns why.
    pub(crate) fn refused(&mut self, candidate: &Candidate) -> BlockError {
        let before = (digest(&self.chain), self.chain.tip());
        let height = Height(self.height());
        let outcome = self.chain.connect(slice::from_ref(candidate)).unwrap();
        assert_eq!(outcome.connected, []);
        let rejected = outcome.failure.unwrap();
        assert_eq!((rejected.height, rejected.hash), (height, candidate.hash));
        assert_eq!((digest(&self.chain), self.chain.tip()), before);
        assert_eq!(self.chain.reader().block(&candidate.hash).unwrap(), None);
        assert_eq!(self.chain.reader().header(&candidate.hash).unwrap(), None);
        rejected.error
    }

    pub(crate) fn refused_structure(&mut self, transactions: Vec<Transaction>) -> StructureError {
        let candidate = self.next(transactions);
        let error = self.refused(&candidate);
        assert_eq!(error.reject_reason(), "bad-structure");
        assert!(!error.is_body_mismatch());
        match error {
            BlockError::Structure(error) => error,
            other => unreachable!("{other}"),
        }
    }

    /// Offers a block with one more transaction, and expects that to be refused without a trace.
    pub(crate) fn refused_transaction(&mut self, tx: Transaction) -> TransactionError {
        let txid = tx.txid();
        let candidate = self.next(vec![self.subsidy(), tx]);
        let refused = self.refused(&candidate);
        assert!(!refused.is_body_mismatch());
        match refused {
            BlockError::Transaction { txid: found, error } => {
                assert_eq!(found, txid);
                error
            }
            other => unreachable!("{other}"),
        }
    }

    pub(crate) fn accepted(&mut self, transactions: Vec<Transaction>) {
        let candidate = self.next(transactions);
        import(&mut self.chain, &[candidate], 1);
    }
}
