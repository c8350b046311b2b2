#!/usr/bin/env bash
# Runs every fuzz target for SECONDS each, or those that are named; 0 only replays the corpora.
# Usage: fuzz/run.sh SECONDS [TARGET...]
# Needs neither cargo-fuzz nor a nightly compiler: the coverage flags are those of stable rustc.
# New inputs are not added to the committed corpus; a crash is left in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET...]}
shift
[ $# -gt 0 ] || mapfile -t targets < <(sed -n 's|^path = "fuzz_targets/\(.*\)\.rs"$|\1|p' Cargo.toml)
[ $# -eq 0 ] || targets=("$@")

coverage=(
  -Cpasses=sancov-module
  -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
  -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares
  -Clink-dead-code
)
RUSTFLAGS="${coverage[*]}" cargo build --quiet --release --locked "${targets[@]/#/--bin=}"
host=$(rustc -vV | sed -n 's/^host: //p')

new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
for target in "${targets[@]}"; do
  mkdir -p "$new/$target" "artifacts/$target"
  limits=(-max_total_time="$seconds" -max_len=4096)
  [ "$seconds" -gt 0 ] || limits=(-runs=0)
  log="$new/$target.log"
  if ! "${CARGO_TARGET_DIR:-target}/$host/release/$target" "${limits[@]}" -timeout=10 -rss_limit_mb=1024 \
    -artifact_prefix="artifacts/$target/" "$new/$target" "corpus/$target" >"$log" 2>&1; then
    tail -40 "$log"
    echo "$target: FAILED; the input is in fuzz/artifacts/$target" >&2
    exit 1
  fi
  echo "$target: $(grep -E '^(Done|#[0-9]+.*DONE)' "$log" | tail -1)"
done
