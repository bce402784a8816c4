//! Texts of untrusted origin.

/// Stands for bytes that are no text. One byte itself, so that no text grows.
const REPLACEMENT: char = '?';

/// The text of bytes; what is no UTF-8 is replaced.
pub(crate) fn from_wire(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend((!chunk.invalid().is_empty()).then_some(REPLACEMENT));
    }
    text
}

/// The longest head of `text` that has at most `max` bytes and ends with a whole character.
pub(crate) fn head(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    // Whole by the loop above; 0 is always a boundary.
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_replaced() {
        assert_eq!(from_wire("na\u{ef}ve".as_bytes()), "na\u{ef}ve");
        assert_eq!(from_wire(b"\xffnode\xf0\x9f."), "?node?.");
    }

    #[test]
    fn heads_end_with_a_whole_character() {
        assert_eq!(head("node", 9), "node");
        assert_eq!(head("node", 3), "nod");
        assert_eq!(head("naïve", 3), "na");
        assert_eq!(head("ï", 1), "");
    }
}
