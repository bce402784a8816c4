//! Scripts: paying to a key hash, and proving that the key is one's own (spec: consensus §9).

use bytes::Bytes;
use dilithion_wire::{TransactionParams, sha3_256d};

use super::ScriptError;
use crate::signature::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES};

/// Bytes of a key hash (`hash160`).
const KEY_HASH_BYTES: usize = 20;
/// What stands before the key hash: `OP_DUP OP_HASH160`, and the length of the hash.
const KEY_HASH_PREFIX: [u8; 3] = [0x76, 0xa9, 0x14];
/// What stands behind it: `OP_EQUALVERIFY OP_CHECKSIG`.
const KEY_HASH_SUFFIX: [u8; 2] = [0x88, 0xac];
/// First byte of an output that nobody can spend.
const OP_RETURN: u8 = 0x6a;
/// Length of a signature in front of it, little-endian.
const SIGNATURE_LENGTH: [u8; 2] = [0xed, 0x0c];
/// Length of a public key in front of it, little-endian.
const PUBLIC_KEY_LENGTH: [u8; 2] = [0xa0, 0x07];
/// Bytes of an input script of lengths, signature and key.
const PLAIN_BYTES: usize = 2 + SIGNATURE_BYTES + 2 + PUBLIC_KEY_BYTES;
/// Most bytes that one opcode of an input script may push: the reference node refuses 5301.
const MAX_ELEMENT_BYTES: usize = 5300;

/// What an input shows: a signature and the key to verify it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof<'a> {
    /// The signature.
    pub signature: &'a [u8; SIGNATURE_BYTES],
    /// The key.
    pub public_key: &'a [u8; PUBLIC_KEY_BYTES],
}

impl<'a> Proof<'a> {
    /// Reads an input script: the lengths followed by signature and key, or on networks with
    /// [`pushed_signatures`](TransactionParams::pushed_signatures) opcodes that push both, with anything pushed below.
    ///
    /// # Errors
    /// [`ScriptError::Form`] if it is neither, [`ScriptError::Blank`] if all bits of signature or key are equal.
    pub fn read(script: &'a [u8], rules: &TransactionParams) -> Result<Self, ScriptError> {
        let proof = read_plain(script, rules).or_else(|| {
            let pushed = rules.pushed_signatures.then(|| last_two_pushes(script)).flatten();
            let (signature, public_key) = pushed?;
            Some(Self { signature: signature.try_into().ok()?, public_key: public_key.try_into().ok()? })
        });
        let proof = proof.ok_or(ScriptError::Form { bytes: script.len() })?;
        if is_blank(proof.signature) || is_blank(proof.public_key) {
            return Err(ScriptError::Blank);
        }
        Ok(proof)
    }

    /// The hash of the key: the first 20 bytes of its double SHA3-256.
    #[must_use]
    pub fn key_hash(&self) -> [u8; KEY_HASH_BYTES] {
        let mut hash = [0; KEY_HASH_BYTES];
        hash.copy_from_slice(&sha3_256d(self.public_key)[..KEY_HASH_BYTES]);
        hash
    }
}

/// The output script that pays to a key hash.
#[must_use]
pub fn pay_to_key_hash(hash: &[u8; KEY_HASH_BYTES]) -> Bytes {
    [&KEY_HASH_PREFIX[..], hash, &KEY_HASH_SUFFIX].concat().into()
}

/// The output script that pays to the owner of a key.
#[must_use]
pub fn key_hash_script(public_key: &[u8; PUBLIC_KEY_BYTES]) -> Bytes {
    let mut hash = [0; KEY_HASH_BYTES];
    hash.copy_from_slice(&sha3_256d(public_key)[..KEY_HASH_BYTES]);
    pay_to_key_hash(&hash)
}

/// The key hash that an output script pays to, if it pays to one.
#[must_use]
pub fn paid_key_hash(script: &[u8]) -> Option<&[u8; KEY_HASH_BYTES]> {
    script.strip_prefix(&KEY_HASH_PREFIX)?.strip_suffix(&KEY_HASH_SUFFIX)?.try_into().ok()
}

/// Whether an output script says by its first byte that nobody can spend it.
#[must_use]
pub fn is_unspendable(script: &[u8]) -> bool {
    script.first() == Some(&OP_RETURN)
}

/// Length, signature, length, key. Nodes that also know opcodes do not look at the second length.
fn read_plain<'a>(script: &'a [u8], rules: &TransactionParams) -> Option<Proof<'a>> {
    if script.len() != PLAIN_BYTES {
        return None;
    }
    let (signature, rest) = script.strip_prefix(&SIGNATURE_LENGTH)?.split_first_chunk()?;
    let (length, public_key) = rest.split_first_chunk()?;
    if *length != PUBLIC_KEY_LENGTH && !rules.pushed_signatures {
        return None;
    }
    Some(Proof { signature, public_key: public_key.try_into().ok()? })
}

/// The last two elements that a script of nothing but pushes leaves on the stack.
fn last_two_pushes(mut script: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut below, mut top): (Option<&[u8]>, Option<&[u8]>) = (None, None);
    while let Some((opcode, rest)) = script.split_first() {
        let (element, rest) = push(*opcode, rest)?;
        (below, top) = (top, Some(element));
        script = rest;
    }
    below.zip(top)
}

/// What an opcode pushes of the bytes behind it, and what is left of them. The numbers that some opcodes push are too
/// short for a signature or a key, whatever they are: they are as good as empty.
fn push(opcode: u8, rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match opcode {
        0x00..=0x4b => (u32::from(opcode), rest),
        0x4c => rest.split_first().map(|(length, rest)| (u32::from(*length), rest))?,
        0x4d => rest.split_first_chunk().map(|(length, rest)| (u16::from_le_bytes(*length).into(), rest))?,
        0x4e => rest.split_first_chunk().map(|(length, rest)| (u32::from_le_bytes(*length), rest))?,
        0x4f | 0x51..=0x60 => (0, rest),
        _ => return None,
    };
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_ELEMENT_BYTES)?;
    rest.split_at_checked(length)
}

/// Whether all bytes are 00 or all are ff, which the reference nodes refuse outright: for such a key anybody might be
/// able to sign.
fn is_blank(bytes: &[u8]) -> bool {
    [0x00, 0xff].iter().any(|blank| bytes.iter().all(|byte| byte == blank))
}
