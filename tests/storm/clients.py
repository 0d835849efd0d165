"""Clients of three servers at once; of each operation is kept when it was and what came of it.

They change ConfigMaps with the label storm=yes by compare-and-swap, all of them the same few. A
client whose server breaks off or can't serve goes to another one, and now and then without reason.
One of each server's stays with it: else a server that says nothing soon has them all, and when the
next one is cut off nobody asks those that are left.
"""

import http.client
import json
import random
import threading
import time

from history import Op, Stream
from process import want

BROKEN = (OSError, http.client.HTTPException, ValueError)
MAPS = "/api/v1/namespaces/storm/configmaps"
LABEL = "labelSelector=storm%3Dyes"
KEYS = [f"key-{n}" for n in range(12)]
CLIENTS = 9
WATCHES = 3
PATIENCE_S = 5         # With a server that says nothing.
PAUSE_S = 0.03         # At most, between a client's operations: the servers need the machine, too.
OPERATIONS_AT_ONE = 25  # On average.
LIGHT, HEAVY = 500, 48_000  # Bytes of an object.


class Link:
    """A client's way to one server; if it isn't to stay there, to another one when that fails."""

    def __init__(self, cluster, seed, stays=None):
        self.cluster, self.random = cluster, random.Random(seed)
        self.connection, self.server, self.stays = None, stays, stays
        self.move()

    def move(self):
        self.close()
        if self.stays is None:
            others = [n for n in self.cluster.servers if n != self.server]
            self.server = self.random.choice(others)

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def connect(self):
        if self.connection is None:
            self.connection = self.cluster.connect(self.server, PATIENCE_S)
            self.connection.connect()

    def send(self, verb, path, body=None):
        headers = {"Authorization": "Bearer " + self.cluster.token,
                   "Content-Type": "application/json"}
        self.connection.request(verb, path, json.dumps(body) if body else None, headers)
        return self.connection.getresponse()

    def call(self, verb, path, body=None):
        answer = self.send(verb, path, body)
        return answer.status, json.loads(answer.read())


def version(document):
    return int(document["metadata"]["resourceVersion"])


def content(document):
    return document["data"]["value"]


def outcome_of(status, said):
    """What an answer means; None where nobody asked for such an answer."""
    if status < 300:
        return "ok"
    if status == 404:
        return "absent"
    if status == 409:
        return "exists" if said.get("reason") == "AlreadyExists" else "conflict"
    return "unknown" if status >= 500 or status == 429 else None


class Load:
    """All clients and watches, and what they have seen."""

    def __init__(self, cluster, seed):
        self.cluster = cluster
        self.ops, self.streams, self.strange = [], [], []
        self.size = LIGHT
        self.more, self.over = threading.Condition(), threading.Event()
        self.bytes = 0  # Written, about.
        self.newest = {n: 0.0 for n in cluster.servers}  # Begin of the last write that succeeded.
        stays = [*cluster.servers, *[None] * (CLIENTS - len(cluster.servers))]
        self.clients = [Client(self, f"client-{n}", f"{seed} {n}", server)
                        for n, server in enumerate(stays)]
        self.watches = [Watch(self, f"watch-{n}", f"{seed} {n}") for n in range(WATCHES)]

    def start(self):
        for each in self.watches + self.clients:
            each.start()

    def keep(self, op):
        self.ops.append(op)
        if op.outcome == "ok" and op.kind in ("create", "update", "delete"):
            with self.more:
                self.bytes += self.size
                self.newest[op.server] = max(self.newest[op.server], op.begin)
                self.more.notify_all()

    def wait_for_writes(self, servers, wanted, seconds):
        """Until so many of the servers have taken a write that begins from now on. → seconds"""
        begin = time.monotonic()
        with self.more:
            if self.more.wait_for(
                    lambda: sum(self.newest[n] > begin for n in servers) >= wanted, seconds):
                return time.monotonic() - begin
        silent = [n for n in servers if self.newest[n] <= begin]
        raise AssertionError(f"no write through server {silent} in {seconds} s")

    def write_heavily(self, size, seconds):
        """Until so many bytes more are written."""
        self.size = HEAVY
        with self.more:
            end = self.bytes + size
            done = self.more.wait_for(lambda: self.bytes >= end, seconds)
        self.size = LIGHT
        want(done, f"of {size} bytes {end - self.bytes} were not written in {seconds} s")

    def stop(self, seconds):
        """Ends with a write that every watch must tell. → its revision."""
        self.over.set()
        for client in self.clients:
            client.join(seconds)
        last = Client(self, "last", "last")
        for n in self.cluster.servers:
            last.link.close()
            last.link.server = n
            last.write_once("last" if n == 1 else f"last-{n}")
            last.list()
        revision = max(op.revision for op in self.ops[-2 * len(self.cluster.servers):])
        for watch in self.watches:
            watch.finish(revision, seconds)
        return revision


class Client(threading.Thread):
    def __init__(self, load, name, seed, stays=None):
        super().__init__(daemon=True, name=name)
        self.load, self.random = load, random.Random(seed)
        self.link = Link(load.cluster, seed, stays)
        self.count = 0

    def run(self):
        while not self.load.over.is_set():
            try:
                self.turn()
            except BROKEN:
                self.link.move()
                self.load.over.wait(PAUSE_S)
            except Exception as error:  # Told by the main thread.
                self.load.strange.append(f"{self.name}: {error!r}")
                return
            self.load.over.wait(self.random.random() * PAUSE_S)
            if self.random.random() < 1 / OPERATIONS_AT_ONE:
                self.link.move()

    def turn(self):
        chance, key = self.random.random(), self.random.choice(KEYS)
        if chance < 0.1 and self.load.size == LIGHT:
            self.list()
        elif chance < 0.4:
            self.get(key)
        else:
            self.write_once(key)

    def do(self, op, verb, path, body=None):
        """Carries it out and keeps it. → the document, or None where there is none."""
        self.link.connect()  # What fails here was not begun.
        op.client, op.server, op.begin = self.name, self.link.server, time.monotonic()
        try:
            status, said = self.link.call(verb, path, body)
        except BROKEN:
            self.load.keep(op)
            raise
        op.outcome = outcome_of(status, said)
        if op.outcome is None:
            raise AssertionError(f"{status} to {op}: {said}")
        if op.outcome != "unknown":
            op.end = time.monotonic()
        if op.outcome == "ok" and op.kind == "list":
            op.revision = version(said)
            op.items = {item["metadata"]["name"]: (version(item), content(item))
                        for item in said["items"]}
        elif op.outcome == "ok" and op.kind != "delete":
            op.revision, op.value = version(said), content(said)
        self.load.keep(op)
        if op.outcome == "unknown":
            raise OSError(said.get("message"))
        return said if op.outcome == "ok" else None

    def list(self):
        return self.do(Op("list", 0), "GET", f"{MAPS}?{LABEL}")

    def get(self, key):
        return self.do(Op("get", 0, key=key), "GET", f"{MAPS}/{key}")

    def write_once(self, key):
        found = self.get(key)
        self.count += 1
        value = f"{self.name}-{self.count}"
        body = {"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": key, "labels": {"storm": "yes"}},
                "data": {"value": value, "pad": "x" * self.load.size}}
        if found is None:
            self.do(Op("create", 0, key=key, value=value), "POST", MAPS, body)
            return
        before = found["metadata"]["resourceVersion"]
        if self.random.random() < 0.15:
            condition = {"apiVersion": "v1", "kind": "DeleteOptions",
                         "preconditions": {"resourceVersion": before}}
            self.do(Op("delete", 0, key=key, expected=int(before)), "DELETE", f"{MAPS}/{key}",
                    condition)
        else:
            body["metadata"]["resourceVersion"] = before
            self.do(Op("update", 0, key=key, value=value, expected=int(before)), "PUT",
                    f"{MAPS}/{key}", body)


class Watch(threading.Thread):
    """One watch, taken up again at any server where it broke off."""

    def __init__(self, load, name, seed):
        super().__init__(daemon=True, name=name)
        self.load, self.link = load, Link(load.cluster, seed)
        self.stream, self.revision = None, 0
        self.more, self.over = threading.Condition(), threading.Event()
        self.resumed = self.anew = 0

    def run(self):
        lister = Client(self.load, self.name, self.name)
        lister.link = self.link
        while not self.over.is_set():
            try:
                self.link.connect()
                if self.stream is None:
                    self.begin(version(lister.list()))
                self.follow()
            except BROKEN:
                pass
            except Exception as error:  # Told by the main thread.
                self.load.strange.append(f"{self.name}: {error!r}")
                return
            self.link.move()
            self.over.wait(PAUSE_S)

    def begin(self, revision):
        self.stream = Stream(f"{self.name} #{self.anew}", revision)
        self.load.streams.append(self.stream)
        self.anew += 1
        self.revision = revision

    def follow(self):
        answer = self.link.send("GET", f"{MAPS}?watch=true&resourceVersion={self.revision}&{LABEL}"
                                       "&allowWatchBookmarks=true")
        self.resumed += 1
        if answer.status == 410:
            self.stream = None
        if answer.status != 200:
            return
        for line in answer:
            event = json.loads(line)
            if event["type"] == "ERROR":
                if event["object"]["code"] == 410:
                    self.stream = None
                return
            self.hear(event["type"], event["object"])

    def hear(self, type, document):
        revision = version(document)
        if type == "BOOKMARK":
            self.stream.seen = max(self.stream.seen, revision)
        else:
            self.stream.events.append((type, revision, document["metadata"]["name"],
                                       content(document)))
        with self.more:
            self.revision = revision
            self.more.notify_all()

    def finish(self, revision, seconds):
        """Waits until it has told the revision; the checker says so if it has not."""
        with self.more:
            self.more.wait_for(lambda: self.revision >= revision, seconds)
        self.over.set()
