//! dilithion-pow
