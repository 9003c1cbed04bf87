#!/usr/bin/env bash
# Builds the same source in two folders with different names and compares the results byte for byte.
#   tools/reproduce.sh          the program, profile fast: two clean builds
#   tools/reproduce.sh PACKAGE  one package's library (`ledger`) or binary (`xtask`)
set -euo pipefail
# shellcheck source=tools/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
"$ROOT/tools/provision.sh" rust-check build
cd "$ROOT"
package=bailiwick
[ $# -eq 0 ] || package="bailiwick-$1"
work=$(mktemp -d "${TMPDIR:-/tmp}/bailiwick-reproduce.XXXXXX")
trap 'rm -rf "$work"' EXIT
cargo_home="${CARGO_HOME:-$HOME/.cargo}"

for folder in one another/and-deeper; do
  mkdir -p "$work/$folder"
  # What is committed, so that nothing that lies about gets in.
  git archive HEAD | tar -x -C "$work/$folder"
  say "building $package in $work/$folder"
  (
    cd "$work/$folder"
    export RUSTFLAGS="--remap-path-prefix=$PWD=/source --remap-path-prefix=$cargo_home=/cargo"
    # C code, too, tells where it was compiled.
    export CFLAGS="-ffile-prefix-map=$PWD=/source -ffile-prefix-map=$cargo_home=/cargo"
    export CARGO_TARGET_DIR="$PWD/target" CARGO_INCREMENTAL=0 SOURCE_DATE_EPOCH=0
    cargo build --quiet --locked --profile fast --package "$package"
    name=${package//-/_}
    find target/fast -maxdepth 1 -type f \( -name "$package" -o -name "lib$name.rlib" -o -name "lib${name#bailiwick_}.rlib" \) -printf '%f\n' |
      sort | while read -r file; do (cd target/fast && sha256sum "$file"); done
  ) >"$work/$(basename "$folder").sums"
done
[ -s "$work/one.sums" ] || die "the build left nothing to compare"
cat "$work/one.sums"
if diff "$work/one.sums" "$work/and-deeper.sums"; then
  echo "reproduced: both folders gave the same bytes"
else
  die "the two builds differ; diffoscope on the two files tells where"
fi
