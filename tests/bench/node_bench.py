"""Measures one orch node: start, pods, memory, CPU, size. Started by tests/bench/node_bench.

Everything that it waits for comes over one watch connection or a pipe; nothing asks repeatedly, so
that the figures are the server's and not the client's.
"""
import argparse
import base64
import glob
import http.client
import json
import os
import queue
import re
import signal
import ssl
import statistics
import subprocess
import sys
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
PODS = "/api/v1/namespaces/bench/pods"
# What is promised, and what --short holds a noisy machine to (None: not measured there).
LIMITS = {
    "executable, stripped (MB)": (15, 15),
    "start to node Ready (ms)": (1000, 5000),
    "memory idle, demo (MiB PSS)": (40, 60),
    "CPU idle, demo (% of a core)": (0.5, None),
    "create to Running p50 (ms)": (120, None),
    "create to Running p90 (ms)": (250, None),
    "burst, all Running (s)": (5, None),
}


def parse_arguments():
    parser = argparse.ArgumentParser()
    for name in ("orch", "work", "node-ip", "demo"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--idle-seconds", type=int, default=60)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--sequence", type=int, default=30)
    parser.add_argument("--burst", type=int, default=50)
    return parser.parse_args()


class Server:
    """One `orch server`, its administrator's connection and its processes."""

    def __init__(self, args, data):
        self.run_dir = args.work + "/run"
        self.kubeconfig = args.work + "/kubeconfig.yaml"
        self.log = open(args.work + "/server.log", "a+b")
        began = time.monotonic()
        self.process = subprocess.Popen(
            [args.orch, "server", "--config", args.work + "/config.yaml", "--data-dir", data,
             "--run-dir", self.run_dir, "--write-kubeconfig", self.kubeconfig,
             "--node-ip", args.node_ip, "--node-name", "node-1"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.wait_for_line(b"server: ready;")
        threading.Thread(target=self.drain, daemon=True).start()
        self.use_kubeconfig(args.work)
        self.wait_node_ready()
        self.start_ms = (time.monotonic() - began) * 1e3

    def wait_for_line(self, text):
        for line in self.process.stdout:
            self.log.write(line)
            if text in line:
                return
        self.log.flush()
        sys.exit("the server ended before it was ready")

    def drain(self):
        for line in self.process.stdout:
            self.log.write(line)

    def use_kubeconfig(self, work):
        text = open(self.kubeconfig, encoding="utf-8").read()
        field = lambda name: re.search(name + r": *\"?([^\s\"]+)", text).group(1)
        for name in ("client-certificate", "client-key", "certificate-authority"):
            with open(work + "/" + name, "wb") as out:
                out.write(base64.b64decode(field(name + "-data")))
        self.tls = ssl.create_default_context(cafile=work + "/certificate-authority")
        self.tls.load_cert_chain(work + "/client-certificate", work + "/client-key")
        self.address = field("server").removeprefix("https://")
        self.local = threading.local()

    def connect(self):
        return http.client.HTTPSConnection(self.address, context=self.tls, timeout=120)

    def call(self, method, path, body=None):
        if not hasattr(self.local, "connection"):
            self.local.connection = self.connect()
        self.local.connection.request(method, path, body and json.dumps(body),
                                      {"Content-Type": "application/json"})
        reply = self.local.connection.getresponse()
        text = reply.read()
        if reply.status >= 300:
            sys.exit(f"{method} {path}: {reply.status} {text.decode()}")
        return json.loads(text)

    def watch(self, path):
        """Yields (type, object) until the caller has enough."""
        connection = self.connect()
        connection.request("GET", path + ("&" if "?" in path else "?") + "watch=1")
        reply = connection.getresponse()
        for line in reply:
            event = json.loads(line)
            yield event["type"], event["object"]

    def wait_for(self, path, done):
        for _, thing in self.watch(path):
            if done(thing):
                return

    def wait_node_ready(self):
        self.wait_for("/api/v1/nodes", lambda node: any(
            c["type"] == "Ready" and c["status"] == "True"
            for c in node.get("status", {}).get("conditions", [])))

    def processes(self):
        """The server and the shims of its pods, by their arguments."""
        found = [self.process.pid]
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                argv = open(path, "rb").read().split(b"\0")
            except OSError:
                continue
            if b"shim" in argv[1:2] and any(self.run_dir.encode() in a for a in argv):
                found.append(int(path.split("/")[2]))
        return found

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def pss_mib(pid):
    for line in open(f"/proc/{pid}/smaps_rollup", encoding="ascii"):
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure_starts(args):
    """Milliseconds from exec to node Ready, each on an empty data directory."""
    times = []
    for i in range(args.starts):
        server = Server(args, f"{args.work}/empty-{i}")
        times.append(server.start_ms)
        server.stop()
    return times


def measure_idle(args, server, report):
    subprocess.run(["kubectl", "apply", "-f", args.demo], check=True, stdout=subprocess.DEVNULL,
                   env=os.environ | {"KUBECONFIG": server.kubeconfig})
    server.wait_for("/apis/apps/v1/namespaces/default/deployments",
                    lambda d: d.get("status", {}).get("availableReplicas") == 3)
    time.sleep(5)  # What the start has woken settles.
    pids = server.processes()
    before = {pid: cpu_seconds(pid) for pid in pids}
    time.sleep(args.idle_seconds)
    used = sum(cpu_seconds(pid) - before[pid] for pid in pids)
    sizes = [pss_mib(pid) for pid in pids]
    report("memory idle, demo (MiB PSS)", sum(sizes),
           f"server {sizes[0]:.1f}, {len(sizes) - 1} shims {sum(sizes[1:]):.1f}")
    if not args.short:
        report("CPU idle, demo (% of a core)", 100 * used / args.idle_seconds,
               f"over {args.idle_seconds} s")
    subprocess.run(["kubectl", "delete", "--wait=false", "-f", args.demo], check=True,
                   stdout=subprocess.DEVNULL, env=os.environ | {"KUBECONFIG": server.kubeconfig})


def sleeper(name):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [
                {"name": "main", "image": "busybox:1", "command": ["sleep", "100000"]}]}}


class PodWatch:
    """Times of pods' becoming Running and gone, from one watch connection."""

    def __init__(self, server):
        self.events = queue.Queue()
        self.running, self.gone = {}, {}
        threading.Thread(target=self.follow, args=(server,), daemon=True).start()

    def follow(self, server):
        for kind, pod in server.watch(PODS):
            name = pod["metadata"].get("name")
            if kind == "DELETED":
                self.events.put((self.gone, name, time.monotonic()))
            elif pod.get("status", {}).get("phase") == "Running":
                self.events.put((self.running, name, time.monotonic()))

    def wait(self, times, names):
        deadline = time.monotonic() + 120
        while not all(name in times for name in names):
            what, name, when = self.events.get(timeout=deadline - time.monotonic())
            what.setdefault(name, when)


def measure_sequence(args, server, watch, report):
    latencies = []
    for i in range(args.sequence):
        name, began = f"s{i}", time.monotonic()
        server.call("POST", PODS, sleeper(name))
        watch.wait(watch.running, [name])
        latencies.append((watch.running[name] - began) * 1e3)
        server.call("DELETE", f"{PODS}/{name}")
        watch.wait(watch.gone, [name])
    latencies.sort()
    at = lambda share: latencies[min(len(latencies) - 1, int(share * len(latencies)))]
    note = f"{len(latencies)} in sequence, fastest {latencies[0]:.0f}"
    report("create to Running p50 (ms)", at(0.5), note)
    report("create to Running p90 (ms)", at(0.9), f"slowest {latencies[-1]:.0f}")


def measure_burst(args, server, watch, report):
    names = [f"b{i}" for i in range(args.burst)]
    began = time.monotonic()
    posters = [threading.Thread(target=lambda part: [
        server.call("POST", PODS, sleeper(name)) for name in part], args=(names[k::4],))
        for k in range(4)]
    for poster in posters:
        poster.start()
    watch.wait(watch.running, names)
    times = sorted(watch.running[name] - began for name in names)
    report("burst, all Running (s)", times[-1], f"{len(names)} pods, half after {times[len(times) // 2]:.2f}")
    report("memory, those pods (MiB PSS)", sum(map(pss_mib, server.processes())), "")
    for name in names:
        server.call("DELETE", f"{PODS}/{name}")
    watch.wait(watch.gone, names)
    report("memory after them (MiB PSS)", sum(map(pss_mib, server.processes())), "")


def main():
    args = parse_arguments()
    missed = []

    def report(what, figure, note):
        limit = LIMITS.get(what, (None, None))[args.short]
        verdict = "" if limit is None else "ok" if figure <= limit else "MISSED"
        if verdict == "MISSED":
            missed.append(what)
        print(f"{what:<32}{figure:>9.2f}  {limit if limit is not None else '':>6}  {verdict:<7}{note}",
              flush=True)

    print(f"{'':<32}{'figure':>9}  {'limit':>6}")
    report("executable, stripped (MB)", os.path.getsize(args.orch) / 1e6, "")
    times = measure_starts(args)
    report("start to node Ready (ms)", statistics.median(times),
           "median of " + " ".join(f"{t:.0f}" for t in times))
    server = Server(args, args.work + "/data")
    try:
        measure_idle(args, server, report)
        if not args.short:
            server.call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace",
                                                       "metadata": {"name": "bench"}})
            server.wait_for("/api/v1/namespaces/bench/serviceaccounts",
                            lambda account: account["metadata"]["name"] == "default")
            watch = PodWatch(server)
            measure_sequence(args, server, watch, report)
            measure_burst(args, server, watch, report)
    finally:
        server.stop()
        server.log.flush()
    sys.exit(1 if args.check and missed else 0)


main()
