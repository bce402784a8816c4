//! dilithion-node
