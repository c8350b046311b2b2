#!/usr/bin/env bash
# Cargo's RUSTC_WORKSPACE_WRAPPER while fuzzing: the crates of this repository are compiled with
# coverage counters, everything that they depend on as for the tests, and thus once for both.
set -euo pipefail
case " $* " in
  *' --crate-name flugs '* | *' --crate-name flugs_'*) ;;
  *) exec "$@" ;;
esac
# libFuzzer takes the place of memcmp and its like, and needs a C library to pass them on to.
exec "${@/#target-feature=+crt-static/target-feature=-crt-static}" \
  -Copt-level=1 \
  -Cpasses=sancov-module \
  -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
  -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares
