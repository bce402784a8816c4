#!/usr/bin/env bash
# Whole syncs between two processes on loopback: benches/ibd.sh [CHAIN_DIR] [OPTIONS of `dilithion-node bench ibd`]
#
# CHAIN_DIR holds chain.dat.zst (or chain.dat) and private.toml; without it, 500 recorded blocks are synced. Prints medians and
# writes them to docs/benchmarks/ibd.json.
set -euo pipefail
. "$(dirname "$0")/../scripts/prerequisites.sh"
cd "$root"
cargo build --release --locked -p dilithion-node
bench=("${CARGO_TARGET_DIR:-target}/release/dilithion-node" bench ibd)
if [ -d "${1:-}" ]; then
    chain_dir=$(realpath "$1")
    shift
    file=$chain_dir/chain.dat
    if [ ! -r "$file" ]; then
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        file=$work/chain.dat
        zstd -q -d "$chain_dir/chain.dat.zst" -o "$file"
    fi
    bench+=("$file" --chain "$chain_dir/private.toml")
fi
"${bench[@]}" --json-file docs/benchmarks/ibd.json "$@"
