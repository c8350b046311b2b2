#!/usr/bin/env bash
# Makes the base that the images are built on here: DIR/base.tar, the root file system of a
# minimal Debian 12 with a headless Java 17 and jemalloc. Does nothing if it is there already.
#
#   tools/base-image.sh DIR
#
# Packages come from where this machine's apt has them from. DIR/base.tar is there whole or not
# at all; several callers at once wait for one.
set -euo pipefail

directory=${1:?usage: tools/base-image.sh DIR}
packages=(openjdk-17-jre-headless libjemalloc2)

fail() {
  printf 'base-image.sh: %s\n' "$*" >&2
  exit 1
}

sources() {
  local file
  for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
    if [ -s "$file" ]; then
      echo "$file"
      return
    fi
  done
  fail 'no apt sources: neither debian.sources nor sources.list in /etc/apt'
}

bootstrap() {
  command -v mmdebstrap >/dev/null || fail 'mmdebstrap is missing: apt-get install mmdebstrap'
  # shellcheck disable=SC2016 # the hook's $1 is the root file system, and for the hook to expand
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "${BASH_SOURCE[0]%/*}" log -1 --format=%ct)} \
    mmdebstrap --quiet --variant=essential --include="$(IFS=, && echo "${packages[*]}")" \
    --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --setup-hook='mkdir -p "$1/usr/share/man/man1"' \
    bookworm "$1" "$(sources)"
}

main() {
  mkdir -p "$directory"
  exec 9>"$directory/.lock"
  flock 9
  [ ! -s "$directory/base.tar" ] || return 0
  rm -f "$directory/new.tar"
  bootstrap "$directory/new.tar"
  mv "$directory/new.tar" "$directory/base.tar"
}

main "$@"
