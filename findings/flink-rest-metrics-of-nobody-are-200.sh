#!/usr/bin/env bash
# apache-flink 2.3.0 (PyPI), any Java 11 or newer.
#
# Guess: Flink's REST interface answers 404 for the metrics of a job or TaskManager that is not there,
#        and a monitoring script may take a 200 as a sign of life.
# Seen:  /taskmanagers/NOBODY/metrics, /jobs/ID/metrics and /jobs/ID/vertices/ID/metrics answer 200 with
#        an empty list, with and without ?get=. Next to it, /taskmanagers/NOBODY is 500 (an
#        UnknownTaskExecutorException, not a 404), and /jobs/ID is 404.
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
id=00000000000000000000000000000000
# expect STATUS BODY PATH
expect() {
  local status
  status=$(curl -s -o "$work/body" -w '%{http_code}' "$url$3")
  printf '%-90s %s %.40s\n' "$3" "$status" "$(cat "$work/body")"
  [ "$status" = "$1" ] && grep -q "$2" "$work/body"
}
expect 200 '^\[\]$' /taskmanagers/nobody/metrics
expect 200 '^\[\]$' '/taskmanagers/nobody/metrics?get=Status.JVM.CPU.Load'
expect 200 '^\[\]$' "/jobs/$id/metrics"
expect 200 '^\[\]$' "/jobs/$id/vertices/$id/metrics"
expect 500 UnknownTaskExecutorException /taskmanagers/nobody
expect 404 'not found' "/jobs/$id"
echo 'as stated'
