//! dilithion-blockwindow
