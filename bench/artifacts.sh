#!/usr/bin/env bash
# How fast artifacts travel, beside what people script with curl, sha256sum and tar, and beside
# nginx. Alternating runs; prints medians, ratios and the host.
#
#   bench/artifacts.sh [all|fetch|serve|workers|unpack]
#
# Needs: a release build (cargo build --release), a Flink 2.3.0 home (tools/flink-home.sh), curl,
# tar, python3, and nginx for `serve`. RUNS (default 5) sets the number of runs of each.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck disable=SC2012 # the paths are cargo's own, and the newest is wanted
export FLUGS="${FLUGS:-$(ls -t target/*/release/flugs target/release/flugs 2>/dev/null | head -1)}"
export FLINK="${FLUGS_FLINK_HOMES:-target/flink}/2.3.0"
export RUNS="${RUNS:-5}" WHAT="${1:-all}"
[ -x "$FLUGS" ] || { echo "no release build: run cargo build --release" >&2; exit 1; }
[ -d "$FLINK" ] || { echo "no Flink home at $FLINK: run tools/flink-home.sh" >&2; exit 1; }
exec python3 - <<'PY'
import concurrent.futures, hashlib, http.server, json, os, platform, random, resource, shutil
import socket, statistics, subprocess, sys, tempfile, time

FLUGS, FLINK = os.path.abspath(os.environ["FLUGS"]), os.path.abspath(os.environ["FLINK"])
RUNS, WHAT = int(os.environ["RUNS"]), os.environ["WHAT"]
WORK = tempfile.mkdtemp(prefix="flugs-bench-")
NULL = subprocess.DEVNULL
MIB = 1 << 20
children = []

def sh(*args, **kw):
    return subprocess.run(args, check=True, stdout=NULL, stderr=subprocess.PIPE, **kw)

def spawn(*args, **kw):
    child = subprocess.Popen(args, **kw)
    children.append(child)
    return child

def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start

def fresh(name):
    path = os.path.join(WORK, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]

def wait_for(port):
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.0001)
    sys.exit("a server did not start")

def serve(*args):
    port = free_port()
    child = spawn(FLUGS, "serve", "--bind", f"127.0.0.1:{port}", "--no-token", "--json", *args,
                  stdout=subprocess.PIPE, stderr=NULL, text=True)
    text = ""
    while not text.rstrip().endswith("\n}"):
        text += child.stdout.readline()
    return child, json.loads(text)

def nginx(root, extra="", listen=""):
    port = free_port()
    home = fresh("nginx")
    with open(f"{home}/conf", "w") as conf:
        conf.write(f"""daemon off; master_process off; error_log /dev/null; pid {home}/pid;
events {{ worker_connections 2048; }}
http {{ access_log off; sendfile on; tcp_nopush on; server {{ listen 127.0.0.1:{port} {listen}; {extra}
root {root}; }} }}""")
    child = spawn("nginx", "-c", f"{home}/conf", "-p", home, stderr=NULL)
    wait_for(port)
    return child, port

def stop(child):
    child.terminate()
    child.wait()
    children.remove(child)

def cpu_seconds(child):
    tasks = f"/proc/{child.pid}/task"
    return sum(int(open(f"{tasks}/{task}/schedstat").read().split()[0]) for task in os.listdir(tasks)) / 1e9

def high_water(child):
    for line in open(f"/proc/{child.pid}/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024

def medians(title, runs):
    """runs: name -> function giving seconds. Alternates; each once more beforehand, uncounted."""
    times = {name: [] for name in runs}
    for turn in range(RUNS + 1):
        for name, run in runs.items():
            seconds = run()
            if turn:
                times[name].append(seconds)
    print(f"\n{title}")
    for name, taken in times.items():
        print(f"  {name:44} median {statistics.median(taken):8.3f} s   (of {RUNS}: {min(taken):.3f} to {max(taken):.3f})")
    return {name: statistics.median(taken) for name, taken in times.items()}

def tree_size(root):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(root) for f in fs)

def flat_copy():
    """The distribution without links, which the list of files does not hold."""
    copy = os.path.join(WORK, "flink")
    if not os.path.isdir(copy):
        shutil.copytree(FLINK, copy, symlinks=False)
    return copy

def bench_fetch():
    flink = flat_copy()
    store = fresh("store")
    tree = json.loads(subprocess.run([FLUGS, "artifact", "add", "--tree", flink, "--store", store, "--json"],
                      check=True, stdout=subprocess.PIPE).stdout)[0]["sha256"]
    tgz = os.path.join(WORK, "flink.tgz")
    sh("tar", "-C", WORK, "-czf", tgz, "flink")
    digest = hashlib.file_digest(open(tgz, "rb"), "sha256").hexdigest()
    os.makedirs(f"{WORK}/www", exist_ok=True)
    shutil.copy(tgz, f"{WORK}/www/flink.tgz")
    web, web_port = nginx(f"{WORK}/www")
    server, listening = serve("--store", store)
    base = f"http://{listening['address']}/sha256/{tree}"
    def ours():
        dest = fresh("ours")
        return timed(lambda: sh(FLUGS, "artifact", "fetch", base, "--sha256", tree, "--tree", "--to", dest))
    def script():
        dest = fresh("theirs")
        return timed(lambda: sh("sh", "-ec", f"cd {dest}; curl -sfo flink.tgz http://127.0.0.1:{web_port}/flink.tgz; "
                                f"echo '{digest}  flink.tgz' | sha256sum -c --quiet; tar xzf flink.tgz"))
    dest = fresh("again")
    again = lambda: timed(lambda: sh(FLUGS, "artifact", "fetch", base, "--sha256", tree, "--tree", "--to", dest))
    result = medians(f"(a) fetch, verify and place Flink 2.3.0: {tree_size(flink) / MIB:.0f} MiB in files, {os.path.getsize(tgz) / MIB:.0f} MiB as .tgz",
        {"flugs artifact fetch --tree": ours, "curl + sha256sum + tar xz": script, "flugs, everything in place already": again})
    print(f"  ratio: {result['curl + sha256sum + tar xz'] / result['flugs artifact fetch --tree']:.1f} times faster than the script")
    stop(server); stop(web)

def download(url, count, insecure):
    command = ["curl", "-sf", "-o", "/dev/null"] + (["-k"] if insecure else []) + [url]
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda _: subprocess.run(command, check=True), range(count)))

def bench_serve():
    www = fresh("www300")
    block = os.urandom(MIB)
    with open(f"{www}/file", "wb") as out:
        for _ in range(300):
            out.write(block)
    size = 300 * MIB
    sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
       "-keyout", f"{WORK}/key.pem", "-out", f"{WORK}/cert.pem")
    tls = f"ssl_certificate {WORK}/cert.pem; ssl_certificate_key {WORK}/key.pem;"
    for secure in (False, True):
        web, port = nginx(www, tls if secure else "", "ssl" if secure else "")
        keys = ["--tls-cert", f"{WORK}/cert.pem", "--tls-key", f"{WORK}/key.pem"] if secure else []
        # One worker each.
        server, listening = serve("--store", fresh("store300"), "--threads", "1", *keys, f"{www}/file")
        scheme = "https" if secure else "http"
        urls = {"flugs serve": (server, listening["artifacts"][0]["url"]), "nginx": (web, f"{scheme}://127.0.0.1:{port}/file")}
        for clients in (1, 16):
            spent = {name: [] for name in urls}
            def run(name):
                child, url = urls[name]
                def go():
                    before = cpu_seconds(child)
                    seconds = timed(lambda: download(url, clients, secure))
                    spent[name].append(cpu_seconds(child) - before)
                    return seconds
                return go
            result = medians(f"(b) server, {'TLS' if secure else 'plain'}, {clients} client(s), 300 MB file", {name: run(name) for name in urls})
            total = size * clients / 1e6
            per_cpu = {name: total / max(statistics.median(spent[name][1:]), 0.01) for name in urls}
            for name in urls:
                print(f"  {name:20} {total / result[name]:8.0f} MB/s   {per_cpu[name]:8.0f} MB per CPU-second   peak memory {high_water(urls[name][0]):.1f} MiB")
            print(f"  ratio to nginx: {result['nginx'] / result['flugs serve']:.2f} in bytes per second, {per_cpu['flugs serve'] / per_cpu['nginx']:.2f} in bytes per CPU-second")
        stop(server); stop(web)
    with open(f"{www}/large", "wb") as out:
        out.truncate(4 << 30)
    server, listening = serve("--store", fresh("store4g"), f"{www}/large")
    host, port = listening["address"].split(":")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    idle = [socket.create_connection((host, int(port))) for _ in range(1000)]
    download(listening["artifacts"][0]["url"], 1, False)
    print(f"\n    memory with a 4 GiB file served and 1,000 connections open: peak {high_water(server):.1f} MiB")
    for connection in idle:
        connection.close()
    stop(server)

def bench_workers():
    flink = flat_copy()
    store = fresh("store")
    tree = json.loads(subprocess.run([FLUGS, "artifact", "add", "--tree", f"{flink}/lib", "--store", store, "--json"],
                      check=True, stdout=subprocess.PIPE).stdout)[0]["sha256"]
    server, listening = serve("--store", store)
    base = f"http://{listening['address']}/sha256/{tree}"
    def workers(cached):
        root, cache = fresh("workers"), fresh("cache")
        extra = ["--cache", cache] if cached else []
        def start(n):
            subprocess.run([FLUGS, "artifact", "fetch", base, "--sha256", tree, "--tree", "--to", f"{root}/{n}", *extra], check=True, stdout=NULL)
        def go():
            with concurrent.futures.ThreadPoolExecutor(64) as pool:
                list(pool.map(start, range(64)))
        seconds = timed(go)
        shutil.rmtree(root)
        return seconds
    result = medians(f"(c) 64 workers fetch Flink's lib ({tree_size(flink + '/lib') / MIB:.0f} MiB) at once on one host",
        {"with the shared cache": lambda: workers(True), "without": lambda: workers(False)})
    print(f"  ratio: {result['without'] / result['with the shared cache']:.1f} times faster with the cache")
    stop(server)

def bench_unpack():
    flat_copy()
    for suffix, flag in (("tar", "-cf"), ("tar.gz", "-czf")):
        archive = f"{WORK}/unpack.{suffix}"
        sh("tar", "-C", WORK, flag, archive, "flink")
        def ours():
            dest = fresh("unpacked")
            return timed(lambda: sh(FLUGS, "artifact", "unpack", archive, f"{dest}/x"))
        def gnu():
            dest = fresh("unpacked")
            return timed(lambda: sh("tar", "-C", dest, "-xf", archive))
        result = medians(f"(d) unpack Flink 2.3.0 from {suffix} ({os.path.getsize(archive) / MIB:.0f} MiB)", {"flugs artifact unpack": ours, "GNU tar": gnu})
        print(f"  ratio: {result['GNU tar'] / result['flugs artifact unpack']:.2f}")

model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
print(f"host: {os.cpu_count()} CPUs ({model}), Linux {platform.release()}, load {os.getloadavg()[0]:.1f}")
try:
    for name, bench in (("fetch", bench_fetch), ("serve", bench_serve), ("workers", bench_workers), ("unpack", bench_unpack)):
        if WHAT in ("all", name):
            bench()
    print(f"\nload at the end {os.getloadavg()[0]:.1f}")
finally:
    for child in children:
        child.kill()
    shutil.rmtree(WORK, ignore_errors=True)
PY
