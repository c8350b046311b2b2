#!/usr/bin/env bash
# From a clean clone to a word count on a real Flink cluster: installs what is
# missing, builds flugs, makes a Flink home, brings a cluster up, and runs the
# example. Safe to run again: what is there already is used.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

usage() {
  cat <<'USAGE'
Usage: ./quickstart.sh [--flink-version VERSION]

VERSION is 2.3.0 (default), 1.20.5 or 1.13.6. Everything that is made goes below
.flugs/ and target/; downloads are kept in ${XDG_CACHE_HOME:-~/.cache}/flugs.
USAGE
}

version=2.3.0
while [ $# -gt 0 ]; do
  case $1 in
    --flink-version) version=${2:?--flink-version needs a version} && shift 2 ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 64 ;;
  esac
done
home=.flugs/flink/$version
cluster=.flugs/cluster
output=.flugs/wordcount

# step TEXT: what comes next, and when since the start.
step() { printf '\n[%3d s] %s\n' "$SECONDS" "$*"; }

build() {
  cargo build --release --locked
  # A target is named in .cargo/config.toml, so its name is in the path.
  flugs=${CARGO_TARGET_DIR:-target}/$(rustc -vV | sed -n 's/^host: //p')/release/flugs
  "$flugs" --version
}

# A cluster that serves is used; whatever an interrupted run left is cleared away.
bring_up() {
  if "$flugs" status --dir "$cluster" 2>/dev/null; then
    running=$("$flugs" status --dir "$cluster" --json | sed -n 's/.*"flinkVersion": "\(.*\)".*/\1/p')
    if [ "$running" = "$version" ]; then return; fi
    step "Stopping the cluster of Flink $running"
  fi
  if [ -d "$cluster" ]; then "$flugs" down --dir "$cluster" || true; fi
  "$flugs" up --detach --flink-home "$home" --dir "$cluster" --taskmanagers 2
}

step 'Packages'
tools/install-packages.sh run
step 'Building flugs'
build
step "A home for Flink $version"
tools/flink-home.sh "$version" "$home"
step 'Starting a cluster: one JobManager, two TaskManagers'
bring_up
step 'Counting the words of /usr/share/common-licenses/GPL-3'
examples/wordcount.sh --flink-home "$home" --conf-dir "$cluster/client-conf" --output "$output"

web=$("$flugs" status --dir "$cluster" --json | sed -n 's/.*"webUrl": "\(.*\)".*/\1/p')
step 'Done; the cluster goes on running'
cat <<NEXT

  The ten most frequent words are above, all of them in $output
  Web UI:          $web
  What runs:       $flugs status
  Flink's client:  FLINK_CONF_DIR=$cluster/client-conf $home/bin/flink list
  Stop it:         $flugs down --dir $cluster
  Where to look:   README.md, examples/, $flugs --help
NEXT
