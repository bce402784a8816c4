//! dilithion-wire
