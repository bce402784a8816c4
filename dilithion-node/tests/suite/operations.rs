//! What operators rely on, through the real program: journal, status, limits, settings, hooks, background, log.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use dilithion_node::clock::SystemClock;
use dilithion_node::journal::{Entry, Journal, JournalOptions, Level, verify};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{
    RECORDED_HEIGHT, RunningNode, free_address, import_recorded, on_recorded_chain, program, query,
    stderr_of, stdout_of,
};

fn records(datadir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(datadir.join("events.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(datadir: &Path) -> Vec<String> {
    records(datadir).iter().map(|record| record["event_type"].as_str().unwrap().to_owned()).collect()
}

fn state(datadir: &Path) -> Value {
    serde_json::from_slice(&fs::read(datadir.join("state.json")).unwrap()).unwrap()
}

/// `run` without network, which ends as soon as it is told to.
fn run_alone(datadir: &Path) -> Command {
    let mut command = on_recorded_chain("run", datadir);
    command.args(["--no-listen", "--no-seeds"]);
    command
}

fn journal_command(what: &str, datadir: &Path) -> Command {
    let mut command = program();
    command.args(["journal", what]).arg(datadir.join("events.jsonl"));
    command
}

/// A node that listens; `args` as typed.
fn listening(datadir: &Path, args: &[&str]) -> (SocketAddr, RunningNode) {
    let address = free_address();
    let mut all = vec![format!("--port={}", address.port())];
    all.extend(args.iter().map(|arg| (*arg).to_owned()));
    let mut node = RunningNode::start(datadir, &all);
    node.wait_for("Listening on");
    (address, node)
}

/// Requirements 002-014 to 002-016, 002-043, M2, M4, M20: a sync, its journal, its status, and the commands for it.
#[test]
fn a_sync_is_in_the_journal_and_the_status_from_start_to_stop() {
    let (source_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    import_recorded(source_dir.path());
    let (address, mut source) = listening(source_dir.path(), &[]);
    let mut command = run_alone(dir.path());
    command.arg(format!("--connect={address}")).arg(format!("--stop-at-height={RECORDED_HEIGHT}"));
    stdout_of(&mut command);
    source.terminate();
    assert_eq!(source.finish().code(), Some(0));

    let kinds = kinds(dir.path());
    assert_eq!(kinds[..3], ["limits_applied", "node_start", "integrity_verified"]);
    assert_eq!(kinds.last().unwrap(), "node_stop");
    let records = records(dir.path());
    let counted = |name: &str, kind: &str| -> i64 {
        let of_kind = records.iter().filter(|record| record["event_type"] == kind);
        of_kind.map(|record| record["counters_delta"][name].as_i64().unwrap()).sum()
    };
    assert_eq!(counted("blocks", "block_connected"), i64::from(RECORDED_HEIGHT));
    let stages: Vec<&str> = records
        .iter()
        .filter(|record| record["event_type"] == "state_transition")
        .map(|record| record["stage"].as_str().unwrap())
        .collect();
    assert_eq!(stages[..3], ["connecting", "headers_sync", "blocks_download"]);

    let state = state(dir.path());
    assert_eq!((&state["status"], &state["current_stage"]), (&"stopped".into(), &"interrupted".into()));
    assert_eq!(state["chain_height"], RECORDED_HEIGHT);
    let head = state["journal_head"].as_str().unwrap();
    let said = stdout_of(journal_command("verify", dir.path()).args(["--expect-head", head]));
    assert!(said.ends_with(&format!("head {head}")), "{said}");
    let shown = stdout_of(journal_command("tail", dir.path()).args(["-n", "1"]));
    assert!(shown.contains("node_stop"), "{shown}");
    let replayed = stdout_of(&mut journal_command("replay", dir.path()));
    assert!(replayed.contains("1 starts, 1 stops, stopped"), "{replayed}");
}

/// Requirement M2: exit codes 0, 1 and 2.
#[test]
fn journal_verify_tells_by_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let code = || journal_command("verify", dir.path()).output().unwrap().status.code();
    assert_eq!(code(), Some(1), "missing");
    let path = dir.path().join("events.jsonl");
    let journal = open(&path, "run_a");
    for n in 0..3 {
        journal.append(&entry(n), false).unwrap();
    }
    assert_eq!(code(), Some(0));
    let text = fs::read_to_string(&path).unwrap().replace("record 1", "record 2");
    fs::write(&path, text).unwrap();
    let output = journal_command("verify", dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr_of(&output).contains("line 2"), "{}", stderr_of(&output));
}

fn open(path: &Path, run: &str) -> Journal {
    let clock = Arc::new(SystemClock::new());
    Journal::open(path, run.to_owned(), clock, JournalOptions::default()).unwrap()
}

fn entry(n: usize) -> Entry {
    Entry::new("recovery", Level::Info, format!("record {n}"))
}

/// Appends to the journal that the environment names, and tells after every hundredth record, until it is killed. Without
/// the variable it does nothing: it is the other half of the test below.
#[test]
fn appends_until_it_is_killed() {
    let Some(path) = std::env::var_os("JOURNAL_TO_APPEND_TO") else { return };
    let journal = open(Path::new(&path), "run_killed");
    for n in 0..1_000_000 {
        journal.append(&entry(n), n % 7 == 0).unwrap();
        if n % 100 == 0 {
            println!("appended {n}");
            std::io::stdout().flush().unwrap();
        }
    }
}

/// Requirement M2: SIGKILL at twenty different moments among 10 000 appends.
#[test]
fn a_journal_whose_writer_is_killed_verifies_after_recovery() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.jsonl");
    let mut events = 0;
    for kill_after in (0..20).map(|round| 1 + round * 5) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["operations::appends_until_it_is_killed", "--exact", "--nocapture"])
            .env("JOURNAL_TO_APPEND_TO", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let told =
            output.lines().map(Result::unwrap).filter(|line| line.contains("appended ")).nth(kill_after);
        child.kill().unwrap();
        child.wait().unwrap();
        let told = told.unwrap();
        let appended: u64 = told.rsplit(' ').next().unwrap().parse().unwrap();
        drop(open(&path, "run_after"));
        let report = verify(&path, None).unwrap();
        assert!(report.events > events + appended, "what was told is in the file");
        events = report.events;
    }
}

/// Requirement M11: one node a directory.
#[test]
fn a_second_node_on_the_same_directory_is_told_whose_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (_, mut node) = listening(dir.path(), &[]);
    let pid = fs::read_to_string(dir.path().join("dilithion.pid")).unwrap();
    let output = run_alone(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr_of(&output);
    assert!(said.ends_with(&format!("process {}", pid.trim())), "{said}");
    node.terminate();
    assert_eq!(node.finish().code(), Some(0));
    assert_eq!(kinds(dir.path()).iter().filter(|kind| *kind == "node_start").count(), 1);
}

fn start_in_background(dir: &Path, args: &[&str]) -> Output {
    let mut command = on_recorded_chain("run", dir);
    command.args(["--daemon", "--no-seeds", "--bind", "127.0.0.1"]).args(args);
    command.output().unwrap()
}

/// A node in the background, stopped when dropped.
struct Background {
    pid: Pid,
}

impl Background {
    fn start(dir: &Path, args: &[&str]) -> Self {
        let output = start_in_background(dir, args);
        assert!(output.status.success(), "{output:?}");
        let pid: i32 = fs::read_to_string(dir.join("dilithion.pid")).unwrap().trim().parse().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("process {pid}")));
        Self { pid: Pid::from_raw(pid).unwrap() }
    }

    fn stop(&self) {
        if kill_process(self.pid, Signal::TERM).is_ok() {
            while test_kill_process(self.pid).is_ok() && !self.is_zombie() {
                std::thread::yield_now();
            }
        }
    }

    /// Ended, and not collected by whoever inherited it.
    fn is_zombie(&self) -> bool {
        let stat =
            fs::read_to_string(format!("/proc/{}/stat", self.pid.as_raw_nonzero())).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Requirements 002-029, M11: when the command returns the node can be reached; SIGTERM ends it in good order; SIGHUP
/// opens the log anew.
#[test]
fn a_node_goes_to_the_background_and_comes_to_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let address = free_address();
    let node = Background::start(dir.path(), &["--port", &address.port().to_string()]);
    drop(TcpStream::connect(address).unwrap());
    let log = dir.path().join("debug.log");
    let moved = dir.path().join("debug.log.1");
    fs::rename(&log, &moved).unwrap();
    kill_process(node.pid, Signal::HUP).unwrap();
    while !fs::read_to_string(&log).is_ok_and(|text| text.contains("log opened anew")) {
        std::thread::yield_now();
    }
    assert!(fs::read_to_string(moved).unwrap().contains("Listening on"));
    node.stop();
    assert_eq!(kinds(dir.path()).last().unwrap(), "node_stop");
    assert_eq!(state(dir.path())["status"], "stopped");
    assert_eq!(fs::read(dir.path().join("dilithion.pid")).unwrap(), b"");
}

/// Requirement M11: a start that fails looks like one.
#[test]
fn a_node_that_cannot_listen_does_not_go_to_the_background() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = start_in_background(dir.path(), &["--port", &port]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr_of(&output).contains("cannot listen on"), "{}", stderr_of(&output));
    let records = records(dir.path());
    assert!(records.iter().any(|record| record["event_type"] == "error"));
    assert_eq!(records.last().unwrap()["event_type"], "node_stop");
}

/// Requirements M6, M7: what keeps the program from running its node is told before the end, to whoever wants to know,
/// whether the node has started by then or not.
#[test]
fn an_http_server_that_cannot_start_is_an_error_before_the_stop() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for (rpcport, starts) in [(port, false), (0, true)] {
        let dir = tempfile::tempdir().unwrap();
        if starts {
            // Where the token would be written.
            fs::create_dir(dir.path().join(".cookie")).unwrap();
        }
        let mut command = run_alone(dir.path());
        command.arg(format!("--rpcport={rpcport}")).args(["--alertnotify", "test -n %s"]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let kinds = kinds(dir.path());
        assert_eq!(kinds.contains(&"node_start".to_owned()), starts);
        assert_eq!(kinds[kinds.len() - 3..], ["error", "hook_success", "node_stop"], "{kinds:?}");
        assert_eq!(state(dir.path())["status"], "error");
    }
}

/// Requirements M6, M18: wherever the store is damaged, to start again is of no use.
#[test]
fn a_damaged_store_ends_the_program_with_exit_code_3() {
    let dir = tempfile::tempdir().unwrap();
    import_recorded(dir.path());
    let file = dir.path().join("chainstate").join("data.mdb");
    let whole = fs::read(&file).unwrap();
    let mut parent = hex::decode(query(dir.path(), &["hash", "499"])).unwrap();
    parent.reverse();
    // The block's own records, and where the one above names it.
    let places: Vec<usize> =
        (0..whole.len() - parent.len()).filter(|at| whole[*at..].starts_with(&parent)).collect();
    assert!(places.len() > 1);
    let mut damaged = whole;
    places.iter().for_each(|at| damaged[*at] ^= 1);
    fs::write(&file, damaged).unwrap();
    let output = run_alone(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr_of(&output));
    let kinds = kinds(dir.path());
    assert_eq!(kinds, ["limits_applied", "error", "node_stop"]);
    assert_eq!(state(dir.path())["status"], "error");
}

/// Requirements 002-010, M5: what is set is in force, and connections have what the files leave.
#[test]
fn limits_are_in_force_and_refused_connections_are_in_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (address, mut node) =
        listening(dir.path(), &["--max-fds=64", "--max-cpu-sec=1000", "--max-memory-mb=2000"]);
    let pid = fs::read_to_string(dir.path().join("dilithion.pid")).unwrap();
    let limits = fs::read_to_string(format!("/proc/{}/limits", pid.trim())).unwrap();
    let soft = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[26..].split_ascii_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(soft("Max open files"), "64");
    assert_eq!(soft("Max cpu time"), "1000");
    assert_eq!(soft("Max data size"), (2000_u64 << 20).to_string());
    let connections: Vec<TcpStream> = (0..65).map(|_| TcpStream::connect(address).unwrap()).collect();
    while !kinds(dir.path()).contains(&"peer_refused".to_owned()) {
        std::thread::yield_now();
    }
    drop(connections);
    node.terminate();
    assert_eq!(node.finish().code(), Some(0));
    assert!(!node.lines.iter().any(|line| line.contains("Failed to accept")), "files did not run out");
    assert_eq!(kinds(dir.path()).last().unwrap(), "node_stop");
}

/// Requirement M5.
#[test]
fn too_little_of_anything_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    for (limit, named) in [("--max-memory-mb=100", "RandomX 256 + threads"), ("--max-fds=30", "open files")] {
        let output = run_alone(dir.path()).arg(limit).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr_of(&output).contains(named), "{}", stderr_of(&output));
    }
}

/// Requirement M12: what a run would refuse a dry run refuses, and neither leaves a trace.
#[test]
fn a_dry_run_refuses_what_a_run_would() {
    for (args, named) in [
        (&["--rpcbind=0.0.0.0"][..], "--rpcallow"),
        (&["--produce", "--network=mainnet"], "mainnet"),
        (&["--max-memory-mb=10"], "RandomX 256 + threads"),
    ] {
        for dry in [&["--dry-run"][..], &[]] {
            let dir = tempfile::tempdir().unwrap();
            let mut command = program();
            command.args(["run", "--no-listen", "--no-seeds", "--datadir"]).arg(dir.path());
            let output = command.args(args).args(dry).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{args:?} {output:?}");
            assert!(stderr_of(&output).contains(named), "{}", stderr_of(&output));
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        }
    }
}

/// Requirements 002-020, M7: a gate that fails keeps the node from starting.
#[test]
fn the_startup_gate_decides() {
    let dir = tempfile::tempdir().unwrap();
    let output =
        run_alone(dir.path()).args(["--startup-gate", "sh -c 'echo not today; exit 9'"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr_of(&output).contains("exit code 9"), "{}", stderr_of(&output));
    assert_eq!(kinds(dir.path()), ["limits_applied", "hook_failed", "error", "node_stop"]);
    assert_eq!(records(dir.path())[1]["error"], "not today");
    assert!(!dir.path().join("chainstate").exists(), "nothing was started");
}

/// Requirement M7: a signal while the gate runs ends the gate and then the program, in good order.
#[test]
fn a_signal_is_heeded_while_the_startup_gate_runs() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gate");
    let gate = format!("sh -c 'echo $$ > {}; exec sleep 600'", file.display());
    let mut command = run_alone(dir.path());
    command.args(["--startup-gate", &gate]);
    let mut node = RunningNode::of(command);
    let gate = loop {
        let pid = fs::read_to_string(&file).unwrap_or_default();
        if pid.ends_with('\n') {
            break Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        }
        std::thread::yield_now();
    };
    node.terminate();
    assert_eq!(node.finish().code(), Some(0), "{}", node.lines.join("\n"));
    assert_eq!(test_kill_process(gate), Err(rustix::io::Errno::SRCH), "the gate is gone");
    assert_eq!(kinds(dir.path()), ["limits_applied", "hook_timeout", "node_stop"]);
    assert_eq!(state(dir.path())["status"], "stopped");
}

/// Requirements M7, 002-022: hooks of a whole run, without starting any.
#[test]
fn a_dry_run_of_hooks_writes_down_what_would_have_run() {
    let dir = tempfile::tempdir().unwrap();
    import_recorded(dir.path());
    let mut command = run_alone(dir.path());
    command.env("DILITHION_MOCK_HOOKS", "1");
    for hook in ["--startup-gate", "--shutdownnotify"] {
        command.args([hook, "/no/such/program"]);
    }
    stdout_of(command.arg(format!("--stop-at-height={RECORDED_HEIGHT}")));
    let hooks: Vec<Value> =
        records(dir.path()).into_iter().filter(|record| record["stage"] == "hook").collect();
    assert_eq!(hooks.len(), 2);
    assert!(hooks.iter().all(|hook| hook["event_type"] == "hook_success"));
}

/// Requirement M3: neither the log nor what stands in files shows a secret that a peer calls itself by.
#[test]
fn json_logs_are_json_and_without_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log.json");
    let token = format!("ghp_{}", "a1".repeat(18));
    let command = &mut run_alone(dir.path());
    command
        .arg("--json-logs")
        .arg("--logfile")
        .arg(&log)
        .args(["--startup-gate", &format!("/no/such/{token}")]);
    assert_eq!(command.output().unwrap().status.code(), Some(1));
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.lines().count() > 0);
    text.lines().for_each(|line| drop(serde_json::from_str::<Value>(line).unwrap()));
    assert!(text.contains("[GITHUB_TOKEN]"), "{text}");
    for file in [log, dir.path().join("events.jsonl"), dir.path().join("state.json")] {
        assert!(!fs::read_to_string(file).unwrap().contains(&token));
    }
}

struct Settings {
    dir: TempDir,
}

impl Settings {
    fn new(file: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("dilithion.toml"), file).unwrap();
        Self { dir }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("dilithion.toml")
    }

    fn show(&self, args: &[&str], env: &[(&str, &str)]) -> Output {
        let mut command = program();
        command.args(["config", "--print", "--datadir"]).arg(self.dir.path()).args(args);
        command.envs(env.iter().copied()).output().unwrap()
    }

    fn line(&self, name: &str, args: &[&str], env: &[(&str, &str)]) -> String {
        let output = self.show(args, env);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let begins = |line: &&str| line.trim_start_matches("# ").starts_with(&format!("{name} "));
        text.lines().find(begins).unwrap().to_owned()
    }
}

/// Requirements 002-001, M12: flag before environment before file before default, and each value tells its source.
#[test]
fn settings_come_from_flag_environment_file_and_default_in_this_order() {
    let settings = Settings::new(
        "port = 1111\nnetwork = \"testnet\"\nquiet = true\nconnect = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n",
    );
    let env = [("DILITHION_PORT", "2222"), ("DILITHION_RUN_ID", "mine")];
    let file = settings.file();
    assert_eq!(settings.line("port", &["--port=3333"], &env), "port = 3333 # flag");
    assert_eq!(settings.line("port", &[], &env), "port = 2222 # environment, DILITHION_PORT");
    assert_eq!(settings.line("port", &[], &[]), format!("port = 1111 # file, {}", file.display()));
    assert_eq!(settings.line("pow", &[], &[]), "pow = \"light\" # default");
    assert_eq!(settings.line("threads", &[], &[]), "# threads # not set");
    assert_eq!(settings.line("run-id", &[], &env), "run-id = \"mine\" # environment, DILITHION_RUN_ID");
    let connect = settings.line("connect", &[], &[]);
    assert!(connect.starts_with("connect = [\"127.0.0.1:1\", \"127.0.0.1:2\"] # file"), "{connect}");
    // A flag also puts what excludes it out of the file.
    assert_eq!(settings.line("testnet", &["--testnet"], &[]), "testnet = true # flag");
    assert_eq!(settings.line("network", &["--testnet"], &[]), "# network # not set");
    assert_eq!(settings.line("quiet", &["--verbose"], &[]), "quiet = false # default");
}

/// Requirement M12: what makes no sense is an error that names the file and the key.
#[test]
fn settings_that_make_no_sense_are_errors() {
    for (file, named) in [
        ("prot = 1", "unknown setting \"prot\""),
        ("dry-run = true", "unknown setting \"dry-run\""),
        ("port = \"many\"", "invalid value 'many'"),
        ("port = [1, 2]", "\"port\" has one value"),
        ("port = { a = 1 }", "\"port\" cannot be a table"),
        ("testnet = true\nchain = \"x\"", "only one of"),
        ("no-rpc = true\nrpcport = 1", "only one of"),
        ("port = ", "dilithion.toml"),
    ] {
        let output = Settings::new(file).show(&[], &[]);
        let said = stderr_of(&output);
        assert_eq!(output.status.code(), Some(2), "{file}: {said}");
        assert!(said.contains(named) && said.contains("dilithion.toml"), "{file}: {said}");
    }
}

/// Requirement M12: every setting is in the template, which itself is a settings file.
#[test]
fn the_template_explains_every_setting_and_can_be_used() {
    let empty = Settings::new("");
    let mut command = program();
    let template = stdout_of(command.args(["config", "--template", "--datadir"]).arg(empty.dir.path()));
    for name in ["port", "blocknotify", "max-fds", "network", "run-id", "prune"] {
        assert!(template.contains(&format!("\n# {name} =")), "{name} is missing in:\n{template}");
    }
    let with_values = template.lines().filter(|line| line.contains(" = "));
    let used: String = with_values
        .filter(|line| !line.contains("datadir"))
        .map(|line| format!("{}\n", &line[2..]))
        .collect();
    let settings = Settings::new(&used);
    assert!(settings.show(&[], &[]).status.success(), "{used}");
    let shown = stdout_of(run_alone(empty.dir.path()).arg("--dry-run"));
    assert!(shown.contains("no-listen = true # flag"), "{shown}");
    assert!(!empty.dir.path().join("events.jsonl").exists(), "a dry run leaves no trace");
}
