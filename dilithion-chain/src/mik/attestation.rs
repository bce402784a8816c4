//! Attestations: seeds of the network vouch for a new identity (spec: consensus §13.5).

use std::collections::BTreeSet;
use std::slice::ChunksExact;

use dilithion_wire::{AttestationParams, sha3_256};

use super::section::ATTESTATIONS_MARKER;
use crate::signature::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES, verify};

/// What the signed bytes begin with (spec: consensus §13.5). It says "DILV" on all networks.
const DOMAIN: &[u8] = b"DILV_ATTEST";
/// Bytes of an attestation: seed, time, signature (spec: consensus §13.2).
const ATTESTATION_BYTES: usize = 1 + 4 + SIGNATURE_BYTES;

/// The attestations of a registration. They borrow from its script.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attestations<'a>(&'a [u8]);

/// What one seed says about a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attestation<'a> {
    /// Number of the seed.
    pub seed: u8,
    /// When it said so, in seconds since 1970.
    pub time: u32,
    /// Its signature.
    pub signature: &'a [u8; SIGNATURE_BYTES],
}

impl<'a> Attestations<'a> {
    /// Reads marker, count and attestations. There are none unless all that are announced are there.
    pub(super) fn read(rest: &'a [u8]) -> Self {
        let Some([ATTESTATIONS_MARKER, count]) = rest.first_chunk() else { return Self::default() };
        let bytes = usize::from(*count) * ATTESTATION_BYTES;
        Self(rest.get(2..).and_then(|list| list.get(..bytes)).unwrap_or_default())
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len() / ATTESTATION_BYTES
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Attestation<'a>> + use<'a> {
        let chunks: ChunksExact<'a, u8> = self.0.chunks_exact(ATTESTATION_BYTES);
        chunks.filter_map(|chunk| {
            let (seed, rest) = chunk.split_first()?;
            let (time, signature) = rest.split_first_chunk()?;
            let signature = signature.try_into().ok()?;
            Some(Attestation { seed: *seed, time: u32::from_le_bytes(*time), signature })
        })
    }
}

impl Attestation<'_> {
    /// What the seed signs: SHA3-256 of a fixed word, the key, the DNA hash or zeros, time and seed.
    #[must_use]
    pub fn message(
        seed: u8,
        time: u32,
        public_key: &[u8; PUBLIC_KEY_BYTES],
        dna: Option<&[u8; 32]>,
    ) -> [u8; 32] {
        let mut message = Vec::with_capacity(DOMAIN.len() + PUBLIC_KEY_BYTES + 32 + 4 + 1);
        message.extend_from_slice(DOMAIN);
        message.extend_from_slice(public_key);
        message.extend_from_slice(dna.unwrap_or(&[0; 32]));
        message.extend_from_slice(&time.to_le_bytes());
        message.push(seed);
        sha3_256(&message)
    }
}

/// How many different seeds vouch for a key in a block of this time: the attestation is as old as the network allows and
/// no younger than the block, and its signature is the seed's. A wrong one does not spoil a right one of the same seed.
#[must_use]
pub fn count_valid<'a>(
    attestations: impl IntoIterator<Item = Attestation<'a>>,
    public_key: &[u8; PUBLIC_KEY_BYTES],
    dna: Option<&[u8; 32]>,
    block_time: u32,
    rules: &AttestationParams,
) -> usize {
    let mut seeds = BTreeSet::new();
    for Attestation { seed, time, signature } in attestations {
        let in_time = block_time.checked_sub(time).is_some_and(|age| age <= rules.window_seconds);
        if !in_time || seeds.contains(&seed) {
            continue;
        }
        let key = rules.public_keys.get(usize::from(seed)).and_then(|key| key.first_chunk());
        let message = || Attestation::message(seed, time, public_key, dna);
        if key.is_some_and(|key| verify(key, &message(), signature)) {
            seeds.insert(seed);
        }
    }
    seeds.len()
}
