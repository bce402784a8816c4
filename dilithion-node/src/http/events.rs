//! What the node does, as it changes: server-sent events, for the page and for whoever else wants to follow.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use super::ApiError;
use super::app::App;
use super::rest::peers::PeersView;
use super::rest::status::StatusView;
use super::rest::window::WindowView;
use super::slots::STUCK_AFTER;

/// Shortest time between two `status` events: an eye sees no more.
const MIN_INTERVAL: Duration = Duration::from_millis(200);
/// A `status` and a `peers` event come this often, whether anything has changed or not.
const MAX_INTERVAL: Duration = Duration::from_millis(900);
/// Events that may wait for a client to take them. While it takes none, there are no new ones, and after
/// [`STUCK_AFTER`] others may watch in its place.
const QUEUE: usize = 4;

/// `GET /api/v1/events`: events `status` (as `/api/v1/status`, with `window` and `hashing`), `peers` (as
/// `/api/v1/peers`), and `journal` (one for each event, if a journal is kept).
pub(super) async fn serve(
    State(app): State<App>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let permit = app.wait_permit()?;
    let (events, queue) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        // Given back when the client has gone.
        let _permit = permit;
        feed(&app, &events).await;
    });
    Ok(Sse::new(ReceiverStream::new(queue)))
}

/// All that changes at once.
#[derive(Debug, Serialize)]
struct Snapshot {
    #[serde(flatten)]
    status: StatusView,
    window: WindowView,
    hashing: HashingView,
}

/// What the hash threads do.
#[derive(Debug, Serialize)]
struct HashingView {
    threads: usize,
    busy: usize,
    queued: usize,
    hashed: u64,
    mode: String,
}

type Events = mpsc::Sender<Result<Event, Infallible>>;

/// Sends events until the client or the server has gone.
async fn feed(app: &App, events: &Events) {
    let mut status = app.node.status();
    let mut journal = JournalFeed::default();
    loop {
        let snapshot = snapshot(app).await;
        if send(events, "status", &snapshot).await.is_err()
            || send(events, "peers", &PeersView::new(app)).await.is_err()
            || journal.send(app, events).await.is_err()
        {
            return;
        }
        tokio::time::sleep(MIN_INTERVAL).await;
        tokio::select! {
            changed = status.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(MAX_INTERVAL.saturating_sub(MIN_INTERVAL)) => {}
            () = app.stopping.cancelled() => return,
            () = events.closed() => return,
        }
    }
}

async fn snapshot(app: &App) -> Snapshot {
    let status = app.node.status().borrow().clone();
    let tip = status.chain_hash;
    // A store that cannot be read has stopped the node: the status says so.
    let header = app.read(move |store| store.header(&tip)).await.ok().flatten();
    let pow = app.node.pow_stats();
    Snapshot {
        status: StatusView::new(app, status, header.map(|stored| stored.header.time)),
        window: WindowView::new(app),
        hashing: HashingView {
            threads: pow.threads,
            busy: pow.busy,
            queued: pow.queued.total(),
            hashed: pow.hashed,
            mode: pow.hasher.to_string(),
        },
    }
}

/// The client has gone, or takes nothing.
struct Gone;

async fn send(events: &Events, name: &str, content: &impl Serialize) -> Result<(), Gone> {
    let text = serde_json::to_string(content)
        .unwrap_or_else(|error| json!({ "error": error.to_string() }).to_string());
    let sent = events.send(Ok(Event::default().event(name).data(text)));
    tokio::time::timeout(STUCK_AFTER, sent).await.map_err(|_| Gone)?.map_err(|_| Gone)
}

/// How much of the journal a client has seen.
#[derive(Default)]
struct JournalFeed {
    seen: Option<u64>,
}

impl JournalFeed {
    /// Events shown to a client that has seen none.
    const FIRST: u64 = 50;
    /// Events sent at a time.
    const PORTION: usize = 100;

    async fn send(&mut self, app: &App, events: &Events) -> Result<(), Gone> {
        if app.services.journal.is_none() {
            return Ok(());
        }
        let seen = self.seen;
        let read = app
            .blocking(move |app| -> Result<_, ApiError> {
                let Some(journal) = &app.services.journal else { return Ok((0, Vec::new())) };
                // Who is so slow that the files would have to be searched sees the last ones again.
                let seen = seen.filter(|seen| journal.remembers(*seen));
                let after = seen.unwrap_or_else(|| journal.head().0.saturating_sub(Self::FIRST));
                let failed = |error| ApiError::Unavailable(format!("the journal: {error}"));
                journal.after(after, Self::PORTION).map_err(failed)
            })
            .await;
        let (after, records) = match read {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!("[HTTP] {error}");
                return Ok(());
            }
        };
        self.seen = Some(after.saturating_add(u64::try_from(records.len()).unwrap_or(0)));
        for record in records {
            send(events, "journal", &record).await?;
        }
        Ok(())
    }
}
