#!/usr/bin/env bash
# How fast artifacts travel, beside what people script with curl, sha256sum and tar, and beside
# nginx. Alternating runs; prints medians, ratios and the host, and closes with one table of every
# measure that has a target and whether it is met (exit code 1 if one is not).
#
#   bench/artifacts.sh [all|fetch|serve|memory|workers|unpack]
#
# Needs: a release build (cargo build --release), a Flink 2.3.0 home (tools/flink-home.sh), and what
# `tools/install-packages.sh bench` installs. RUNS (default 5) sets the number of runs of each;
# `workers`, which writes 18 GB a run without the cache, takes at most 3 and needs 25 GB of disk.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck disable=SC2012 # the paths are cargo's own, and the newest is wanted
export FLUGS="${FLUGS:-$(ls -t target/*/release/flugs target/release/flugs 2>/dev/null | head -1)}"
export FLINK="${FLUGS_FLINK_HOMES:-target/flink}/2.3.0"
export RUNS="${RUNS:-5}" WHAT="${1:-all}"
[ -x "$FLUGS" ] || { echo "no release build: run cargo build --release" >&2; exit 1; }
[ -d "$FLINK" ] || { echo "no Flink home at $FLINK: run tools/flink-home.sh" >&2; exit 1; }
exec python3 - <<'PY'
import concurrent.futures, hashlib, json, os, platform, resource, shutil
import socket, ssl, statistics, subprocess, sys, tempfile, time, urllib.parse

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

def children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

def medians(title, runs, rounds=RUNS, warm_up=True):
    """runs: name -> function giving seconds. Alternates; each once more beforehand, uncounted."""
    times, cpu = {name: [] for name in runs}, {name: [] for name in runs}
    for turn in range(rounds + warm_up):
        for name, run in runs.items():
            before = children_cpu()
            seconds = run()
            if turn >= warm_up:
                times[name].append(seconds)
                cpu[name].append(children_cpu() - before)
    print(f"\n{title}")
    for name, taken in times.items():
        print(f"  {name:44} median {statistics.median(taken):8.3f} s   (of {rounds}: {min(taken):.3f} to {max(taken):.3f})"
              f"   CPU of the programs started {statistics.median(cpu[name]):7.2f} s", flush=True)
    medians.taken = times
    return {name: statistics.median(taken) for name, taken in times.items()}

def paired(ours, theirs):
    """The median of the rounds' own ratios: what else the machine did meanwhile slowed both."""
    return statistics.median(one / other for one, other in zip(ours, theirs))

targets = []

def judge(measure, flugs, beside, ratio, target, met):
    """One line of the closing table; `met` is None where there is no target."""
    targets.append((measure, flugs, beside, ratio, target, met))

def closing_table():
    print("\n| measure | flugs | beside it | ratio | target | |\n|---|---|---|---|---|---|")
    for measure, flugs, beside, ratio, target, met in targets:
        print(f"| {measure} | {flugs} | {beside} | {ratio} | {target} | {'' if met is None else 'met' if met else 'NOT MET'} |")
    return all(met is not False for *_, met in targets)

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
    mine, other, nothing = result.values()
    judge("fetch, verify and place Flink 2.3.0, against curl + sha256sum + tar xz", f"{mine:.2f} s", f"{other:.2f} s",
          f"{other / mine:.1f} times faster", "5", other / mine >= 5)
    judge("the same with everything in place", f"{nothing * 1000:.0f} ms", "", "", "", None)
    stop(server); stop(web)

def take(url):
    """Downloads without a copy: the kernel drops the bytes, so that it is the server that is measured."""
    parts = urllib.parse.urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port))
    connection.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
    head, space = b"", bytearray(4 * MIB)
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    head, begun = head.split(b"\r\n\r\n", 1)
    left = int(next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))) - len(begun)
    while left > 0:
        taken = connection.recv_into(space, len(space), socket.MSG_TRUNC)
        assert taken, "cut"
        left -= taken
    connection.close()

def download(url, count, insecure):
    if not insecure:
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            return list(pool.map(take, [url] * count))
    command = ["curl", "-skf", "-o", "/dev/null", url]
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
                    # One file is sent in a few hundredths of a CPU-second: too little to compare.
                    rounds = 8 if clients == 1 else 1
                    seconds = timed(lambda: [download(url, clients, secure) for _ in range(rounds)]) / rounds
                    spent[name].append((cpu_seconds(child) - before) / rounds)
                    return seconds
                return go
            result = medians(f"(b) server, {'TLS' if secure else 'plain'}, {clients} client(s), 300 MB file", {name: run(name) for name in urls})
            total = size * clients / 1e6
            per_cpu = {name: total / statistics.median(spent[name][1:]) for name in urls}
            for name in urls:
                print(f"  {name:20} {total / result[name]:8.0f} MB/s   {per_cpu[name]:8.0f} MB per CPU-second   peak memory {high_water(urls[name][0]):.1f} MiB", flush=True)
            what = f"server, {'TLS' if secure else 'plain'}, {clients} client{'s' if clients > 1 else ''}, against nginx"
            rate = paired(medians.taken["nginx"], medians.taken["flugs serve"])
            thrift = paired(spent["nginx"][1:], spent["flugs serve"][1:])
            judge(what, f"{total / result['flugs serve']:.0f} MB/s", f"{total / result['nginx']:.0f} MB/s", f"{rate:.2f}", "1", rate >= 1)
            judge("the same, by CPU-second", f"{per_cpu['flugs serve']:.0f} MB", f"{per_cpu['nginx']:.0f} MB", f"{thrift:.2f}", "0.8", thrift >= 0.8)
        stop(server); stop(web)

TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TRUSTING.check_hostname, TRUSTING.verify_mode = False, ssl.CERT_NONE

def dripping(host, port, path, secure):
    """A client that asks for a file, takes a little of it, and then takes its time."""
    connection = socket.create_connection((host, port))
    if secure:
        connection = TRUSTING.wrap_socket(connection)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    connection.recv(4096)
    return connection

def bench_memory():
    www = fresh("www4g")
    with open(f"{www}/large", "wb") as out:
        out.truncate(4 << 30)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    store = fresh("store4g")
    print("\nmemory with a 4 GiB file and 1,000 other connections open")
    def measure(what, made, *args):
        server, listening = serve("--store", store, *args, f"{www}/large")
        artifact = listening["artifacts"][0]
        host, port = listening["address"].split(":")
        open_ = [made(host, int(port), f"/sha256/{artifact['sha256']}") for _ in range(1000)]
        took = timed(lambda: download(artifact["url"].split("#")[0], 1, bool(args)))
        peak = high_water(server)
        print(f"  {what:60} peak {peak:6.1f} MiB   ({took:.1f} s)", flush=True)
        judge(f"memory of the server, 4 GiB file, 1,000 {what}", f"{peak:.1f} MiB", "", "", "below 64 MiB", peak < 64)
        for connection in open_:
            connection.close()
        return server, artifact
    idle = lambda host, port, _: socket.create_connection((host, port))
    busy = lambda host, port, path: dripping(host, port, path, False)
    secret = lambda host, port, path: dripping(host, port, path, True)
    stop(measure("idle connections", idle)[0])
    stop(measure("connections that are sent the file over TLS", secret, "--tls-self-signed")[0])
    server, artifact = measure("connections that are sent the file", busy)
    dest = fresh("large")
    fetch = spawn(FLUGS, "artifact", "fetch", artifact["url"], "--sha256", artifact["sha256"], "--name", "large", "--to", dest, stdout=NULL, stderr=NULL)
    peak = 0
    while fetch.poll() is None:
        peak = high_water(fetch) or peak
        time.sleep(0.02)
    children.remove(fetch)
    assert fetch.returncode == 0
    print(f"  {'the fetcher of that file':60} peak {peak:6.1f} MiB", flush=True)
    judge("memory of the fetcher, 4 GiB file", f"{peak:.1f} MiB", "", "", "below 64 MiB", peak < 64)
    stop(server)
    for name in ("www4g", "store4g", "large"):
        shutil.rmtree(os.path.join(WORK, name))

def bench_workers():
    flink = flat_copy()
    store = fresh("store")
    tree = json.loads(subprocess.run([FLUGS, "artifact", "add", "--tree", f"{flink}/lib", "--store", store, "--json"],
                      check=True, stdout=subprocess.PIPE).stdout)[0]["sha256"]
    server, listening = serve("--store", store)
    base = f"http://{listening['address']}/sha256/{tree}"
    disk = {}
    def workers(cached):
        root, cache = fresh("workers"), fresh("cache")
        extra = ["--cache", cache] if cached else []
        def start(n):
            subprocess.run([FLUGS, "artifact", "fetch", base, "--sha256", tree, "--tree", "--to", f"{root}/{n}", *extra], check=True, stdout=NULL, stderr=NULL)
        def go():
            with concurrent.futures.ThreadPoolExecutor(64) as pool:
                list(pool.map(start, range(64)))
        seconds = timed(go)
        placed = subprocess.run(["du", "-sm", root], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[0]
        disk[cached] = int(placed)
        shutil.rmtree(root)
        os.sync()
        return seconds
    size = tree_size(flink + "/lib") / MIB
    result = medians(f"(c) 64 workers fetch Flink's lib ({size:.0f} MiB) at once on one host",
        {"with the shared cache": lambda: workers(True), "without": lambda: workers(False)}, min(RUNS, 3), warm_up=False)
    shared, alone = result.values()
    judge("64 workers at once on one host, with the shared cache against without", f"{shared:.2f} s", f"{alone:.2f} s", f"{alone / shared:.1f} times faster", "", None)
    judge("the same, disk space below the workers", f"{disk[True]} MiB", f"{disk[False]} MiB", f"{disk[True] / size:.2f} copies", "1 copy", disk[True] < 1.1 * size)
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
        mine, other = result.values()
        judge(f"unpack from {suffix}, against GNU tar", f"{mine:.2f} s", f"{other:.2f} s", f"{other / mine:.2f}", "1", other / mine >= 1)

model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
print(f"host: {os.cpu_count()} CPUs ({model}), Linux {platform.release()}, load {os.getloadavg()[0]:.1f}")
try:
    for name, bench in (("fetch", bench_fetch), ("serve", bench_serve), ("memory", bench_memory), ("workers", bench_workers), ("unpack", bench_unpack)):
        if WHAT in ("all", name):
            bench()
    print(f"\nload at the end {os.getloadavg()[0]:.1f}")
    all_met = closing_table()
finally:
    for child in children:
        child.kill()
    shutil.rmtree(WORK, ignore_errors=True)
sys.exit(not all_met)
PY
