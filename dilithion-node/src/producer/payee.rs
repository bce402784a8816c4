//! Who gets the coins of a block.

use bytes::Bytes;
use dilithion_chain::validate::script::pay_to_key_hash;
use dilithion_wire::sha3_256d;
use thiserror::Error;

/// First byte of an address (spec: consensus §9).
const VERSION: u8 = 0x1e;
/// Bytes of a key hash.
const KEY_HASH_BYTES: usize = 20;
/// Bytes of an address's checksum.
const CHECKSUM_BYTES: usize = 4;
/// Bytes of an address.
const ADDRESS_BYTES: usize = 1 + KEY_HASH_BYTES + CHECKSUM_BYTES;
/// Digits of the longest address.
const MAX_DIGITS: usize = 40;
/// The digits of base 58.
const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// The script that nobody can fulfil.
const OP_RETURN: u8 = 0x6a;

/// The script of an output of a coinbase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payee(Bytes);

/// A text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// It has a character that is no digit of base 58.
    #[error("{0:?} is no digit of an address")]
    Digit(char),
    /// It does not have the length of an address.
    #[error("an address has {ADDRESS_BYTES} bytes")]
    Length,
    /// Its checksum is wrong: a digit is.
    #[error("the checksum of the address is wrong")]
    Checksum,
    /// It begins with another byte than addresses of this chain do.
    #[error("the address is one of another chain: it begins with {found:#04x}, not with {VERSION:#04x}")]
    Version {
        /// The byte.
        found: u8,
    },
}

impl Payee {
    /// Nobody: the coins are lost.
    #[must_use]
    pub fn nobody() -> Self {
        Self(Bytes::from_static(&[OP_RETURN]))
    }

    /// Who has the key of a hash.
    #[must_use]
    pub fn key_hash(hash: &[u8; KEY_HASH_BYTES]) -> Self {
        Self(pay_to_key_hash(hash))
    }

    /// Whoever fulfils this script.
    #[must_use]
    pub fn script(script: impl Into<Bytes>) -> Self {
        Self(script.into())
    }

    /// The owner of an address: base 58 of a version, the hash of a key and a checksum (spec: consensus §9).
    ///
    /// # Errors
    ///
    /// [`AddressError`] says what is wrong with the text.
    pub fn address(text: &str) -> Result<Self, AddressError> {
        let bytes = from_base_58(text)?;
        let Some((body, checksum)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else {
            return Err(AddressError::Length);
        };
        let [found, hash @ ..] = body else { return Err(AddressError::Length) };
        let hash: &[u8; KEY_HASH_BYTES] = hash.try_into().map_err(|_| AddressError::Length)?;
        if !sha3_256d(body).starts_with(checksum) {
            return Err(AddressError::Checksum);
        }
        if *found != VERSION {
            return Err(AddressError::Version { found: *found });
        }
        Ok(Self::key_hash(hash))
    }

    /// The script.
    #[must_use]
    pub const fn as_script(&self) -> &Bytes {
        &self.0
    }
}

/// The bytes of a number in base 58, most significant first; a leading 1 is a byte of 0.
fn from_base_58(text: &str) -> Result<Vec<u8>, AddressError> {
    if text.len() > MAX_DIGITS {
        return Err(AddressError::Length);
    }
    // Least significant byte first.
    let mut number: Vec<u8> = Vec::new();
    for digit in text.chars() {
        let value = DIGITS.iter().position(|known| char::from(*known) == digit);
        let mut carry = value.ok_or(AddressError::Digit(digit))?;
        for byte in &mut number {
            carry += usize::from(*byte) * DIGITS.len();
            *byte = u8::try_from(carry & 0xff).unwrap_or(0);
            carry >>= u8::BITS;
        }
        if carry > 0 {
            number.push(u8::try_from(carry).unwrap_or(0));
        }
    }
    number.extend(text.bytes().take_while(|digit| *digit == DIGITS[0]).map(|_| 0));
    number.reverse();
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The addresses of mainnet's development fund and reward (spec: consensus §13.1).
    #[test]
    fn addresses_are_those_of_the_reference_node() {
        for (address, hash) in [
            ("DJrywx4AsVQSPLZCKRdg8erZdPMNaRSrKq", "96859a6f0bf280b95e36bbe6af01025f9ed45fce"),
            ("DRne9ygVbQJFKma1pyEMPpyRbjmVKNcbWe", "e27c4c3fd64a06c96a1185a3ccc20cc69693a1d5"),
        ] {
            let hash: [u8; KEY_HASH_BYTES] = hex::decode(hash).unwrap().try_into().unwrap();
            assert_eq!(Payee::address(address), Ok(Payee::key_hash(&hash)));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_by_its_fault() {
        for (text, error) in [
            ("", AddressError::Length),
            ("1", AddressError::Length),
            ("DJrywx4AsVQSPLZCKRdg8erZdPMNaRSrK", AddressError::Length),
            (&"z".repeat(1000), AddressError::Length),
            ("DJrywx4AsVQSPLZCKRdg8erZdPMNaRSrKp", AddressError::Checksum),
            ("DJrywx4AsVQSPLZCKRdg8erZdPMNaRSrK0", AddressError::Digit('0')),
            // One of Bitcoin's has another checksum as well.
            ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", AddressError::Checksum),
        ] {
            assert_eq!(Payee::address(text), Err(error), "{text}");
        }
    }
}
