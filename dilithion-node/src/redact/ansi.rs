//! Terminal escapes (ECMA-48).

use std::borrow::Cow;

const ESCAPE: char = '\u{1b}';
const BELL: char = '\u{7}';
/// "Control sequence introducer" as one character.
const CSI: char = '\u{9b}';

/// Takes terminal escapes out of a text.
#[must_use]
pub fn strip_ansi(text: &str) -> Cow<'_, str> {
    // Looking for one character at a time is the fastest by far, and most texts have neither.
    if !text.contains(ESCAPE) && !text.contains(CSI) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.find([CSI, ESCAPE, BELL]).map(|at| rest.split_at(at)) {
        plain.push_str(before);
        let mut chars = from.chars();
        rest = match chars.next() {
            Some(CSI) => skip_control(chars.as_str()),
            Some(ESCAPE) => match chars.next() {
                Some('[') => skip_control(chars.as_str()),
                // Titles, links and the like: up to a bell, or an escape.
                Some(']' | 'P' | '^' | '_' | 'X') => {
                    chars.as_str().trim_start_matches(|c| c != BELL && c != ESCAPE)
                }
                _ => chars.as_str(),
            },
            _ => chars.as_str(),
        };
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// Skips parameters and the final character of a control sequence.
fn skip_control(rest: &str) -> &str {
    let last = rest.trim_start_matches(|c| (' '..='?').contains(&c));
    last.strip_prefix(|c| ('@'..='~').contains(&c)).unwrap_or(last)
}
