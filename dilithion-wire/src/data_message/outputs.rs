//! Messages as outputs of a coinbase.
//!
//! A message takes consecutive outputs of no value, whose scripts are `OP_RETURN` and one push: the magic, the version, the
//! number of parts, the position of this part, and its bytes. All parts but the last are full, so that a message has exactly
//! one form.

use std::slice;

use bytes::Bytes;

use super::{DataMessage, MAX_CONTENT_BYTES, MAX_SENDER_BYTES};
use crate::amount::Amount;
use crate::compact_size::CompactSize;
use crate::encode::{Decode, Encode};
use crate::limits::Limits;
use crate::transaction::TxOut;

/// What the script of each part begins with: `OP_RETURN`, and the opcode of a push whose length follows in two bytes.
const OPCODES: [u8; 2] = [0x6a, 0x4d];
/// What the push of each part begins with.
const MAGIC: [u8; 4] = *b"DMSG";
/// Version of the layout.
const VERSION: u8 = 1;
/// Bytes of the length of a push.
const LENGTH_BYTES: usize = 2;
/// Bytes of a push before those of the message: magic, version, number of parts, position.
const PREFIX_BYTES: usize = MAGIC.len() + 3;
/// Bytes of a script at most, on the networks where scripts are shortest (spec: consensus §6).
const MAX_SCRIPT_BYTES: usize = 10_000;
/// Bytes of a script before those of the message.
const SCRIPT_PREFIX_BYTES: usize = OPCODES.len() + LENGTH_BYTES + PREFIX_BYTES;
/// Bytes of a message in each output but the last.
const PART_BYTES: usize = MAX_SCRIPT_BYTES - SCRIPT_PREFIX_BYTES;
/// Bytes of the longest message: time, nonce, and the texts after their lengths.
const MAX_MESSAGE_BYTES: usize = 8 + 8 + 3 + MAX_SENDER_BYTES + 5 + MAX_CONTENT_BYTES;
/// Outputs of the longest message.
const MAX_PARTS: usize = MAX_MESSAGE_BYTES.div_ceil(PART_BYTES);

impl DataMessage {
    /// The outputs that carry it, in order: at most seven, with scripts of at most 10,000 bytes.
    pub fn outputs(&self) -> impl Iterator<Item = TxOut> + use<> {
        let bytes = Bytes::from(self.encode_to_vec());
        let parts = bytes.len().div_ceil(PART_BYTES);
        (0..parts).map(move |part| {
            let start = part.saturating_mul(PART_BYTES);
            let end = start.saturating_add(PART_BYTES).min(bytes.len());
            let script = script(small(parts), small(part), bytes.get(start..end).unwrap_or_default());
            TxOut { value: Amount::ZERO, script_pubkey: script.into() }
        })
    }

    /// How many outputs carry it.
    #[must_use]
    pub fn output_count(&self) -> usize {
        self.encoded_len().div_ceil(PART_BYTES)
    }

    /// Bytes that these outputs add to a transaction, besides what a longer count of them may take.
    #[must_use]
    pub fn outputs_len(&self) -> usize {
        let output = |chunk: usize| {
            let script = SCRIPT_PREFIX_BYTES.saturating_add(chunk);
            size_of::<Amount>().saturating_add(CompactSize::of(script).encoded_len()).saturating_add(script)
        };
        let bytes = self.encoded_len();
        let (full, rest) = (bytes / PART_BYTES, bytes % PART_BYTES);
        full.saturating_mul(output(PART_BYTES)).saturating_add(if rest > 0 { output(rest) } else { 0 })
    }

    /// The messages in the outputs of a coinbase, in order. Anything may stand between them; what is not exactly as
    /// [`outputs`](Self::outputs) makes it is passed over.
    pub fn find_in(outputs: &[TxOut]) -> impl Iterator<Item = Self> {
        Found { rest: outputs.iter() }
    }

    /// The message whose parts these outputs begin with.
    fn first_of(outputs: &[TxOut]) -> Option<Self> {
        let (parts, first) = part_of(outputs.first()?, 0)?;
        let mut bytes = first.to_vec();
        for (part, output) in outputs.get(..parts)?.iter().enumerate().skip(1) {
            let (same, chunk) = part_of(output, part)?;
            if same != parts {
                return None;
            }
            bytes.extend_from_slice(chunk);
        }
        let (len, limits) = (bytes.len(), Limits::default());
        let message = Self::decode_exact(bytes.into(), &limits).ok()?;
        // Lengths in longer forms than necessary would make another form of the same message.
        (message.encoded_len() == len).then_some(message)
    }
}

struct Found<'a> {
    rest: slice::Iter<'a, TxOut>,
}

impl Iterator for Found<'_> {
    type Item = DataMessage;

    fn next(&mut self) -> Option<DataMessage> {
        loop {
            let found = DataMessage::first_of(self.rest.as_slice());
            let taken = found.as_ref().map_or(1, DataMessage::output_count);
            self.rest.nth(taken.saturating_sub(1))?;
            if found.is_some() {
                return found;
            }
        }
    }
}

fn script(parts: u8, part: u8, chunk: &[u8]) -> Vec<u8> {
    let length = u16::try_from(PREFIX_BYTES.saturating_add(chunk.len())).unwrap_or(u16::MAX);
    let prefix = [&MAGIC[..], &[VERSION, parts, part]].concat();
    [&OPCODES[..], &length.to_le_bytes(), &prefix, chunk].concat()
}

/// Of how many parts of a message the output is this one, and its bytes.
fn part_of(output: &TxOut, position: usize) -> Option<(usize, &[u8])> {
    let push = output.script_pubkey.strip_prefix(&OPCODES)?;
    let (length, push) = push.split_first_chunk::<LENGTH_BYTES>()?;
    let [parts, part, chunk @ ..] = push.strip_prefix(&MAGIC)?.strip_prefix(&[VERSION])? else { return None };
    let parts = usize::from(*parts);
    let last = position.saturating_add(1) == parts;
    let sound = output.value == Amount::ZERO
        && usize::from(u16::from_le_bytes(*length)) == push.len()
        && (1..=MAX_PARTS).contains(&parts)
        && usize::from(*part) == position
        && !chunk.is_empty()
        && if last { chunk.len() <= PART_BYTES } else { chunk.len() == PART_BYTES };
    sound.then_some((parts, chunk))
}

/// A number of parts, of which there are never many.
fn small(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use quickcheck::{TestResult, quickcheck};

    use super::*;

    fn message(bytes: usize, nonce: u64) -> DataMessage {
        DataMessage::new("Alice", "x".repeat(bytes), 1_700_000_000, nonce).unwrap()
    }

    fn found(outputs: &[TxOut]) -> Vec<DataMessage> {
        DataMessage::find_in(outputs).collect()
    }

    fn other(script: &[u8]) -> TxOut {
        TxOut { value: Amount(7), script_pubkey: Bytes::copy_from_slice(script) }
    }

    quickcheck! {
        fn messages_are_found_wherever_they_stand(messages: Vec<DataMessage>, scripts: Vec<Vec<u8>>) -> bool {
            let mut outputs: Vec<TxOut> = Vec::new();
            let mut between = scripts.iter();
            for message in &messages {
                outputs.extend(between.next().map(|script| other(script)));
                outputs.extend(message.outputs());
            }
            outputs.extend(between.map(|script| other(script)));
            found(&outputs) == messages
        }

        fn what_outputs_take_is_known_without_making_them(message: DataMessage) -> bool {
            let outputs: Vec<TxOut> = message.outputs().collect();
            outputs.len() == message.output_count()
                && outputs.iter().map(TxOut::encoded_len).sum::<usize>() == message.outputs_len()
        }

        /// Whatever is changed in one byte: the others are found, and nothing else but maybe a text that differs.
        fn a_changed_output_hides_its_message_alone(first: DataMessage, second: DataMessage, at: usize, bit: u8) -> TestResult {
            let mut outputs: Vec<TxOut> = first.outputs().chain(second.outputs()).collect();
            let place = at % first.output_count();
            let mut script = outputs[place].script_pubkey.to_vec();
            let byte = at % script.len();
            script[byte] ^= 1 << (bit % 8);
            outputs[place].script_pubkey = script.into();
            let found = found(&outputs);
            let sound = found.last() == Some(&second) && found.len() <= 2 && found.first() != Some(&first);
            TestResult::from_bool(sound || first == second)
        }

        fn any_scripts_are_searched(scripts: Vec<Vec<u8>>, starts: Vec<bool>) -> bool {
            let starts = starts.into_iter().chain(std::iter::repeat(true));
            let outputs: Vec<TxOut> = scripts
                .iter()
                .zip(starts)
                .map(|(bytes, whole)| {
                    let begun = if whole { script(1, 0, bytes) } else { [&OPCODES[..], bytes].concat() };
                    TxOut { value: Amount::ZERO, script_pubkey: begun.into() }
                })
                .collect();
            found(&outputs).iter().all(|message| message.output_count() == 1)
        }
    }

    #[test]
    fn a_short_message_has_these_bytes() {
        let message = DataMessage::new("Bob", "hi", 3, 5).unwrap();
        let [output] = &message.outputs().collect::<Vec<_>>()[..] else { panic!("one output") };
        let expected = "6a4d1e00444d534701010003000000000000000500000000000000\
                        03426f62026869";
        assert_eq!(hex::encode(&output.script_pubkey), expected);
        assert_eq!(output.value, Amount::ZERO);
    }

    #[test]
    fn the_longest_message_takes_seven_outputs() {
        let sender = "s".repeat(MAX_SENDER_BYTES);
        let longest = DataMessage::new(sender, "x".repeat(MAX_CONTENT_BYTES), 0, 0).unwrap();
        let outputs: Vec<TxOut> = longest.outputs().collect();
        assert_eq!((outputs.len(), longest.output_count(), MAX_PARTS), (7, 7, 7));
        assert!(outputs.iter().all(|output| output.script_pubkey.len() <= MAX_SCRIPT_BYTES));
        assert_eq!(outputs[0].script_pubkey.len(), MAX_SCRIPT_BYTES);
        assert_eq!(found(&outputs), [longest]);
    }

    #[test]
    fn parts_are_cut_where_they_are_full() {
        // Time, nonce, the sender after its length, the content's length.
        let overhead = 8 + 8 + 6 + 3;
        for (content, parts) in [(PART_BYTES - overhead, 1), (PART_BYTES - overhead + 1, 2)] {
            let message = message(content, 1);
            assert_eq!(message.output_count(), parts);
            assert_eq!(message.outputs().count(), parts);
            assert_eq!(found(&message.outputs().collect::<Vec<_>>()), [message]);
        }
    }

    #[test]
    fn a_message_has_no_second_form() {
        let message = message(20_000, 1);
        let outputs: Vec<TxOut> = message.outputs().collect();
        let [first, second, third] = &outputs[..] else { panic!("three outputs") };
        let of = |outputs: &[&TxOut]| found(&outputs.iter().copied().cloned().collect::<Vec<_>>());
        assert_eq!(of(&[first, second, third]), [message]);
        let of_value = TxOut { value: Amount(1), ..second.clone() };
        for spoilt in [
            &[first, second][..],
            &[second, third],
            &[first, third, second],
            &[first, first, second, third][1..3],
            &[first, &of_value, third],
        ] {
            assert_eq!(of(spoilt), []);
        }
        // A part that is not full, with its bytes in the next one.
        let bytes = DataMessage::new("Bob", "hi", 3, 5).unwrap().encode_to_vec();
        let cut = [other(&script(2, 0, &bytes[..4])), other(&script(2, 1, &bytes[4..]))];
        assert_eq!(found(&cut), []);
        // A length in three bytes that has room in one.
        let long = [&bytes[..16], &[0xfd, 3, 0], &bytes[17..]].concat();
        let output = TxOut { value: Amount::ZERO, script_pubkey: script(1, 0, &long).into() };
        assert_eq!(found(&[output]), []);
    }
}
