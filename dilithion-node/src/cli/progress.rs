//! How the sync goes: bars on a terminal, a line now and then elsewhere; always with what the node waits for.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::node::Node;
use crate::stage::StatusReceiver;
use crate::sync::{IbdState, SyncStatus};

/// A line about the sync is logged this often while one is under way.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// Bars are drawn this often.
const BARS_INTERVAL: Duration = Duration::from_millis(250);
const BAR: &str = "{prefix:>8} {bar:32} {pos:>8}/{len} {msg}";
const LINE: &str = "{msg}";

/// Shows the sync, for ever.
pub(super) async fn report(node: &Node, status: StatusReceiver, bars: Option<&MultiProgress>) {
    match bars {
        Some(bars) => draw(status, bars).await,
        None => log(node, status).await,
    }
}

async fn log(node: &Node, status: StatusReceiver) {
    let mut timer = tokio::time::interval(LINE_INTERVAL);
    timer.tick().await;
    let mut last = None;
    loop {
        timer.tick().await;
        let now = status.borrow().clone();
        let height = now.chain_height;
        if now.state != IbdState::Idle && now.state != IbdState::Complete || last != Some(height) {
            tracing::info!("{now}; {} hashes computed", node.pow_stats().hashed);
        }
        last = Some(height);
    }
}

async fn draw(status: StatusReceiver, all: &MultiProgress) {
    let bars = Bars::new(all);
    let mut timer = tokio::time::interval(BARS_INTERVAL);
    loop {
        timer.tick().await;
        bars.show(&status.borrow().clone());
    }
}

/// Headers known, headers proved, blocks connected; and a line that says what is waited for.
struct Bars {
    proved: ProgressBar,
    blocks: ProgressBar,
    state: ProgressBar,
}

impl Bars {
    fn new(all: &MultiProgress) -> Self {
        let bar = |name: &'static str| {
            let bar = all.add(ProgressBar::new(0)).with_prefix(name);
            if let Ok(style) = ProgressStyle::with_template(BAR) {
                bar.set_style(style);
            }
            bar
        };
        let (proved, blocks) = (bar("proved"), bar("blocks"));
        let state = all.add(ProgressBar::new(0));
        if let Ok(style) = ProgressStyle::with_template(LINE) {
            state.set_style(style);
        }
        Self { proved, blocks, state }
    }

    fn show(&self, now: &SyncStatus) {
        let headers = now.header_height.0.into();
        for (bar, done, rate) in [
            (&self.proved, now.ready_height, now.rates.headers),
            (&self.blocks, now.chain_height, now.rates.blocks),
        ] {
            bar.set_length(headers);
            bar.set_position(done.0.into());
            bar.set_message(format!("{rate:.0}/s"));
        }
        self.state.set_message(line(now));
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        for bar in [&self.proved, &self.blocks, &self.state] {
            bar.finish_and_clear();
        }
    }
}

/// State, peers, what is waited for, and how long it takes.
fn line(now: &SyncStatus) -> String {
    let eta = match now.eta {
        Some(left) if !left.is_zero() => format!(", {} left", minutes(left)),
        _ => String::new(),
    };
    format!("{}, {} peers: {}{eta}", now.state, now.peers, now.waiting_for)
}

fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_say_them() {
        let shown = [9, 69, 7265].map(|seconds| minutes(Duration::from_secs(seconds)));
        assert_eq!(shown, ["9 s", "1 min 9 s", "2 h 1 min"]);
    }
}
