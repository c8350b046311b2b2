#!/usr/bin/env bash
# Runs every fuzz target, or those that are named, for so many seconds, or so often from the same
# seed: then with the same inputs on every machine. 0 only replays the corpora.
#
#   fuzz/run.sh SECONDS|runs=COUNT [TARGET...]
#
# Needs a C++ compiler for libFuzzer, and neither cargo-fuzz nor a nightly Rust: the coverage
# flags are those of stable rustc. As many targets run side by side as there are CPUs. What is
# found interesting goes to KEEP/TARGET if KEEP names a directory, else it is thrown away; an
# input that breaks a promise is left in fuzz/artifacts/TARGET, and replayed by
# `FUZZ_TARGET=TARGET target/*/debug/flugs-fuzz FILE`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
usage() {
  echo "$1; usage: fuzz/run.sh SECONDS|runs=COUNT [TARGET...]" >&2
  exit 64
}
extent=${1:-}
[[ $extent =~ ^(runs=)?[0-9]+$ ]] || usage "'$extent' is no number of seconds or runs"
shift
mapfile -t all < <(sed -n 's/^mod \(.*\);$/\1/p' fuzz_targets/main.rs)
for target in "$@"; do
  [[ " ${all[*]} " == *" $target "* ]] || usage "no target $target: ${all[*]}"
done
case $extent in
  0) limits=(-runs=0) ;;
  runs=*) limits=(-runs="${extent#runs=}" -seed=1) ;;
  *) limits=(-max_total_time="$extent") ;;
esac
targets=("$@")
[ $# -gt 0 ] || targets=("${all[@]}")

RUSTC_WORKSPACE_WRAPPER=$PWD/rustc.sh CARGO_INCREMENTAL=0 cargo build --quiet --locked --package flugs-fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
program=${CARGO_TARGET_DIR:-../target}/$host/debug/flugs-fuzz

found=${KEEP:-$(mktemp -d)}
[ -n "${KEEP:-}" ] || trap 'rm -rf "$found"' EXIT

# run TARGET: one line that says how it went.
run() {
  local target=$1 log
  mkdir -p "$found/$target" "artifacts/$target"
  log=$found/$target.log
  if FUZZ_TARGET=$target "$program" "${limits[@]}" -max_len=4096 -timeout=10 -rss_limit_mb=1024 \
    -artifact_prefix="artifacts/$target/" "$found/$target" "corpus/$target" >"$log" 2>&1; then
    echo "fuzz: $target: $(grep -E '^(Done|#[0-9]+.*DONE)' "$log" | tail -1)"
  else
    tail -40 "$log"
    echo "fuzz: $target: FAILED; the input is in fuzz/artifacts/$target"
    return 1
  fi
}

failed=0 running=0
for target in "${targets[@]}"; do
  if [ "$running" -ge "$(nproc)" ]; then
    wait -n || failed=$((failed + 1))
    running=$((running - 1))
  fi
  run "$target" &
  running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
  wait -n || failed=$((failed + 1))
  running=$((running - 1))
done
echo "fuzz: ${#targets[@]} targets, $failed failed; each: $extent (seconds or runs)"
[ "$failed" -eq 0 ]
