#!/usr/bin/env bash
# What a cluster on Mesos takes to start and to get over losses: real JVMs, on the Mesos double.
#
#   start      `flugs appmaster` is called, without workers -> Flink's REST interface answers
#   job        a job is submitted that wants 1 or 4 workers -> they are registered; cold, and with
#              what workers fetch in a cache of the agent already (flugs.mesos.tasks.cache-directory)
#   worker     kill -9 of the worker that runs the job -> its replacement is registered, and
#              all of the job's tasks run again; the agent has such a cache
#   appmaster  kill -9 of the application master, and with it of the JobManager; another one is
#              started at once -> all of the job's tasks run again (ZooKeeper high availability)
#   idle       what the application master itself uses, beside its JobManager
#
# and, with `--against BINARY`, instead of these, what has become of an older build's times, both in
# turn, round by round:
#
#   machine    the machine that all workers are on dies, and its agent with it (the master's stock
#              ping timeout of 75 s) -> all of the job's tasks run on another one
#   drain      an operator drains that one of two agents -> all of the job's tasks run elsewhere,
#              and, to compare, their workers are registered there
#   no-ha      kill -9 of application master and JobManager without high availability; another one is
#              started at once -> all workers are registered with it
#
#   bench/mesos.sh [--rounds N] [--against BINARY [--rows machine,no-ha,drain]] [FLINK_VERSION…]
#
# All but the rows that say "untrained" with class-data archives, made once before the clock starts
# (`flugs artifact train --travelling`). Beside it stand the times of the Java integration of Flink
# 1.13.6, measured on a real Mesos 1.12 (2 cores, Java 11, 1 slot and 1024 MB a worker); it cannot be
# run on the double. Its times for workers are cold ones: there are no others. Needs: a release build,
# Flink homes (tools/flink-home.sh), what `tools/install-packages.sh test` installs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=3 versions=(1.13.6 2.3.0) against='' chosen='' rows=machine,no-ha,drain others=()
usage='[--rounds N] [--against BINARY [--rows ROW,…]] [FLINK_VERSION…]'
refuse() { echo "$0: error: $1; usage: $0 $usage" >&2 && exit 64; }
while [ $# -gt 0 ]; do
  case $1 in
    --against | --rows) [ $# -gt 1 ] || refuse "$1 needs a value" ;;&
    --against) against=$2 && shift 2 ;;
    --rows) chosen=$2 && shift 2 ;;
    *) others+=("$1") && shift ;;
  esac
done
set -- "${others[@]}"
for row in ${chosen//,/ }; do
  [[ ,$rows, == *,$row,* ]] || refuse "no row $row: $rows"
done
if [ -n "$against" ]; then
  [ -x "$against" ] || refuse "$against cannot be run"
  against=$(realpath "$against") rows=${chosen:-$rows}
elif [ -n "$chosen" ]; then
  refuse '--rows needs --against'
fi
. bench/arguments.sh
export AGAINST=$against ROWS=$rows
cargo build --quiet -p mesos-double
export DOUBLE="${CARGO_TARGET_DIR:-target}/$target/debug/mesos-double"
export ROUNDS=$rounds VERSIONS="${versions[*]}"
exec python3 - <<'PY'
import concurrent.futures, json, os, platform, shutil, signal, socket, statistics, subprocess, sys, tempfile, time, urllib.request

FLUGS, DOUBLE, HOMES = (os.path.abspath(os.environ[name]) for name in ("FLUGS", "DOUBLE", "HOMES"))
ROUNDS = int(os.environ["ROUNDS"])
WORK = tempfile.mkdtemp(prefix="flugs-bench-")
PATIENCE = 180
# Seconds, as measured with Flink 1.13.6's own integration.
JAVA = {"start": 4.7, "1 worker": 7.15, "4 workers": 17.95, "replaced": 5.6, "worker": 47.0, "appmaster": 12.2}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(what, holds, process=None):
    """Waits; gives the moment at which it held."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if holds():
            return time.monotonic()
        if process is not None and process.poll() is not None:
            sys.exit(f"waiting until {what}: the application master ended with {process.returncode}")
        # More often, and the JobManager would be busy with the answers.
        time.sleep(0.1)
    sys.exit(f"not within {PATIENCE} s: {what}")


class Double:
    def __init__(self, *options):
        options = options or ("--resources", "ports:[31000-31999];cpus:16;mem:16000;disk:90000")
        self.process = subprocess.Popen(
            [DOUBLE, "--port", "0", *options],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.master = self.process.stdout.readline().split("//")[1].strip()

    def stop(self):
        self.process.terminate()
        self.process.wait()


class ZooKeeper:
    def __init__(self):
        self.directory, self.port = tempfile.mkdtemp(dir=WORK), free_port()
        with open(f"{self.directory}/zoo.cfg", "w", encoding="utf-8") as out:
            out.write(f"tickTime=500\ndataDir={self.directory}/data\nclientPort={self.port}\n"
                      "clientPortAddress=127.0.0.1\nadmin.enableServer=false\nmaxClientCnxns=0\n")
        self.process = subprocess.Popen(
            ["java", "-Xmx192m", "-cp", "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar",
             "org.apache.zookeeper.server.ZooKeeperServerMain", f"{self.directory}/zoo.cfg"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        def answers():
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                return False
        until("ZooKeeper answers", answers)


def train(version):
    """Makes the class-data archives of a Flink, and says where they are."""
    directory = f"{WORK}/class-data-{version}"
    if not os.path.isdir(directory):
        subprocess.run([FLUGS, "artifact", "train", "--travelling", "--flink-home", f"{HOMES}/{version}",
                        "--output", directory], check=True, stdout=subprocess.DEVNULL)
    return directory


class Cluster:
    def __init__(self, version, double, workers, *options, trained=True, flugs=FLUGS):
        self.class_data = train(version) if trained else "off"
        self.version, self.home = version, f"{HOMES}/{version}"
        self.directory, self.rest_port = tempfile.mkdtemp(dir=WORK), free_port()
        self.workers = workers
        options = [f"mesos.master={double.master}", f"mesos.initial-tasks={workers}",
                   "mesos.resourcemanager.tasks.cpus=0.5", "jobmanager.rpc.address=127.0.0.1",
                   f"jobmanager.rpc.port={free_port()}", f"rest.port={self.rest_port}",
                   "jobmanager.memory.process.size=1024m", "taskmanager.memory.process.size=1024m", *options]
        self.command = [flugs, "appmaster", "--dir", f"{self.directory}/cluster", "--flink-home", self.home]
        for option in options:
            self.command += ["-D", option]

    def start(self):
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME") if name in os.environ}
        keep["FLUGS_CLASS_DATA"] = self.class_data
        with open(f"{self.directory}/log", "ab") as log:
            begun = time.monotonic()
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=keep)
        return begun

    def rest(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.rest_port}{path}", timeout=2) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def answers(self):
        return until("REST answers", lambda: self.rest("/overview") is not None, self.process)

    def registered(self, number, without=None):
        def holds():
            known = (self.rest("/taskmanagers") or {}).get("taskmanagers", [])
            return len([one for one in known if one["id"] != without]) >= number
        return until(f"{number} workers are registered", holds, self.process)

    def upload(self):
        """Brings the job's jar to the JobManager; its id there."""
        jar = f"{self.directory}/job.jar"
        subprocess.run(["examples/streaming-job/build.sh", self.home, jar], check=True, stdout=subprocess.DEVNULL)
        boundary = "flugs-bench"
        head = (f'--{boundary}\r\nContent-Disposition: form-data; name="jarfile"; filename="job.jar"\r\n'
                "Content-Type: application/x-java-archive\r\n\r\n")
        body = head.encode() + open(jar, "rb").read() + f"\r\n--{boundary}--\r\n".encode()
        answer = self.post("/jars/upload", body, f"multipart/form-data; boundary={boundary}")
        return os.path.basename(answer["filename"])

    def submit(self, jar, parallelism=1):
        """Runs the job; gives the moment at which it was asked for."""
        arguments = ["--count", "100000000", "--rate", "100", "--parallelism", str(parallelism),
                     "--output", f"{self.directory}/counts",
                     "--checkpoint-dir", f"file://{self.directory}/checkpoints", "--checkpoint-interval", "500"]
        begun = time.monotonic()
        body = json.dumps({"programArgsList": arguments, "parallelism": parallelism}).encode()
        self.job = self.post(f"/jars/{jar}/run", body, "application/json")["jobid"]
        return begun

    def post(self, path, body, kind):
        request = urllib.request.Request(f"http://127.0.0.1:{self.rest_port}{path}", body, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def running(self, since=0):
        """All of the job's tasks run, in an attempt that began after `since` (Unix time, ms)."""
        def holds():
            job = self.rest(f"/jobs/{self.job}")
            if not job or job.get("state") != "RUNNING":
                return False
            began = job["timestamps"]["RUNNING"] if since else 1
            tasks = [one["tasks"] for one in job["vertices"]]
            return began > since and all(one["RUNNING"] == sum(one.values()) > 0 for one in tasks)
        return until("the job runs", holds, self.process)

    def busy(self):
        known = self.rest("/taskmanagers")["taskmanagers"]
        return next(one["id"] for one in known if one["freeSlots"] == 0)

    def processes(self, words):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                line = open(f"/proc/{pid}/cmdline", "rb").read().decode(errors="replace").split("\0")
            except OSError:
                continue
            if all(any(word in one for one in line) for word in words):
                found.append(int(pid))
        return found

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()


def cached(cache):
    return [f"flugs.mesos.tasks.cache-directory={cache}"] if cache else []


def demand(version, workers, cache=None, trained=True):
    """Starts a session without workers, and gives it a job that wants so many of one slot."""
    double = Double()
    cluster = Cluster(version, double, 0, *cached(cache), trained=trained)
    begun = cluster.start()
    answered = cluster.answers() - begun
    jar = cluster.upload()
    time.sleep(2)
    asked = cluster.submit(jar, workers)
    registered = cluster.registered(workers) - asked
    cluster.stop()
    double.stop()
    return answered, registered


def lose_worker(version, cache):
    double = Double()
    cluster = Cluster(version, double, 2, *cached(cache))
    cluster.start()
    cluster.registered(2)
    cluster.submit(cluster.upload())
    cluster.running()
    victim = cluster.busy()
    [pid] = [one for one in cluster.processes(["TaskManagerRunner"])
             if victim in open(f"/proc/{one}/cmdline").read() or victim in os.readlink(f"/proc/{one}/cwd")
             or victim in open(f"/proc/{one}/environ").read()]
    killed, clock = time.monotonic(), time.time() * 1000
    os.kill(pid, signal.SIGKILL)
    # Both are waited for at once: neither comes after the other.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        registered = pool.submit(cluster.registered, 2, victim)
        runs = cluster.running(clock) - killed
        replaced = registered.result() - killed
    cluster.stop()
    double.stop()
    return runs, replaced


def lose_appmaster(version, zookeeper):
    double = Double()
    kind = "high-availability" if version.startswith("1.13") else "high-availability.type"
    storage = tempfile.mkdtemp(dir=WORK)
    cluster = Cluster(version, double, 2, f"{kind}=zookeeper", f"high-availability.zookeeper.quorum=127.0.0.1:{zookeeper.port}",
                      f"high-availability.storageDir=file://{storage}", f"high-availability.cluster-id=/{os.path.basename(storage)}",
                      f"high-availability.jobmanager.port={free_port()}")
    cluster.start()
    cluster.registered(2)
    cluster.submit(cluster.upload())
    cluster.running()
    before = {one["id"] for one in cluster.rest("/taskmanagers")["taskmanagers"]}
    master = json.load(open(f"{cluster.directory}/cluster/cluster.json", encoding="utf-8"))["master"]["pid"]
    job_managers = cluster.processes(["StandaloneSessionClusterEntrypoint"])
    killed, clock = time.monotonic(), time.time() * 1000
    # As when their container is gone.
    for pid in [master, *job_managers]:
        os.kill(pid, signal.SIGKILL)
    cluster.process.wait()
    cluster.start()
    runs = cluster.running(clock) - killed
    cluster.registered(2)
    after = {one["id"] for one in cluster.rest("/taskmanagers")["taskmanagers"]}
    if after != before:
        sys.exit(f"other workers than before: {before} and {after}")
    cluster.stop()
    double.stop()
    return runs


def state(double):
    with urllib.request.urlopen(f"http://{double.master}/state", timeout=5) as answer:
        return json.load(answer)


def two_agents(version, flugs):
    """A cluster on one of two agents, whose job needs both of its workers; the agent's id, too."""
    admin = free_port()
    double = Double("--agents", "2", "--hostname", "127.0.0.1%", "--agent-timeout", "75",
                    "--admin-port", str(admin))
    cluster = Cluster(version, double, 2, flugs=flugs)
    cluster.start()
    cluster.registered(2)
    cluster.submit(cluster.upload(), 2)
    cluster.running()
    tasks = state(double)["frameworks"][0]["tasks"]
    agent = tasks[0]["slave_id"]
    return double, admin, cluster, agent, {one["id"] for one in tasks if one["slave_id"] == agent}


def others(cluster, gone):
    """Waits until two workers are registered that are none of these."""
    def holds():
        known = (cluster.rest("/taskmanagers") or {}).get("taskmanagers", [])
        return len([one for one in known if one["id"] not in gone]) >= 2
    return until("others are registered", holds, cluster.process)


def lose_machine(version, flugs):
    double, admin, cluster, agent, _ = two_agents(version, flugs)
    lost, clock = time.monotonic(), time.time() * 1000
    request = urllib.request.Request(f"http://127.0.0.1:{admin}/agents/{agent.rsplit('-S', 1)[1]}/crash", b"")
    urllib.request.urlopen(request, timeout=10).close()
    runs = cluster.running(clock) - lost
    cluster.stop()
    double.stop()
    return runs


def drain(version, flugs):
    double, _, cluster, agent, there = two_agents(version, flugs)
    begun, clock = time.monotonic(), time.time() * 1000
    call = {"type": "DRAIN_AGENT", "drain_agent": {"agent_id": {"value": agent}}}
    request = urllib.request.Request(f"http://{double.master}/api/v1", json.dumps(call).encode(),
                                     {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        replaced = pool.submit(others, cluster, there)
        runs = cluster.running(clock) - begun
        registered = replaced.result() - begun
    cluster.stop()
    double.stop()
    return runs, registered


def without_ha(version, flugs):
    double = Double()
    cluster = Cluster(version, double, 2, flugs=flugs)
    cluster.start()
    cluster.registered(2)
    cluster.submit(cluster.upload(), 2)
    cluster.running()
    time.sleep(3)
    master = json.load(open(f"{cluster.directory}/cluster/cluster.json", encoding="utf-8"))["master"]["pid"]
    job_managers = cluster.processes(["StandaloneSessionClusterEntrypoint", cluster.directory])
    killed = time.monotonic()
    for pid in [master, *job_managers]:
        os.kill(pid, signal.SIGKILL)
    cluster.process.wait()
    cluster.start()
    registered = cluster.registered(2) - killed
    cluster.stop()
    double.stop()
    return registered


def compare(version, older):
    """Both builds in turn, so that what else the machine does meets both."""
    train(version)
    scenes = {"machine": ("machine gone → job runs", lose_machine, 15),
              "no-ha": ("kill -9 without HA → all registered", without_ha, 10),
              "drain": ("drained → job runs", drain, None)}
    for name in os.environ["ROWS"].split(","):
        what, scene, aim = scenes[name]
        new, old = [], []
        for _ in range(ROUNDS):
            new.append(scene(version, FLUGS))
            old.append(scene(version, older))
        if scene is drain:
            against(version, "drained → others registered", [one for _, one in new], [one for _, one in old], None)
            # Flink's own work on the job, after its workers are there.
            aim = statistics.median([one for _, one in new]) + 5
            new, old = [one for one, _ in new], [one for one, _ in old]
        against(version, what, new, old, aim)


def against(version, what, new, old, aim):
    median, before = statistics.median(new), statistics.median(old)
    spread = lambda samples: f"{statistics.median(samples):.1f} ({min(samples):.1f}..{max(samples):.1f})"
    met = "" if aim is None else f"{aim:.0f} s: " + ("met" if median <= aim else "NOT MET")
    print(f"| {version} | {what} | {spread(new)} | {spread(old)} | {before / median:.1f} | {load()} | {met} |", flush=True)


def used(pid):
    """Processor seconds and resident MB of a process."""
    fields = open(f"/proc/{pid}/stat", encoding="utf-8").read().rsplit(")", 1)[1].split()
    ticks = int(fields[11]) + int(fields[12])
    resident = next(line for line in open(f"/proc/{pid}/status", encoding="utf-8") if line.startswith("VmRSS"))
    return ticks / os.sysconf("SC_CLK_TCK"), int(resident.split()[1]) / 1000


def idle(version, seconds=60):
    double = Double()
    cluster = Cluster(version, double, 2)
    cluster.start()
    cluster.registered(2)
    time.sleep(15)
    pids = {"flugs appmaster": cluster.process.pid,
            "its JobManager": cluster.processes(["StandaloneSessionClusterEntrypoint"])[-1]}
    before = {name: used(pid)[0] for name, pid in pids.items()}
    time.sleep(seconds)
    rows = {name: ((used(pid)[0] - before[name]) / seconds * 100, used(pid)[1]) for name, pid in pids.items()}
    cluster.stop()
    double.stop()
    return rows


def row(version, what, samples, java):
    median = statistics.median(samples)
    spread = f"{median:.1f} ({min(samples):.1f}..{max(samples):.1f})"
    ratio = f"{median / java:.2f}"
    print(f"| {version} | {what} | {spread} | {java:.1f} | {ratio} | {'met' if median <= java / 2 else 'NOT MET'} |", flush=True)


def load():
    return open("/proc/loadavg", encoding="utf-8").read().split()[0]


try:
    model = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name"))
    print(f"Host: {model}, {os.cpu_count()} CPUs, Linux {platform.release()}, load at the start {load()}")
    if older := os.environ["AGAINST"]:
        print(f"Medians of {ROUNDS} (least..most); seconds; the ratio is the older build's time by this one's\n")
        print("| Flink | from … to … | flugs | older build | ratio | load then | aim |\n|---|---|---|---|---|---|---|", flush=True)
        for version in os.environ["VERSIONS"].split():
            compare(version, older)
        sys.exit()
    print(f"Medians of {ROUNDS}; seconds; target: half of the Java integration's time\n")
    print("| Flink | from … to … | flugs | Java integration | ratio | |\n|---|---|---|---|---|---|", flush=True)
    zookeeper = ZooKeeper()
    idles = {}
    for version in os.environ["VERSIONS"].split():
        train(version)
        untrained = [demand(version, 1, trained=False) for _ in range(ROUNDS)]
        ones = [demand(version, 1) for _ in range(ROUNDS)]
        fours = [demand(version, 4) for _ in range(ROUNDS)]
        cache = tempfile.mkdtemp(dir=WORK)
        demand(version, 1, cache)
        warm_one = [demand(version, 1, cache) for _ in range(ROUNDS)]
        warm_four = [demand(version, 4, cache) for _ in range(ROUNDS)]
        row(version, "start → REST answers, untrained", [one for one, _ in untrained], JAVA["start"])
        row(version, "job → 1 worker registered, untrained", [one for _, one in untrained], JAVA["1 worker"])
        row(version, "start → REST answers", [one for one, _ in ones + fours], JAVA["start"])
        row(version, "job → 1 worker registered, cold", [one for _, one in ones], JAVA["1 worker"])
        row(version, "job → 1 worker registered, warm", [one for _, one in warm_one], JAVA["1 worker"])
        row(version, "job → 4 workers registered, cold", [one for _, one in fours], JAVA["4 workers"])
        row(version, "job → 4 workers registered, warm", [one for _, one in warm_four], JAVA["4 workers"])
        losses = [lose_worker(version, cache) for _ in range(ROUNDS)]
        row(version, "kill -9 of a worker → another registered", [one for _, one in losses], JAVA["replaced"])
        row(version, "kill -9 of a worker → job runs", [one for one, _ in losses], JAVA["worker"])
        # The ZooKeeper client of Flink 1.13 does not run on Java 14 and later (ZOOKEEPER-3779).
        if not version.startswith("1.13"):
            row(version, "kill -9 of the AppMaster → job runs", [lose_appmaster(version, zookeeper) for _ in range(ROUNDS)], JAVA["appmaster"])
        idles[version] = idle(version)
    print("\n| Flink | idle, two workers | % of a core | MB resident |\n|---|---|---|---|")
    for version, rows in idles.items():
        for name, (share, resident) in rows.items():
            print(f"| {version} | {name} | {share:.2f} | {resident:.0f} |")
    print(f"\nLoad at the end {load()}")
finally:
    for process in subprocess.run(["pgrep", "-f", WORK], capture_output=True, text=True, check=False).stdout.split():
        if int(process) != os.getpid():
            try:
                os.kill(int(process), signal.SIGKILL)
            except ProcessLookupError:
                pass
    shutil.rmtree(WORK, ignore_errors=True)
PY
