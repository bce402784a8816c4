//! Keeps secrets out of what people read: the journal, the log, the status file, the HTTP server.
//!
//! Peers choose some of the text that ends up there (user agents), and hooks print what they like, so this is a scanner
//! that looks at each byte a bounded number of times, whatever the input: there is nothing to backtrack into.
//!
//! ```
//! use dilithion_node::redact::redact;
//!
//! let line = redact("\u{1b}[31mrefused\u{1b}[0m: Authorization: Bearer abcdefghijklmnopqrst-123");
//! assert_eq!(line, "refused: Authorization: [BEARER_TOKEN]");
//! ```

mod ansi;
mod patterns;
mod scan;

use std::borrow::Cow;

pub use self::ansi::strip_ansi;
use self::patterns::Secret;

/// What a cut text ends with.
const ELLIPSIS: &str = "...";

/// Takes terminal escapes out of a text, then replaces its secrets by their kind, as in `[GITHUB_TOKEN]`.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    match strip_ansi(text) {
        Cow::Borrowed(text) => redact_secrets(text),
        Cow::Owned(text) => Cow::Owned(redact_secrets(&text).into_owned()),
    }
}

/// Makes a text of somebody else's fit to be shown to people: [`redact`]ed, and with a replacement character (U+FFFD) for
/// each control character and each of those that turn the direction of writing.
#[must_use]
pub fn foreign(text: &str) -> String {
    redact(text)
        .chars()
        .map(|char| if is_misleading(char) { char::REPLACEMENT_CHARACTER } else { char })
        .collect()
}

/// Control characters, and what Unicode calls bidirectional formatting and line or paragraph separators.
fn is_misleading(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// As [`redact`], but leaves terminal escapes where they are.
#[must_use]
pub fn redact_secrets(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    // Up to where the text has been copied to `clean`.
    let (mut copied, mut at) = (0, 0);
    let mut clean = String::new();
    let mut keys = patterns::secret_keys(bytes).into_iter().peekable();
    while at < bytes.len() {
        let key = || keys.next_if(|key| key.start == at).map(Secret::key);
        match patterns::secret_at(bytes, at).or_else(key) {
            Some(secret) => {
                // Secrets begin and end beside ASCII, which is never in the middle of a character.
                clean.push_str(text.get(copied..secret.hidden.start).unwrap_or_default());
                clean.push_str(secret.shown);
                copied = secret.hidden.end;
                at = copied;
                while keys.next_if(|key| key.start < at).is_some() {}
            }
            None => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    clean.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(clean)
}

/// Cuts a text to `max` characters, the last three of which are then dots. `max` is at least 3.
#[must_use]
pub fn limit(text: &str, max: usize) -> Cow<'_, str> {
    // A text of so many bytes has no more characters.
    if text.len() <= max || text.chars().nth(max).is_none() {
        return Cow::Borrowed(text);
    }
    let kept = max.saturating_sub(ELLIPSIS.len());
    Cow::Owned(text.chars().take(kept).chain(ELLIPSIS.chars()).collect())
}

#[cfg(test)]
mod tests;
