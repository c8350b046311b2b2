#!/usr/bin/env bash
# Makes the base that the images are built on here: DIR/base.tar, the root file system of a
# minimal Debian 12 with a headless Java 17 and jemalloc, by `flugs image base`. Does nothing if it
# is there already.
#
#   tools/base-image.sh DIR
#
# FLUGS names the flugs to make it with; else the newest one that was built here is taken, or one
# is built. Packages come from where this machine's apt has them from. DIR/base.tar is there whole
# or not at all; several callers at once wait for one.
set -euo pipefail

directory=${1:?usage: tools/base-image.sh DIR}

# The one that was built last, whatever the profile and the target.
built_here() {
  local root candidate newest=
  root=$(dirname "${BASH_SOURCE[0]}")/..
  for candidate in "$root"/target/*/{debug,release}/flugs; do
    [ -x "$candidate" ] || continue
    if [ -z "$newest" ] || [ "$candidate" -nt "$newest" ]; then newest=$candidate; fi
  done
  if [ -z "$newest" ]; then
    (cd "$root" && cargo build --quiet --locked)
    built_here
    return
  fi
  echo "$newest"
}

main() {
  mkdir -p "$directory"
  exec 9>"$directory/.lock"
  flock 9
  [ ! -s "$directory/base.tar" ] || return 0
  "${FLUGS:-$(built_here)}" image base --output "$directory/base.tar" >&2
}

main "$@"
