//! `journal`: reads what a node did.

use std::path::PathBuf;

use super::term::say;
use super::{JournalArgs, JournalWhat};
use crate::journal::{JOURNAL_FILE, replay, tail, verify};

pub(super) fn journal(what: &JournalWhat) -> anyhow::Result<()> {
    match what {
        JournalWhat::Verify { journal, expect_head } => {
            let report = verify(&path(journal)?, *expect_head)?;
            let head = report.head.map_or_else(|| "none".to_owned(), |head| head.to_string());
            let older = if report.continued { "; older records were rotated away" } else { "" };
            say(&format!("{} records of {} runs hold together{older}", report.events, report.runs));
            say(&format!("head {head}"));
        }
        JournalWhat::Tail { journal, lines, json } => {
            tail(&path(journal)?, *lines, *json)?.iter().for_each(|line| say(line));
        }
        JournalWhat::Replay { journal } => {
            let (report, replay) = replay(&path(journal)?)?;
            say(&format!("{} records of {} runs hold together", report.events, report.runs));
            say(replay.to_string().trim_end());
        }
    }
    Ok(())
}

fn path(args: &JournalArgs) -> anyhow::Result<PathBuf> {
    match &args.file {
        Some(file) => Ok(file.clone()),
        None => Ok(args.chain.node_config()?.datadir.join(JOURNAL_FILE)),
    }
}
