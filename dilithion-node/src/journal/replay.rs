//! What the records of a journal add up to.

use std::collections::BTreeMap;
use std::fmt;

use super::record::Record;

/// What the records of a journal add up to. The same records always give the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// Starts of the node.
    pub starts: u64,
    /// Stops in good order; the others were crashes, or the node still runs.
    pub stops: u64,
    /// The last sync's number.
    pub round: u64,
    /// The last state of the sync, in lower case.
    pub state: String,
    /// Whether the node was running at the end.
    pub running: bool,
    /// How many records there are of each kind.
    pub kinds: BTreeMap<String, u64>,
    /// Time of the first record.
    pub first: String,
    /// Time of the last record.
    pub last: String,
}

impl Replay {
    /// Takes in the next record.
    pub fn apply(&mut self, record: &Record<'_>) {
        match &*record.event_type {
            "node_start" => {
                self.starts += 1;
                self.running = true;
                "idle".clone_into(&mut self.state);
            }
            "node_stop" => {
                self.stops += 1;
                self.running = false;
            }
            "state_transition" => record.stage.as_ref().clone_into(&mut self.state),
            _ => {}
        }
        if record.round > 0 {
            self.round = record.round;
        }
        if self.first.is_empty() {
            record.ts.as_ref().clone_into(&mut self.first);
        }
        record.ts.as_ref().clone_into(&mut self.last);
        match self.kinds.get_mut(&*record.event_type) {
            Some(count) => *count += 1,
            None => drop(self.kinds.insert(record.event_type.to_string(), 1)),
        }
    }
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "from {} to {}", self.first, self.last)?;
        let end = if self.running { "not stopped" } else { "stopped" };
        writeln!(
            f,
            "{} starts, {} stops, {end}; sync {}, state {}",
            self.starts, self.stops, self.round, self.state
        )?;
        for (kind, count) in &self.kinds {
            writeln!(f, "{count:>8} {kind}")?;
        }
        Ok(())
    }
}
