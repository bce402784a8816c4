//! Hexadecimal literals, turned into bytes by the compiler.

use crate::hash::BlockHash;

/// A block id in display order. Evaluated in constants only, where a wrong digit does not compile.
#[expect(
    clippy::indexing_slicing,
    reason = "constants have no iterators; the loop ends before the array does"
)]
pub(super) const fn block_hash(text: &str) -> BlockHash {
    let display: [u8; 32] = bytes(text.as_bytes());
    let mut wire = [0; 32];
    let mut i = 0;
    while i < display.len() {
        wire[i] = display[display.len() - 1 - i];
        i += 1;
    }
    BlockHash::from_bytes(wire)
}

/// `N` bytes. Evaluated in constants only, where a wrong digit does not compile.
#[expect(
    clippy::indexing_slicing,
    reason = "constants have no iterators; the loop ends before the array does"
)]
pub(super) const fn bytes<const N: usize>(text: &[u8]) -> [u8; N] {
    assert!(text.len() == 2 * N, "two digits a byte");
    let mut bytes = [0; N];
    let mut i = 0;
    while i < N {
        bytes[i] = digit(text[2 * i]) << 4 | digit(text[2 * i + 1]);
        i += 1;
    }
    bytes
}

const fn digit(text: u8) -> u8 {
    assert!(text.is_ascii_digit() || (text >= b'a' && text <= b'f'), "not a lower-case hexadecimal digit");
    if text.is_ascii_digit() { text - b'0' } else { text - b'a' + 10 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_agree_with_the_parser() {
        let text = "0000009eaa5e7781ba6d14525c3f75c35444045b21ddafbbea61090db99b0bc3";
        assert_eq!(block_hash(text), text.parse().unwrap());
        assert_eq!(bytes(b"09af"), [0x09, 0xaf]);
    }
}
