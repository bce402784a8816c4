//! What the operator says of a block, on its way through the engine.

use dilithion_wire::BlockHash;
use tokio::sync::oneshot;

use crate::sync::{Coordinator, Event, IbdState, VerdictError};

/// What is said of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It and all that build on it are refused.
    Revoked,
    /// What was said against it is taken back.
    Reinstated,
}

/// What the operator says of a block, and where he waits until it is done.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub(crate) hash: BlockHash,
    pub(crate) verdict: Verdict,
    pub(crate) reply: oneshot::Sender<Result<(), VerdictError>>,
}

/// Those who wait until what they said is done.
#[derive(Debug, Default)]
pub(super) struct Judgements(Vec<oneshot::Sender<Result<(), VerdictError>>>);

impl Judgement {
    /// What to tell the coordinator, or why not.
    pub(super) fn event(&self, coordinator: &Coordinator) -> Result<Event, VerdictError> {
        let hash = self.hash;
        match self.verdict {
            Verdict::Revoked => coordinator.may_revoke(&hash).map(|_| Event::Revoked { hash }),
            Verdict::Reinstated => match coordinator.headers().height_of(&hash) {
                Some(_) => Ok(Event::Reinstated { hash }),
                None => Err(VerdictError::Unknown { hash }),
            },
        }
    }
}

impl Judgements {
    pub(super) fn push(&mut self, reply: oneshot::Sender<Result<(), VerdictError>>) {
        self.0.push(reply);
    }

    /// What to tell those who wait, if it is time.
    pub(super) fn outcome(&self, coordinator: &Coordinator) -> Option<Result<(), VerdictError>> {
        if self.0.is_empty() {
            return None;
        }
        match coordinator.failure() {
            Some(failure) if coordinator.state() == IbdState::Error => {
                Some(Err(VerdictError::Failed { reason: failure.to_string() }))
            }
            _ => coordinator.is_settled().then_some(Ok(())),
        }
    }

    pub(super) fn answer(&mut self, outcome: &Result<(), VerdictError>) {
        for reply in self.0.drain(..) {
            // Whoever asked may have gone: it is done all the same.
            let _ = reply.send(outcome.clone());
        }
    }
}
