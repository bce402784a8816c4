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

/// What stands behind a word that makes it, or what follows, a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    GitHub,
    OpenAi,
    GitLab,
    Bearer,
    Aws,
    Env,
    ApiKey,
    Password,
    PrivateKey,
    Seed,
    Token,
    Cookie,
    Url,
    Pem,
}

/// What secrets begin with, or are named by, in lower case. The first that fits counts.
const WORDS: [(&str, Kind); 33] = [
    ("ghp_", Kind::GitHub),
    ("sk-", Kind::OpenAi),
    ("bearer", Kind::Bearer),
    ("glpat-", Kind::GitLab),
    ("akia", Kind::Aws),
    ("openai_api_key", Kind::Env),
    ("github_token", Kind::Env),
    ("gitlab_token", Kind::Env),
    ("aws_secret_access_key", Kind::Env),
    ("aws_secret", Kind::Env),
    ("api_key", Kind::ApiKey),
    ("apikey", Kind::ApiKey),
    ("secret_key", Kind::ApiKey),
    ("rpcpassword", Kind::Password),
    ("rpc_password", Kind::Password),
    ("password", Kind::Password),
    ("passphrase", Kind::Password),
    ("private_key", Kind::PrivateKey),
    ("privatekey", Kind::PrivateKey),
    ("private key", Kind::PrivateKey),
    ("privkey", Kind::PrivateKey),
    ("wif", Kind::PrivateKey),
    ("mnemonic", Kind::Seed),
    ("seed phrase", Kind::Seed),
    ("seed words", Kind::Seed),
    ("seed_phrase", Kind::Seed),
    ("seedphrase", Kind::Seed),
    ("token_id", Kind::Token),
    ("token-key", Kind::Token),
    ("token", Kind::Token),
    ("__cookie__:", Kind::Cookie),
    ("://", Kind::Url),
    ("-----begin ", Kind::Pem),
];

/// Bytes of a word that are looked at together. No secret is as short.
const LOOK: usize = 4;

/// For each of the first bytes of a word, and each value that it may have, the words that it fits, as bits: those of a whole
/// text are told from the rest by four look-ups a byte.
static FITTING: [[u64; 256]; LOOK] = fitting();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn fitting() -> [[u64; 256]; LOOK] {
    let mut fitting = [[0; 256]; LOOK];
    let mut number = 0;
    while number < WORDS.len() {
        let word = WORDS[number].0.as_bytes();
        let mut position = 0;
        while position < LOOK {
            if position < word.len() {
                fitting[position][word[position] as usize] |= 1 << number;
                fitting[position][word[position].to_ascii_uppercase() as usize] |= 1 << number;
            } else {
                // A word that has ended leaves open what follows.
                let mut byte = 0;
                while byte < 256 {
                    fitting[position][byte] |= 1 << number;
                    byte += 1;
                }
            }
            position += 1;
        }
        number += 1;
    }
    fitting
}

/// A secret that was found.
#[derive(Debug)]
pub(super) struct Secret {
    /// Where it stands.
    pub(super) hidden: Range<usize>,
    /// What is shown in its place.
    pub(super) shown: &'static str,
}

impl Secret {
    /// One of [`secret_keys`].
    pub(super) const fn key(hidden: Range<usize>) -> Self {
        Self { hidden, shown: Kind::PrivateKey.shown() }
    }
}

/// The secret that begins at `at`.
#[inline]
#[expect(clippy::indexing_slicing, reason = "the table has a row for each of the bytes and 256 columns")]
pub(super) fn secret_at(bytes: &[u8], at: usize) -> Option<Secret> {
    let &[first, second, third, fourth] = bytes.get(at..)?.first_chunk::<LOOK>()?;
    let fits = |position: usize, byte: u8| FITTING[position][usize::from(byte)];
    let words = fits(0, first) & fits(1, second) & fits(2, third) & fits(3, fourth);
    if words == 0 { None } else { secret_of(words, bytes, at) }
}

/// The secret that one of these words, given as bits, begins at `at`.
fn secret_of(mut words: u64, bytes: &[u8], at: usize) -> Option<Secret> {
    while let Some((word, kind)) = WORDS.get(words.trailing_zeros() as usize) {
        let here = Scan::new(bytes, at);
        let found = here.word(word).and_then(|after| match kind {
            Kind::Url => url_credentials(after).map(|hidden| Secret { hidden, shown: kind.shown() }),
            Kind::Pem => pem(bytes, here).map(|(end, shown)| Secret { hidden: at..end.at, shown }),
            kind => value(*kind, after).map(|end| Secret { hidden: at..end.at, shown: kind.shown() }),
        });
        if found.is_some() {
            return found;
        }
        // The lowest of them is done.
        words &= words - 1;
    }
    None
}

impl Kind {
    /// What is shown in place of word and value.
    const fn shown(self) -> &'static str {
        match self {
            Self::GitHub => "[GITHUB_TOKEN]",
            Self::OpenAi => "[OPENAI_KEY]",
            Self::GitLab => "[GITLAB_TOKEN]",
            Self::Bearer => "[BEARER_TOKEN]",
            Self::Aws => "[AWS_KEY]",
            Self::Env => "[ENV_SECRET]",
            Self::ApiKey => "[API_KEY]",
            Self::Password => "[PASSWORD]",
            Self::PrivateKey | Self::Seed => "[SECRET_KEY]",
            Self::Token => "[TOKEN]",
            Self::Cookie => "[RPC_COOKIE]",
            Self::Url => "[CREDENTIALS]",
            Self::Pem => "[PRIVATE_KEY]",
        }
    }
}

/// The end of what follows a word, if that makes it a secret.
fn value(kind: Kind, after: Scan<'_>) -> Option<Scan<'_>> {
    match kind {
        Kind::GitHub => after.count(GITHUB_TOKEN, is_alphanumeric),
        Kind::OpenAi => after.run(MIN_TOKEN, is_alphanumeric),
        Kind::GitLab => after.run(MIN_TOKEN, is_word),
        Kind::Bearer => after.run(1, is_blank)?.run(MIN_TOKEN, is_word),
        Kind::Aws => after.count(AWS_KEY, is_alphanumeric),
        Kind::Env => after.exactly("=")?.run(1, is_value),
        Kind::ApiKey | Kind::Token => after.assignment()?.run(MIN_TOKEN, is_word),
        Kind::Password => after.assignment()?.run(1, is_value),
        Kind::PrivateKey => after.assignment()?.run(MIN_PRIVATE_KEY, is_alphanumeric),
        Kind::Seed => seed_words(after.assignment()?),
        Kind::Cookie => after.run(1, is_alphanumeric),
        Kind::Url | Kind::Pem => None,
    }
}

/// Where runs of hex digits stand that are long enough for an ML-DSA-65 secret key.
pub(super) fn secret_keys(bytes: &[u8]) -> Vec<Range<usize>> {
    let digits =
        |bytes: &mut dyn Iterator<Item = &u8>| bytes.take_while(|byte| byte.is_ascii_hexdigit()).count();
    let mut found = Vec::new();
    let mut at = 0;
    // Such a run has a digit at one of these positions, whichever they are, so that the others need no look.
    while let Some((before, after)) = bytes.split_at_checked(at) {
        let ahead = digits(&mut after.iter());
        if ahead > 0 {
            let run = at - digits(&mut before.iter().rev())..at + ahead;
            at = run.end;
            if run.len() >= ML_DSA_SECRET_HEX {
                found.push(run);
            }
        }
        at += ML_DSA_SECRET_HEX;
    }
    found
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

/// User and password in front of a host, as in `http://user:password@host`; `user` is behind the scheme.
fn url_credentials(user: Scan<'_>) -> Option<Range<usize>> {
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
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\\-:, \t\r\n".contains(byte);
    // No further than to the mark: keys may stand behind one another, and each is looked at once.
    let mut rest = body;
    while let Some(after) = bytes.get(rest.at..).filter(|after| after.first().is_some_and(part)) {
        if after.get(..end.len()).is_some_and(|mark| mark.eq_ignore_ascii_case(end.as_bytes())) {
            rest.at += end.len();
            break;
        }
        rest.at += 1;
    }
    Some((rest, shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_as_the_table_needs_them() {
        for (number, (word, kind)) in WORDS.iter().enumerate() {
            assert_eq!(*word, word.to_ascii_lowercase());
            let needs_more = word.len() >= LOOK || value(*kind, Scan::new(b"x", 0)).is_none();
            assert!(needs_more && word.len() + 1 >= LOOK, "{word}");
            for text in [word.to_string() + "x", word.to_ascii_uppercase() + "x"] {
                let fitting =
                    text.bytes().take(LOOK).zip(&FITTING).map(|(byte, table)| table[usize::from(byte)]);
                assert_eq!(fitting.fold(u64::MAX, |all, words| all & words) >> number & 1, 1, "{text}");
            }
        }
        assert!(
            WORDS.iter().all(|(word, kind)| *kind == Kind::Pem
                || !PEM_KEYS.iter().any(|(begin, ..)| begin.starts_with(word)))
        );
        assert!(PEM_KEYS.iter().all(|(begin, ..)| begin.to_ascii_lowercase().starts_with("-----begin ")));
    }

    #[test]
    fn only_runs_as_long_as_a_secret_key_are_found_and_all_of_them() {
        let length = ML_DSA_SECRET_HEX;
        for before in [0, 1, length - 1, length, length + 1] {
            let text = |digits: usize| ["-".repeat(before), "a".repeat(digits), "-".repeat(9)].concat();
            assert!(secret_keys(text(length - 1).as_bytes()).is_empty(), "{before}");
            let long = before..before + length;
            assert_eq!(secret_keys(text(length).as_bytes()), std::slice::from_ref(&long), "{before}");
            let two = [text(length), text(3 * length)].concat();
            let second = long.end + 9 + before;
            assert_eq!(secret_keys(two.as_bytes()), [long, second..second + 3 * length], "{before}");
        }
    }
}
