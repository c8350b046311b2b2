#!/usr/bin/env bash
# How long from the start of a launcher to the exec of the Flink server's JVM:
# Flink's own scripts against `flugs launch`, in one alternating run.
#
#   scripts   bin/taskmanager.sh|jobmanager.sh start-foreground
#   home      flugs launch ROLE, with the Flink home in place
#   manifest  flugs launch ROLE --manifest …, with every artifact in place
#
# JAVA_HOME holds a stub (startup.c) that runs helper JVMs for real, and for the
# server records the time and ends. Wall: CLOCK_MONOTONIC from just before the
# launcher's fork. CPU: all its descendants. Each round runs each way once, so
# that load from elsewhere falls on all of them alike. The sandboxes are made below
# TMPDIR: on a disk, its fsync is part of what is measured.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=9 versions=(1.13.6 1.20.5 2.3.0)
. bench/arguments.sh
flugs=$FLUGS homes=$HOMES
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build_instruments() {
  local real
  if [ -n "${JAVA_HOME:-}" ]; then real=$JAVA_HOME/bin/java; else real=$(command -v java); fi
  real=$(realpath "$real")
  real_home=$(dirname "$(dirname "$real")")
  mkdir -p "$work/java/bin"
  gcc -O2 -static -Wall -Werror "-DREAL_JAVA=\"$real\"" "-DRECORD=\"$work/record\"" \
    -o "$work/java/bin/java" bench/startup.c
  cp "$work/java/bin/java" "$work/measure"
  # flugs reads the version from here where the scripts start a JVM to ask it.
  ln -s "$real_home/release" "$work/java/release"
  ln -s "$real_home/lib" "$work/java/lib"
}

# A manifest that names every file of the home, and the sandbox that has them.
write_manifest() {
  local home=$1 role=$2 out=$3 file digest separator=''
  {
    printf '{"version":"1.0","role":"%s","workerId":"%s-1","artifacts":[' "$role" "$role"
    while IFS= read -r -d '' file; do
      digest=$(sha256sum "$file" | cut -d ' ' -f 1)
      printf '%s{"name":"%s","urls":["file://%s"],"sha256":"%s","size":%d,"dest":"flink/%s"}' \
        "$separator" "${file#"$home"/}" "$file" "$digest" "$(stat -c %s "$file")" "${file#"$home"/}"
      separator=,
    done < <(find "$home"/{bin,conf,lib,opt,plugins} -type f -print0)
    printf ']}'
  } >"$out"
}

# way ROLE VERSION WAY: the command to measure, in the array "command".
way() {
  local home sandbox=$work/$2/$1-$3
  home=$(realpath "$homes/$2")
  case $3 in
    scripts) command=("$home/bin/$1.sh" start-foreground) ;;
    home) command=("$flugs" launch "$1" --flink-home "$home" --dir "$sandbox") ;;
    manifest)
      local manifest=$work/$2/$1.json
      [ -e "$manifest" ] || write_manifest "$home" "$1" "$manifest"
      command=("$flugs" launch "$1" --manifest "$manifest"
        --sha256 "$(sha256sum "$manifest" | cut -d ' ' -f 1)" --dir "$sandbox")
      ;;
  esac
}

once() {
  way "$@"
  env -i PATH="$PATH" HOME="$HOME" JAVA_HOME="$work/java" \
    FLINK_LOG_DIR="$work/$2/log" FLINK_PID_DIR="$work/$2" \
    "$work/measure" "${command[@]}" 2>"$work/stderr" >"$work/stdout" ||
    { cat "$work/stderr" "$work/stdout" >&2; return 1; }
  # The server's own output may come before; the measure is the last line.
  tail -n 1 "$work/stdout"
}

run_rounds() {
  local version role kind round
  for version in "${versions[@]}"; do
    mkdir -p "$work/$version/log"
    for round in $(seq 0 "$rounds"); do
      for role in taskmanager jobmanager; do
        for kind in scripts home manifest; do
          # Round 0 warms caches, and brings the artifacts into the sandbox.
          if [ "$round" -eq 0 ]; then
            once "$role" "$version" "$kind" >/dev/null
          else
            printf '%s %s %s %s\n' "$version" "$role" "$kind" "$(once "$role" "$version" "$kind")"
          fi
        done
      done
      if [ -t 2 ]; then printf '\r%s: round %d of %d ' "$version" "$round" "$rounds" >&2; fi
    done
    if [ -t 2 ]; then echo >&2; fi
  done
}

report() {
  printf 'Host: %s, %s CPUs, Linux %s, Java %s\n' \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(uname -r)" \
    "$(sed -n 's/^JAVA_VERSION="\(.*\)"/\1/p' "$real_home/release")"
  printf 'Median of %d rounds after one warm-up; load at the start %s, at the end %s\n\n' \
    "$rounds" "$load" "$(cut -d ' ' -f 1 /proc/loadavg)"
  echo '| Flink | role | way | wall ms (min..max) | CPU ms | wall ratio | CPU ratio |'
  echo '|---|---|---|---|---|---|---|'
  python3 - "$work/samples" <<'PYTHON'
import collections, statistics, sys

wall, cpu = collections.defaultdict(list), collections.defaultdict(list)
for line in open(sys.argv[1]):
    version, role, kind, seconds, used = line.split()
    wall[version, role, kind].append(float(seconds) * 1000)
    cpu[version, role, kind].append(float(used) * 1000)
for (version, role, kind), times in wall.items():
    used = statistics.median(cpu[version, role, kind])
    middle = statistics.median(times)
    row = f"| {version} | {role} | {kind} | {middle:.1f} ({min(times):.1f}..{max(times):.1f}) | {used:.1f} |"
    if kind == "scripts":
        print(row, "1 | 1 |")
    else:
        base = statistics.median(wall[version, role, "scripts"]) / middle
        print(row, f"{base:.0f} | {statistics.median(cpu[version, role, 'scripts']) / used:.0f} |")
PYTHON
}

load=$(cut -d ' ' -f 1 /proc/loadavg)
build_instruments
run_rounds >"$work/samples"
report
