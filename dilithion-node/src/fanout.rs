//! One question to several peers at once.
//!
//! The answers come in the order of the peers, whoever is first; a peer that does not answer costs the deadline in its own
//! place, and nothing in the others'.
//!
//! This is a part of the library for programs around a node (requirement M9). The node itself does not call it: its own
//! questions are messages that the coordinator and the relay send as they see fit, and whose answers are events.

use std::future::Future;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinSet;

use crate::clock::Clock;

/// Why a peer has no answer.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NoReply {
    /// It did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// It is gone.
    #[error("the peer is gone")]
    Gone,
}

/// Asks all peers at once by `request`, which returns `None` if the peer is gone, and waits until the last has answered, or
/// until `deadline`, in monotonic time of `clock`. Must be called on a tokio runtime; no thread is held up. Dropping the
/// future drops all requests.
///
/// ```
/// use std::time::Duration;
/// use dilithion_node::clock::{Clock, SystemClock};
/// use dilithion_node::fanout::fan_out;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = SystemClock::new();
/// let deadline = clock.now().mono + Duration::from_secs(10);
/// let replies = fan_out(1..=3, |peer| async move { Some(peer * 100) }, deadline, &clock).await;
/// assert_eq!(replies, [Ok(100), Ok(200), Ok(300)]);
/// # }
/// ```
pub async fn fan_out<P, R, F>(
    peers: impl IntoIterator<Item = P>,
    request: impl Fn(P) -> F,
    deadline: Duration,
    clock: &dyn Clock,
) -> Vec<Result<R, NoReply>>
where
    R: Send + 'static,
    F: Future<Output = Option<R>> + Send + 'static,
{
    // Dropping the set aborts what is left in it.
    let mut asked = JoinSet::new();
    for (place, peer) in peers.into_iter().enumerate() {
        let reply = request(peer);
        asked.spawn(async move { (place, reply.await.ok_or(NoReply::Gone)) });
    }
    let mut replies: Vec<Result<R, NoReply>> = (0..asked.len()).map(|_| Err(NoReply::Timeout)).collect();
    let mut over = clock.sleep_until(deadline);
    loop {
        tokio::select! {
            // An answer that is here at the deadline counts.
            biased;
            answered = asked.join_next() => match answered {
                Some(Ok((place, reply))) => {
                    if let Some(waiting) = replies.get_mut(place) {
                        *waiting = reply;
                    }
                }
                // A request that panicked has no answer, and a task that was aborted cannot be: nobody aborts it.
                Some(Err(error)) => tracing::error!("a request to a peer failed: {error}"),
                None => return replies,
            },
            () = &mut over => return replies,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::ManualClock;

    const REPLY: Duration = Duration::from_millis(100);
    const DEADLINE: Duration = Duration::from_secs(1);

    /// Lets all tasks run until each waits.
    async fn settle(clock: &ManualClock, sleepers: usize) {
        while clock.sleepers() != sleepers {
            tokio::task::yield_now().await;
        }
    }

    /// Requirements 002-024 to 002-027, M9: ten peers that answer after 100 ms have answered after 100 ms.
    #[tokio::test]
    async fn ten_answers_take_as_long_as_one() {
        let clock = Arc::new(ManualClock::default());
        let all = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move {
                let request = |peer: usize| {
                    let sleep = clock.sleep_until(REPLY);
                    async move {
                        sleep.await;
                        Some(peer)
                    }
                };
                fan_out(0..10, request, DEADLINE, &*clock).await
            }
        });
        settle(&clock, 11).await;
        clock.advance(REPLY);
        assert_eq!(all.await.unwrap(), (0..10).map(Ok).collect::<Vec<_>>());
        assert_eq!(clock.now().mono, REPLY);
    }

    /// Requirement M9: the order is that of the peers, also if the last answers first.
    #[tokio::test]
    async fn answers_are_in_the_order_of_the_peers() {
        let clock = ManualClock::default();
        let request = |peer: usize| async move {
            for _ in peer..50 {
                tokio::task::yield_now().await;
            }
            Some(peer)
        };
        let replies = fan_out(0..50, request, DEADLINE, &clock).await;
        assert_eq!(replies, (0..50).map(Ok).collect::<Vec<_>>());
    }

    /// Requirement M9: a dead peer costs its own place, and one that is gone costs nothing.
    #[tokio::test]
    async fn a_dead_peer_costs_its_own_place_only() {
        let clock = Arc::new(ManualClock::default());
        let all = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move {
                let request = |peer: usize| async move {
                    match peer {
                        3 => std::future::pending().await,
                        7 => None,
                        peer => Some(peer),
                    }
                };
                fan_out(0..10, request, DEADLINE, &*clock).await
            }
        });
        settle(&clock, 1).await;
        clock.advance(DEADLINE);
        let replies = all.await.unwrap();
        assert_eq!((replies[3], replies[7]), (Err(NoReply::Timeout), Err(NoReply::Gone)));
        assert_eq!(replies.iter().filter(|reply| reply.is_ok()).count(), 8);
    }

    /// Requirement M9: whoever is not interested any more asks nobody any more.
    #[tokio::test]
    async fn dropping_the_question_drops_all_requests() {
        let alive = Arc::new(AtomicUsize::new(0));
        struct Alive(Arc<AtomicUsize>);
        impl Drop for Alive {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let clock = ManualClock::default();
        let request = |_peer: usize| {
            alive.fetch_add(1, Ordering::Relaxed);
            let alive = Alive(Arc::clone(&alive));
            async move {
                std::future::pending::<()>().await;
                drop(alive);
                Some(())
            }
        };
        {
            let mut question = std::pin::pin!(fan_out(0..5, request, DEADLINE, &clock));
            tokio::select! {
                biased;
                _ = &mut question => panic!("nobody answers"),
                () = tokio::task::yield_now() => {}
            }
            assert_eq!(alive.load(Ordering::Relaxed), 5);
        }
        while alive.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
    }
}
