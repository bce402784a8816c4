//! The files of a journal: the current one, and those rotated away.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::chain::LineHash;
use super::record::MAX_RECORD_BYTES;
use crate::durable::PRIVATE_MODE;

/// The journal's name in the data directory (spec: operations §1.2).
pub const JOURNAL_FILE: &str = "events.jsonl";
/// A file that would grow beyond this is rotated away (spec: operations §1.2).
pub const MAX_FILE_BYTES: u64 = 100_000_000;
/// So many rotated files are kept (spec: operations §1.2).
pub const KEPT_FILES: u32 = 5;

/// Bytes read at once when lines are counted.
const CHUNK: usize = 1 << 16;

/// The `n`th rotated file; the highest is the oldest.
pub(super) fn rotated(path: &Path, n: u32) -> PathBuf {
    with_suffix(path, &n.to_string())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}

/// All files that exist, oldest first, the current one last; and whether older ones may have been removed.
pub(super) fn existing(path: &Path) -> (Vec<PathBuf>, bool) {
    let old = (1..=KEPT_FILES).rev().map(|n| rotated(path, n)).filter(|file| file.exists());
    let files: Vec<PathBuf> = old.chain(path.exists().then(|| path.to_owned())).collect();
    (files, rotated(path, KEPT_FILES).exists())
}

/// Opens the current file for appending, and makes it if need be.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(PRIVATE_MODE).open(path)
}

/// Moves the current file to the first rotated one, that to the second, and so on; the last falls off.
pub(super) fn rotate(path: &Path) -> io::Result<()> {
    for n in (1..KEPT_FILES).rev() {
        match std::fs::rename(rotated(path, n), rotated(path, n + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(path, rotated(path, 1))
}

/// Moves what stands after the last line feed into a file beside this one, and returns its length. A write that a crash
/// cut short is no record, and must not become part of one.
pub(super) fn cut_torn_line(file: &mut File, path: &Path) -> io::Result<u64> {
    let length = file.seek(SeekFrom::End(0))?;
    let kept = match find_back(file, length)? {
        Some(at) => at + 1,
        None => 0,
    };
    if kept == length {
        return Ok(0);
    }
    let mut torn = Vec::new();
    file.seek(SeekFrom::Start(kept))?;
    // More than a record was not written by us; the rest of it is not worth keeping.
    Read::take(&mut *file, MAX_RECORD_BYTES as u64 + 1).read_to_end(&mut torn)?;
    let keep = with_suffix(path, "torn");
    let mut keep = OpenOptions::new().append(true).create(true).mode(PRIVATE_MODE).open(keep)?;
    keep.write_all(&torn)?;
    keep.write_all(b"\n")?;
    keep.sync_all()?;
    file.set_len(kept)?;
    file.sync_all()?;
    Ok(length - kept)
}

/// The hash of the last whole line; `None` if there is none.
pub(super) fn last_line_hash(file: &mut File) -> io::Result<Option<LineHash>> {
    let length = file.seek(SeekFrom::End(0))?;
    let Some(end) = length.checked_sub(1) else { return Ok(None) };
    let begin = find_back(file, end)?.map_or(0, |at| at + 1);
    let mut line = Vec::new();
    file.seek(SeekFrom::Start(begin))?;
    Read::take(&mut *file, end - begin).read_to_end(&mut line)?;
    Ok(Some(LineHash::of(&line)))
}

/// The position of the last line feed before `end`.
fn find_back(file: &mut File, mut end: u64) -> io::Result<Option<u64>> {
    let mut chunk = vec![0; CHUNK];
    while end > 0 {
        let size = usize::try_from(end).unwrap_or(CHUNK).min(CHUNK);
        let begin = end - size as u64;
        file.seek(SeekFrom::Start(begin))?;
        let part = chunk.get_mut(..size).unwrap_or_default();
        file.read_exact(part)?;
        if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok(Some(begin + at as u64));
        }
        end = begin;
    }
    Ok(None)
}

/// How many lines a file has.
pub(super) fn count_lines(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let (mut chunk, mut lines) = (vec![0; CHUNK], 0);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(lines),
            read => lines += chunk.iter().take(read).filter(|byte| **byte == b'\n').count() as u64,
        }
    }
}
