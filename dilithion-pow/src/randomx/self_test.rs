//! Trust in the machine and the library, checked before it is given.

use super::vm::Vm;
use crate::{PowError, PowHash};

/// A hash known from elsewhere.
struct KnownAnswer {
    key: &'static [u8],
    input: &'static [u8],
    hash: PowHash,
}

const KNOWN_ANSWERS: [KnownAnswer; 2] = [
    // The reference node's.
    KnownAnswer {
        key: super::DILITHION_KEY,
        input: b"test",
        hash: [
            0x39, 0x2c, 0xf8, 0xe1, 0x0c, 0x81, 0xb0, 0xa5, 0xfe, 0x3a, 0x10, 0x56, 0x5c, 0x26, 0xe7, 0x8c,
            0xfe, 0x31, 0xdb, 0x27, 0x88, 0x83, 0x3f, 0xb3, 0xd8, 0x28, 0xdc, 0x01, 0xea, 0x90, 0x84, 0x3a,
        ],
    },
    // The library's own.
    KnownAnswer {
        key: b"test key 000",
        input: b"This is a test",
        hash: [
            0x63, 0x91, 0x83, 0xaa, 0xe1, 0xbf, 0x4c, 0x9a, 0x35, 0x88, 0x4c, 0xb4, 0x6b, 0x09, 0xca, 0xd9,
            0x17, 0x5f, 0x04, 0xef, 0xd7, 0x68, 0x4e, 0x72, 0x62, 0xa0, 0xac, 0x1c, 0x2f, 0x0b, 0x4e, 0x3f,
        ],
    },
];

/// Inputs that light and fast machines are compared with: each reads 16384 of the dataset's items.
const COMPARED_INPUTS: u8 = 8;

/// Checks a machine against the known answer for its key, if there is one.
pub(super) fn known_answer(key: &[u8], vm: &mut Vm) -> Result<(), PowError> {
    KNOWN_ANSWERS
        .iter()
        .filter(|known| known.key == key)
        .try_for_each(|known| compare(vm.hash(known.input), known.hash))
}

/// Checks that a dataset says what its cache says.
pub(super) fn same_answers(light: &mut Vm, fast: &mut Vm) -> Result<(), PowError> {
    (0..COMPARED_INPUTS).try_for_each(|input| compare(fast.hash(&[input]), light.hash(&[input])))
}

fn compare(computed: PowHash, expected: PowHash) -> Result<(), PowError> {
    if computed == expected { Ok(()) } else { Err(PowError::SelfTest { computed, expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_hash_is_an_error() {
        assert!(compare([1; 32], [1; 32]).is_ok());
        let wrong = compare([1; 32], [2; 32]);
        assert!(matches!(wrong, Err(PowError::SelfTest { computed, .. }) if computed == [1; 32]));
    }
}
