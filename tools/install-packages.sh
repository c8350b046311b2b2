#!/usr/bin/env bash
# Installs what is missing on a fresh Debian 12, and nothing that is there.
#
#   run    build flugs, make a Flink home, run Flink: C compiler, JDK, pip, curl
#   test   run, and the checks: shellcheck, cargo-nextest, cargo-deny
#   bench  run, and Python for the measuring scripts
set -euo pipefail

# The newest releases that this tree was checked with.
nextest_version=0.9.143
deny_version=0.20.2
# The oldest Java that both the examples' compiler flags and Flink 2 take.
oldest_java=11

say() { printf 'install: %s\n' "$*"; }
fail() {
  printf 'install: error: %s\n' "$*" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

has_java() {
  local javac=javac major
  # Whoever names a JDK is taken at their word; that one must do then.
  if [ -n "${JAVA_HOME:-}" ]; then javac=$JAVA_HOME/bin/javac; fi
  # "javac 17.0.15", and "javac 1.8.0_442" for Java 8.
  major=$("$javac" -version 2>&1 | sed -nE 's/^javac (1\.)?([0-9]+).*/\2/p') || return 1
  [ "${major:-0}" -ge "$oldest_java" ]
}

# The binary is static, so the C library's archive is needed, not only its headers.
has_static_c() {
  local out works=no
  has cc || return 1
  out=$(mktemp)
  if echo 'int main(void) { return 0; }' | cc -static -x c - -o "$out" 2>/dev/null; then works=yes; fi
  rm -f "$out"
  [ "$works" = yes ]
}

has_pip() { python3 -m pip --version >/dev/null 2>&1; }

missing_packages() {
  has_static_c || echo build-essential
  has_java || echo openjdk-17-jdk-headless
  has curl || echo curl
  [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
  has_pip || echo python3-pip
  # The binary knows its commit from git; flock keeps two downloads apart.
  has git || echo git
  has flock || echo util-linux
  if [ "$group" = test ]; then
    has shellcheck || echo shellcheck
    # The supervisor's tests: containers of two static binaries, and storms of orphans.
    has dockerd || echo docker.io
    [ -x /bin/busybox ] || echo busybox-static
    has perl || echo perl
    # Networks that are cut.
    has ip || echo iproute2
    # The images' tests: what makes a base, and other programs that have to accept an image.
    has mmdebstrap || echo mmdebstrap
    has skopeo || echo skopeo
    has umoci || echo umoci
    has docker-registry || echo docker-registry
    has podman || echo podman
    has runc || echo runc
    has newuidmap || echo uidmap
    has buildah || echo buildah
    has xz || echo xz-utils
    has zstd || echo zstd
    # What varies between two machines that make the same base.
    has faketime || echo faketime
    # libFuzzer is C++.
    has c++ || echo g++
    # Other peers of the artifact room, and the other hand at signatures.
    has tinyproxy || echo tinyproxy-bin
    has openssl || echo openssl
    # The masters' election and the scheduler's state, with a real server.
    [ -e /usr/share/java/zookeeper.jar ] || echo zookeeper
    # Kerberos for a real HDFS (tools/hdfs.sh).
    has krb5kdc || echo krb5-kdc
    has kadmin.local || echo krb5-admin-server
    has kinit || echo krb5-user
  fi
  if [ "$group" = bench ]; then
    has tini || echo tini
    has dumb-init || echo dumb-init
    has mmdebstrap || echo mmdebstrap
    has buildah || echo buildah
    has nginx || echo nginx-light
    has perl || echo perl
  fi
}

install_packages() {
  local packages as_root=()
  mapfile -t packages < <(missing_packages)
  if [ ${#packages[@]} -eq 0 ]; then
    say 'every Debian package is there'
    return
  fi
  has apt-get || fail "no apt-get here; install what these Debian packages hold: ${packages[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    has sudo || fail "not root and no sudo here; as root run: apt-get install ${packages[*]}"
    as_root=(sudo)
  fi
  say "installing ${packages[*]}"
  # What apt says is a thousand lines of no interest, unless it fails.
  local log
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get -q update && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q install -y --no-install-recommends "${packages[@]}"; } </dev/null >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    fail "apt-get could not install ${packages[*]}, see above"
  fi
  rm -f "$log"
  mapfile -t packages < <(missing_packages)
  [ ${#packages[@]} -eq 0 ] || fail "installed, and yet not to be found: ${packages[*]}${JAVA_HOME:+ (JAVA_HOME is $JAVA_HOME)}"
}

# Debian 12's own Rust is 1.63, far too old; a toolchain is the user's to choose.
check_rust() {
  local needed found
  needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
  if ! has cargo; then
    fail "no cargo on the PATH; Rust $needed or newer is needed, Debian 12's is too old: install it from https://rustup.rs"
  fi
  found=$(cargo --version | cut -d ' ' -f 2)
  if [ "$(printf '%s\n%s\n' "$needed" "$found" | sort -V | head -n 1)" != "$needed" ]; then
    fail "cargo $found is too old, Rust $needed or newer is needed: rustup update stable"
  fi
}

# Away from the repository, whose cargo configuration is for the static binary.
install_cargo_tool() {
  local crate=$1 version=$2
  if cargo "${crate#cargo-}" --version >/dev/null 2>&1; then return; fi
  say "building $crate $version (some minutes, once)"
  (cd / && cargo install --locked "$crate@$version" </dev/null)
}

main() {
  group=${1:-}
  case $group in
    run | test | bench) ;;
    *) fail 'usage: tools/install-packages.sh run|test|bench' ;;
  esac
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
  install_packages
  check_rust
  if [ "$group" = test ]; then
    install_cargo_tool cargo-nextest "$nextest_version"
    install_cargo_tool cargo-deny "$deny_version"
  fi
}

main "$@"
