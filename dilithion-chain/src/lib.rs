//! dilithion-chain
