//! What secrets look like (spec: operations §1.3, requirements M3). Letters are matched in either case.

use std::ops::Range;

use super::scan::{Scan, is_alphanumeric, is_blank, is_value, is_word};

/// Shortest value that is taken for a key or token.
const MIN_TOKEN: usize = 20;
/// Characters of a GitHub token after its prefix.
const GITHUB_TOKEN: usize = 36;
/// Characters of an AWS key id after its prefix.
const AWS_KEY: usize = 16;
/// Shortest private key, in characters: 32 bytes in base 58 may take as few.
const MIN_PRIVATE_KEY: usize = 32;
/// Hex digits of an ML-DSA-65 secret key, which has 4032 bytes (FIPS 204, table 2). Nothing else of a node is as long.
const ML_DSA_SECRET_HEX: usize = 8064;
/// Words of the shortest wallet seed.
const MIN_SEED_WORDS: usize = 12;

const PEM_KEYS: [(&str, &str, &str); 4] = [
    ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "[PRIVATE_KEY]"),
    ("-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", "[PRIVATE_KEY]"),
    ("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----", "[PRIVATE_KEY]"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----", "[SSH_KEY]"),
];
const ENV_SECRETS: [&str; 5] =
    ["OPENAI_API_KEY", "GITHUB_TOKEN", "GITLAB_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET"];
const PASSWORDS: [&str; 4] = ["rpcpassword", "rpc_password", "password", "passphrase"];
const PRIVATE_KEYS: [&str; 5] = ["private_key", "privatekey", "private key", "privkey", "wif"];
const SEEDS: [&str; 5] = ["mnemonic", "seed phrase", "seed words", "seed_phrase", "seedphrase"];
const API_KEYS: [&str; 3] = ["api_key", "apikey", "secret_key"];
const TOKENS: [&str; 3] = ["token_id", "token-key", "token"];

/// What prefixes and names begin with: most of a text is passed over by a look at two bytes.
const BEGINNINGS: [[u8; 2]; 16] = [
    *b"ak", *b"ap", *b"aw", *b"be", *b"gh", *b"gi", *b"gl", *b"mn", *b"op", *b"pa", *b"pr", *b"rp", *b"se",
    *b"sk", *b"to", *b"wi",
];
const GITHUB: &str = "ghp_";
const OPENAI: &str = "sk-";
const GITLAB: &str = "glpat-";
const BEARER: &str = "bearer";
const AWS: &str = "akia";

/// A secret that was found.
#[derive(Debug)]
pub(super) struct Secret {
    /// Where it stands.
    pub(super) hidden: Range<usize>,
    /// What is shown in its place.
    pub(super) shown: &'static str,
}

/// The secret that begins at `at`. The first pattern that fits counts.
pub(super) fn secret_at(bytes: &[u8], at: usize) -> Option<Secret> {
    let here = Scan::new(bytes, at);
    let found = |end: Scan<'_>, shown| Some(Secret { hidden: at..end.at, shown });
    // The first byte decides which patterns are worth a look.
    match here.peek()?.to_ascii_lowercase() {
        b'-' => pem(bytes, here).and_then(|(end, shown)| found(end, shown)),
        b':' => url_credentials(here).map(|hidden| Secret { hidden, shown: "[CREDENTIALS]" }),
        b'_' => cookie(here).and_then(|end| found(end, "[RPC_COOKIE]")),
        byte @ (b'a'..=b'z' | b'0'..=b'9') => {
            let next = bytes.get(at + 1).map_or(0, u8::to_ascii_lowercase);
            if BEGINNINGS.contains(&[byte, next])
                && let Some((end, shown)) = prefixed(here).or_else(|| assigned(here))
            {
                return found(end, shown);
            }
            let starts_run = at.checked_sub(1).is_none_or(|before| !bytes[before].is_ascii_hexdigit());
            if !(byte.is_ascii_hexdigit() && starts_run) {
                return None;
            }
            here.run(ML_DSA_SECRET_HEX, |byte| byte.is_ascii_hexdigit())
                .and_then(|end| found(end, "[SECRET_KEY]"))
        }
        _ => None,
    }
}

/// Keys that carry their kind in front.
fn prefixed(here: Scan<'_>) -> Option<(Scan<'_>, &'static str)> {
    let github = || here.word(GITHUB)?.count(GITHUB_TOKEN, is_alphanumeric);
    let openai = || here.word(OPENAI)?.run(MIN_TOKEN, is_alphanumeric);
    let gitlab = || here.word(GITLAB)?.run(MIN_TOKEN, is_word);
    let bearer = || here.word(BEARER)?.run(1, is_blank)?.run(MIN_TOKEN, is_word);
    let aws = || here.word(AWS)?.count(AWS_KEY, is_alphanumeric);
    None.or_else(|| github().map(|end| (end, "[GITHUB_TOKEN]")))
        .or_else(|| openai().map(|end| (end, "[OPENAI_KEY]")))
        .or_else(|| bearer().map(|end| (end, "[BEARER_TOKEN]")))
        .or_else(|| gitlab().map(|end| (end, "[GITLAB_TOKEN]")))
        .or_else(|| aws().map(|end| (end, "[AWS_KEY]")))
}

/// Values with their name in front. Name and value are hidden together.
fn assigned(here: Scan<'_>) -> Option<(Scan<'_>, &'static str)> {
    let named = |names: &[&str]| names.iter().find_map(|name| here.word(name)?.assignment());
    let env = || {
        let value = ENV_SECRETS.iter().find_map(|name| here.word(name)?.exactly("="))?;
        value.run(1, is_value)
    };
    let api_key = || named(&API_KEYS)?.run(MIN_TOKEN, is_word);
    let password = || named(&PASSWORDS)?.run(1, is_value);
    let private_key = || named(&PRIVATE_KEYS)?.run(MIN_PRIVATE_KEY, is_alphanumeric);
    let token = || named(&TOKENS)?.run(MIN_TOKEN, is_word);
    let seed = || seed_words(named(&SEEDS)?);
    None.or_else(|| env().map(|end| (end, "[ENV_SECRET]")))
        .or_else(|| api_key().map(|end| (end, "[API_KEY]")))
        .or_else(|| password().map(|end| (end, "[PASSWORD]")))
        .or_else(|| private_key().map(|end| (end, "[SECRET_KEY]")))
        .or_else(|| seed().map(|end| (end, "[SECRET_KEY]")))
        .or_else(|| token().map(|end| (end, "[TOKEN]")))
}

/// At least [`MIN_SEED_WORDS`] words with blanks between them, and whatever words follow.
fn seed_words(mut here: Scan<'_>) -> Option<Scan<'_>> {
    let mut words = 0;
    while let Some(word) = here.run(1, |byte| byte.is_ascii_alphabetic()) {
        words += 1;
        here = word;
        match word.run(1, is_blank) {
            Some(next) if next.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) => here = next,
            _ => break,
        }
    }
    (words >= MIN_SEED_WORDS).then_some(here)
}

/// The user and secret of the RPC server's cookie file.
fn cookie(here: Scan<'_>) -> Option<Scan<'_>> {
    here.exactly("__cookie__:")?.run(1, is_alphanumeric)
}

/// User and password in front of a host, as in `http://user:password@host`; `here` is at the colon of the scheme.
fn url_credentials(here: Scan<'_>) -> Option<Range<usize>> {
    let user = here.exactly("://")?;
    let colon = user.skip(|byte| is_value(byte) && !matches!(byte, b':' | b'/' | b'@'));
    let password = colon.exactly(":")?;
    let end = password.skip(|byte| is_value(byte) && !matches!(byte, b'/' | b'@'));
    end.exactly("@")?;
    Some(user.at..end.at)
}

/// A private key in PEM, to its end mark; without one, as far as the text can be part of the key.
fn pem<'a>(bytes: &[u8], here: Scan<'a>) -> Option<(Scan<'a>, &'static str)> {
    let (body, end, shown) =
        PEM_KEYS.iter().find_map(|(begin, end, shown)| Some((here.word(begin)?, *end, *shown)))?;
    let mut rest = body.skip(|byte| byte.is_ascii_alphanumeric() || b"+/=\\-:, \t\r\n".contains(&byte));
    let within = bytes.get(body.at..rest.at).unwrap_or_default();
    let mark = within.windows(end.len()).position(|part| part.eq_ignore_ascii_case(end.as_bytes()));
    if let Some(mark) = mark {
        rest.at = body.at + mark + end.len();
    }
    Some((rest, shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_beginning_in_the_list() {
        let prefixes = [GITHUB, OPENAI, GITLAB, BEARER, AWS];
        let names =
            [&prefixes[..], &ENV_SECRETS, &PASSWORDS, &PRIVATE_KEYS, &SEEDS, &API_KEYS, &TOKENS].concat();
        for name in names {
            let beginning = name.as_bytes()[..2].to_ascii_lowercase();
            assert!(BEGINNINGS.iter().any(|listed| listed[..] == beginning), "{name}");
        }
    }
}
