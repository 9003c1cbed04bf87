#!/usr/bin/env bash
# Installs what a command of this repository needs and is missing; does nothing when it is there.
#   tools/provision.sh WHAT…
# From Debian's packages (12 or newer): build chromium dns postgres node openssl xmlsec apache oidc-agent simplesamlphp lemonldap
# Into .tools, from PyPI, npm and crates.io, versions pinned: smtp schemathesis scim sbom authlib saml jupyterhub pgadmin e2e openid
#   products cargo-deny cargo-fuzz
# Into .tools, from the Go module proxy, where Go is there: pebble (an ACME authority; its tests skip themselves without)
# Only looked at, never installed: rust-check
set -euo pipefail
# shellcheck source=tools/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

CARGO_DENY_VERSION=0.20.2
CARGO_FUZZ_VERSION=0.13.2
PEBBLE_VERSION=v2.10.1
POSTGRES_BIN=/usr/lib/postgresql/15/bin

apt_updated=
apt_update() {
  [ -z "$apt_updated" ] || return 0
  say "refreshing Debian's package lists"
  as_root apt-get update -qq || die "apt-get update failed; check the network and the package sources"
  apt_updated=yes
}

may_install() { [ "$(id -u)" -eq 0 ] || have sudo; }

# apt_needed PACKAGE…: these can be installed here, or the reason why not.
apt_needed() {
  have apt-get || die "missing: $*; this machine has no apt-get, so install it with your own package manager and run again"
  may_install ||
    die "missing: $*; installing needs root, so have somebody who may run \`apt-get install $*\` and run again"
}

apt_install() {
  apt_needed "$@"
  exec 9>"$TOOLS/locks/apt"
  flock 9
  apt_update
  say "installing from Debian: $*"
  # Test servers run on free ports of their own: a package must not start one on the standard port.
  local policy=/usr/sbin/policy-rc.d made_policy=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    made_policy=yes
  fi
  local failed=
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold "$@" >&2 || failed=yes
  if [ -n "$made_policy" ]; then as_root rm -f "$policy"; fi
  exec 9>&-
  [ -z "$failed" ] || die "apt-get could not install: $*; its own message is above"
}

# at_least HAVE WANT: version order.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

need_rust() {
  local want got
  want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml" | head -n 1)
  if ! have cargo || ! have rustc; then
    die "Rust is not installed; install Rust $want or newer from https://rustup.rs and run again"
  fi
  got=$(rustc --version | cut -d' ' -f2)
  at_least "$got" "$want" || die "Rust $got is too old; \`rustup update stable\` brings $want or newer"
}

# SQLite and the cryptography are compiled from C.
need_build() { have cc || apt_install build-essential; }

need_chromium() {
  if [ -n "${BAILIWICK_CHROMIUM:-}" ]; then
    [ -x "$BAILIWICK_CHROMIUM" ] || die "BAILIWICK_CHROMIUM names \`$BAILIWICK_CHROMIUM\`, which is no program"
    return
  fi
  have chromium || apt_install chromium fonts-liberation
}

need_dns() {
  PATH="$PATH:/usr/sbin"
  if ! have knotd || ! have knotc || ! have kdig; then apt_install knot knot-dnsutils; fi
}

need_postgres() {
  [ -x "$POSTGRES_BIN/initdb" ] && return
  apt_needed postgresql-15
  # Only the programs: no cluster of the machine's own (apt keeps this file as written here).
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    as_root mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  apt_install postgresql-15
  [ -x "$POSTGRES_BIN/initdb" ] || die "postgresql-15 is installed but \`$POSTGRES_BIN/initdb\` is missing; reinstall the package"
}

need_node() {
  local want=20 got
  if ! have node && have apt-get && may_install; then
    # Only where Debian's own is new enough, so that no old one stays behind.
    apt_update
    got=$(apt-cache policy nodejs | awk '$1 == "Candidate:" { print $2 }')
    if at_least "$got" "$want"; then apt_install nodejs npm; fi
  fi
  have node || die "Node.js is not installed; install version $want or newer, with npm, and run again"
  have npm || die "npm is not installed; install it beside Node.js and run again"
  got=$(node --version)
  at_least "${got#v}" "$want" || die "Node.js $got is too old; install version $want or newer and run again"
}

# stamp_is DIR WORDS…: DIR was filled from exactly these words (file digests, versions).
stamp_is() { [ "$(cat "$1/.stamp" 2>/dev/null)" = "${*:2}" ]; }

# need_npm FOLDER WHAT: FOLDER/node_modules holds exactly what its lock file says.
need_npm() {
  need_node
  local folder="$ROOT/$1" digest
  digest=$(sha256sum "$folder/package.json" "$folder/package-lock.json" | sha256sum | cut -d' ' -f1)
  stamp_is "$folder/node_modules" "$digest" && return
  say "installing $2"
  (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error >&2) ||
    die "npm ci failed in $1; check the network and the npm registry setting"
  echo "$digest" >"$folder/node_modules/.stamp"
}

need_e2e() {
  need_npm tests/e2e "the browser tests' npm packages"
  need_chromium
}

# A relying party, started as an instance of its own; none of the machine's is touched.
need_apache() { [ -e /usr/lib/apache2/modules/mod_auth_openidc.so ] || apt_install apache2 libapache2-mod-auth-openidc; }

need_oidc_agent() { have oidc-agent || apt_install oidc-agent-cli; }

# Identity providers, started with settings of a test's own.
need_simplesamlphp() {
  [ -d /usr/share/simplesamlphp/www ] && php -m 2>/dev/null | grep -qx dom && return
  apt_install simplesamlphp php-cli php-xml
}

need_lemonldap() {
  [ -d /usr/share/lemonldap-ng/portal/templates ] && have plackup &&
    perl -MLasso -MXML::Simple -MIO::String -e 1 2>/dev/null && return
  apt_install lemonldap-ng libplack-perl liblasso-perl libxml-simple-perl libio-string-perl
}

# pysaml2 signs with it.
need_xmlsec() { have xmlsec1 || apt_install xmlsec1; }

need_openssl() { have openssl || apt_install openssl; }

# A Python 3.9+ that can make virtual environments; Debian ships that part as a package of its own.
find_python() {
  local python
  for python in python3 /usr/bin/python3; do
    if have "$python" && "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
      command -v "$python"
      return
    fi
  done
  apt_install python3 python3-venv
  command -v /usr/bin/python3
}

# need_venv NAME: .tools/venv/NAME holds exactly what tests/kit/NAME.txt pins.
# One environment for each kit, because kits disagree about shared packages.
need_venv() {
  local pins="$ROOT/tests/kit/$1.txt" venv="$TOOLS/venv/$1" digest python
  digest=$(sha256sum "$pins" | cut -d' ' -f1)
  stamp_is "$venv" "$digest" && [ -x "$venv/bin/python" ] && return
  python=$(find_python)
  say "installing $1 into its own Python environment"
  rm -rf "$venv"
  "$python" -m venv "$venv" || die "\`$python -m venv\` failed; install python3-venv and run again"
  "$venv/bin/pip" install --quiet --no-deps --disable-pip-version-check --requirement "$pins" ||
    die "pip could not install what tests/kit/$1.txt pins; check the network and pip's index setting"
  "$venv/bin/pip" check --quiet --disable-pip-version-check >&2 || die "the pins in tests/kit/$1.txt do not fit together"
  echo "$digest" >"$venv/.stamp"
}

# need_cargo_tool NAME VERSION: quick to build matters more than quick to run, and these check, not ship.
need_cargo_tool() {
  local name=$1 version=$2
  if have "$name" && [ "$("$name" --version 2>/dev/null | awk '{print $NF}')" = "$version" ]; then return; fi
  need_rust
  need_build
  say "building $name $version (a few minutes, once)"
  CARGO_TARGET_DIR="$TOOLS/build" CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=256 CARGO_PROFILE_RELEASE_DEBUG=0 \
    cargo install --quiet --locked --root "$TOOLS" --version "$version" "$name" ||
    die "cargo could not install $name $version; its own message is above"
  rm -rf "$TOOLS/build"
}

# An authority to obtain certificates from in tests. Go is not installed for it alone: the tests say that they were skipped.
need_pebble() {
  [ -x "$TOOLS/bin/pebble" ] && [ -x "$TOOLS/bin/pebble-challtestsrv" ] &&
    [ "$(cat "$TOOLS/bin/pebble.version" 2>/dev/null)" = "$PEBBLE_VERSION" ] && return
  if ! have go; then
    echo "skipped: Go is not installed, so the tests of certificates by ACME will skip themselves" >&2
    return
  fi
  say "building pebble $PEBBLE_VERSION"
  local name
  for name in pebble pebble-challtestsrv; do
    GOBIN="$TOOLS/bin" GOFLAGS=-modcacherw go install "github.com/letsencrypt/pebble/v2/cmd/$name@$PEBBLE_VERSION" ||
      die "go could not install $name $PEBBLE_VERSION; its own message is above"
  done
  echo "$PEBBLE_VERSION" >"$TOOLS/bin/pebble.version"
}

KNOWN="rust-check build chromium dns postgres smtp node e2e openid authlib saml openssl xmlsec apache oidc-agent simplesamlphp"
KNOWN+=" lemonldap jupyterhub pgadmin products schemathesis scim sbom pebble cargo-deny cargo-fuzz"
[ $# -gt 0 ] || die "say what to provide: tools/provision.sh $KNOWN"
mkdir -p "$TOOLS/locks"
for what in "$@"; do
  # Areas run side by side: the second one who needs it waits and finds it there.
  exec 8>"$TOOLS/locks/$what"
  flock 8
  case "$what" in
    rust-check) need_rust ;;
    build) need_build ;;
    chromium) need_chromium ;;
    dns) need_dns ;;
    postgres) need_postgres ;;
    node) need_node ;;
    e2e) need_e2e ;;
    openid) need_npm tests/openid "the clients of the OpenID provider" ;;
    products) need_npm tests/products "the proxy of JupyterHub" ;;
    smtp | schemathesis | scim | sbom | authlib | saml | jupyterhub | pgadmin) need_venv "$what" ;;
    openssl) need_openssl ;;
    xmlsec) need_xmlsec ;;
    apache) need_apache ;;
    oidc-agent) need_oidc_agent ;;
    simplesamlphp) need_simplesamlphp ;;
    lemonldap) need_lemonldap ;;
    pebble) need_pebble ;;
    cargo-deny) need_cargo_tool cargo-deny "$CARGO_DENY_VERSION" ;;
    cargo-fuzz) need_cargo_tool cargo-fuzz "$CARGO_FUZZ_VERSION" ;;
    *) die "nothing called \`$what\` to provide; known: $KNOWN" ;;
  esac
done
