//! The last things that happened, for whoever has to find out why something went wrong.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use dilithion_wire::{Command, Height, Misbehaviour, PeerId};

use super::ActorId;
use crate::sync::IbdState;

/// How many notes are kept.
const KEPT: usize = 60;

/// Something that happened at one actor; cheap to keep, put into words only when somebody asks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Note {
    Started,
    Crashed,
    Opened { peer: PeerId, other: ActorId },
    Closed { peer: PeerId },
    Cut { peer: PeerId },
    Sent { peer: PeerId, command: Command, items: usize, height: Option<Height> },
    Got { peer: PeerId, command: Command, items: usize, height: Option<Height> },
    Hashed { queued: usize },
    Stored { tip: Height },
    State { from: IbdState, to: IbdState },
    Fork { height: Height },
    Punished { peer: PeerId, misbehaviour: Misbehaviour },
    Dropped { peer: PeerId, reason: &'static str },
    ClockStepped { seconds: i64 },
    Mined { height: Height },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => write!(f, "starts"),
            Self::Crashed => write!(f, "crashes"),
            Self::Opened { peer, other } => write!(f, "has connection {peer} with {other}"),
            Self::Closed { peer } => write!(f, "loses connection {peer}"),
            Self::Cut { peer } => write!(f, "connection {peer} goes dead"),
            Self::Sent { peer, command, items, height } => {
                write!(f, "sends {} of {items} on {peer}", command.as_str())?;
                height.map_or(Ok(()), |height| write!(f, ", height {height}"))
            }
            Self::Got { peer, command, items, height } => {
                write!(f, "gets {} of {items} on {peer}", command.as_str())?;
                height.map_or(Ok(()), |height| write!(f, ", height {height}"))
            }
            Self::Hashed { queued } => write!(f, "has computed a hash, {queued} wait"),
            Self::Stored { tip } => write!(f, "has stored, tip {tip}"),
            Self::State { from, to } => write!(f, "state {from} → {to}"),
            Self::Fork { height } => write!(f, "leaves its chain at height {height}"),
            Self::Punished { peer, misbehaviour } => write!(f, "punishes {peer}: {misbehaviour}"),
            Self::Dropped { peer, reason } => write!(f, "drops {peer}: {reason}"),
            Self::ClockStepped { seconds } => write!(f, "clock steps by {seconds} s"),
            Self::Mined { height } => write!(f, "mines block {height}"),
        }
    }
}

/// The last notes of a run.
#[derive(Debug, Default)]
pub(super) struct Trace {
    notes: VecDeque<(Duration, ActorId, Note)>,
    /// A digest of all notes: two runs are equal if these are.
    digest: u64,
}

impl Trace {
    /// Keeps a note.
    pub(super) fn note(&mut self, at: Duration, actor: ActorId, note: Note) {
        if self.notes.len() == KEPT {
            self.notes.pop_front();
        }
        let kind = match note {
            Note::Sent { items, .. } | Note::Got { items, .. } => items as u64,
            Note::Hashed { queued } => queued as u64,
            Note::Stored { tip } => u64::from(tip.0),
            _ => 0,
        };
        let fact = crate::random::nanos(at) ^ (u64::from(actor.0) << 48) ^ kind.rotate_left(32);
        self.digest = crate::random::mix(self.digest ^ fact);
        self.notes.push_back((at, actor, note));
    }

    /// A number that stands for everything noted so far.
    #[must_use]
    pub(super) const fn digest(&self) -> u64 {
        self.digest
    }

    /// The notes in words, oldest first.
    #[must_use]
    pub(super) fn lines(&self) -> Vec<String> {
        self.notes
            .iter()
            .map(|(at, actor, note)| format!("{:>12.6} s  {actor} {note}", at.as_secs_f64()))
            .collect()
    }
}
