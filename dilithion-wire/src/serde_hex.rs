//! Bytes as hex, for serde.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// Bytes in their order, as hex. For arrays, vectors and [`bytes::Bytes`].
pub(crate) fn serialize<S: Serializer>(bytes: &impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes.as_ref()))
}

/// Reads what [`serialize`] writes.
pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<Vec<u8>>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = hex::decode(&text).map_err(D::Error::custom)?;
    let len = bytes.len();
    T::try_from(bytes).map_err(|_| D::Error::invalid_length(len, &"as many bytes as the value has"))
}
