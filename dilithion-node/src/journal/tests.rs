//! The document's sample, tampering byte by byte, crashes, rotation.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quickcheck::quickcheck;
use tempfile::TempDir;

use super::*;
use crate::clock::ManualClock;
use crate::durable;

/// The document's two sample records (spec: operations §1.13), and their hashes (§4).
const SAMPLE: [&str; 2] = [
    r#"{"event_version":"1.0","ts":"2026-02-20T07:45:38.307Z","run_id":"test_cpp_run_123","round":1,"stage":"pipeline","level":"info","event_type":"pipeline_start","message":"Starting training pipeline (C++)","counters_delta":{},"usage_delta":{},"artifact_paths":[],"error":null,"prev_hash":"test_cpp_run_123"}"#,
    r#"{"event_version":"1.0","ts":"2026-02-20T07:45:38.307Z","run_id":"test_cpp_run_123","round":1,"stage":"generate","level":"info","event_type":"stage_start","message":"Starting teacher generation","counters_delta":{},"usage_delta":{},"artifact_paths":[],"error":null,"prev_hash":"597846557e991975f30a5a3fb10af0cc11da934b2879f8c9b4d04443f4f5149a"}"#,
];
const SAMPLE_HASHES: [&str; 2] = [
    "597846557e991975f30a5a3fb10af0cc11da934b2879f8c9b4d04443f4f5149a",
    "137e5d2cb5a05988012bf42a6ac5f73818129ee9ccfe60aeb9fa780e972c5e62",
];
/// The time of the sample.
const SAMPLE_MILLIS: u64 = 1_771_573_538_307;

fn entry(message: &str) -> Entry {
    Entry::new("node_start", Level::Info, message)
}

struct Fixture {
    folder: TempDir,
    clock: Arc<ManualClock>,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, clock: Arc::new(ManualClock::at_unix_millis(SAMPLE_MILLIS)) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(JOURNAL_FILE)
    }

    fn open(&self, run: &str, options: JournalOptions) -> Journal {
        Journal::open(self.path(), run.to_owned(), Arc::clone(&self.clock) as _, options).unwrap()
    }

    fn journal(&self, run: &str) -> Journal {
        self.open(run, JournalOptions::default())
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.path()).unwrap().lines().map(str::to_owned).collect()
    }
}

fn append(journal: &Journal, messages: impl IntoIterator<Item = usize>) {
    for n in messages {
        journal.append(&entry(&format!("message {n}")), false).unwrap();
    }
}

fn write(path: &Path, lines: &[String]) {
    fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

fn broken_line(result: Result<Report, JournalError>) -> u64 {
    match result.unwrap_err() {
        JournalError::Broken(broken) => broken.line,
        other => panic!("{other}"),
    }
}

/// Requirements 002-003, 002-004, 002-006: the sample is what this implementation writes and accepts.
#[test]
fn the_documents_sample_verifies_and_is_written_alike() {
    let mut verifier = Verifier::new();
    let mut chain = Chain::new("test_cpp_run_123".to_owned(), None);
    for (line, hash) in SAMPLE.iter().zip(SAMPLE_HASHES) {
        let record = verifier.line(line.as_bytes()).unwrap();
        let entry = Entry {
            round: record.round,
            stage: record.stage.into_owned().into(),
            event_type: record.event_type.into_owned().into(),
            ..entry(&record.message)
        };
        let written = chain.line(&entry, "2026-02-20T07:45:38.307Z").unwrap();
        assert_eq!(written, format!("{line}\n"));
        assert_eq!(chain.accept(&written).to_string(), hash);
    }
    let head = SAMPLE_HASHES[1].parse().unwrap();
    let report = verifier.finish(false, Some(head)).unwrap();
    assert_eq!(report, Report { events: 2, runs: 1, head: Some(head), continued: false });
}

/// Requirements M2, 002-012: the first record names its run, each other the hash of the one before.
#[test]
fn records_hold_together_from_the_run_on() {
    let fixture = Fixture::new();
    let journal = fixture.journal("run_a");
    append(&journal, 0..2);
    let lines = fixture.lines();
    assert_eq!(Record::decode(lines[0].as_bytes()).unwrap().prev_hash, "run_a");
    let first = LineHash::of(lines[0].as_bytes()).to_string();
    assert_eq!(first.len(), 64);
    assert_eq!(Record::decode(lines[1].as_bytes()).unwrap().prev_hash, first);
    assert_eq!(journal.head(), (2, Some(LineHash::of(lines[1].as_bytes()))));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(fixture.path()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

/// Requirement M2: with a clock that stands still, the same run writes the same bytes.
#[test]
fn fifty_repeats_write_the_same_bytes() {
    let bytes = || {
        let fixture = Fixture::new();
        let journal = fixture.journal("run_a");
        for n in 0..10 {
            fixture.clock.advance(std::time::Duration::from_millis(7));
            append(&journal, [n]);
        }
        fs::read(fixture.path()).unwrap()
    };
    let first = bytes();
    assert!((0..49).all(|_| bytes() == first));
}

/// Requirements M2, 002-043: whichever byte of a file is changed, its line is named. Those of the last record have no
/// successor: they take the hash that the caller kept.
#[test]
fn every_flipped_byte_is_found_in_its_line() {
    let fixture = Fixture::new();
    let journal = fixture.journal("run_a");
    append(&journal, 0..20);
    let (_, head) = journal.head();
    let path = fixture.path();
    let whole = fs::read(&path).unwrap();
    let last_line = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let mut line = 1;
    for at in 0..whole.len() {
        let verify_flipped = |mask: u8, expected| {
            let mut bytes = whole.clone();
            bytes[at] ^= mask;
            let mut verifier = Verifier::new();
            let mut parts: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            let torn = !parts.pop().unwrap().is_empty();
            let done = parts.into_iter().try_for_each(|part| verifier.line(part).map(drop));
            done.and_then(|()| verifier.finish(torn, expected))
        };
        for mask in [1, 0x20] {
            let broken = verify_flipped(mask, head).expect_err("a flipped byte");
            assert_eq!(broken.line, line, "byte {at} of {}: {broken}", whole.len());
            if at < last_line {
                assert!(verify_flipped(mask, None).is_err(), "byte {at}");
            }
        }
        line += u64::from(whole[at] == b'\n');
    }
}

/// Requirement M2.
#[test]
fn lines_left_out_put_in_and_swapped_are_found() {
    let fixture = Fixture::new();
    let journal = fixture.journal("run_a");
    append(&journal, 0..20);
    let (_, head) = journal.head();
    let (path, lines) = (fixture.path(), fixture.lines());
    let verify_changed = |change: &dyn Fn(&mut Vec<String>), expected| {
        let mut changed = lines.clone();
        change(&mut changed);
        write(&path, &changed);
        verify(&path, expected)
    };
    assert_eq!(verify_changed(&|_| {}, head).unwrap().events, 20);
    assert_eq!(broken_line(verify_changed(&|lines| drop(lines.remove(7)), None)), 7);
    assert_eq!(broken_line(verify_changed(&|lines| lines.insert(7, lines[7].clone()), None)), 8);
    assert!(verify_changed(&|lines| lines.swap(7, 8), None).is_err());
    assert_eq!(broken_line(verify_changed(&|lines| drop(lines.remove(0)), None)), 1);
    assert!(verify_changed(&|lines| lines.truncate(19), None).is_ok(), "nothing in the file shows this");
    assert_eq!(broken_line(verify_changed(&|lines| lines.truncate(19), head)), 19);
    assert!(verify_changed(&Vec::clear, head).is_err());
}

/// Requirement M2 (strict schema) and spec: operations §1.2.
#[test]
fn only_records_as_the_node_writes_them_are_read() {
    let good = SAMPLE[0];
    assert!(Record::decode(good.as_bytes()).is_ok());
    let field = |name: &str| good.find(&format!("\"{name}\"")).unwrap();
    for name in ["ts", "run_id", "round", "counters_delta", "usage_delta", "artifact_paths", "error"] {
        let begin = field(name);
        let end = begin + good[begin..].find(",\"").unwrap() + 1;
        let missing = format!("{}{}", &good[..begin], &good[end..]);
        assert!(matches!(Record::decode(missing.as_bytes()), Err(SchemaError::Json(_))), "{missing}");
    }
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from));
        Record::decode(good.replacen(from, to, 1).as_bytes()).map(drop).unwrap_err()
    };
    assert!(matches!(changed("\"1.0\"", "\"2.0\""), SchemaError::Version(_)));
    assert!(matches!(changed("\"round\"", "\"extra\":1,\"round\""), SchemaError::Json(_)));
    assert!(matches!(changed("\"round\":1", "\"round\":NaN"), SchemaError::Json(_)));
    assert!(matches!(changed("\"round\":1", "\"round\":-1"), SchemaError::Json(_)));
    assert!(matches!(changed("\"round\":1", "\"round\": 1"), SchemaError::Encoding));
    assert!(matches!(changed("\"info\"", "\"loud\""), SchemaError::Json(_)));
    assert!(matches!(changed("T07", " 07"), SchemaError::Form("ts")));
    assert!(matches!(changed("\"pipeline\"", "\"Pipe line\""), SchemaError::Form("stage")));
    assert!(matches!(changed("pipeline_start", ""), SchemaError::Form("event_type")));
    assert!(matches!(Record::decode(&vec![b' '; MAX_RECORD_BYTES + 1]), Err(SchemaError::TooLong(_))));
}

/// Requirements M2, M3: texts are cut, and cleaned before they are encoded.
#[test]
fn texts_are_cleaned_and_cut() {
    let token = format!("sk-{}", "a1".repeat(15));
    let entry = Entry {
        message: format!("\u{1b}[1m{token}\u{1b}[0m {}", "x".repeat(600)),
        error: Some("e".repeat(300)),
        artifacts: vec!["p".repeat(200)],
        ..entry("")
    };
    let line = Chain::new("run".to_owned(), None).line(&entry, "2026-02-20T07:45:38.307Z").unwrap();
    let record = Record::decode(line.trim_end().as_bytes()).unwrap();
    assert!(record.message.starts_with("[OPENAI_KEY] x") && record.message.ends_with("x..."));
    assert_eq!(record.message.chars().count(), 500);
    assert_eq!(record.error.unwrap().len(), 200);
    assert_eq!(record.artifact_paths[0].len(), 100);
}

/// Requirement M2: a restart goes on where the last run ended.
#[test]
fn a_restart_continues_the_chain() {
    let fixture = Fixture::new();
    append(&fixture.journal("run_a"), 0..3);
    let journal = fixture.journal("run_b");
    append(&journal, 0..3);
    let report = verify(&fixture.path(), None).unwrap();
    assert_eq!((report.events, report.runs), (6, 2));
    assert_eq!(journal.head(), (6, report.head));
    let again = fixture.journal("run_c");
    assert_eq!(again.head(), (6, report.head));
}

/// Requirement M2: what a crash left unfinished is moved away.
#[test]
fn a_torn_line_is_moved_away_wherever_it_was_torn() {
    let fixture = Fixture::new();
    append(&fixture.journal("run_a"), 0..3);
    let whole = fs::read(fixture.path()).unwrap();
    let torn_file = fixture.path().with_file_name("events.jsonl.torn");
    let last = fixture.lines()[2].len();
    for torn in [1, 2, last / 2, last] {
        fs::write(fixture.path(), &whole[..whole.len() - torn]).unwrap();
        assert!(verify(&fixture.path(), None).is_err());
        let journal = fixture.journal("run_b");
        assert_eq!(journal.torn_bytes(), (last + 1 - torn) as u64);
        append(&journal, [9]);
        assert_eq!(verify(&fixture.path(), None).unwrap().events, 3);
        assert!(fs::read(&torn_file).unwrap().ends_with(b"\n"));
    }
    // A file of a single torn line.
    fs::write(fixture.path(), &whole[..40]).unwrap();
    append(&fixture.journal("run_b"), [9]);
    assert_eq!(verify(&fixture.path(), None).unwrap().runs, 1);
}

/// Requirement M2: the chain goes on across files; of these only so many are kept.
#[test]
fn rotation_keeps_the_chain_and_the_newest_files() {
    let fixture = Fixture::new();
    let options = JournalOptions { max_file_bytes: 2000 };
    let journal = fixture.open("run_a", options);
    append(&journal, 0..10);
    assert_eq!(verify(&fixture.path(), None).unwrap().events, 10);
    append(&journal, 10..60);
    drop(journal);
    let names = fs::read_dir(fixture.folder.path()).unwrap().count();
    assert_eq!(names, 1 + KEPT_FILES as usize);
    let report = verify(&fixture.path(), None).unwrap();
    assert!(report.continued && report.events < 60);
    assert!(fs::metadata(fixture.path()).unwrap().len() <= 2000);

    // A restart, and one after a crash between the rotation and the first record of the new file.
    append(&fixture.open("run_b", options), 60..62);
    files::rotate(&fixture.path()).unwrap();
    let journal = fixture.open("run_c", options);
    append(&journal, 62..64);
    let report = verify(&fixture.path(), None).unwrap();
    assert_eq!(journal.head(), (report.events, report.head));
    // A file that was taken out of the middle.
    fs::remove_file(fixture.path().with_file_name("events.jsonl.2")).unwrap();
    assert!(verify(&fixture.path(), None).is_err());
}

/// Whoever pages through the journal sees each record once, in order, while it grows and old files fall off.
#[test]
fn paging_misses_nothing_while_files_are_rotated() {
    let fixture = Fixture::new();
    let options = JournalOptions { max_file_bytes: 100_000 };
    append(&fixture.open("run_a", options), 0..1000);
    let journal = fixture.open("run_b", options);
    append(&journal, 1000..2500);
    assert!(!journal.remembers(1499) && journal.remembers(1500));
    let (mut next, mut written) = (0, 2500);
    while next < written as u64 {
        let page = journal.after(next, 70).unwrap();
        assert!(page.first == next || next == 0, "only what has fallen off is passed over");
        assert!(!page.lines.is_empty() && page.lines.len() <= 70);
        for (number, line) in (page.first..).zip(&page.lines) {
            assert!(line.contains(&format!("\"message {number}\"")), "{number}: {line}");
        }
        next = page.first + page.lines.len() as u64;
        // It grows for as long as old files are read, and longer.
        if written < 4000 {
            append(&journal, written..written + 10);
            written += 10;
        }
    }
    assert_eq!(journal.after(next + 100, 5).unwrap(), Page { first: next, lines: Vec::new() });
}

/// Requirements M2, M4: a record that cannot be written is lost, and counted; the chain stays whole.
#[test]
fn a_failed_write_is_not_built_upon() {
    let fixture = Fixture::new();
    let journal = fixture.journal("run_a");
    append(&journal, 0..2);
    // A handle that cannot be written to; a write that failed halfway leaves part of a line.
    let file = journal.swap_file(Arc::new(File::open(fixture.path()).unwrap()));
    assert!(matches!(journal.append(&entry("lost"), false), Err(JournalError::Io { .. })));
    std::io::Write::write_all(&mut &*file, b"{\"half a li").unwrap();
    drop(journal.swap_file(file));
    append(&journal, 2..4);
    assert_eq!(journal.lost(), 1);
    let report = verify(&fixture.path(), None).unwrap();
    assert_eq!((report.events, report.head), (4, journal.head().1));
}

/// Requirement M13: an append does not wait for the disk, urgent or not.
#[test]
fn an_append_waits_for_no_disk() {
    let fixture = Fixture::new();
    let journal = fixture.journal("run_a");
    let before = durable::waits_of_this_thread();
    for urgent in [false, true] {
        journal.append(&entry("x"), urgent).unwrap();
    }
    assert_eq!(durable::waits_of_this_thread(), before);
    journal.sync().unwrap();
    assert_eq!(durable::waits_of_this_thread(), before + 1);
}

/// Spec: operations §1.2, soak: replays of the same journal agree.
#[test]
fn replay_adds_up_and_tail_shows_the_end() {
    let fixture = Fixture::new();
    let journal = fixture.journal("run_a");
    append(&journal, [0]);
    let moved =
        Entry { round: 3, stage: "headers_sync".into(), ..Entry::new("state_transition", Level::Info, "") };
    journal.append(&moved, false).unwrap();
    journal.append(&Entry::new("node_stop", Level::Info, "bye"), true).unwrap();
    let (report, first) = replay(&fixture.path()).unwrap();
    assert_eq!(report.events, 3);
    assert_eq!((first.starts, first.stops, first.running), (1, 1, false));
    assert_eq!((first.round, first.state.as_str()), (3, "headers_sync"));
    assert!((0..50).all(|_| replay(&fixture.path()).unwrap().1 == first));
    let shown = tail(&fixture.path(), 2, false).unwrap();
    assert!(shown[0].contains("state_transition") && shown[1].ends_with("bye"), "{shown:?}");
    assert_eq!(tail(&fixture.path(), 1, true).unwrap()[0], fixture.lines()[2]);
    let missing = fixture.path().with_file_name("none.jsonl");
    assert!(matches!(tail(&missing, 1, false), Err(JournalError::Missing { .. })));
    assert!(matches!(verify(&missing, None), Err(JournalError::Missing { .. })));
}

quickcheck! {
    /// Requirement M3: whatever a peer or a hook says, each line is one JSON object with the same text in it.
    fn every_text_survives_its_encoding(message: String, error: Option<String>) -> bool {
        let entry = Entry { error: error.clone(), ..entry(&message) };
        let line = Chain::new("run".to_owned(), None).line(&entry, "2026-02-20T07:45:38.307Z").unwrap();
        let body = line.strip_suffix('\n').unwrap();
        let record = Record::decode(body.as_bytes()).unwrap();
        !body.contains('\n')
            && record.message == crate::redact::limit(&crate::redact::redact(&message), 500)
            && record.error.is_some() == error.is_some()
    }
}
