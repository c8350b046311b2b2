#!/usr/bin/env bash
# apache-flink 2.3.0 (PyPI), any Java 11 or newer. 1.20.5 does the same; 1.13.6 does not.
#
# Guess: Flink's scripts work in a directory whose name has a blank, or fail.
# Seen:  they go on without `env.java.opts.*`, `env.log.dir`, `env.java.home` and whatever else the scripts
#        themselves take from config.yaml. The path of lib is handed on unquoted when BashJavaUtils is to read the
#        configuration, so its class path lacks flink-dist; "[ERROR] Flink distribution jar not found"
#        stands on standard error, the scripts take defaults, and the exit code is 0. The same
#        configuration below a path without a blank is followed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip install -q --disable-pip-version-check --root-user-action ignore --no-deps \
  --target "$work/flink" apache-flink-libraries==2.3.0 apache-flink==2.3.0
mkdir "$work/conf" "$work/a blank"
echo 'env.java.opts.client: -showversion' >"$work/conf/config.yaml"
cp -al "$work/flink/pyflink" "$work/a blank/home"
chmod +x "$work/flink/pyflink/bin/"* "$work/a blank/home/bin/"*
run() {
  local code=0
  FLINK_CONF_DIR=$work/conf FLINK_LOG_DIR=$work bash "$1/bin/flink" --version >"$work/said" 2>&1 || code=$?
  printf -- '-- %s, exit code %s\n' "${1#"$work"/}" "$code"
  cat "$work/said"
  [ "$code" = 0 ]
}
run "$work/flink/pyflink"
grep -q 'Server VM' "$work/said"
run "$work/a blank/home"
grep -q 'distribution jar not found' "$work/said"
grep -q '^Version: 2.3.0' "$work/said"
if grep -q 'Server VM' "$work/said"; then
  echo 'changed: the option is followed' >&2
  exit 1
fi
echo 'as stated'
