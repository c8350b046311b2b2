#!/usr/bin/env bash
# Makes sure that a Docker daemon answers: installs Debian's docker.io if there is none, and
# starts it if it does not run. Does nothing when `docker info` works already.
#
#   tools/dockerd.sh
set -euo pipefail

log=${TMPDIR:-/tmp}/dockerd.log

answers() { docker info >/dev/null 2>&1; }

if answers; then exit 0; fi

if ! command -v dockerd >/dev/null; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "dockerd.sh: there is no dockerd, and only root can install one: apt-get install docker.io" >&2
    exit 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io iptables >/dev/null
fi

# Two tests may come here at the same time.
exec 9>"${TMPDIR:-/tmp}/dockerd.lock"
flock 9
if answers; then exit 0; fi

setsid dockerd >"$log" 2>&1 9>&- &
for _ in $(seq 1 100); do
  if answers; then exit 0; fi
  sleep 0.2
done
echo "dockerd.sh: dockerd did not come up; the end of $log:" >&2
tail -n 20 "$log" >&2
exit 1
