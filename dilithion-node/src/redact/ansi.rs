//! Terminal escapes (ECMA-48).

use std::borrow::Cow;

const ESCAPE: char = '\u{1b}';
const BELL: char = '\u{7}';
/// "Control sequence introducer" as one character.
const CSI: char = '\u{9b}';

/// Takes terminal escapes out of a text.
#[must_use]
pub fn strip_ansi(text: &str) -> Cow<'_, str> {
    if !text.contains([ESCAPE, CSI]) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            CSI => skip_control(&mut chars),
            ESCAPE => match chars.next() {
                Some('[') => skip_control(&mut chars),
                // Titles, links and the like: up to a bell, or an escape.
                Some(']' | 'P' | '^' | '_' | 'X') => {
                    while chars.next_if(|c| *c != BELL && *c != ESCAPE).is_some() {}
                }
                _ => {}
            },
            BELL => {}
            char => plain.push(char),
        }
    }
    Cow::Owned(plain)
}

/// Skips parameters and the final character of a control sequence.
fn skip_control(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while chars.next_if(|c| (' '..='?').contains(c)).is_some() {}
    chars.next_if(|c| ('@'..='~').contains(c));
}
