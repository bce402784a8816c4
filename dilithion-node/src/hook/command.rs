//! A hook as the operator writes it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Stands for what the hook is told.
const PLACEHOLDER: &str = "%s";

/// A program and its arguments, as in `/usr/local/bin/notify --block %s`. Words are parted by blanks; quotes keep blanks
/// together, `"a b"` or `'a b'`, and mean nothing else. `%s` stands for what the hook is told.
///
/// ```
/// use dilithion_node::hook::HookCommand;
///
/// let hook: HookCommand = "notify 'new block' %s".parse().unwrap();
/// assert_eq!(hook.argv("00ab; rm -rf /"), ["notify", "new block", "00ab; rm -rf /"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookCommand {
    written: String,
    words: Vec<String>,
}

/// Why a text is no command.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ParseHookError {
    /// There is no program in it.
    #[error("a hook needs a program")]
    Empty,
    /// A quote that is not closed.
    #[error("a quote is not closed")]
    Quote,
}

impl HookCommand {
    /// The program and its arguments, with `told` in the place of `%s`.
    #[must_use]
    pub fn argv(&self, told: &str) -> Vec<String> {
        // What is told may come from a peer; a program's arguments cannot contain a zero byte.
        let told = told.replace('\0', "");
        self.words.iter().map(|word| word.replace(PLACEHOLDER, &told)).collect()
    }
}

impl FromStr for HookCommand {
    type Err = ParseHookError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            match char {
                '"' | '\'' => {
                    let word = word.get_or_insert_default();
                    loop {
                        match chars.next() {
                            Some(closing) if closing == char => break,
                            Some(quoted) => word.push(quoted),
                            None => return Err(ParseHookError::Quote),
                        }
                    }
                }
                blank if blank.is_whitespace() => words.extend(word.take()),
                char => word.get_or_insert_default().push(char),
            }
        }
        words.extend(word);
        if words.first().is_none_or(String::is_empty) {
            return Err(ParseHookError::Empty);
        }
        Ok(Self { written: text.to_owned(), words })
    }
}

impl fmt::Display for HookCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}
