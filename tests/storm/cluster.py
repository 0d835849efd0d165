"""Three servers and two agents in network namespaces, and what can happen to them.

The namespaces, and the disks of the servers (a small file system each), are tests/storm/run's.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import ssl
import subprocess

from process import Process, want

START_S = 40
SERVERS = (1, 2, 3)
AGENTS = (4, 5)


def address(n):
    return f"192.168.250.{n}"


class Cluster:
    def __init__(self, orch, work, netns):
        self.orch, self.work, self.netns = orch, work, netns
        self.processes, self.flags = {}, {}
        self.servers = SERVERS
        open(f"{work}/config.yaml", "a").close()

    def folder(self, n):
        return f"{self.work}/data-{n}"

    def at(self, n):
        return ["nsenter", f"--net=/run/netns/{self.netns}-{n}", "--"]

    def on(self, n, *command):
        subprocess.run([*self.at(n), *command], check=True)

    def begin(self, n, *flags):
        what = "server" if n in SERVERS else "agent"
        flags = self.flags.setdefault(n, flags)  # Those of the first start serve for all.
        own = (["--write-kubeconfig", f"{self.work}/kube-{n}.yaml", "--disable-agent",
                "--snapshot-interval", "0"] if n in SERVERS else [])
        # None of them outlives this process.
        self.processes[n] = Process(f"{self.work}/{what}-{n}", [
            *self.at(n), "setpriv", "--pdeathsig", "KILL",
            self.orch, what, "--config", f"{self.work}/config.yaml", "--data-dir", self.folder(n),
            "--run-dir", f"{self.work}/run-{n}", "--node-ip", address(n), "--node-name",
            f"{what}-{n}", *own, *flags])

    def start(self, n, *flags):
        self.begin(n, *flags)
        self.wait_ready(n)

    def wait_ready(self, n):
        text = "server: ready;" if n in SERVERS else "agent: ready"
        self.processes[n].wait_for(text, START_S)

    def form(self):
        first = f"https://{address(1)}:6443"
        self.start(1, "--cluster-init")
        token = open(f"{self.folder(1)}/server/server-token").read().strip()
        for n in (2, 3):
            self.start(n, "--server", first, "--token", token)
        for n in AGENTS:
            self.begin(n, "--server", first, "--token-file", f"{self.folder(1)}/server/token")
        for n in AGENTS:
            self.wait_ready(n)
        self.tls = ssl.create_default_context(cafile=f"{self.folder(1)}/server/tls/ca.crt")
        self.token = open(f"{self.folder(1)}/server/tls/admin.token").read().strip()

    def leader(self):
        """The one that began to lead last."""
        terms = {n: [int(term) for line in self.processes[n].lines
                     for term in re.findall(r"this server leads in term (\d+)", line)]
                 for n in SERVERS}
        return max(SERVERS, key=lambda n: max(terms[n], default=0))

    def connect(self, n, timeout):
        return http.client.HTTPSConnection(address(n), 6443, context=self.tls, timeout=timeout)

    def call(self, n, verb, path, body=None, type="application/json", timeout=20):
        connection = self.connect(n, timeout)
        with contextlib.closing(connection):
            connection.request(verb, path, json.dumps(body) if body else None,
                               {"Authorization": "Bearer " + self.token, "Content-Type": type})
            answer = connection.getresponse()
            text = answer.read()
        want(answer.status < 300, verb, path, answer.status, text[:500])
        return json.loads(text) if text[:1] == b"{" else text.decode()

    def check_lives(self):
        for n, process in self.processes.items():
            want(process.lives(), f"{n} ended by itself with {process.process.poll()}:\n",
                 "".join(process.lines[-20:]))

    def end(self):
        for n in reversed(sorted(self.processes)):
            with contextlib.suppress(ProcessLookupError):
                self.processes[n].send(signal.SIGCONT)
            try:
                self.processes[n].end()
            except subprocess.TimeoutExpired:
                print(f"  {n} did not end when it was told to")
                self.processes[n].end(signal.SIGKILL)

    # --- What can happen to some of them; each lasts as long as the context.

    @contextlib.contextmanager
    def stopped(self, victims, number=signal.SIGKILL):
        for n in victims:
            self.processes[n].send(number)
        for n in victims:
            self.processes[n].end(number)
        yield
        for n in victims:
            self.begin(n)
        for n in victims:
            self.wait_ready(n)

    def terminated(self, victims):
        return self.stopped(victims, signal.SIGTERM)

    @contextlib.contextmanager
    def paused(self, victims):
        for n in victims:
            self.processes[n].send(signal.SIGSTOP)
        yield
        for n in victims:
            self.processes[n].send(signal.SIGCONT)

    @contextlib.contextmanager
    def unplugged(self, victims):
        for n in victims:
            subprocess.run(["ip", "link", "set", f"port{n}", "down"], check=True)
        yield
        for n in victims:
            subprocess.run(["ip", "link", "set", f"port{n}", "up"], check=True)

    @contextlib.contextmanager
    def deaf(self, victims, chains=("INPUT",)):
        """The other servers' packets don't arrive; clients and nodes are heard."""
        for n in victims:
            for other in SERVERS:
                for chain in chains if other != n else ():
                    side = "-s" if chain == "INPUT" else "-d"
                    self.on(n, "iptables", "-w", "-A", chain, side, address(other), "-j", "DROP")
        yield
        for n in victims:
            for chain in chains:
                self.on(n, "iptables", "-w", "-F", chain)

    def mute(self, victims):
        return self.deaf(victims, ("OUTPUT",))

    def apart(self, victims):
        return self.deaf(victims, ("INPUT", "OUTPUT"))

    @contextlib.contextmanager
    def full(self, victims):
        """Their disks; what is written there already can be written over."""
        ballast = [f"{self.folder(n)}/ballast" for n in victims]
        for path in ballast:
            with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(b"x" * (1 << 16)):
                    pass
        yield
        for path in ballast:
            os.unlink(path)
