//! What an event looks like in the journal.

use std::borrow::Cow;

use dilithion_wire::{BlockHash, Height};

use crate::event::NodeEvent;
use crate::hook::{End, HookReport};
use crate::journal::{Counters, Entry, Level};
use crate::sync::IbdState;

/// Parts of the node, as `stage` names them.
const NODE: &str = "node";
const NET: &str = "net";
const CHAIN: &str = "chain";
const PRODUCER: &str = "producer";
const HOOK: &str = "hook";

/// A state of the sync, as `stage` names it.
pub(super) fn stage_of(state: IbdState) -> String {
    state.name().to_ascii_lowercase()
}

/// The records of an event; more than one for several blocks, each of which counts.
pub(super) fn entry_of(event: &NodeEvent, round: u64, state: IbdState) -> Vec<Entry> {
    if let NodeEvent::BlocksConnected { blocks, .. } = event {
        return blocks.iter().map(|last| connected_entry(last.0, *last, 1, round, state)).collect();
    }
    let mut entry = Entry::new(event.name(), level_of(event), event.to_string());
    entry.stage = stage(event, state);
    if entry.stage != NODE {
        entry.round = round;
    }
    entry.counters = counters_of(event);
    entry.error = error_of(event);
    vec![entry]
}

fn stage(event: &NodeEvent, state: IbdState) -> Cow<'static, str> {
    match event {
        NodeEvent::StateTransition { .. } | NodeEvent::SyncComplete { .. } => stage_of(state).into(),
        NodeEvent::ForkDetected { .. }
        | NodeEvent::BlocksConnected { .. }
        | NodeEvent::BlocksDisconnected { .. }
        | NodeEvent::BlockRejected { .. }
        | NodeEvent::CheckpointPassed { .. } => CHAIN.into(),
        NodeEvent::BlockProduced { .. } => PRODUCER.into(),
        NodeEvent::PeerBanned { .. } | NodeEvent::PeerRefused { .. } => NET.into(),
        _ => NODE.into(),
    }
}

fn level_of(event: &NodeEvent) -> Level {
    match event {
        NodeEvent::Error { .. } | NodeEvent::StateTransition { to: IbdState::Error, .. } => Level::Error,
        NodeEvent::ForkDetected { .. }
        | NodeEvent::BlocksDisconnected { .. }
        | NodeEvent::BlockRejected { .. }
        | NodeEvent::PeerBanned { .. }
        | NodeEvent::PeerRefused { .. }
        | NodeEvent::Recovery { .. } => Level::Warn,
        NodeEvent::SyncComplete { .. } => Level::Success,
        _ => Level::Info,
    }
}

fn counters_of(event: &NodeEvent) -> Counters {
    let counters = |counted: &[(&'static str, i64)]| -> Counters {
        counted.iter().map(|(name, number)| (Cow::Borrowed(*name), *number)).collect()
    };
    match event {
        NodeEvent::NodeStart { height, .. }
        | NodeEvent::IntegrityVerified { height }
        | NodeEvent::StateTransition { height, .. }
        | NodeEvent::ForkDetected { height }
        | NodeEvent::BlockProduced { height, .. }
        | NodeEvent::BlockRejected { height, .. }
        | NodeEvent::CheckpointPassed { height } => counters(&[("height", height.0.into())]),
        NodeEvent::SyncComplete { height, blocks, .. } => {
            counters(&[("blocks", (*blocks).into()), ("height", height.0.into())])
        }
        NodeEvent::BlocksDisconnected { blocks, tip: (height, _) } => {
            let blocks = i64::try_from(blocks.len()).unwrap_or(i64::MAX);
            counters(&[("blocks", blocks), ("height", height.0.into())])
        }
        _ => Counters::new(),
    }
}

fn error_of(event: &NodeEvent) -> Option<String> {
    match event {
        NodeEvent::Error { reason } | NodeEvent::BlockRejected { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}

/// The record of connected blocks, up to the last.
pub(super) fn connected_entry(
    first: Height,
    (last, hash): (Height, BlockHash),
    blocks: u32,
    round: u64,
    state: IbdState,
) -> Entry {
    let message = if blocks == 1 {
        format!("block {last} ({hash}) connected")
    } else {
        format!("blocks {first} to {last} ({hash}) connected while {state}")
    };
    let mut entry = Entry::new("block_connected", Level::Info, message);
    entry.stage = CHAIN.into();
    entry.round = round;
    entry.counters.insert("blocks".into(), blocks.into());
    entry.counters.insert("height".into(), last.0.into());
    entry
}

/// The record of connections that were refused.
pub(super) fn refused_entry(count: u32, reason: &str, round: u64) -> Entry {
    let mut entry =
        Entry::new("peer_refused", Level::Warn, format!("turned away, the last one because {reason}"));
    entry.stage = NET.into();
    entry.round = round;
    entry.counters.insert("refused".into(), count.into());
    entry
}

/// The record of a hook's end.
pub(super) fn hook_entry(report: &HookReport) -> Entry {
    let HookReport { kind, command, outcome, dry_run } = report;
    let (event_type, level) = match outcome.end {
        End::Exited(0) => ("hook_success", Level::Info),
        End::TimedOut { .. } => ("hook_timeout", Level::Warn),
        _ => ("hook_failed", Level::Warn),
    };
    let not = if *dry_run { " (dry run, nothing was started)" } else { "" };
    let mut entry =
        Entry::new(event_type, level, format!("{}: {command}: {}{not}", kind.name(), outcome.end));
    entry.stage = HOOK.into();
    entry.counters.insert("exit_code".into(), outcome.exit_code().into());
    entry.usage.clone_from(&outcome.usage);
    if !outcome.is_success() {
        let output = outcome.output.trim();
        entry.error = Some(if output.is_empty() { outcome.end.to_string() } else { output.to_owned() });
    }
    entry
}
