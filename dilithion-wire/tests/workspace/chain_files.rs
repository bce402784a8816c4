//! Chain files, good and bad.

use dilithion_wire::{
    Amount, BlockHash, ChainFileError, ChainParams, Height, Limits, Policy, TransactionParams,
};

fn testdata(name: &str) -> String {
    let path = format!("{}/../testdata/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// The private network's file, with one line changed.
fn changed(from: &str, to: &str) -> Result<ChainParams, ChainFileError> {
    let text = testdata("private.toml");
    assert!(text.contains(from));
    ChainParams::from_toml(&text.replacen(from, to, 1))
}

/// The message about a change.
fn refused(from: &str, to: &str) -> String {
    changed(from, to).unwrap_err().to_string()
}

#[test]
fn the_private_network() {
    let params = ChainParams::from_toml(&testdata("private.toml")).unwrap();
    assert_eq!(params.name, "private");
    assert_eq!(params.magic, ChainParams::testnet().magic);
    assert_eq!((params.p2p_port, params.rpc_port, params.chain_id), (28444, 28332, 1001));
    assert_eq!((params.protocol_version, params.min_peer_version), (70_001, 70_001));
    assert!(!params.version_carries_genesis);
    assert_eq!(params.randomx_key, b"Dilithion-RandomX-v1");
    assert_eq!(params.consensus.enforce_bits_above, Some(Height::GENESIS));
    assert_eq!(params.consensus.easiest_bits, 0x203f_ffff);
    assert_eq!(params.consensus.max_future_seconds, 7200);
    assert_eq!(params.consensus.initial_subsidy, Amount(50 * Amount::COIN.0));
    assert_eq!(params.limits, Limits::TESTNET);
    assert_eq!(params.genesis_block().encoded_len(), 199);
    assert_eq!(
        params.genesis.hash.to_string(),
        "3b99089eb78d7b27a532f2e0ad0fb8e3d5aa5e86c173fa35f1c39e4a5b19a3eb"
    );
    assert_eq!((params.dev_fund, params.mik, params.attestation), (None, None, None));
}

#[test]
fn the_private_network_with_mainnet_rules() {
    let params = ChainParams::from_toml(include_str!("../../../testdata/private-m/private-m.toml")).unwrap();
    assert_eq!((params.protocol_version, params.min_peer_version), (70_010, 70_001));
    assert!(params.version_carries_genesis);
    assert_eq!(params.limits, Limits::MAINNET);
    assert_eq!(params.consensus.asert_height, Some(Height(400)));
    assert_eq!(params.consensus.asert_half_life, Some(34_560));
    let fund = params.dev_fund.unwrap();
    assert_eq!(fund, ChainParams::mainnet().dev_fund.unwrap());
    let mik = params.mik.unwrap();
    assert_eq!((mik.registration_pow_bits, mik.dfmp_v33_height), (12, Height(200)));
    let attestation = params.attestation.unwrap();
    assert_eq!((attestation.required, attestation.public_keys.len()), (3, 4));
    assert!(attestation.public_keys.iter().all(|key| key.len() == 1952));
}

#[test]
fn a_file_can_describe_a_built_in_network() {
    let file = ChainParams::from_toml(&testdata("testnet-v1014.toml")).unwrap();
    let testnet = ChainParams::testnet();
    assert_eq!(file.consensus, testnet.consensus);
    assert_eq!(file.limits, testnet.limits);
    assert_ne!(file.genesis.hash, testnet.genesis.hash);
    assert_ne!(file.genesis_header().merkle_root, testnet.genesis_header().merkle_root);
}

#[test]
fn checkpoints_and_limits_can_be_added() {
    let hash = "11".repeat(32);
    let more = format!(
        "\n[limits]\nmax_script_sig = 7\n[[checkpoints]]\nheight = 5\nhash = \"{hash}\"\n\
         [[checkpoints]]\nheight = 0x10\nhash = \"{hash}\"\n"
    );
    let params = ChainParams::from_toml(&(testdata("private.toml") + &more)).unwrap();
    assert_eq!(params.limits, Limits { max_script_sig: 7, ..Limits::TESTNET });
    assert_eq!(params.checkpoint_at(Height(16)), Some(BlockHash::from_bytes([0x11; 32])));
    let twice = testdata("private.toml") + &more.replace("0x10", "5");
    let error = ChainParams::from_toml(&twice).unwrap_err();
    assert_eq!(error.to_string(), "`checkpoints` are not in ascending order of height");
}

#[test]
fn rules_for_transactions_follow_the_era_unless_given() {
    let plain = ChainParams::from_toml(&testdata("private.toml")).unwrap();
    assert_eq!((plain.transactions, plain.policy), (TransactionParams::TESTNET, Policy::Strict));
    let mainnet = ChainParams::from_toml(include_str!("../../../testdata/private-m/private-m.toml")).unwrap();
    assert_eq!(mainnet.transactions, TransactionParams::MAINNET);
    let more = "policy = \"reference\"\n".to_owned()
        + &testdata("private.toml")
        + "\n[transactions]\nfee_per_byte = 7\nrelative_locks = true\n";
    let params = ChainParams::from_toml(&more).unwrap();
    assert_eq!(params.policy, Policy::Reference);
    let expected =
        TransactionParams { fee_per_byte: Amount(7), relative_locks: true, ..TransactionParams::TESTNET };
    assert_eq!(params.transactions, expected);
    let error = ChainParams::from_toml(&more.replace("fee_per_byte = 7", "max_fee = 99_999")).unwrap_err();
    assert_eq!(error.to_string(), "`transactions.min_fee` is above max_fee");
}

#[test]
fn errors_name_the_key() {
    for (from, to, key) in [
        ("p2p_port", "p2p_prot", "unknown field `p2p_prot`"),
        ("bip30 = false", "bip31 = false", "unknown field `bip31`"),
        ("nonce = 0", "", "missing field `nonce`"),
        ("bits = 0x203fffff", "bits = 0x1203fffff", "bits = 0x1203fffff"),
        ("p2p_port = 28444", "p2p_port = 65536", "p2p_port = 65536"),
        ("hash = \"3b", "hash = \"3x", "hash = \"3x"),
        ("enforce_bits = true", "enforce_bits = 1", "enforce_bits = 1"),
        ("retarget_interval = 2016", "retarget_interval = 0", "`consensus.retarget_interval` must not be 0"),
        ("halving_interval = 210000", "halving_interval = 0", "`consensus.halving_interval` must not be 0"),
        ("block_time = 240", "block_time = 0", "`consensus.block_time` must not be 0"),
        ("initial_subsidy = 5", "initial_subsidy = 5_000_000", "`consensus.initial_subsidy` is more money"),
        ("coinbase_value = 5", "coinbase_value = 5_000_000", "`genesis.coinbase_value` is more money"),
        ("hardest_bits = 0x1d", "hardest_bits = 0x21", "`consensus.hardest_bits` is above easiest_bits"),
        ("chain_id", "protocol_version = 1\nchain_id", "`protocol_version` is below min_peer_version"),
    ] {
        let error = refused(from, to);
        assert!(error.contains(key), "{key} expected in: {error}");
    }
}

#[test]
fn targets_need_not_be_enforced() {
    let params = changed("enforce_bits = true", "enforce_bits = false").unwrap();
    assert_eq!(params.consensus.enforce_bits_above, None);
}

#[test]
fn rules_about_miners_are_ones_that_blocks_can_keep() {
    let text = include_str!("../../../testdata/private-m/private-m.toml");
    for (from, to, message) in [
        ("percent = 2", "percent = 101", "`dev_fund.percent` is above 100"),
        (
            "registration_pow_bits = 12",
            "registration_pow_bits = 0",
            "`mik.registration_pow_bits` must be 1 to 64",
        ),
        (
            "registration_pow_bits = 12",
            "registration_pow_bits = 65",
            "`mik.registration_pow_bits` must be 1 to 64",
        ),
        ("observation_window = 360", "observation_window = 0", "`mik.observation_window` must be 1 to 10000"),
        ("search_seconds = 180", "search_seconds = 3601", "`mik.signature_search_seconds` is above 3600"),
        ("v34_height = 999999999", "v34_height = 999999998", "`mik.dfmp_v34_height` is below 999999999"),
        ("required = 3", "required = 5", "`attestation.required` is above the number of keys"),
        ("  \"7623", "  \"", "`attestation.public_keys` are not all of 1952 bytes"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = ChainParams::from_toml(&text.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}
