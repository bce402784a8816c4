//! Transactions on their way into the pending pool.

use std::collections::VecDeque;

use dilithion_chain::{
    Accepted, BlockError, Chainstate, PendingError, ScriptError, StoreError, TransactionError,
};
use dilithion_wire::{Misbehaviour, Transaction, Txid};
use tokio::sync::oneshot;

use crate::relay::{Refusal, RelayEvent};

/// Transactions that share a durable write: together they take some 10 ms to verify, and a block waits no longer.
const MAX_BATCH: usize = 64;
/// Bytes that share a durable write, beyond the first transaction.
const MAX_BATCH_BYTES: usize = 1 << 20;

/// A transaction that is to become pending.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) txid: Txid,
    pub(crate) transaction: Transaction,
    /// Where somebody waits for the outcome, besides the relay.
    pub(crate) reply: Option<oneshot::Sender<Result<Accepted, PendingError>>>,
}

/// Transactions of which somebody wants to know whether they could become pending, one after another.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) reply: oneshot::Sender<Vec<Result<Accepted, PendingError>>>,
}

impl Trial {
    /// Finds out, and changes nothing; `time` is that of the next block.
    pub(super) fn run(self, chain: &mut Chainstate, time: u32) -> Result<(), StoreError> {
        let outcomes = chain.try_submit(&self.transactions, time)?;
        // Whoever asked may have gone.
        let _ = self.reply.send(outcomes);
        Ok(())
    }
}

/// Submissions that wait while there are blocks to connect.
#[derive(Debug, Default)]
pub(super) struct Submissions(VecDeque<Submission>);

impl Submissions {
    pub(super) fn push(&mut self, submission: Submission) {
        self.0.push_back(submission);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets them; whoever waits for an outcome learns that there is none.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Submits some of them in one durable write; `time` is that of the next block. Returns what the relay is to know.
    pub(super) fn submit_some(
        &mut self,
        chain: &mut Chainstate,
        time: u32,
    ) -> Result<Vec<RelayEvent>, StoreError> {
        let mut bytes = 0_usize;
        let has_room = |submission: &Submission| {
            let before = bytes;
            bytes = bytes.saturating_add(submission.transaction.encoded_len());
            before == 0 || bytes <= MAX_BATCH_BYTES
        };
        let count = self.0.iter().take(MAX_BATCH).map(has_room).take_while(|has_room| *has_room).count();
        let batch: Vec<Submission> = self.0.drain(..count).collect();
        let transactions: Vec<Transaction> =
            batch.iter().map(|submission| submission.transaction.clone()).collect();
        let outcomes = chain.submit_all(&transactions, time)?;
        Ok(batch.into_iter().zip(outcomes).map(|(submission, outcome)| answer(submission, outcome)).collect())
    }
}

fn answer(submission: Submission, outcome: Result<Accepted, PendingError>) -> RelayEvent {
    let Submission { txid, reply, .. } = submission;
    let event = match &outcome {
        Ok(accepted) => RelayEvent::Accepted { txid, evicted: accepted.evicted.clone() },
        Err(error) => {
            tracing::debug!("transaction {txid} refused: {error}");
            RelayEvent::Refused { txid, refusal: refusal_of(error) }
        }
    };
    if let Some(reply) = reply {
        // Whoever asked may have gone: the transaction is pending all the same.
        let _ = reply.send(outcome);
    }
    event
}

/// What a refusal means for whoever sent the transaction. Policy differs from node to node, and pools and chains move, so
/// only what is wrong for everybody and for ever has a price (spec: wire §2, `tx`).
fn refusal_of(error: &PendingError) -> Refusal {
    match error {
        PendingError::Invalid(BlockError::MissingInput { outpoint, .. }) => {
            Refusal::MissingParent(outpoint.txid)
        }
        PendingError::Known { .. } => Refusal::Known,
        PendingError::Coinbase { .. }
        | PendingError::Invalid(
            BlockError::Structure(_)
            | BlockError::InputValues { .. }
            | BlockError::InputsBelowOutputs { .. }
            | BlockError::DuplicateTransaction { .. },
        ) => Refusal::Invalid(Misbehaviour::InvalidTransaction),
        PendingError::Invalid(BlockError::Transaction { error, .. }) => match error {
            TransactionError::Script { error: ScriptError::Signature | ScriptError::KeyHash, .. } => {
                Refusal::Invalid(Misbehaviour::ForgedTransaction)
            }
            TransactionError::Script { error: ScriptError::Form { .. } | ScriptError::Blank, .. } => {
                Refusal::Invalid(Misbehaviour::InvalidTransaction)
            }
            _ => Refusal::Unwelcome,
        },
        _ => Refusal::Unwelcome,
    }
}
