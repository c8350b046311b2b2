#!/usr/bin/env bash
# What -XX:CompileThresholdScaling=4, which flugs gives Flink's JVMs, costs and saves, beside the JVM's
# own thresholds (=1): a cluster of one TaskManager is started each way in turn, and runs a job that
# counts as fast as it can.
#
#   start    `flugs up` is called -> the TaskManager is registered; processor seconds of each JVM
#   records  millions that the job has counted, so many seconds after its first one
#
#   bench/compilation.sh [--rounds N] [FLINK_VERSION…]
#
# Needs: a release build, Flink homes (tools/flink-home.sh), a JDK.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=3 versions=(2.3.0)
. bench/arguments.sh
export ROUNDS=$rounds VERSIONS="${versions[*]}"
exec python3 - <<'PY'
import json, os, platform, shutil, statistics, subprocess, sys, tempfile, time, urllib.request

FLUGS, HOMES = (os.path.abspath(os.environ[name]) for name in ("FLUGS", "HOMES"))
ROUNDS = int(os.environ["ROUNDS"])
WORK = tempfile.mkdtemp(prefix="flugs-bench-")
SECONDS = (1, 2, 5, 10, 20)


def jar(version):
    """The job, made once for each Flink."""
    made, classes = f"{WORK}/{version}.jar", f"{WORK}/{version}"
    if not os.path.exists(made):
        subprocess.run(["javac", "--release", "11", "-nowarn", "-classpath", f"{HOMES}/{version}/lib/*", "-d", classes,
                        "bench/compilation/Throughput.java"], check=True, stderr=subprocess.DEVNULL)
        subprocess.run(["jar", "--create", "--file", made, "--main-class", "Throughput", "-C", classes, "."], check=True)
    return made


def processor_seconds(directory):
    """Of each Flink JVM of the cluster, by its main class."""
    used = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/cmdline", "rb").read().decode(errors="replace").split("\0")
            fields = open(f"/proc/{pid}/stat", encoding="utf-8").read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if any(directory in word for word in words):
            for name in ("StandaloneSessionClusterEntrypoint", "TaskManagerRunner"):
                if any(word.endswith(name) for word in words):
                    used[name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def once(version, scaling):
    directory = tempfile.mkdtemp(dir=WORK)
    option = [] if scaling is None else ["-D", f"env.java.opts=-XX:CompileThresholdScaling={scaling}"]
    begun = time.monotonic()
    up = subprocess.run([FLUGS, "up", "--detach", "--json", "--taskmanagers", "1", "--dir", f"{directory}/cluster",
                         "--flink-home", f"{HOMES}/{version}", "-D", "taskmanager.memory.process.size=1600m", *option],
                        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    result = {"start": time.monotonic() - begun, **processor_seconds(directory)}
    url = json.loads(up.stdout)["webUrl"]
    boundary = "flugs-bench"
    head = (f'--{boundary}\r\nContent-Disposition: form-data; name="jarfile"; filename="job.jar"\r\n'
            "Content-Type: application/x-java-archive\r\n\r\n")
    body = head.encode() + open(jar(version), "rb").read() + f"\r\n--{boundary}--\r\n".encode()
    sent = post(f"{url}/jars/upload", body, f"multipart/form-data; boundary={boundary}")
    name, output = os.path.basename(sent["filename"]), f"{directory}/records"
    post(f"{url}/jars/{name}/run", json.dumps({"programArgsList": [output]}).encode(), "application/json")
    while not os.path.exists(output):
        time.sleep(0.1)
    time.sleep(SECONDS[-1] + 1)
    steps = [tuple(map(int, line.split())) for line in open(output, encoding="utf-8")]
    for second in SECONDS:
        result[second] = max(records for at, records in steps if at - steps[0][0] <= second * 1000) / 1e6
    subprocess.run([FLUGS, "down", "--dir", f"{directory}/cluster"], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    shutil.rmtree(directory)
    return result


def post(url, body, kind):
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": kind}), timeout=60) as answer:
        return json.load(answer)


try:
    model = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name"))
    load = open("/proc/loadavg", encoding="utf-8").read().split()[0]
    print(f"Host: {model}, {os.cpu_count()} CPUs, Linux {platform.release()}, load at the start {load}")
    print(f"Medians of {ROUNDS}\n\n| Flink | | the JVM's own | flugs | ratio |\n|---|---|---|---|---|")
    rows = {"start": "start → registered, s", "StandaloneSessionClusterEntrypoint": "JobManager until then, CPU s",
            "TaskManagerRunner": "TaskManager until then, CPU s",
            **{second: f"records after {second} s, millions" for second in SECONDS}}
    for version in os.environ["VERSIONS"].split():
        jar(version)
        once(version, None)  # the files are in memory from here on
        runs = [(once(version, 1), once(version, None)) for _ in range(ROUNDS)]
        for key, label in rows.items():
            own, flugs = (statistics.median(run[way][key] for run in runs) for way in (0, 1))
            print(f"| {version} | {label} | {own:.2f} | {flugs:.2f} | {flugs / own:.2f} |", flush=True)
finally:
    shutil.rmtree(WORK, ignore_errors=True)
PY
