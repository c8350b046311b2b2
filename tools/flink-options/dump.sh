#!/usr/bin/env bash
# Regenerates crates/flink-conf/src/options/data/flink.tsv: the options of every release line, from the newest
# release of each. The jars come from $FLUGS_FLINK_HOMES/VERSION (as tools/flink-home.sh makes it);
# of a release that is not there, pip fetches them (PyPI's apache-flink-libraries, 250 MB each).
# Usage: tools/flink-options/dump.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
versions=(1.13.6 1.14.6 1.15.4 1.16.3 1.17.2 1.18.1 1.19.3 1.20.5 2.0.2 2.1.3 2.2.1 2.3.0)
homes=${FLUGS_FLINK_HOMES:-target/flink}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fetch VERSION: its lib and opt below $work. The stand-in for the package's build answers pip's
# question for metadata, so that nothing out of the package is run.
fetch() {
  mkdir -p "$work/backend/setuptools" "$work/$1"
  : >"$work/backend/setuptools/__init__.py"
  sed -n '/^import email/,/^PYTHON$/p' tools/flink-home.sh | sed '$d' >"$work/backend/setuptools/build_meta.py"
  PYTHONPATH="$work/backend" SETUPTOOLS_USE_DISTUTILS=stdlib python3 -m pip --no-cache-dir download -q \
    --no-deps --no-binary :all: --use-pep517 --no-build-isolation --ignore-requires-python \
    "apache-flink-libraries==$1" -d "$work/packages"
  tar -xzf "$work/packages"/*.tar.gz -C "$work/$1" --strip-components=2 --wildcards '*/deps/lib/*' '*/deps/opt/*'
  rm -r "$work/packages"
}

javac -d "$work/classes" tools/flink-options/DumpOptions.java
lines=()
for version in "${versions[@]}"; do
  home=$homes/$version
  if [ ! -d "$home/lib" ]; then
    fetch "$version"
    home=$work/$version
  fi
  lines+=("${version%.*}=$home")
done
java -cp "$work/classes" DumpOptions "${lines[@]}" 2>/dev/null >"$work/flink.tsv"
mv "$work/flink.tsv" crates/flink-conf/src/options/data/flink.tsv
echo "flink.tsv: $(wc -l <crates/flink-conf/src/options/data/flink.tsv) descriptions of options"
