//! A cursor over received bytes.

use bytes::Bytes;

use crate::compact_size::CompactSize;
use crate::encode::{Decode, DecodeError};
use crate::limits::{Counted, Limits};

/// Reads fields one after the other. Byte strings are slices of the same allocation, not copies, and no claimed
/// number is believed beyond what the bytes at hand can hold.
///
/// ```
/// use bytes::Bytes;
/// use dilithion_wire::Reader;
///
/// let mut reader = Reader::new(Bytes::from_static(&[1, 0, 2, 0xaa, 0xbb]));
/// assert_eq!(reader.u16("version")?, 1);
/// let len = reader.u8("length")?;
/// assert_eq!(reader.bytes("script", len.into())?, [0xaa, 0xbb].as_slice());
/// assert!(reader.u8("flag").is_err());
/// # Ok::<(), dilithion_wire::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reader {
    bytes: Bytes,
    /// How many of them are read, never more than there are.
    position: usize,
    limits: Limits,
}

macro_rules! read_integers {
    ($($name:ident, $text:literal;)+) => {$(
        #[doc = concat!("Reads ", $text, ".")]
        ///
        /// # Errors
        ///
        /// [`DecodeError::Truncated`], naming `field`.
        #[inline]
        pub fn $name(&mut self, field: &'static str) -> Result<$name, DecodeError> {
            self.array(field).map($name::from_le_bytes)
        }
    )+};
}

impl Reader {
    /// Over `bytes`, with the most generous limits of all networks.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self::with_limits(bytes, &Limits::default())
    }

    /// Over `bytes`, with the limits of a network.
    #[must_use]
    pub fn with_limits(bytes: Bytes, limits: &Limits) -> Self {
        Self { bytes, position: 0, limits: *limits }
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many bytes are left.
    #[must_use]
    #[inline]
    pub fn remaining(&self) -> usize {
        self.rest().len()
    }

    /// The bytes left.
    #[must_use]
    #[inline]
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// The next byte, which stays unread.
    #[must_use]
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    /// The end of a value that fills its bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TrailingBytes`] if something is left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(DecodeError::TrailingBytes { left }),
        }
    }

    read_integers! {
        u8, "a byte";
        u16, "a little-endian `u16`";
        u32, "a little-endian `u32`";
        u64, "a little-endian `u64`";
        i32, "a little-endian `i32`";
        i64, "a little-endian `i64`";
    }

    /// Reads `N` bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`], naming `field`.
    #[inline]
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let rest = self.rest();
        let Some(array) = rest.first_chunk() else {
            return Err(DecodeError::Truncated { field, needed: N as u64, left: rest.len() });
        };
        let array = *array;
        self.position += N;
        Ok(array)
    }

    /// Takes the next `len` bytes without copying them.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`], naming `field`.
    #[inline]
    pub fn bytes(&mut self, field: &'static str, len: u64) -> Result<Bytes, DecodeError> {
        let left = self.remaining();
        match usize::try_from(len).ok().filter(|len| *len <= left) {
            Some(len) => {
                let start = self.position;
                self.position += len;
                Ok(self.bytes.slice(start..self.position))
            }
            None => Err(DecodeError::Truncated { field, needed: len, left }),
        }
    }

    /// Takes a byte string with its length before it, at most `max` bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooLong`] or [`DecodeError::Truncated`], naming `field`.
    #[inline]
    pub fn var_bytes(&mut self, field: &'static str, max: usize) -> Result<Bytes, DecodeError> {
        let CompactSize(len) = CompactSize::decode(self)?;
        if len > max as u64 {
            return Err(DecodeError::TooLong { field, bytes: len, max });
        }
        self.bytes(field, len)
    }

    /// Reads the number of the elements that follow. It is safe to allocate for so many.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooMany`] if it is above the maximum of its kind, [`DecodeError::Unfounded`] if the bytes left
    /// cannot hold so many.
    #[inline]
    pub fn count(&mut self, what: Counted) -> Result<usize, DecodeError> {
        let CompactSize(count) = CompactSize::decode(self)?;
        let (left, max) = (self.remaining(), what.max());
        if count > max as u64 {
            return Err(DecodeError::TooMany { what, count, max });
        }
        match usize::try_from(count).ok().filter(|count| *count <= left / what.min_size()) {
            Some(count) => Ok(count),
            None => Err(DecodeError::Unfounded { what, count, left }),
        }
    }

    /// Reads the number of elements and the elements, which all have `N` bytes. Faster than [`list`](Self::list).
    ///
    /// # Errors
    ///
    /// As [`count`](Self::count), or [`DecodeError::Truncated`], naming `field`.
    pub(crate) fn fixed_list<const N: usize, T>(
        &mut self,
        what: Counted,
        field: &'static str,
        element: impl Fn(&[u8; N]) -> T,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.count(what)?;
        let (needed, left) = (count * N, self.remaining());
        let Some(bytes) = self.rest().get(..needed) else {
            return Err(DecodeError::Truncated { field, needed: needed as u64, left });
        };
        let (elements, _) = bytes.as_chunks();
        let list = elements.iter().map(element).collect();
        self.position += needed;
        Ok(list)
    }

    /// Reads the number of elements and the elements.
    ///
    /// # Errors
    ///
    /// As [`count`](Self::count), and whatever an element says.
    pub fn list<T: Decode>(&mut self, what: Counted) -> Result<Vec<T>, DecodeError> {
        let count = self.count(what)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(T::decode(self)?);
        }
        Ok(items)
    }
}
