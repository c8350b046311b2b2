#!/usr/bin/env bash
# Makes sure that a Docker engine answers: installs Debian's docker.io if there is none, and
# starts it if it does not run. Does nothing when `docker info` works already.
#
#   tools/dockerd.sh
#
# containerd is started apart from dockerd, which would give its own only 15 s to come up: too
# little for the first start on a machine that is busy with something else.
set -euo pipefail

logs=${TMPDIR:-/tmp}
containerd_socket=/run/containerd/containerd.sock

# A daemon that hangs must not hang this script.
answers() { timeout 10 docker info >/dev/null 2>&1; }
containerd_answers() { timeout 10 ctr --address "$containerd_socket" version >/dev/null 2>&1; }

# start COMMAND…: away from this terminal and without the lock; what it says goes to its log.
start() { setsid "$@" </dev/null >>"$logs/$1.log" 2>&1 9>&- & }

# wait_for SECONDS TEST PID: no longer than the process lives.
wait_for() {
  local end=$((SECONDS + $1))
  while ! "$2"; do
    kill -0 "$3" 2>/dev/null || return 1
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.2
  done
}

install_engine() {
  if [ "$(id -u)" -ne 0 ]; then
    echo "dockerd.sh: there is no dockerd, and only root can install one: apt-get install docker.io" >&2
    exit 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io iptables >/dev/null
}

start_engine() {
  if ! containerd_answers; then
    start containerd --address "$containerd_socket"
    wait_for 90 containerd_answers $! || return 1
  fi
  start dockerd --containerd "$containerd_socket"
  wait_for 90 answers $!
}

if answers; then exit 0; fi
if ! command -v dockerd >/dev/null; then install_engine; fi

# Two tests may come here at the same time.
exec 9>"$logs/dockerd.lock"
flock 9
if answers; then exit 0; fi

for attempt in 1 2 3; do
  if start_engine; then exit 0; fi
  echo "dockerd.sh: attempt $attempt: no Docker engine answers yet" >&2
  pkill -x dockerd || true
  sleep 2
done
for daemon in containerd dockerd; do
  echo "dockerd.sh: the end of $logs/$daemon.log:" >&2
  tail -n 20 "$logs/$daemon.log" >&2 || true
done
exit 1
