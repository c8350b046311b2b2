#!/usr/bin/env bash
# apache-flink 2.3.0 (PyPI), any Java 11 or newer.
#
# Guess: whatever can be read with GET can be asked for with HEAD (RFC 9110, section 9.3.2), so a
#        load balancer or uptime monitor may probe Flink's REST interface with HEAD.
# Seen:  HEAD and OPTIONS of /overview and /config are 404 "Not found", not 405, while GET is 200. A
#        HEAD probe therefore takes a healthy JobManager for one without these pages.
#        Unversioned and /v1 paths are the same; /v2 is 404.
set -euo pipefail
work=$(mktemp -d)
trap 'kill "${job_manager:-}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
python3 -m pip install -q --disable-pip-version-check --root-user-action ignore --no-deps \
  --target "$work/flink" apache-flink-libraries==2.3.0 apache-flink==2.3.0
cp -r "$work/flink/pyflink/conf" "$work/conf"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/conf/config.yaml" <<YAML
jobmanager.memory.process.size: 1024m
jobmanager.rpc.address: localhost
jobmanager.rpc.port: 0
rest.address: localhost
rest.bind-address: 127.0.0.1
rest.port: $port
YAML
FLINK_CONF_DIR=$work/conf FLINK_LOG_DIR=$work "$work/flink/pyflink/bin/jobmanager.sh" start-foreground >"$work/out" 2>&1 &
job_manager=$!
url=http://localhost:$port
for _ in $(seq 120); do curl -sf "$url/overview" >"$work/overview" && break; sleep 0.5; done
grep -o '"flink-version":"[^"]*"' "$work/overview"
# expect STATUS PATH CURL_ARGUMENT…
expect() {
  local wanted=$1 path=$2 status
  shift 2
  status=$(curl -s -o /dev/null -w '%{http_code}' "$@" "$url$path")
  printf '%-12s %-14s %s\n' "$*" "$path" "$status"
  [ "$status" = "$wanted" ]
}
for path in /overview /config; do
  expect 200 "$path"
  expect 404 "$path" --head
  expect 404 "$path" -X OPTIONS
done
expect 200 /v1/overview
expect 404 /v2/overview
echo 'as stated'
