#!/usr/bin/env bash
# apache-flink 2.3.0 (PyPI), any Java 11 or newer.
#
# Guess: the configuration that Flink's own scripts write back holds every key that was read.
# Seen:  BashJavaUtils UPDATE_AND_GET_FLINK_CONFIGURATION, which the scripts and the official image's
#        entry point rewrite config.yaml with, reads `fs.s3a.endpoint` and `fs.s3a.endpoint.region` and
#        logs both, but prints only the shorter one: the nested form has no place for a key that is
#        the beginning of another, and the longer one is dropped without a word. With -flatten, both
#        are printed. A list comes back as a string in quotes: [a, b] -> '[a, b]'.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip install -q --disable-pip-version-check --root-user-action ignore --no-deps \
  --target "$work/flink" apache-flink-libraries==2.3.0 apache-flink==2.3.0
home=$work/flink/pyflink
mkdir "$work/conf"
cat >"$work/conf/config.yaml" <<'YAML'
fs.s3a.endpoint: http://storage:9000
fs.s3a.endpoint.region: eu-west-1
some.list: [a, b]
YAML
rewrite() {
  java -cp "$home/bin/bash-java-utils.jar:$home/lib/flink-dist-2.3.0.jar" \
    org.apache.flink.runtime.util.bash.BashJavaUtils UPDATE_AND_GET_FLINK_CONFIGURATION \
    --configDir "$work/conf" "$@" >"$work/all" 2>&1
  sed -n 's/^BASH_JAVA_UTILS_EXEC_RESULT://p' "$work/all"
}
nested=$(rewrite)
loaded=$(grep -c 'Loading configuration property: fs.s3a' "$work/all")
flat=$(rewrite -flatten)
printf 'read: %s keys of fs.s3a\nnested:\n%s\nflattened:\n%s\n' "$loaded" "$nested" "$flat"
[ "$loaded" = 2 ]
grep -q 'endpoint: http://storage:9000' <<<"$nested"
if grep -q 'eu-west-1' <<<"$nested"; then
  echo 'changed: the longer key is kept' >&2
  exit 1
fi
grep -q "list: '\[a, b\]'" <<<"$nested"
grep -q 'fs.s3a.endpoint.region: eu-west-1' <<<"$flat"
echo 'as stated'
