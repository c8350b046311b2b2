#!/usr/bin/env bash
# How long from `docker start` to "TaskManager registered", and to the exec of the JVM: the flugs
# image against Flink's own scripts in the same base, on the same JVM, in one alternating run.
#
#   scripts   what the official image does: the address and the ports are set through Flink's
#             own config-parser (two JVMs with FLINK_PROPERTIES), then bin/taskmanager.sh
#             start-foreground
#   flugs     the image that Dockerfile.worker makes
#   built     the one that `flugs image build --train` makes, without the engine
#   untrained the same, built with FLUGS_TRAIN=no
#
# A JobManager of the same way is up before the clock starts. Registered: the JobManager's REST
# API counts the worker. Exec: a process named "java" that runs TaskManagerRunner is there.
#
#   bench/images-startup.sh [--rounds N] [FLINK_VERSION…]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=5 versions=(1.20.5 2.3.0)
. bench/arguments.sh
flugs=$FLUGS homes=$HOMES

work=$(mktemp -d)
mark=flugs-bench-$$
ways=(scripts flugs built untrained)

clean() {
  local left
  left=$(docker ps --all --quiet --filter "label=$mark")
  # shellcheck disable=SC2086 # ids without blanks, one word each
  [ -z "$left" ] || docker rm --force $left >/dev/null
  docker network rm "$mark" >/dev/null 2>&1 || true
  for way in "${ways[@]}"; do docker rmi "$mark-$way" >/dev/null 2>&1 || true; done
  docker rmi "$mark-base" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean EXIT

# The entry point of the image that the others are measured against: the official image's work,
# by Flink's own scripts.
write_scripts_image() {
  mkdir -p "$work/scripts"
  cat >"$work/scripts/entry.sh" <<'ENTRY'
#!/usr/bin/env bash
# Sets what the official image sets through Flink's config parser, then runs Flink's own script.
role=$1
shift
parse() { "$FLINK_HOME/bin/config-parser-utils.sh" "$FLINK_HOME/conf" "$FLINK_HOME/bin" "$FLINK_HOME/lib" "$@"; }
parse -D "jobmanager.rpc.address=${JOB_MANAGER_RPC_ADDRESS:-$(hostname -f)}" \
  -D blob.server.port=6124 -D query.server.port=6125
settings=()
while IFS=: read -r key value; do settings+=(-D "${key// /}=${value// /}"); done <<<"$FLINK_PROPERTIES"
parse "${settings[@]}"
export LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
exec "$FLINK_HOME/bin/$role.sh" start-foreground "$@"
ENTRY
  chmod +x "$work/scripts/entry.sh"
  cat >"$work/scripts/Dockerfile" <<DOCKERFILE
FROM $mark-untrained
USER 0
COPY entry.sh /entry.sh
USER 9999:9999
HEALTHCHECK NONE
ENTRYPOINT ["/entry.sh"]
DOCKERFILE
  docker build --quiet --tag "$mark-scripts" "$work/scripts" >/dev/null
}

build_images() {
  local version=$1 way train
  tools/base-image.sh "${CARGO_TARGET_DIR:-target}/docker-images/base"
  docker import "${CARGO_TARGET_DIR:-target}/docker-images/base/base.tar" "$mark-base" >/dev/null
  rm -rf "$work/context"
  mkdir "$work/context"
  cp "$flugs" "$work/context/flugs"
  cp -aL "$homes/$version" "$work/context/flink"
  for way in flugs untrained; do
    train=yes
    [ "$way" = flugs ] || train=no
    docker build --quiet --file Dockerfile.worker --build-arg BASE="$mark-base" \
      --build-arg FLUGS_TRAIN="$train" --tag "$mark-$way" "$work/context" >/dev/null
  done
  "$flugs" image build images/worker.yaml --train --flink-home "$homes/$version" \
    --base "${CARGO_TARGET_DIR:-target}/docker-images/base/base.tar" --cache "$work/cache" \
    --compression none --name "$mark-built" --output docker >/dev/null
  write_scripts_image
}

# What both ways are told, as people tell it.
properties='jobmanager.memory.process.size: 900m
taskmanager.memory.process.size: 1200m
taskmanager.numberOfTaskSlots: 2'

create() {
  local way=$1 role=$2 name=$3
  docker create --name "$name" --hostname "$name" --network "$mark" --label "$mark" \
    --env JOB_MANAGER_RPC_ADDRESS="$mark-jm" --env FLINK_PROPERTIES="$properties" \
    "$mark-$way" "$role" >/dev/null
}

# once VERSION WAY: one line "version way exec_ms registered_ms".
once() {
  local version=$1 way=$2 address
  create "$way" jobmanager "$mark-jm"
  docker start "$mark-jm" >/dev/null
  address=$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$mark-jm")
  create "$way" taskmanager "$mark-tm"
  python3 - "$address" "$mark-tm" "$version" "$way" <<'PYTHON'
import json, os, subprocess, sys, time, urllib.request

address, container, version, way = sys.argv[1:]

def workers():
    try:
        with urllib.request.urlopen(f"http://{address}:8081/overview", timeout=5) as answer:
            return json.load(answer)["taskmanagers"]
    except (OSError, ValueError, KeyError):
        return None

def until(test, patience=120):
    end = time.monotonic() + patience
    while not test():
        if time.monotonic() > end:
            sys.exit(f"images-startup: error: {way} {version}: not within {patience} s")
        time.sleep(0.01)

def below(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = file.read().split()
    except OSError:
        return []
    return [pid] + [found for child in children for found in below(child)]

def serves(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"TaskManagerRunner" in file.read()
    except OSError:
        return False

until(lambda: workers() == 0)
began = time.monotonic()
subprocess.run(["docker", "start", container], check=True, stdout=subprocess.DEVNULL)
state = subprocess.run(["docker", "inspect", "--format", "{{.State.Pid}}", container],
                       check=True, capture_output=True, text=True).stdout.strip()
until(lambda: any(serves(pid) for pid in below(state)))
executed = time.monotonic()
until(lambda: workers() == 1)
print(version, way, (executed - began) * 1000, (time.monotonic() - began) * 1000)
PYTHON
  docker rm --force "$mark-jm" "$mark-tm" >/dev/null
}

report() {
  printf 'Host: %s, %s CPUs, Linux %s, Java %s, engine %s\n' \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(uname -r)" \
    "$(docker run --rm "$mark-flugs" java --version | head -n 1)" \
    "$(docker version --format '{{.Server.Version}}')"
  printf 'Median of %d rounds after one warm-up; load at the start %s, at the end %s\n\n' \
    "$rounds" "$load" "$(cut -d ' ' -f 1 /proc/loadavg)"
  echo '| Flink | way | to the JVM, ms (min..max) | to registered, ms (min..max) | of the scripts |'
  echo '|---|---|---|---|---|'
  python3 - "$work/samples" <<'PYTHON'
import collections, statistics, sys

executed, registered = collections.defaultdict(list), collections.defaultdict(list)
for line in open(sys.argv[1]):
    version, way, first, second = line.split()
    executed[version, way].append(float(first))
    registered[version, way].append(float(second))

def shown(times):
    return f"{statistics.median(times):.0f} ({min(times):.0f}..{max(times):.0f})"

for (version, way), times in registered.items():
    share = statistics.median(times) / statistics.median(registered[version, "scripts"])
    print(f"| {version} | {way} | {shown(executed[version, way])} | {shown(times)} | {share:.2f} |")
PYTHON
}

tools/dockerd.sh
docker network create "$mark" >/dev/null
load=$(cut -d ' ' -f 1 /proc/loadavg)
for version in "${versions[@]}"; do
  build_images "$version"
  for round in $(seq 0 "$rounds"); do
    for way in "${ways[@]}"; do
      if [ "$round" -eq 0 ]; then once "$version" "$way" >/dev/null; else once "$version" "$way"; fi
    done
  done
done >"$work/samples"
report
