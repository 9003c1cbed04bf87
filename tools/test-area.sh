#!/usr/bin/env bash
# One area of ./test (which says what there is, counts and sums up).
#   tools/test-area.sh AREA|CRATE [FILTER…]
#   tools/test-area.sh needs AREA…     what these install, in the words of provision.sh
set -euo pipefail
# shellcheck source=tools/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
area=$1
shift

needs() {
  case "$1" in
    docs) echo node smtp dns ;;
    rust) echo postgres pebble ;;
    kill) echo postgres ;;
    fuzz) echo cargo-fuzz ;;
    deny) echo cargo-deny sbom ;;
    e2e) echo e2e dns smtp postgres ;;
    pages) echo e2e dns smtp ;;
    api) echo node schemathesis ;;
    scim) echo node scim ;;
    openid) echo openid authlib saml openssl xmlsec apache ;;
    idps) echo node openid openssl simplesamlphp lemonldap oidc-agent ;;
    # 900 MB, so only when they are named.
    products) echo node products jupyterhub pgadmin ;;
  esac
}

# The program for the areas that look at it from outside: the one that `rust` has built already.
build_program() {
  cargo build --quiet --package bailiwick
  BAILIWICK_BIN="$(target_dir)/debug/bailiwick"
  export BAILIWICK_BIN
}

# node_tests FILE…: one file after the other, so that measured times mean something.
# People read the spec report; ./test counts the closing lines of the TAP report.
node_tests() {
  local tap status=0
  tap=$(mktemp)
  node --test --test-concurrency=1 --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$tap" "$@" || status=$?
  grep -E '^# (tests|pass|fail|cancelled|skipped|todo) ' "$tap" || true
  rm -f "$tap"
  return "$status"
}

tidy() {
  cargo fmt --all --check || die "not formatted; \`cargo fmt --all\` does it"
  cargo run --quiet --package bailiwick-xtask -- tidy
}

clippy() { cargo clippy --quiet --workspace --all-targets -- --deny warnings; }

# Broken links inside the code's documentation, then the commands of the tutorials, run as written.
docs() {
  RUSTDOCFLAGS="--deny warnings" cargo doc --quiet --workspace --no-deps --document-private-items
  local tests=(tests/docs/*.test.mjs)
  if [ -e "${tests[0]}" ]; then
    build_program
    node_tests "${tests[@]}"
  fi
}

# Every test program, and with them the program itself: what the areas after this one run.
build() { cargo test --quiet --workspace --no-run; }

rust() {
  build
  cargo_test --workspace -- "$@"
}

# cargo_test ARG…: on both databases, with the tests' thousands of small files in memory. (Those whose subject is a
# crash stay on the disk.)
cargo_test() {
  local folder status=0
  folder=$(mktemp -d "${TMPDIR:-$(memory_folder)}/bailiwick-test.XXXXXX")
  # As the folder for everybody's files that it stands for: tests start the program as another user, too.
  chmod 1777 "$folder"
  tools/with-postgres.sh --fast env TMPDIR="$folder" cargo test --no-fail-fast "$@" || status=$?
  rm -rf "$folder"
  return "$status"
}

# kill -9 while the program writes, on both databases: nothing acknowledged is lost. Marked #[ignore] in the
# ordinary run because it takes minutes; its tests have `kill_nine` in their name.
kill_nine() {
  export BAILIWICK_KILLS="${BAILIWICK_KILLS:-200}"
  local log status=0
  log=$(mktemp)
  cargo test --quiet --package bailiwick --no-run
  tools/with-postgres.sh cargo test --package bailiwick --tests kill_nine -- --include-ignored --nocapture 2>&1 | tee "$log" || status=$?
  if ! grep -qE '^test result: ok\. [1-9]' "$log" && [ "$status" -eq 0 ]; then
    echo "error: no test with kill_nine in its name ran"
    status=1
  fi
  rm -f "$log"
  return "$status"
}

# fuzz_one FOLDER TARGET: seeds are committed in FOLDER/seeds/TARGET, what the fuzzer learns stays in .tools.
fuzz_one() {
  local folder=$1 target=$2 log seeds=()
  log="$TOOLS/fuzz/$target.log"
  mkdir -p "$TOOLS/fuzz/$target"
  [ ! -d "$folder/seeds/$target" ] || seeds=("$folder/seeds/$target")
  # Takes what the areas beside it leave.
  if nice -n 10 cargo fuzz run --fuzz-dir "$folder" --sanitizer none --debug-assertions "$target" \
    "$TOOLS/fuzz/$target" "${seeds[@]}" -- -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 >"$log" 2>&1; then
    printf '%s: 1 passed, 0 failed (%s)\n' "$target" "$(grep -E '^Done ' "$log" | tail -n 1)"
  else
    tail -n 40 "$log"
    printf '%s: 0 passed, 1 failed (the input that did it is in %s/artifacts/%s)\n' "$target" "$folder" "$target"
    return 1
  fi
}

# The parsers are safe code, so panics, overflows, hangs and memory are what is looked for; an address
# sanitizer would halve the speed for nothing. Coverage needs a compiler switch that stable hides.
fuzz() {
  export RUSTC_BOOTSTRAP=1
  local folder folders=() target targets=()
  for folder in fuzz crates/*/fuzz; do
    [ ! -f "$folder/Cargo.toml" ] || folders+=("$folder")
  done
  [ "${#folders[@]}" -gt 0 ] || die "no fuzz targets: there is neither fuzz/Cargo.toml nor crates/*/fuzz/Cargo.toml"
  for folder in "${folders[@]}"; do
    cargo fuzz build --fuzz-dir "$folder" --sanitizer none --debug-assertions
    while read -r target; do
      [ -z "$filter" ] || [[ $target == *"$filter"* ]] || continue
      targets+=("$folder" "$target")
    done < <(cargo fuzz list --fuzz-dir "$folder")
  done
  [ "${#targets[@]}" -gt 0 ] || die "no fuzz target has \`$filter\` in its name"
  # Four times as many as there are cores, since the time of each is fixed: a quarter of the minutes and of the tries.
  printf '%s\0' "${targets[@]}" | xargs -0 -n 2 -P "$(($(nproc) * 4))" tools/test-area.sh fuzz-one ||
    die "a fuzz target failed; its output is above"
}

# Licences, banned crates and sources need nothing but the lock file. Security advisories come from a snapshot in OSV
# form (BAILIWICK_ADVISORIES, or shared data beside the checkout) and, where there is one, from cargo-deny's own; the
# snapshot's age is printed, and a missing one is said, not hidden. The bill of materials must fit CycloneDX's schema.
deny() {
  # One check at a time, so that each is counted.
  local check
  for check in licenses bans sources; do
    cargo deny --log-level error check "$check"
    echo "$check: 1 passed, 0 failed"
  done
  local osv="${BAILIWICK_ADVISORIES:-$(compgen -G "$ROOT/../shared/data/rustsec-osv/*.tar.gz" | head -n 1 || true)}"
  if [ -n "$osv" ]; then
    cargo run --quiet --package bailiwick-xtask -- advisories "$osv"
    echo "advisories: 1 passed, 0 failed"
  else
    echo "advisories: NOT checked, no snapshot beside the checkout; name one with BAILIWICK_ADVISORIES=FILE"
  fi
  local snapshot="${CARGO_HOME:-$HOME/.cargo}/advisory-dbs"
  if compgen -G "$snapshot/*/.git" >/dev/null; then
    cargo deny --offline --log-level error check advisories
    echo "advisory database: 1 passed, 0 failed"
  fi
  local bill
  bill=$(mktemp)
  cargo run --quiet --package bailiwick-xtask -- sbom >"$bill"
  "$TOOLS/venv/sbom/bin/python" tests/kit/sbom.py "$bill"
  rm -f "$bill"
  echo "bill of materials: 1 passed, 0 failed"
}

# The ways of people through the product, in a browser.
e2e() {
  build_program
  local tests=()
  mapfile -t tests < <(printf '%s\n' tests/e2e/*.test.mjs | grep -v '/pages\.test\.mjs$')
  [ $# -eq 0 ] || tests=("${@/#/--test-name-pattern=}" "${tests[@]}")
  node_tests "${tests[@]}"
  E2E_DATABASE=postgres tools/with-postgres.sh --fast tools/test-area.sh story
}

# Every page that links lead to, looked at.
pages() {
  build_program
  node_tests tests/e2e/pages.test.mjs
}

# One organization's way through the product, on the database of E2E_DATABASE.
story() {
  [ -n "${BAILIWICK_BIN:-}" ] || build_program
  node_tests tests/e2e/story.test.mjs
}

# Requests made up from /openapi.json, right and wrong ones: every answer is as promised, none is a 5xx.
api() {
  build_program
  node_tests tests/api/*.test.mjs
}

# Other people's OpenID clients sign in through the program, as products do; and it through other people's providers.
openid() {
  build_program
  node_tests tests/openid/*.test.mjs
}

# Identity providers of SAML that other people run, their own programs, whole; and oidc-agent as a client.
idps() {
  build_program
  node_tests tests/idps/*.test.mjs
}

# Products that people sign in to, whole.
products() {
  build_program
  node_tests tests/products/*.test.mjs
}

# Public conformance testers for SCIM against the running program, and a drift check over its command line.
scim() {
  build_program
  node_tests tests/scim/*.test.mjs
}

crate_tests() {
  local package
  package=$(sed -n 's/^name = "\(.*\)"/\1/p' "crates/$1/Cargo.toml" | head -n 1)
  shift
  cargo test --quiet --package "$package" --no-run
  cargo_test --package "$package" -- "$@"
}

case "$area" in
  needs)
    for name in "$@"; do needs "$name"; done | tr ' ' '\n' | sort -u
    exit
    ;;
  fuzz-one)
    fuzz_one "$@"
    exit
    ;;
esac
filter=${1:-}
mapfile -t wanted < <(needs "$area" | tr ' ' '\n')
[ "${#wanted[@]}" -eq 0 ] || tools/provision.sh "${wanted[@]}"
case "$area" in
  tidy | clippy | docs | build | rust | fuzz | deny | e2e | pages | story | api | scim | openid | idps | products) "$area" "$@" ;;
  kill) kill_nine ;;
  *) crate_tests "$area" "$@" ;;
esac
