//! The block record file of `import` and `export`: for each block a `u32` LE length, then the payload of its `block`
//! message.

use std::io::{self, Read, Write};

use bytes::Bytes;
use dilithion_wire::{BlockHeader, Height};
use thiserror::Error;

/// A record longer than this is no block: the largest payload a `block` message may have (spec: wire §1.5).
pub const MAX_RECORD_BYTES: usize = 8 << 20;

/// A block as it stands in the file.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its position in the file, which is its height.
    pub height: Height,
    /// Its header.
    pub header: BlockHeader,
    /// The `block` message's payload.
    pub payload: Bytes,
}

/// Why a record cannot be read.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The file cannot be read.
    #[error("record {height}: {source}")]
    Io {
        /// The record's height.
        height: Height,
        /// The cause.
        source: io::Error,
    },
    /// The file ends within a record.
    #[error("record {height} is cut short")]
    Truncated {
        /// The record's height.
        height: Height,
    },
    /// The length cannot be that of a block.
    #[error("record {height} claims a length of {length} bytes")]
    Length {
        /// The record's height.
        height: Height,
        /// What it claims.
        length: usize,
    },
}

impl RecordError {
    /// The height of the record that cannot be read.
    #[must_use]
    pub fn height(&self) -> Height {
        match self {
            Self::Io { height, .. } | Self::Truncated { height } | Self::Length { height, .. } => *height,
        }
    }
}

/// Reads records one by one; the first is the genesis block.
#[derive(Debug)]
pub struct RecordReader<R> {
    input: R,
    next: Height,
}

impl<R: Read> RecordReader<R> {
    /// A reader at the start of a file. `input` should be buffered.
    pub fn new(input: R) -> Self {
        Self { input, next: Height::GENESIS }
    }

    fn read_record(&mut self) -> Result<Option<Record>, RecordError> {
        let height = self.next;
        let io = |source: io::Error| {
            if source.kind() == io::ErrorKind::UnexpectedEof {
                RecordError::Truncated { height }
            } else {
                RecordError::Io { height, source }
            }
        };
        let mut length = [0; 4];
        match self.input.read(&mut length[..1]).map_err(io)? {
            0 => return Ok(None),
            _ => self.input.read_exact(&mut length[1..]).map_err(io)?,
        }
        let length = u32::from_le_bytes(length) as usize;
        if !(BlockHeader::SIZE..=MAX_RECORD_BYTES).contains(&length) {
            return Err(RecordError::Length { height, length });
        }
        let mut payload = vec![0; length];
        self.input.read_exact(&mut payload).map_err(io)?;
        let Some(header) = payload.first_chunk() else { return Err(RecordError::Length { height, length }) };
        let header = BlockHeader::from_bytes(header);
        self.next = height.next();
        Ok(Some(Record { height, header, payload: payload.into() }))
    }
}

impl<R: Read> Iterator for RecordReader<R> {
    type Item = Result<Record, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_record().transpose()
    }
}

/// Writes one record.
///
/// # Errors
///
/// If `output` cannot be written, or the payload is longer than a record can be.
pub fn write_record(output: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|_| payload.len() <= MAX_RECORD_BYTES)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a block of more than 8 MiB"))?;
    output.write_all(&length.to_le_bytes())?;
    output.write_all(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(payloads: &[&[u8]]) -> Vec<u8> {
        let mut file = Vec::new();
        payloads.iter().for_each(|payload| write_record(&mut file, payload).unwrap());
        file
    }

    #[test]
    fn records_come_back_with_their_heights() {
        let file = file(&[&[1; 80], &[2; 100]]);
        let records: Vec<Record> = RecordReader::new(&file[..]).map(Result::unwrap).collect();
        assert_eq!(records.iter().map(|record| record.height.0).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(records[1].payload, [2; 100][..]);
        assert_eq!(records[0].header.to_bytes(), [1; 80]);
    }

    #[test]
    fn a_cut_or_absurd_record_is_an_error_that_names_its_height() {
        let whole = file(&[&[1; 80], &[2; 80]]);
        for end in 85..whole.len() {
            let last = RecordReader::new(&whole[..end]).last().unwrap();
            assert!(matches!(last, Err(RecordError::Truncated { height: Height(1) })), "cut at {end}");
        }
        let absurd = [&whole[..84], &u32::MAX.to_le_bytes()].concat();
        let last = RecordReader::new(&absurd[..]).last().unwrap();
        assert_eq!(last.unwrap_err().height(), Height(1));
    }
}
