#!/usr/bin/env bash
# Every check there is: installs what is missing, makes the Flink homes the tests
# run against, checks format, lints, scripts and dependencies, runs all tests, and
# closes with one line that counts them all. A failed check does not hide the next.
#
#   ./test.sh           what a change must pass
#   ./test.sh nightly   that, the long matrices (tests named nightly_…), and a minute of fuzzing for each parser
set -euo pipefail
case ${1:-default} in
  default | nightly) tier=${1:-default} ;;
  *)
    printf 'usage: %s [nightly]\n' "$0" >&2
    exit 2
    ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")"
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

# A change is judged by the same inputs each time, and not by the dice; the nightly tier throws them.
[ "$tier" = nightly ] || export PROPTEST_RNG_SEED=1

passed=0 failed=0 failures=()
# What is checked and tested; the fuzzer is built by its own script.
packages=(--workspace --exclude flugs-fuzz)
junit=${CARGO_TARGET_DIR:-target}/nextest/$tier/junit.xml

# Below a path with a blank Flink's own scripts ignore a part of their configuration, and its client
# fails (docs/configuration.md); flugs is tested there, against homes elsewhere.
if [[ -z ${FLUGS_FLINK_HOMES:-} && $PWD == *[[:space:]]* ]]; then
  export FLUGS_FLINK_HOMES=${XDG_CACHE_HOME:-$HOME/.cache}/flugs/homes
fi

say() { printf '== %s\n' "$*"; }

# check NAME COMMAND…: one line more in the count.
check() {
  local name=$1 start=$SECONDS
  shift
  say "$name"
  if "$@"; then
    passed=$((passed + 1))
    say "$name: passed ($((SECONDS - start)) s)"
  else
    failed=$((failed + 1)) failures+=("$name")
    say "$name: FAILED ($((SECONDS - start)) s)"
  fi
}

# count NAME PASSED FAILED
count() {
  passed=$((passed + $2)) failed=$((failed + $3))
  if [ "$3" -gt 0 ]; then failures+=("$1"); fi
  say "$1: $2 passed, $3 failed"
}

flink_homes() {
  local version homes=${FLUGS_FLINK_HOMES:-target/flink}
  for version in 1.13.6 1.20.5 2.3.0; do
    tools/flink-home.sh "$version" "$homes/$version" || return 1
  done
}

# Releases of Java that a system has no packages of.
javas() {
  local release
  for release in 11 21 25; do
    tools/java-home.sh "$release" "target/java/$release" || return 1
  done
}

scripts() {
  # shellcheck disable=SC2046 # no script's path has a space
  shellcheck $(git ls-files '*.sh' .ci/run entrypoints)
}

# The advisories need their database from the network, which not every machine
# reaches: then a copy from an earlier run is used. Without one nothing was
# checked, which is said and counted neither way.
advisories() {
  local report
  report=$(cargo deny check advisories 2>&1) || true
  if grep -q 'failed to fetch advisory database' <<<"$report"; then
    report=$(cargo deny --offline check advisories 2>&1) || true
    if ! grep -q '^advisories ' <<<"$report"; then
      say 'dependencies: advisories: NOT CHECKED, their database could not be fetched'
      return
    fi
  fi
  printf '%s\n' "$report"
  check 'dependencies: advisories' grep -q '^advisories ok' <<<"$report"
}

# A run that does not come to its report, because it does not compile say, is one failure.
unit_and_integration_tests() {
  local start=$SECONDS whole=yes suites tests broken
  say 'tests'
  rm -f "$junit"
  cargo nextest run --locked --profile "$tier" "${packages[@]}" --no-fail-fast || whole=no
  if ! suites=$(grep -m 1 '<testsuites ' "$junit" 2>/dev/null); then
    count 'tests (no report: not compiled?)' 0 1
    return
  fi
  tests=$(attribute tests "$suites")
  broken=$(($(attribute failures "$suites") + $(attribute errors "$suites")))
  # A run that was broken off reports only what it came to: that is no passing run.
  if [ "$whole" = no ] && [ "$broken" -eq 0 ]; then broken=1 tests=$((tests + 1)); fi
  count "tests ($((SECONDS - start)) s)" $((tests - broken)) "$broken"
  name_flaky
}

# Tests that passed only when they were tried again: each is a bug of the test or of flugs.
name_flaky() {
  local name
  while read -r name; do say "flaky, passed when tried again: $name"; done < <(
    sed -n 's/.*<testcase name="\([^"]*\)".*/\1/;t hold;/<flakyFailure/{x;p;x};b;:hold;h' "$junit" | sort -u
  )
}

attribute() { sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p" <<<"$2"; }

doc_tests() {
  local report
  say 'documentation tests'
  if ! report=$(cargo test --doc --locked "${packages[@]}" 2>&1) && ! grep -q '^test result:' <<<"$report"; then
    printf '%s\n' "$report"
    count 'documentation tests (no result: not compiled?)' 0 1
    return
  fi
  if grep '^test result:' <<<"$report" | grep -qv '^test result: ok'; then printf '%s\n' "$report"; fi
  # One line for each crate.
  count 'documentation tests' "$(total passed <<<"$report")" "$(total failed <<<"$report")"
}

total() { sed -nE "s/^test result:.* ([0-9]+) $1.*/\1/p" | awk '{ sum += $1 } END { print sum + 0 }'; }

# Namespaces, mounts, networks, other users and containers are root's to make.
need_root() {
  if [ "$(id -u)" -eq 0 ]; then return; fi
  local command="sudo --preserve-env=PATH,HOME,CARGO_HOME,RUSTUP_HOME ./test.sh"
  printf '%s\n' 'The tests make namespaces, mounts, networks, other users and containers, which only root may.' \
    "As who may use sudo: $command" >&2
  exit 77
}

main() {
  need_root
  say 'packages'
  tools/install-packages.sh test
  # Before anything keeps the machine busy: an engine's first start takes its time.
  check 'Docker engine' tools/dockerd.sh
  check 'Flink homes' flink_homes
  check 'Javas' javas
  check 'HDFS jars' tools/hdfs.sh jars target/hdfs
  check 'format' cargo fmt --all --check
  check 'lints' cargo clippy --quiet --locked "${packages[@]}" --all-targets -- -D warnings
  check 'scripts' scripts
  check 'dependencies: bans, licences, sources' cargo deny check bans licenses sources
  advisories
  unit_and_integration_tests
  doc_tests
  # After the tests: what they depend on is built by then, and only flugs itself is built anew.
  if [ "$tier" = nightly ]; then check 'fuzzing' fuzz/run.sh 60; else check 'fuzzing' fuzz/run.sh runs=10000; fi
  local failure
  for failure in "${failures[@]}"; do say "failed: $failure"; done
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ]
}

main "$@"
