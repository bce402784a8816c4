//! Looking at bytes from a position on, without looking back.

/// A position in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Goes past `word`, in whatever case, if it stands here.
    pub(super) fn word(mut self, word: &str) -> Option<Self> {
        let found = self.rest().get(..word.len())?.eq_ignore_ascii_case(word.as_bytes());
        self.at += word.len();
        found.then_some(self)
    }

    /// Goes past `word` exactly as it is written, if it stands here.
    pub(super) fn exactly(mut self, word: &str) -> Option<Self> {
        let found = self.rest().starts_with(word.as_bytes());
        self.at += word.len();
        found.then_some(self)
    }

    /// Goes past the longest run of such bytes.
    pub(super) fn skip(mut self, is: impl Fn(u8) -> bool) -> Self {
        self.at += self.rest().iter().take_while(|byte| is(**byte)).count();
        self
    }

    /// Goes past a run of at least `min` such bytes, to its end.
    pub(super) fn run(self, min: usize, is: impl Fn(u8) -> bool) -> Option<Self> {
        let end = self.skip(is);
        (end.at - self.at >= min).then_some(end)
    }

    /// Goes past exactly `count` such bytes.
    pub(super) fn count(mut self, count: usize, is: impl Fn(u8) -> bool) -> Option<Self> {
        let found = self.rest().get(..count)?.iter().all(|byte| is(*byte));
        self.at += count;
        found.then_some(self)
    }

    /// Goes past blanks, one `:` or `=`, and blanks or quotes after it.
    pub(super) fn assignment(self) -> Option<Self> {
        let mut here = self.skip(|byte| is_blank(byte) || is_quote(byte));
        here = here.count(1, |byte| matches!(byte, b':' | b'='))?;
        Some(here.skip(|byte| is_blank(byte) || is_quote(byte)))
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Quotes, also escaped as in JSON.
fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'\\')
}

pub(super) fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// Letters, digits, `_` and `-`.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// What may stand in a value that is neither quoted nor ended.
pub(super) fn is_value(byte: u8) -> bool {
    !byte.is_ascii_whitespace()
        && !byte.is_ascii_control()
        && !matches!(byte, b'"' | b'\'' | b'\\' | b',' | b';')
}
