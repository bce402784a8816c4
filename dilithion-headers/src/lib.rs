//! dilithion-headers
