//! The journal on disk.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chain::{Chain, LineHash};
use super::files::{self, KEPT_FILES, MAX_FILE_BYTES};
use super::read::JournalError;
use super::record::Entry;
use super::sync::Syncer;
use crate::clock::{Clock, timestamp};
use crate::durable;

/// Lines that are remembered for whoever watches: some hundred kilobytes at most, as records go.
const RECENT_LINES: usize = 1000;

/// Sizes of a journal's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalOptions {
    /// A file that would grow beyond this many bytes is rotated away.
    pub max_file_bytes: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { max_file_bytes: MAX_FILE_BYTES }
    }
}

/// The journal of a running node. One process writes it; the lock of the data directory sees to that.
///
/// An append is one `write`, so that a crash of the process loses nothing that was reported; a thread waits for the disk,
/// so that a crash of the machine loses a second at most, and of what matters nothing.
pub struct Journal {
    clock: Arc<dyn Clock>,
    path: PathBuf,
    options: JournalOptions,
    syncer: Syncer,
    state: Mutex<State>,
    torn_bytes: u64,
}

/// Records that follow one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// How many records stand before them, those counted that were rotated away since the start.
    pub first: u64,
    /// Their lines.
    pub lines: Vec<String>,
}

struct State {
    chain: Chain,
    file: Arc<File>,
    length: u64,
    events: u64,
    /// How many records stand before each file, the oldest file first, the current one last.
    starts: VecDeque<u64>,
    /// The last lines, for whoever watches.
    recent: VecDeque<String>,
    /// A write failed and could not be undone, so that the file may end within a line.
    torn: bool,
    /// Entries that could not be written.
    lost: u64,
    /// Rotation failed: it is tried again when the file is this long, not for each record.
    rotate_at: u64,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens the journal at `path`, or begins one. What a crash left unfinished at its end is moved to a file named
    /// `.torn` beside it; see [`Journal::torn_bytes`].
    ///
    /// # Errors
    /// If its files cannot be opened, read or made, or the thread cannot be started.
    pub fn open(
        path: impl Into<PathBuf>,
        run_id: String,
        clock: Arc<dyn Clock>,
        options: JournalOptions,
    ) -> Result<Self, JournalError> {
        let path = path.into();
        let io = |source| JournalError::Io { path: path.clone(), source };
        let new = !path.exists();
        let mut file = files::open(&path).map_err(io)?;
        let torn_bytes = files::cut_torn_line(&mut file, &path).map_err(io)?;
        let mut head = files::last_line_hash(&mut file).map_err(io)?;
        let (existing, _) = files::existing(&path);
        // A crash may have come between a rotation and the first record after it.
        if let (None, [.., last, _]) = (head, existing.as_slice()) {
            head = File::open(last).and_then(|mut file| files::last_line_hash(&mut file)).map_err(io)?;
        }
        let (mut events, mut starts) = (0, VecDeque::new());
        for file in &existing {
            starts.push_back(events);
            events += files::count_lines(file).map_err(io)?;
        }
        if new {
            durable::sync_folder_of(&path).map_err(io)?;
        }
        let length = file.metadata().map_err(io)?.len();
        let syncer = Syncer::spawn().map_err(io)?;
        let chain = Chain::new(run_id, head);
        let file = Arc::new(file);
        let recent = VecDeque::new();
        let state = State {
            chain,
            file,
            length,
            events,
            starts,
            recent,
            torn: false,
            lost: 0,
            rotate_at: options.max_file_bytes,
        };
        Ok(Self { clock, path, options, syncer, state: Mutex::new(state), torn_bytes })
    }

    /// Appends a record, with one `write` and without waiting for the disk. An `urgent` one is put on disk by the thread
    /// at once, others within a second.
    ///
    /// # Errors
    /// If it cannot be written. It is no part of the journal then, and the next one may succeed.
    pub fn append(&self, entry: &Entry, urgent: bool) -> Result<LineHash, JournalError> {
        let ts = timestamp(self.clock.unix_millis());
        let mut state = self.lock();
        let line = state.chain.line(entry, &ts)?;
        if state.length > 0 && state.length + line.len() as u64 > state.rotate_at {
            self.rotate(&mut state);
        }
        if let Err(source) = state.write(line.as_bytes()) {
            state.lost += 1;
            return Err(JournalError::Io { path: self.path.clone(), source });
        }
        let hash = state.chain.accept(&line);
        state.events += 1;
        if state.recent.len() == RECENT_LINES {
            state.recent.pop_front();
        }
        state.recent.push_back(line);
        self.syncer.wants(&state.file, urgent);
        Ok(hash)
    }

    /// Waits until all records are on disk. Not for threads that others wait for.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn sync(&self) -> Result<(), JournalError> {
        let file = Arc::clone(&self.lock().file);
        durable::sync_data(&file).map_err(|source| JournalError::Io { path: self.path.clone(), source })
    }

    /// The number of records in all files, those counted that were rotated away since the start; and the last one's hash.
    #[must_use]
    pub fn head(&self) -> (u64, Option<LineHash>) {
        let state = self.lock();
        (state.events, state.chain.head())
    }

    /// Whether the lines that follow the first `after` are remembered, so that [`after`](Self::after) reads no file.
    #[must_use]
    pub fn remembers(&self, after: u64) -> bool {
        after >= self.lock().first_recent()
    }

    /// At most `limit` lines that follow the first `after` of those that [`head`](Self::head) counts, or the oldest there
    /// are. The last ones are remembered; those before them are looked for in one of the files, which takes a while, and
    /// ends with that file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn after(&self, after: u64, limit: usize) -> Result<Page, JournalError> {
        let state = self.lock();
        if let Some(skip) = after.checked_sub(state.first_recent()) {
            let skip = usize::try_from(skip).unwrap_or(usize::MAX);
            let lines = state.recent.iter().skip(skip).take(limit);
            let lines = lines.map(|line| line.trim_end().to_owned()).collect();
            return Ok(Page { first: after.min(state.events), lines });
        }
        let first = after.max(state.starts.front().copied().unwrap_or(0));
        let newer = state.starts.iter().filter(|start| **start > first).count();
        let start = state.starts.iter().rev().nth(newer).copied().unwrap_or(0);
        let path = match u32::try_from(newer) {
            Ok(0) | Err(_) => self.path.clone(),
            Ok(newer) => files::rotated(&self.path, newer),
        };
        // What is written after this is not read: it may not be there as a whole. A file that is open may be rotated away.
        let there = usize::try_from(state.events.saturating_sub(first)).unwrap_or(usize::MAX);
        let file = File::open(&path);
        drop(state);
        let skip = usize::try_from(first.saturating_sub(start)).unwrap_or(usize::MAX);
        let read = |file| BufReader::new(file).lines().skip(skip).take(limit.min(there)).collect();
        let lines = file.and_then(read).map_err(|source| JournalError::Io { path, source })?;
        Ok(Page { first, lines })
    }

    /// How many entries could not be written since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lock().lost
    }

    /// How many bytes of an unfinished line were moved away when it was opened.
    #[must_use]
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// A file that cannot be rotated away goes on growing: better too long than no journal.
    fn rotate(&self, state: &mut State) {
        let rotated = files::rotate(&self.path).and_then(|()| files::open(&self.path));
        match rotated {
            Ok(file) => {
                // The thread may still have data of the old file to put on disk; it keeps its own handle.
                state.file = Arc::new(file);
                state.length = 0;
                state.rotate_at = self.options.max_file_bytes;
                state.torn = false;
                state.starts.push_back(state.events);
                if state.starts.len() > KEPT_FILES as usize + 1 {
                    state.starts.pop_front();
                }
                // The new names are to be on disk as well; without a handle on their folder the file's own sync has to do.
                if let Ok(folder) = File::open(durable::folder_of(&self.path)) {
                    self.syncer.wants(&Arc::new(folder), false);
                }
            }
            Err(error) => {
                state.rotate_at = state.length.saturating_add(self.options.max_file_bytes);
                tracing::error!("{} cannot be rotated, and grows: {error}", self.path.display());
            }
        }
    }

    /// Puts another file in the place of the current one, so that a test can make writes fail.
    #[cfg(test)]
    pub(crate) fn swap_file(&self, file: Arc<File>) -> Arc<File> {
        std::mem::replace(&mut self.lock().file, file)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How many records stand before those that are remembered.
    fn first_recent(&self) -> u64 {
        self.events.saturating_sub(self.recent.len() as u64)
    }

    /// Writes a whole line, or nothing.
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        let written = (&*self.file).write_all(line);
        if written.is_ok() {
            self.length += line.len() as u64;
        } else if self.file.set_len(self.length).is_err() {
            self.torn = true;
        }
        written
    }
}
