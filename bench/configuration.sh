#!/usr/bin/env bash
# How long from a role's name and FLINK_PROPERTIES to the command of the server's JVM:
# what the official entrypoint does for it with Flink's own functions, against `flugs`.
#
#   official  config-parser-utils.sh for the base settings and again for FLINK_PROPERTIES (Flink
#             before 1.19: both in sed and the file), then what taskmanager.sh and jobmanager.sh
#             do: config.sh, the memory of the role, config.sh again, the class path
#   flugs     flugs launch ROLE --prepare: the same layers and the memory, the configuration and the
#             logging settings written into an empty directory, the command printed
#
# Neither starts a server. Each round runs both ways once (flugs ten times, of which the mean
# counts), so that load from elsewhere falls on both. CPU: the whole process tree. With
# --quota 0.5 a second series runs under a CPU quota of half a processor in a cgroup of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=9 quota='' versions=()
flugs=${FLUGS:-${CARGO_TARGET_DIR:-target}/$(rustc -vV | sed -n "s/^host: //p")/release/flugs}
homes=${FLUGS_FLINK_HOMES:-target/flink}
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2 && shift 2 ;;
    --quota) quota=$2 && shift 2 ;;
    -*) echo 'Usage: bench/configuration.sh [--rounds N] [--quota CPUS] [FLINK_VERSION…]' >&2 && exit 64 ;;
    *) versions+=("$1") && shift ;;
  esac
done
[ ${#versions[@]} -gt 0 ] || versions=(1.13.6 1.20.5 2.3.0)
[ -x "$flugs" ] || { echo "configuration: error: no $flugs; run: cargo build --release" >&2 && exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The official way for one role, in the order of the entrypoint and the scripts it calls.
cat >"$work/official.sh" <<'OFFICIAL'
set -u
role=$1
export _FLINK_HOME_DETERMINED=1
bin=$FLINK_HOME/bin
if [ -e "$bin/config-parser-utils.sh" ]; then
  "$bin/config-parser-utils.sh" "$FLINK_CONF_DIR" "$bin" "$FLINK_HOME/lib" \
    -D jobmanager.rpc.address=jobmanager -D blob.server.port=6124 -D query.server.port=6125
  properties=()
  while IFS= read -r line; do
    properties+=(-D "${line%%: *}=${line#*: }")
  done <<<"$FLINK_PROPERTIES"
  "$bin/config-parser-utils.sh" "$FLINK_CONF_DIR" "$bin" "$FLINK_HOME/lib" "${properties[@]}"
else
  file=$FLINK_CONF_DIR/flink-conf.yaml
  sed -i -e 's/^jobmanager.rpc.address:.*/jobmanager.rpc.address: jobmanager/' "$file"
  printf 'blob.server.port: 6124\nquery.server.port: 6125\n%s\n' "$FLINK_PROPERTIES" >>"$file"
  envsubst <"$file" >"$file.new" 2>/dev/null && mv "$file.new" "$file"
fi
set +u
. "$bin/config.sh"
case $role in
  taskmanager) parseTmArgsAndExportLogs ;;
  *) parseJmArgsAndExportLogs ;;
esac
bash -c '. "$1/config.sh"; constructFlinkClassPath' _ "$bin"
printf '%s\n%s\n' "$JVM_ARGS" "$DYNAMIC_PARAMETERS"
OFFICIAL

cat >"$work/measure.py" <<'PYTHON'
import os, shutil, statistics, sys, time

work, flugs, homes, rounds, quota, *versions = sys.argv[1:]
rounds = int(rounds)
PROPERTIES = """taskmanager.memory.process.size: 2g
jobmanager.memory.process.size: 1600m
taskmanager.numberOfTaskSlots: 4
parallelism.default: 4"""


def environment(version, conf):
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME") if name in os.environ}
    return keep | {
        "FLINK_HOME": os.path.realpath(f"{homes}/{version}"),
        "FLINK_CONF_DIR": conf,
        "FLINK_PROPERTIES": PROPERTIES,
        "JOB_MANAGER_RPC_ADDRESS": "jobmanager",
        "FLINK_LOG_DIR": work,
        "FLINK_PID_DIR": work,
    }


def run(command, variables, expected):
    """Wall and CPU seconds of a command and all its children."""
    with open(f"{work}/out", "wb") as out:
        files = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, out.fileno(), 2)]
        start = time.monotonic()
        pid = os.posix_spawnp(command[0], command, variables, file_actions=files)
        _, status, usage = os.wait4(pid, 0)
        wall = time.monotonic() - start
    text = open(f"{work}/out", encoding="utf-8").read()
    if status != 0 or expected not in text:
        sys.exit(f"{command} failed with {status}:\n{text}")
    return wall, usage.ru_utime + usage.ru_stime


def once(way, version, role):
    conf = f"{work}/conf"
    shutil.rmtree(conf, ignore_errors=True)
    variables = environment(version, conf)
    shutil.copytree(f"{variables['FLINK_HOME']}/conf", conf)
    # Both must have come to the same memory.
    expected = "-Xmx697932173" if role == "taskmanager" else "-Xmx1073741824"
    if way == "official":
        return run(["bash", f"{work}/official.sh", role], variables, expected)
    samples = []
    for index in range(10):
        # As in a new container: nothing has been written before.
        prepare = [flugs, "launch", role, "--prepare", "--dir", f"{work}/sandbox-{index}"]
        samples.append(run(prepare, variables, expected))
        shutil.rmtree(f"{work}/sandbox-{index}")
    return tuple(statistics.mean(values) for values in zip(*samples))


def series(title):
    print(f"\n{title}\n")
    print("| Flink | role | official wall ms (min..max) | CPU ms | flugs wall ms (min..max) | CPU ms | wall ratio | CPU ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for version in versions:
        for role in ("taskmanager", "jobmanager"):
            samples = {"official": [], "flugs": []}
            for index in range(rounds + 1):
                for way, values in samples.items():
                    sample = once(way, version, role)
                    if index:
                        values.append(sample)
            cells, middles = [], {}
            for way, values in samples.items():
                walls = [wall * 1000 for wall, _ in values]
                wall, cpu = statistics.median(walls), statistics.median(cpu * 1000 for _, cpu in values)
                middles[way] = wall, cpu
                cells.append(f"{wall:.1f} ({min(walls):.1f}..{max(walls):.1f}) | {cpu:.1f}")
            ratios = [a / b for a, b in zip(middles["official"], middles["flugs"])]
            print(f"| {version} | {role} | {cells[0]} | {cells[1]} | {ratios[0]:.0f} | {ratios[1]:.0f} |", flush=True)


def enter_quota(processors):
    """Moves this process into a cgroup with a quota. Gives the way back."""
    period = 100_000
    for controller in ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup"):
        group = f"{controller}/flugs-bench-{os.getpid()}"
        limits = {"cpu.cfs_quota_us": f"{int(processors * period)}", "cpu.max": f"{int(processors * period)} {period}"}
        try:
            os.mkdir(group)
        except OSError:
            continue
        for file, text in limits.items():
            if os.path.exists(f"{group}/{file}"):
                open(f"{group}/{file}", "w").write(text)
                open(f"{group}/cgroup.procs", "w").write(str(os.getpid()))
                return controller, group
        os.rmdir(group)
    sys.exit("configuration: error: no cgroup with a CPU quota can be made here")


series(f"Median of {rounds} rounds after one warm-up")
if quota:
    controller, group = enter_quota(float(quota))
    try:
        series(f"Under a CPU quota of {quota}: median of {rounds} rounds after one warm-up")
    finally:
        open(f"{controller}/cgroup.procs", "w").write(str(os.getpid()))
        os.rmdir(group)
PYTHON

load() { cut -d ' ' -f 1 /proc/loadavg; }
printf 'Host: %s, %s CPUs, Linux %s, %s, load at the start %s\n' \
  "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(uname -r)" \
  "$(java -version 2>&1 | head -n 1)" "$(load)"
python3 "$work/measure.py" "$work" "$flugs" "$homes" "$rounds" "$quota" "${versions[@]}"
printf '\nLoad at the end %s\n' "$(load)"
