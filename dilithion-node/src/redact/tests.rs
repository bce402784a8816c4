//! The texts of the documents, and hostile ones.

use quickcheck::quickcheck;

use super::*;

const A36: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const A20: &str = "abcdefghij0123456789";

fn assert_redacted(text: &str, expected: &str) {
    assert_eq!(redact(text), expected);
}

/// Requirements 002-013 and M3: each pattern of spec: operations §1.3.
#[test]
fn each_kind_of_secret_is_replaced_by_its_kind() {
    assert_redacted(&format!("a ghp_{A36} b"), "a [GITHUB_TOKEN] b");
    assert_redacted(&format!("a sk-{A20}x b"), "a [OPENAI_KEY] b");
    assert_redacted(&format!("a Bearer \t {A20}-_ b"), "a [BEARER_TOKEN] b");
    assert_redacted(&format!("a glpat-{A20} b"), "a [GITLAB_TOKEN] b");
    assert_redacted(&format!("a api_key: {A20} b"), "a [API_KEY] b");
    assert_redacted(&format!("a APIKEY='{A20}' b"), "a [API_KEY]' b");
    assert_redacted(&format!("a secret_key={A20} b"), "a [API_KEY] b");
    assert_redacted("a AKIAIOSFODNN7EXAMPLE b", "a [AWS_KEY] b");
    assert_redacted("a GITHUB_TOKEN=x b", "a [ENV_SECRET] b");
    assert_redacted("a AWS_SECRET_ACCESS_KEY=x/y b", "a [ENV_SECRET] b");
    assert_redacted(&format!("a token={A20} b"), "a [TOKEN] b");
    assert_redacted(&format!("a token_id: {A20} b"), "a [TOKEN] b");
    assert_redacted(&format!("a token-key: {A20} b"), "a [TOKEN] b");
}

#[test]
fn private_keys_in_pem_disappear_to_their_end() {
    let pem = |kind: &str| format!("a -----BEGIN {kind}-----\nMII+/=\n-----END {kind}----- b");
    assert_redacted(&pem("PRIVATE KEY"), "a [PRIVATE_KEY] b");
    assert_redacted(&pem("RSA PRIVATE KEY"), "a [PRIVATE_KEY] b");
    assert_redacted(&pem("OPENSSH PRIVATE KEY"), "a [SSH_KEY] b");
    assert_redacted("{\"m\":\"-----BEGIN PRIVATE KEY-----\\nMII\"}", "{\"m\":\"[PRIVATE_KEY]\"}");
}

#[test]
fn keys_that_stand_behind_one_another_end_each_at_its_own_mark() {
    let key = "-----BEGIN PRIVATE KEY-----\nMII+/=\n-----END PRIVATE KEY-----";
    assert_redacted(&key.repeat(3), &"[PRIVATE_KEY]".repeat(3));
    assert_redacted(&format!("{key}, free text, {key}"), "[PRIVATE_KEY], free text, [PRIVATE_KEY]");
}

/// Requirement M3: what a node itself could leak.
#[test]
fn the_secrets_of_a_node_are_known() {
    assert_redacted("with __cookie__:0123abcd sent", "with [RPC_COOKIE] sent");
    assert_redacted("rpcpassword=hunter2 b", "[PASSWORD] b");
    assert_redacted("to http://user:hunter2@127.0.0.1:8332/x", "to http://[CREDENTIALS]@127.0.0.1:8332/x");
    assert_redacted(&format!("privkey={A36} b"), "[SECRET_KEY] b");
    let words = ["abandon"; 12].join(" ");
    assert_redacted(&format!("mnemonic: {words}; next"), "[SECRET_KEY]; next");
    assert_redacted(&format!("key {} b", "0a".repeat(4032)), "key [SECRET_KEY] b");
}

#[test]
fn plain_text_is_not_touched() {
    let hash = "00002c1ca3bbbd9c7dd7b0903873b36724e1ee31c53f70ab7c81123228d9edb4";
    for text in [
        "",
        "block 7 connected",
        "task-force, skill, ghp_short, sk-short",
        "Bearer of news",
        "token: short",
        "http://127.0.0.1:8332/x@y",
        "mnemonic: three short words",
        "größer – ПОКА",
        hash,
    ] {
        assert!(matches!(redact(text), Cow::Borrowed(same) if same == text), "{text}");
    }
}

#[test]
fn several_secrets_and_escapes_in_one_text() {
    assert_redacted(
        &format!("\u{1b}[1;31mghp_\u{1b}[0m{A36}\u{1b}]0;title\u{7} and sk-{A20}"),
        "[GITHUB_TOKEN] and [OPENAI_KEY]",
    );
    assert_eq!(redact_secrets("\u{1b}[1mx"), "\u{1b}[1mx");
    assert_eq!(strip_ansi("\u{9b}2Ka\u{1b}(b\u{1b}\\c"), "abc");
}

#[test]
fn what_others_say_has_nothing_in_it_that_misleads() {
    assert_eq!(foreign("/Dilithion:1.0 (ä)/"), "/Dilithion:1.0 (ä)/");
    assert_eq!(
        foreign("a\u{1b}[31mb\u{0}c\td\u{85}e\u{2028}f\u{202e}g\u{2066}h"),
        "ab\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}f\u{fffd}g\u{fffd}h"
    );
    assert_eq!(
        foreign("x token=abcdefghijklmnopqrstuvwxyz012345"),
        redact("x token=abcdefghijklmnopqrstuvwxyz012345")
    );
}

#[test]
fn long_texts_are_cut_by_characters() {
    assert_eq!(limit("äöü", 3), "äöü");
    assert_eq!(limit("äöüß", 3), "...");
    assert_eq!(limit("abcdefgh", 7), "abcd...");
    assert_eq!(limit("", 7), "");
}

/// Requirement M3: hostile input takes linear time. Each repeated piece begins a pattern that it does not finish:
/// a scanner that looks back would not be done today.
#[test]
fn a_megabyte_of_anything_is_done_at_once() {
    let pieces = [
        "a",
        "ghp_",
        "sk-aaaaaaaaaaaaaaaaaaa-",
        "bearer ",
        "Bearer                      ",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----!",
        "-----BEGIN PRIVATE KEY----------END PRIVATE KEY-----",
        "http://a:b",
        "://",
        "api_key   ",
        "token=",
        "mnemonic: a ",
        "mnemonic: a b c d e f ",
        "\u{1b}]",
        "\u{1b}[",
        "password=",
        "0123456789abcdef!",
    ];
    for piece in pieces {
        let text = piece.repeat((1 << 20) / piece.len());
        assert!(redact(&text).len() <= text.len(), "{piece:?}");
    }
}

quickcheck! {
    fn no_text_makes_it_panic_and_twice_is_as_once(text: String) -> bool {
        let once = redact(&text).into_owned();
        redact(&once) == once
    }

    /// Wherever a secret stands in a text, it is gone.
    fn a_secret_never_remains(before: String, after: String) -> bool {
        let token = format!("ghp_{A36}");
        !redact(&format!("{before} {token} {after}")).contains(&token)
    }

    fn cut_texts_fit(text: String, max: u8) -> bool {
        let max = usize::from(max).max(3);
        limit(&text, max).chars().count() <= max
    }
}
