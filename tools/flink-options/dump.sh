#!/usr/bin/env bash
# Regenerates src/conf/options/data/*.tsv from the Flink homes that tools/flink-home.sh makes.
# Usage: tools/flink-options/dump.sh [VERSION...]     (default: the three that are compiled in)
set -euo pipefail
cd "$(dirname "$0")/../.."
homes=${FLUGS_FLINK_HOMES:-target/flink}
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
javac -d "$classes" tools/flink-options/DumpOptions.java
[ $# -gt 0 ] || set -- 1.13.6 1.20.5 2.3.0
for version; do
  [ -d "$homes/$version/lib" ] || { echo "no Flink home $homes/$version: run tools/flink-home.sh" >&2; exit 1; }
  line=${version%.*}
  java -cp "$classes:$homes/$version/lib/*:$homes/$version/opt/*" DumpOptions "$homes/$version" \
    2>/dev/null | grep -v '^<' | LC_ALL=C sort > "src/conf/options/data/flink-$line.tsv"
  echo "flink-$line.tsv: $(wc -l < "src/conf/options/data/flink-$line.tsv") options"
done
