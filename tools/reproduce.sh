#!/usr/bin/env bash
# Builds what is committed twice, from nothing, in two folders of different names, and compares the results byte for byte.
#   tools/reproduce.sh                              the program as it is shipped: two clean release builds
#   tools/reproduce.sh [--profile P] [PACKAGE]      one package's library (`ledger`) or binary (`xtask`)
# When they differ, both folders are kept, so that diffoscope can tell where.
set -euo pipefail
# shellcheck source=tools/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
profile=release package=bailiwick
while [ $# -gt 0 ]; do
  case "$1" in
    --profile) profile="${2:-}" && [ -n "$profile" ] || die "--profile needs a name, such as release or dev"; shift ;;
    -*) die "unknown option \`$1\`; usage: tools/reproduce.sh [--profile P] [PACKAGE]" ;;
    *) package="bailiwick-${1#bailiwick-}" ;;
  esac
  shift
done
"$ROOT/tools/provision.sh" rust-check build
cd "$ROOT"
# Cargo keeps what the profile `dev` makes in a folder called `debug`.
folder=$profile
[ "$profile" != dev ] || folder=debug
cargo_home="${CARGO_HOME:-$HOME/.cargo}"
work=$(mktemp -d "${TMPDIR:-/tmp}/bailiwick-reproduce.XXXXXX")
trap 'rm -rf "$work"' EXIT

# outputs PACKAGE: the files of a build that are the package's own, by name.
outputs() {
  local name=${1//-/_}
  find . -maxdepth 1 -type f \( -name "$1" -o -name "lib$name.rlib" -o -name "lib${name#bailiwick_}.rlib" \) \
    -printf '%f\n' | sort
}

# build FOLDER ZONE: what is committed, so that nothing that lies about gets in; into FOLDER.sums.
build() {
  mkdir -p "$work/$1"
  git archive HEAD | tar -x -C "$work/$1"
  say "building $package (profile $profile) in $work/$1"
  (
    cd "$work/$1"
    # Separated by 0x1f, since a path may hold spaces.
    separator=$(printf '\037')
    flags="--remap-path-prefix=$PWD=/source${separator}--remap-path-prefix=$cargo_home=/cargo"
    export CARGO_ENCODED_RUSTFLAGS="$flags"
    unset RUSTFLAGS
    # C code, too, tells where it was compiled.
    export CFLAGS="-ffile-prefix-map=$PWD=/source -ffile-prefix-map=$cargo_home=/cargo"
    export CXXFLAGS="$CFLAGS"
    export CARGO_TARGET_DIR="$PWD/target" CARGO_INCREMENTAL=0 SOURCE_DATE_EPOCH=0 TZ="$2"
    cargo build --quiet --locked --profile "$profile" --package "$package"
    cd "target/$folder"
    outputs "$package" | while read -r file; do sha256sum "$file"; done
  ) >"$work/$(basename "$1").sums"
}

build one UTC
build another/and-deeper Pacific/Auckland
[ -s "$work/one.sums" ] || die "the build left nothing to compare"
cat "$work/one.sums"
if diff "$work/one.sums" "$work/and-deeper.sums"; then
  say "reproduced: both folders gave the same bytes"
else
  trap - EXIT
  die "the two builds differ; run diffoscope on the files of $work/one/target/$folder and $work/another/and-deeper/target/$folder, then remove $work"
fi
