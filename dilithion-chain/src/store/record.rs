//! Reading the fixed layouts of stored values. Integers in values are big-endian, as in keys.

use crate::error::StoreError;

/// A stored value, read field by field.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    table: &'static str,
}

impl<'a> Fields<'a> {
    /// Starts at the first byte of a value of `table` (named in errors).
    pub(crate) const fn new(table: &'static str, value: &'a [u8]) -> Self {
        Self { rest: value, table }
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.corrupt())?;
        self.rest = rest;
        Ok(*head)
    }

    /// The next `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], StoreError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.corrupt())?;
        self.rest = rest;
        Ok(head)
    }

    /// The next byte.
    pub(crate) fn u8(&mut self) -> Result<u8, StoreError> {
        self.array().map(u8::from_be_bytes)
    }

    /// The next byte as a truth value: 0 or 1.
    pub(crate) fn flag(&mut self) -> Result<bool, StoreError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.corrupt()),
        }
    }

    /// The next four bytes as a number.
    pub(crate) fn u32(&mut self) -> Result<u32, StoreError> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next eight bytes as a number.
    pub(crate) fn u64(&mut self) -> Result<u64, StoreError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Everything that is left.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Checks that nothing is left.
    pub(crate) fn finish(self) -> Result<(), StoreError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.corrupt()) }
    }

    fn corrupt(&self) -> StoreError {
        StoreError::BadRecord { table: self.table }
    }
}
