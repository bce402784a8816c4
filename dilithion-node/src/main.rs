//! The `dilithion-node` program; everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    dilithion_node::cli::main()
}
