# Sourced by the other scripts: makes sure that what Cargo cannot bring is there. RandomX is C++ and builds with
# cmake; the assembly of SHA3 is written by a perl script.
# Installs with apt-get where that is possible, else takes cmake from PyPI into target/; says what to do where neither is.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif have sudo; then sudo "$@"; else return 1; fi
}

apt_install() {
    have apt-get || return 1
    as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}

missing=()
have cmake || [ -n "${CMAKE:-}" ] || missing+=(cmake)
have make || missing+=(make)
have perl || missing+=(perl)
have c++ || have g++ || have clang++ || missing+=(g++)

if [ ${#missing[@]} -gt 0 ]; then
    echo "installing ${missing[*]} ..." >&2
    if ! apt_install "${missing[@]}"; then
        if [ "${missing[*]}" = cmake ] && have python3; then
            python3 -m venv "$root/target/cmake" && "$root/target/cmake/bin/pip" install --quiet cmake
            export CMAKE="$root/target/cmake/bin/cmake"
        else
            echo "please install ${missing[*]} (for example: sudo apt-get install ${missing[*]})" >&2
            exit 1
        fi
    fi
fi

if ! have cargo; then
    [ -r "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
    have cargo || { echo "please install Rust 1.90 or newer: https://rustup.rs" >&2; exit 1; }
fi
