#!/usr/bin/env bash
# Whole syncs between processes on loopback: benches/ibd.sh [CHAIN_DIR] [OPTIONS of `dilithion-node bench ibd`]
#
# CHAIN_DIR holds chain.dat.zst (or chain.dat) and private.toml; without it, 500 recorded blocks are synced. Prints medians and
# writes them to docs/benchmarks/ibd-from-N.json, where N is how many nodes the syncing one is connected to: the network allows
# each to be asked for 320 blocks a second, so what is quicker than that needs more of them.
set -euo pipefail
. "$(dirname "$0")/../scripts/prerequisites.sh"
chain_dir=
if [ $# -gt 0 ] && [[ $1 != -* ]]; then
    [ -d "$1" ] || { echo "no such directory: $1" >&2; exit 2; }
    chain_dir=$(realpath "$1")
    shift
fi
cd "$root"
cargo build --release --locked -p dilithion-node
bench=("${CARGO_TARGET_DIR:-target}/release/dilithion-node" bench ibd)
if [ -n "$chain_dir" ]; then
    file=$chain_dir/chain.dat
    if [ ! -r "$file" ]; then
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        file=$work/chain.dat
        zstd -q -d "$chain_dir/chain.dat.zst" -o "$file"
    fi
    bench+=("$file" --chain "$chain_dir/private.toml")
fi
options=("$@")
from() {
    "${bench[@]}" --sources "$1" --json-file "docs/benchmarks/ibd-from-$1.json" "${@:2}" "${options[@]}"
}
git describe --always --dirty
from 1 --mode checkpointed --mode light
from 2 --mode fast
from 8 --mode checkpointed
