//! The commands that run and end, through the real program.

use std::fs;
use std::path::Path;

use crate::process::{
    RECORDED_HEIGHT, RECORDED_UTXO, import_recorded, on_recorded_chain, program, query, stderr_of, stdout_of,
    testdata,
};
use serde_json::Value;

const MAINNET_GENESIS: &str = "0100000000000000000000000000000000000000000000000000000000000000000000007b10a93f4a3a784657c84fa29eeca4cf6a5f1476320b9364e786eca5f6be0f7800ef8a67feff011e4b5f9b19";
const TESTNET_GENESIS: &str = "0100000000000000000000000000000000000000000000000000000000000000000000003d943636d5673dac35add76b2794adba98ffc6c628e3fe08ba6b13c4438166c980b41d670000011f4a3b0000";

fn index_line(height: u32) -> Value {
    let index = fs::read_to_string(testdata("recorded-500.index.jsonl")).unwrap();
    serde_json::from_str(index.lines().nth(height as usize).unwrap()).unwrap()
}

#[test]
fn import_query_check_and_export_agree_with_the_recording() {
    let dir = tempfile::tempdir().unwrap();
    import_recorded(dir.path());
    assert_eq!(query(dir.path(), &["height"]), RECORDED_HEIGHT.to_string());
    assert_eq!(query(dir.path(), &["utxo-digest"]), RECORDED_UTXO);
    for height in [0, 1, 250, RECORDED_HEIGHT] {
        let expected = index_line(height);
        let hash = expected["hash"].as_str().unwrap();
        assert_eq!(query(dir.path(), &["hash", &height.to_string()]), hash);
        let block: Value = serde_json::from_str(&query(dir.path(), &["block", &height.to_string()])).unwrap();
        assert_eq!(block["hash"], hash);
        assert_eq!(block["bits"], expected["nbits"]);
        assert_eq!(block["nonce"], expected["nonce"]);
        assert_eq!(block["transactions"].as_array().unwrap().len() as u64, expected["ntx"]);
    }
    let latest: Value = serde_json::from_str(&query(dir.path(), &["latest"])).unwrap();
    assert_eq!(latest["height"], RECORDED_HEIGHT);

    let checked = stdout_of(on_recorded_chain("check-chain", dir.path()).arg("--pow"));
    assert_eq!(checked, "Chain integrity verified: 501 blocks");

    let exported = dir.path().join("export.dat");
    stdout_of(on_recorded_chain("export", dir.path()).arg(&exported));
    assert_eq!(fs::read(exported).unwrap(), fs::read(testdata("recorded-500.dat")).unwrap());

    let again = stdout_of(on_recorded_chain("import", dir.path()).arg(testdata("recorded-500.dat")));
    assert!(again.contains("501 known already"), "{again}");
}

#[test]
fn a_backup_opens_like_the_store_it_was_taken_from() {
    let dir = tempfile::tempdir().unwrap();
    import_recorded(dir.path());
    let copy = dir.path().join("copy");
    let said = stdout_of(on_recorded_chain("backup", dir.path()).arg(&copy));
    assert!(said.starts_with("Copied 501 blocks"), "{said}");
    assert_eq!(query(&copy, &["utxo-digest"]), RECORDED_UTXO);
    let again = on_recorded_chain("backup", dir.path()).arg(&copy).output().unwrap();
    assert_eq!(again.status.code(), Some(1), "nothing is overwritten");
}

#[test]
fn a_sound_store_is_not_repaired_and_a_torn_one_says_so() {
    let dir = tempfile::tempdir().unwrap();
    import_recorded(dir.path());
    let said = stdout_of(on_recorded_chain("check-chain", dir.path()).arg("--repair"));
    assert_eq!(said, "Nothing to repair\nChain integrity verified: 501 blocks");
    let data = dir.path().join("chainstate").join("data.mdb");
    let whole = fs::read(&data).unwrap();
    fs::write(&data, &whole[..whole.len() / 2]).unwrap();
    let torn = on_recorded_chain("check-chain", dir.path()).arg("--repair").output().unwrap();
    assert_eq!(torn.status.code(), Some(1));
    assert!(stderr_of(&torn).contains("page"), "{}", stderr_of(&torn));
}

/// The offset of a record in the file.
fn offset_of(file: &[u8], height: u32) -> usize {
    let mut offset = 0;
    for _ in 0..height {
        let length = u32::from_le_bytes(*file[offset..].first_chunk().unwrap());
        offset += 4 + length as usize;
    }
    offset
}

#[test]
fn a_flipped_byte_is_an_error_that_names_its_height_and_the_store_keeps_its_tip() {
    let whole = fs::read(testdata("recorded-500.dat")).unwrap();
    // Within a record: version, parent, merkle root, bits, nonce, and a byte of the coinbase.
    for (height, position) in [(30, 0), (31, 10), (32, 40), (33, 74), (34, 77), (35, 140)] {
        let dir = tempfile::tempdir().unwrap();
        let mut damaged = whole[..offset_of(&whole, 60)].to_vec();
        damaged[offset_of(&whole, height) + 4 + position] ^= 0x01;
        let file = dir.path().join("damaged.dat");
        fs::write(&file, damaged).unwrap();
        let output = on_recorded_chain("import", dir.path()).arg(&file).output().unwrap();
        let complaint = stderr_of(&output);
        assert_eq!(output.status.code(), Some(1), "{complaint}");
        assert!(
            complaint.contains(&format!("record {height} ")),
            "byte {position} of record {height}: {complaint}"
        );
        assert_eq!(query(dir.path(), &["height"]), (height - 1).to_string(), "{complaint}");
        assert_eq!(
            stdout_of(&mut on_recorded_chain("check-chain", dir.path())),
            format!("Chain integrity verified: {height} blocks")
        );
    }
}

#[test]
fn inspect_recomputes_both_public_genesis_ids() {
    for (header, network, id) in [
        (MAINNET_GENESIS, "mainnet", "0000009eaa5e7781ba6d14525c3f75c35444045b21ddafbbea61090db99b0bc3"),
        (TESTNET_GENESIS, "testnet", "411c351d903c4bcc1ba0fe5c47a2056974fbb0bdb191dc25339a1b393c29e8fc"),
    ] {
        let shown = stdout_of(program().args(["inspect", "header", header, "--network", network]));
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["hash"], id);
        for key in ["version", "prev_hash", "merkle_root", "time", "bits", "target", "nonce"] {
            assert!(!shown[key].is_null(), "{key}");
        }
    }
}

#[test]
fn the_older_testnet_genesis_is_a_chain_file_away() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = program();
    run.args(["run", "--no-listen", "--no-seeds", "--stop-at-height", "0", "--chain"]);
    run.arg(testdata("testnet-v1014.toml")).arg("--datadir").arg(dir.path());
    assert!(run.status().unwrap().success(), "its RandomX hash is the one the file states");
    let mut hash = program();
    hash.args(["query", "hash", "0", "--chain"]).arg(testdata("testnet-v1014.toml"));
    let hash = stdout_of(hash.arg("--datadir").arg(dir.path()));
    assert_eq!(hash, "0000ee281e9c4a9216ed662146da376ff20fd2b3cc516bc4346cedb2a330e6d3");
}

#[test]
fn a_genesis_that_does_not_hash_to_its_id_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let chain =
        fs::read_to_string(testdata("testnet-v1014.toml")).unwrap().replace("nonce = 15178", "nonce = 15179");
    let file = dir.path().join("wrong.toml");
    fs::write(&file, chain).unwrap();
    let mut run = program();
    run.args(["run", "--no-listen", "--no-seeds", "--stop-at-height", "0", "--chain"]);
    let output = run.arg(&file).arg("--datadir").arg(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr_of(&output).contains("genesis block of testnet-v1014 hashes to"),
        "{}",
        stderr_of(&output)
    );
}

#[test]
fn bad_input_to_inspect_is_an_error_with_code_2() {
    let cases: [&[&str]; 6] = [
        &["header", "zz"],
        &["header", "00"],
        &["tx", "0100"],
        &["block", &MAINNET_GENESIS[..100]],
        &["message", "fabfb5da"],
        &["message", "fabfb5da70696e67000000000000000008000000fd9fc3830102030405060708"],
    ];
    for case in cases {
        let output = program().arg("inspect").args(case).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{case:?}: {output:?}");
        assert!(
            output.stdout.is_empty() && stderr_of(&output).starts_with("error: "),
            "{case:?}: {output:?}"
        );
    }
}

#[test]
fn inspect_shows_messages_and_transactions() {
    // Worked examples of the protocol: ping, and the coinbase of mainnet's genesis block.
    let ping = "fabfb5da70696e67000000000000000008000000fd9fc3820102030405060708";
    let shown: Value =
        serde_json::from_str(&stdout_of(program().args(["inspect", "message", ping]))).unwrap();
    assert_eq!(shown["command"], "ping");
    assert_eq!(shown["network"], "testnet");
    assert_eq!(shown["message"]["nonce"], 0x0807_0605_0403_0201_u64);

    let coinbase = "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4e0044696c697468696f6e204d61696e6e65742076322e302e30202d2046616972204c61756e6368205265736574202d205175616e74756d2d526573697374616e74204469676974616c20476f6c64ffffffff0100f2052a01000000016a00000000";
    let shown: Value = serde_json::from_str(&stdout_of(program().args(["inspect", "tx", coinbase]))).unwrap();
    assert_eq!(shown["txid"], "780fbef6a5ec86e764930b3276145f6acfa4ec9ea24fc85746783a4a3fa9107b");
    assert_eq!(shown["size"], 139);
    assert_eq!(shown["outputs"][0]["value"], 5_000_000_000_u64);
}

#[test]
fn what_is_not_there_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let code = |command: &mut std::process::Command| command.output().unwrap().status.code();
    assert_eq!(code(on_recorded_chain("query", dir.path()).arg("height")), Some(1), "no store");
    assert!(!dir.path().join("chainstate").exists(), "a query creates nothing");
    assert_eq!(code(on_recorded_chain("import", dir.path()).arg("/no/such/file")), Some(1));
    assert_eq!(code(program().args(["run", "--nonsense"])), Some(2));
    assert_eq!(code(program().args(["query", "height", "--chain", "/no/such/file"])), Some(1));
    import_nothing(dir.path());
    assert_eq!(code(on_recorded_chain("query", dir.path()).args(["hash", "9"])), Some(1));
}

/// Creates a store that holds the genesis block alone.
fn import_nothing(datadir: &Path) {
    let empty = datadir.join("empty.dat");
    fs::write(&empty, []).unwrap();
    stdout_of(on_recorded_chain("import", datadir).arg(&empty));
}

#[test]
fn bench_pow_measures_light_hashes() {
    let bench = |arguments: &[&str]| {
        let mut program = program();
        program.args(["bench", "pow", "--threads", "1", "--seconds", "0.1"]).args(arguments);
        program
    };
    let shown: Value = serde_json::from_str(&stdout_of(&mut bench(&["--json"]))).unwrap();
    let keys: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = [
        "mode",
        "threads",
        "pages",
        "seconds",
        "hashes",
        "hashes_per_second",
        "ns_per_hash",
        "dataset_seconds",
        "memory_bytes",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!((&shown["mode"], &shown["threads"]), (&"light".into(), &1.into()));
    assert!(shown["hashes"].as_u64().unwrap() > 0 && shown["hashes_per_second"].as_f64().unwrap() > 0.0);
    assert!(shown["dataset_seconds"].is_null());

    let text = stdout_of(&mut bench(&[]));
    assert!(text.starts_with("light mode, threads: 1, ") && text.ends_with("ns per hash"), "{text}");
    for wrong in [["--mode", "auto"], ["--mode", "quick"], ["--seconds", "-1"]] {
        let output = program().args(["bench", "pow"]).args(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

/// Once every header below the checkpoint was hashed while its blocks came in, on all cores.
#[test]
fn bench_ibd_measures_a_sync_that_hashes_next_to_nothing_below_a_checkpoint() {
    let mut bench = program();
    bench.args(["bench", "ibd", "--mode", "checkpointed", "--runs", "1", "--sources", "2", "--json"]);
    let shown: Value = serde_json::from_str(&stdout_of(&mut bench)).unwrap();
    assert_eq!((&shown["height"], &shown["sources"]), (&RECORDED_HEIGHT.into(), &2.into()));
    let medians = &shown["modes"]["checkpointed"]["medians"];
    let median = |name: &str| medians[name].as_f64().unwrap();
    assert!(median("blocks_per_second") > 0.0 && median("peak_rss_mib") > 0.0);
    let hashes = median("hashes_per_second") * median("wall_seconds");
    assert!(hashes < f64::from(RECORDED_HEIGHT) / 2.0, "{shown}");
    assert!(medians["utilisation"].is_null());
    let wrong = program().args(["bench", "ibd", "--sources", "0"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}

#[test]
fn the_demo_syncs_two_nodes_and_exits_with_0() {
    let shown = stdout_of(&mut program());
    assert!(shown.contains("All three nodes are at height 500"), "{shown}");
    assert!(shown.contains(RECORDED_UTXO), "{shown}");
    assert!(shown.contains("blocks/s") && shown.contains("p99"), "{shown}");
}

/// `sim`: equal seeds give equal output, but for what depends on the machine.
#[test]
fn simulations_of_equal_seeds_print_the_same() {
    let run = || {
        let args = ["sim", "--scenario", "restarts", "--seed", "5", "--runs", "3", "--json"];
        let said = stdout_of(program().args(args));
        let mut json: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        let fields = json.as_object_mut().unwrap();
        let machine: Vec<String> = fields.keys().filter(|key| key.starts_with("wall_")).cloned().collect();
        assert_eq!(machine, ["wall_events_per_second", "wall_seconds", "wall_speed_over_real_time"]);
        machine.iter().for_each(|key| drop(fields.remove(key)));
        (said.lines().next().unwrap().to_owned(), json)
    };
    let (first, second) = (run(), run());
    assert_eq!(first, second);
    assert_eq!((&first.1["runs"], &first.1["violations"]), (&Value::from(3), &Value::from(0)));
    assert!(first.1["virtual_seconds"].as_f64().unwrap() > 10.0);
}

#[test]
fn simulations_are_listed_and_unknown_ones_refused() {
    let list = stdout_of(program().args(["sim", "--list"]));
    assert!(list.lines().count() > 80 && list.contains("bug_166 "), "{list}");
    let unknown = program().args(["sim", "--scenario", "nonsense"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr_of(&unknown).contains("--list"));
}

/// What packages install beside the program.
#[test]
fn completions_know_the_commands_and_their_options() {
    for (shell, option) in [("bash", "--max-fds"), ("zsh", "--max-fds"), ("fish", "-l max-fds")] {
        let script = stdout_of(program().args(["completions", shell]));
        for word in ["dilithion-node", "check-chain", "journal", option] {
            assert!(script.contains(word), "{shell}: {word} is missing");
        }
        assert!(!script.contains("panicked"));
    }
    let refused = program().args(["completions", "cmd.exe"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
}

/// The script is one that the shell takes.
#[test]
fn bash_takes_its_completions() {
    let script = stdout_of(program().args(["completions", "bash"]));
    // The function that bash was told to ask, asked for what begins with "quer".
    let ask = "COMP_WORDS=(dilithion-node quer); COMP_CWORD=1; set -- $(complete -p dilithion-node); \
               while [ \"$1\" != -F ]; do shift; done; \"$2\" dilithion-node quer dilithion-node; echo \"${COMPREPLY[@]}\"";
    let test = format!("{script}\n{ask}");
    let output = std::process::Command::new("bash").args(["-c", &test]).output().unwrap();
    assert!(output.status.success(), "{}", stderr_of(&output));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "query");
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let page = stdout_of(program().arg("man"));
    assert!(page.contains(".TH dilithion-node 1") && page.contains("check\\-chain"), "{page}");
    let dir = tempfile::tempdir().unwrap();
    stdout_of(program().args(["man", "--dir"]).arg(dir.path()));
    let run = fs::read_to_string(dir.path().join("dilithion-node-run.1")).unwrap();
    assert!(run.contains("stop\\-at\\-height") && !run.contains("daemon\\-child"), "{run}");
    for command in ["query-block", "journal-verify", "config", "check-chain"] {
        assert!(dir.path().join(format!("dilithion-node-{command}.1")).exists(), "{command}");
    }
    let missing = program().args(["man", "--dir"]).arg(dir.path().join("none")).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr_of(&missing).contains("none"), "{}", stderr_of(&missing));
}
