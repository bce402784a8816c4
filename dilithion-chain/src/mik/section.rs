//! Finding and reading the section of a coinbase script that names the miner.

use super::attestation::Attestations;
use super::identity::Identity;
use crate::signature::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES};

/// What the section begins with (spec: consensus §13.2).
pub(crate) const MARKER: u8 = 0xdf;
/// The byte behind the marker, of a section that brings a key (spec: consensus §13.2).
pub(crate) const REGISTRATION: u8 = 0x01;
/// The byte behind the marker, of a section that names an identity which is known (spec: consensus §13.2).
pub(crate) const REFERENCE: u8 = 0x02;
/// What stands before a DNA hash (spec: consensus §13.2).
pub(crate) const DNA_MARKER: u8 = 0xdd;
/// What stands before the number of attestations (spec: consensus §13.2).
pub(crate) const ATTESTATIONS_MARKER: u8 = 0xda;
/// Bytes of a DNA hash.
const DNA_BYTES: usize = 32;
/// The longest push in front of the section that is skipped whole: the height (spec: consensus §13.2).
const MAX_HEIGHT_PUSH: u8 = 4;
/// Bytes of the shortest script that is looked at: marker, kind, identity, signature (spec: consensus §13.2).
const MIN_SCRIPT_BYTES: usize = 2 + Identity::SIZE + SIGNATURE_BYTES;

/// What the script of a coinbase says about the miner. It borrows from the script; nothing in it is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section<'a> {
    /// Whether it brings a key or names one.
    pub kind: SectionKind<'a>,
    /// Signature of the block by the miner: [`SignedBlock`](super::SignedBlock).
    pub signature: &'a [u8; SIGNATURE_BYTES],
    /// A commitment of the miner about its machine. All zero counts as none where it is hashed.
    pub dna: Option<&'a [u8; DNA_BYTES]>,
}

/// How a section names its miner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionKind<'a> {
    /// By its key, which becomes known by this block if it is not yet.
    Registration {
        /// ML-DSA-65 public key.
        public_key: &'a [u8; PUBLIC_KEY_BYTES],
        /// What the proof of work of the registration was found with; 0 if it is not there.
        nonce: u64,
        /// Signatures of the network's seeds, none unless all that are announced fit into the script.
        attestations: Attestations<'a>,
    },
    /// By an identity whose key is known.
    Reference {
        /// The identity.
        identity: Identity,
    },
}

impl<'a> Section<'a> {
    /// Finds the section in the script of a coinbase. Bytes behind it do not matter; neither does anything in front of it
    /// but a marker with one of both kinds, as the first of those decides.
    ///
    /// `None` if there is none, or if it is cut off.
    #[must_use]
    pub fn parse(script: &'a [u8]) -> Option<Self> {
        if script.len() < MIN_SCRIPT_BYTES {
            return None;
        }
        let mut rest = match script.split_first() {
            Some((length @ 1..=MAX_HEIGHT_PUSH, pushed)) => pushed.get(usize::from(*length)..)?,
            _ => script,
        };
        loop {
            let marker = rest.iter().position(|byte| *byte == MARKER)?;
            let (kind, body) = rest.get(marker..)?.get(1..)?.split_first()?;
            match *kind {
                REGISTRATION => return Self::registration(body),
                REFERENCE => return Self::reference(body),
                // Both bytes are passed over, even if the second is a marker too.
                _ => rest = body,
            }
        }
    }

    /// The section of a block's coinbase.
    #[must_use]
    pub fn of_block(block: &'a dilithion_wire::Block) -> Option<Self> {
        Self::parse(&block.transactions.first()?.inputs.first()?.script_sig)
    }

    /// The miner.
    #[must_use]
    pub fn identity(&self) -> Identity {
        match &self.kind {
            SectionKind::Registration { public_key, .. } => Identity::of_key(public_key),
            SectionKind::Reference { identity } => *identity,
        }
    }

    fn registration(body: &'a [u8]) -> Option<Self> {
        let (public_key, rest) = body.split_first_chunk()?;
        let (signature, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = match rest.split_first_chunk() {
            Some((nonce, rest)) => (u64::from_le_bytes(*nonce), rest),
            None => (0, rest),
        };
        let (dna, rest) = read_dna(rest);
        let attestations = Attestations::read(rest);
        Some(Self { kind: SectionKind::Registration { public_key, nonce, attestations }, signature, dna })
    }

    fn reference(body: &'a [u8]) -> Option<Self> {
        let (identity, rest) = body.split_first_chunk()?;
        let (signature, rest) = rest.split_first_chunk()?;
        let kind = SectionKind::Reference { identity: Identity::from_bytes(*identity) };
        Some(Self { kind, signature, dna: read_dna(rest).0 })
    }
}

/// A DNA hash, if one follows, and what follows then.
fn read_dna(rest: &[u8]) -> (Option<&[u8; DNA_BYTES]>, &[u8]) {
    let dna = rest.strip_prefix(&[DNA_MARKER]).and_then(<[u8]>::split_first_chunk);
    dna.map_or((None, rest), |(dna, rest)| (Some(dna), rest))
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    #[test]
    fn a_push_longer_than_the_script_leaves_nothing() {
        assert_eq!(Section::parse(&[4; 3]), None);
        assert_eq!(Section::parse(&[]), None);
    }

    quickcheck! {
        // Whatever stands in front or is missing at the end: no panic, and what is found lies in the script.
        fn any_script_is_read(front: Vec<u8>, kind: u8, len: u16, tail: Vec<u8>) -> bool {
            let body = vec![0xdd; usize::from(len % 12_000)];
            let script = [&front[..], &[MARKER, kind % 4], &body, &tail].concat();
            let Some(section) = Section::parse(&script) else { return true };
            let bounds = script.as_ptr_range();
            bounds.contains(&section.signature.as_ptr())
        }

        fn a_section_cut_anywhere_is_none_or_a_shorter_one(cut: u16) -> bool {
            let full = [&[MARKER, REGISTRATION][..], &[1; PUBLIC_KEY_BYTES], &[2; SIGNATURE_BYTES], &[3; 8]].concat();
            let end = usize::from(cut) % (full.len() + 1);
            let needed = 2 + PUBLIC_KEY_BYTES + SIGNATURE_BYTES;
            Section::parse(&full[..end]).is_some() == (end >= needed)
        }
    }
}
