#!/usr/bin/env python3
"""Clients that are slow on purpose, by the hundred, against a server whose memory is watched.

  slow_clients.py KUBECONFIG SERVER_PID

After each kind of them the server's memory (PSS) must be within the bound that
docs/operations.md promises, and somebody who behaves must be served at once.
"""

import base64
import concurrent.futures
import json
import re
import socket
import ssl
import sys
import tempfile
import time

HELD_MB = 128  # Large bodies and unread answers together, and
WATCH_MB = 8  # what a watcher hasn't read: see docs/operations.md.
CONNECTION_KB = 100  # A TLS connection with a little of each.
SERVED_S = 5  # On a machine that others use, too.
LEASES = "/apis/coordination.k8s.io/v1/namespaces/load/leases"
MAPS = "/api/v1/namespaces/load/configmaps"
PROTOBUF = "application/vnd.kubernetes.protobuf"


class Cluster:
    def __init__(self, kubeconfig, pid):
        text = open(kubeconfig).read()
        field = lambda name: base64.b64decode(re.search(name + r": *\"?([\w+/=]+)", text)[1])
        self.context = ssl.create_default_context(cadata=field("certificate-authority-data").decode())
        with tempfile.NamedTemporaryFile(suffix=".pem") as pem:
            pem.write(field("client-certificate-data") + b"\n" + field("client-key-data"))
            pem.flush()
            self.context.load_cert_chain(pem.name)
        self.anonymous = ssl.create_default_context(
            cadata=field("certificate-authority-data").decode())
        self.pid = pid

    def dial(self, buffer=None):
        sock = socket.socket()
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.settimeout(60)
        sock.connect(("127.0.0.1", 6443))
        return sock

    def connect(self, buffer=None, context=None):
        return (context or self.context).wrap_socket(self.dial(buffer), server_hostname="127.0.0.1")

    def pss_mb(self):
        rollup = open(f"/proc/{self.pid}/smaps_rollup").read()
        return int(re.search(r"Pss: *(\d+)", rollup)[1]) / 1024


def request(method, path, body="", **headers):
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in headers.items())
    return (head + "\r\n" + body).encode()


def answer_code(sock):
    head = b""
    while b"\r\n" not in head:
        piece = sock.recv(4096)
        if not piece:
            return 0
        head += piece
    return int(head.split(b" ")[1])


def ask(cluster, *args, **headers):
    """One request on a connection of its own: (code, seconds)."""
    began = time.monotonic()
    with cluster.connect() as sock:
        sock.sendall(request(*args, Connection="close", **headers))
        return answer_code(sock), time.monotonic() - began


def check(cluster, what, base_mb, allowed_mb):
    code, took = ask(cluster, "GET", "/api/v1/namespaces/load")
    grown = cluster.pss_mb() - base_mb
    print(f"{what}: memory grew by {grown:.0f} MB of {allowed_mb:.0f} allowed; served in {took:.2f} s")
    assert code == 200, (what, code)
    assert took < SERVED_S, (what, took)
    assert grown < allowed_mb, (what, grown)


class Conversation:
    """Many requests on one connection; `hear` takes one answer, which must be good."""

    def __init__(self, cluster):
        self.sock = cluster.connect()
        self.reader = self.sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def say(self, *args, **headers):
        self.sock.sendall(request(*args, **headers))

    def hear(self):
        code = int(self.reader.readline().split(b" ")[1])
        size = 0
        while (line := self.reader.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        self.reader.read(size)
        assert code < 300, code


def write_leases(cluster, writer, count):
    """Updates of one Lease, many in one go: leases are not synced to disk one by one."""
    name = f"w{writer}"
    at_once = 100
    lease = {"metadata": {"name": name, "annotations": {"fill": "x" * 500}}, "spec": {}}
    with Conversation(cluster) as client:
        client.say("POST", LEASES, json.dumps(lease), Content_Type="application/json")
        client.hear()
        for done in range(0, count, at_once):
            for i in range(at_once):
                patch = json.dumps({"spec": {"leaseTransitions": done + i}})
                client.say("PATCH", f"{LEASES}/{name}", patch,
                           Content_Type="application/merge-patch+json")
            for _ in range(at_once):
                client.hear()


def watcher_that_never_reads(cluster, base_mb):
    events = 100_000
    writers = 10
    with cluster.connect(buffer=4096) as sock:
        sock.sendall(request("GET", LEASES + "?watch=1"))
        with concurrent.futures.ThreadPoolExecutor(writers) as pool:
            written = [pool.submit(write_leases, cluster, i, events // writers)
                       for i in range(writers)]
        for one in written:
            one.result()
        # The recent past takes some of it as well, whoever watches.
        check(cluster, f"a watcher that never reads, {events} events", base_mb, WATCH_MB + 40)
        # What was on its way when it was cut off can still be read; it is far from all.
        seen = 0
        try:
            while piece := sock.recv(1 << 20):
                seen += piece.count(b'"type":"MODIFIED"')
        except (OSError, ssl.SSLError):
            pass
        assert seen < events / 2, seen


def half_open_handshakes(cluster, base_mb):
    silent = [cluster.dial() for _ in range(1000)]
    for sock in silent[::2]:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # A ClientHello's beginning.
    check(cluster, "1000 half-open handshakes", base_mb, 1000 * CONNECTION_KB / 1024)
    for sock in silent:
        sock.close()


def slow_headers(cluster, base_mb):
    slow = [cluster.connect(context=cluster.anonymous) for _ in range(300)]
    for sock in slow:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: " + b"y" * 30_000)
    check(cluster, "300 slow headers", base_mb, 300 * (CONNECTION_KB + 64) / 1024)
    for sock in slow:
        sock.close()


def slow_bodies(cluster, base_mb):
    slow, refused = [], 0
    body = b"z" * 2_000_000
    for _ in range(200):  # 400 MB, from nobody in particular.
        sock = cluster.connect(context=cluster.anonymous)
        slow.append(sock)
        try:
            sock.sendall(b"POST /api/v1/namespaces HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n")
            sock.sendall(body)
        except OSError:
            refused += 1
    check(cluster, f"200 slow bodies, {refused} refused while sending", base_mb,
          HELD_MB * 2 + 200 * CONNECTION_KB / 1024)
    for sock in slow:
        sock.close()


def readers_that_stop(cluster, base_mb):
    with Conversation(cluster) as client:
        for i in range(400):
            data = json.dumps({"metadata": {"name": f"m{i}"}, "data": {"d": "d" * 50_000}})
            client.say("POST", MAPS, data, Content_Type="application/json")
            client.hear()
    with_objects_mb = cluster.pss_mb()
    stopped, codes = [], []
    for accept in ["application/json", PROTOBUF] * 30:  # 60 lists of 20 MB.
        sock = cluster.connect(buffer=4096)
        sock.sendall(request("GET", MAPS, Accept=accept))
        codes.append(answer_code(sock))
        stopped.append(sock)
    assert set(codes) <= {200, 429}, codes
    assert codes.count(200) >= 30, codes  # What the store has anyway costs nothing.
    check(cluster, f"60 readers of 20 MB that stop, {codes.count(429)} refused", with_objects_mb,
          HELD_MB * 1.5 + 60 * CONNECTION_KB / 1024)
    for sock in stopped:
        sock.close()


def main():
    cluster = Cluster(sys.argv[1], int(sys.argv[2]))
    code, _ = ask(cluster, "POST", "/api/v1/namespaces",
                  json.dumps({"metadata": {"name": "load"}}), Content_Type="application/json")
    assert code == 201, code
    for flood in (half_open_handshakes, slow_headers, slow_bodies, readers_that_stop,
                  watcher_that_never_reads):
        flood(cluster, cluster.pss_mb())


main()
