#!/usr/bin/env python3
"""Two orch servers on one etcd, and an etcd that goes away: docs/datastore.md held to its word.

  servers.py ORCH WORK_DIR PAGE

Prints a line a check; ends with 1 at the first that fails. Everything is on loopback, and only
processes that were started here are ended.
"""

import base64
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time

from process import Process, eventually, want

orch, work, page_path = sys.argv[1:4]
MAPS = "/api/v1/namespaces/default/configmaps"
ETCD_PORT, PEER_PORT = 2379, 2380
BROKEN = (OSError, http.client.HTTPException)
WRITERS = 6
checks = []


def check(function):
    checks.append(function)
    return function


class Etcd(Process):
    def __init__(self, folder="etcd", port=ETCD_PORT, flags=(), members=None):
        """`members`: the ports of all members of its cluster; itself alone."""
        scheme = "https" if flags else "http"
        self.port = port
        url, peer = f"{scheme}://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"
        cluster = ",".join(f"m{p}=http://127.0.0.1:{p + 1}" for p in members or [port])
        super().__init__(f"{work}/{folder}", [
            "etcd", "--name", f"m{port}", "--data-dir", f"{work}/{folder}", "--logger", "zap",
            "--log-outputs", "stderr", "--listen-client-urls", url, "--advertise-client-urls", url,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", cluster, *flags])
        if not members:  # One of several serves when a second one has come.
            self.wait_for("serving client traffic")


def etcd_call(path, port=ETCD_PORT, **body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", path, json.dumps(body))
    answer = connection.getresponse()
    return json.loads(answer.read())


def b64(text):
    return base64.b64encode(text.encode()).decode()


class Server(Process):
    def __init__(self, name, port, flags=None):
        self.port, self.kubeconfig = port, f"{work}/{name}.kubeconfig"
        self.data = f"{work}/{name}"
        open(f"{work}/none.yaml", "a").close()
        super().__init__(f"{work}/{name}", [
            orch, "server", "--config", f"{work}/none.yaml", "--data-dir", self.data, "--run-dir",
            f"{self.data}.run", "--write-kubeconfig", self.kubeconfig, "--bind-address",
            "127.0.0.1", "--https-listen-port", str(port), "--node-ip", "127.0.0.1", "--node-name",
            name, "--disable-agent",
            *(flags or ["--datastore-endpoint", f"http://127.0.0.1:{ETCD_PORT}"])])
        self.wait_for("server: ready;")
        self.tls = ssl.create_default_context(cafile=f"{self.data}/server/tls/ca.crt")
        self.token = open(f"{self.data}/server/tls/admin.token").read().strip()
        self.local = threading.local()

    def connect(self, timeout=30):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls,
                                           timeout=timeout)

    def call(self, verb, path, body=None, type="application/json"):
        """Status and document. A connection for each thread is kept."""
        connection = getattr(self.local, "connection", None) or self.connect()
        self.local.connection = None
        headers = {"Authorization": "Bearer " + self.token, "Content-Type": type}
        connection.request(verb, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        self.local.connection = connection
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text.decode()


class Watch:
    """Follows ConfigMaps from a revision on, until the server ends it."""

    def __init__(self, server, revision):
        self.events, self.more, self.over = [], threading.Condition(), False
        self.connection = server.connect(timeout=60)
        self.connection.request("GET", f"{MAPS}?watch=true&resourceVersion={revision}",
                                headers={"Authorization": "Bearer " + server.token})
        self.answer = self.connection.getresponse()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for line in self.answer:
                with self.more:
                    self.events.append(json.loads(line))
                    self.more.notify_all()
        except (*BROKEN, ValueError):
            pass
        with self.more:
            self.over = True
            self.more.notify_all()

    def wait(self, condition, seconds=20):
        with self.more:
            want(self.more.wait_for(lambda: condition(self.events), seconds),
                 "the watch has", len(self.events), "events, the last:", self.events[-1:])
            return list(self.events)


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def version(document):
    return int(document["metadata"]["resourceVersion"])


def ok(result, code=None):
    status, document = result
    want(status == code if code else status < 300, "wanted", code or "2xx", "got", status, document)
    return document


# --- Commands of the page.

PAGE = open(page_path).read()


def page(command):
    """The words of a command that stands on the page."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
    want(any(command in block.splitlines() for block in blocks), "the page has no:", command)
    return shlex.split(command)


def server_flags(command):
    words = page(command)
    want(words[:2] == ["orch", "server"], command)
    return words[2:]


@check
def a_server_starts_on_an_empty_etcd():
    global etcd, a
    etcd = Etcd()
    a = Server("a", 6443, server_flags("orch server --datastore-endpoint http://127.0.0.1:2379"))
    want(not os.path.exists(f"{a.data}/server/db/orch.db"), "there is a database all the same")
    made = ok(a.call("POST", MAPS, config_map("first", a="1")), 201)
    kept = etcd_call("/v3/kv/range", key=b64("/orch/configmaps/default/first"))["kvs"][0]
    want(int(kept["mod_revision"]) == version(made), kept, made)
    ok(a.call("GET", "/readyz"), 200)
    a.wait_for("this server leads")


@check
def secrets_lie_sealed_in_etcd():
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
              "stringData": {"word": "swordfish"}}
    ok(a.call("POST", "/api/v1/namespaces/default/secrets", secret), 201)
    kept = etcd_call("/v3/kv/range", key=b64("/orch/secrets/default/s"))["kvs"][0]
    value = base64.b64decode(kept["value"])
    want(value.startswith(b"k8s:enc:aesgcm:v1:"), value[:40])
    want(b64("swordfish").encode() not in value, "the word can be read")


@check
def after_a_rotation_secrets_are_sealed_anew():
    global a
    def kept():
        value = etcd_call("/v3/kv/range", key=b64("/orch/secrets/default/s"))["kvs"][0]["value"]
        return base64.b64decode(value).split(b":")[4]

    before = kept()
    subprocess.run([orch, "secrets-encrypt", "rotate-keys", "--data-dir", a.data], check=True,
                   capture_output=True)
    a.end()
    a = Server("a", 6443)
    secret = "/api/v1/namespaces/default/secrets/s"
    want(ok(a.call("GET", secret))["data"]["word"] == b64("swordfish"), "the old one is not opened")
    eventually(lambda: kept() != before)
    want(ok(a.call("GET", secret))["data"]["word"] == b64("swordfish"), "the new one is not opened")


@check
def a_second_server_takes_its_keys_from_etcd_and_shares_it():
    global b
    token = f"{work}/server-token"
    shutil.copy(f"{a.data}/server/server-token", token)
    flags = server_flags("orch server --datastore-endpoint http://127.0.0.1:2379 "
                         "--token-file /etc/orch/server-token")
    b = Server("b", 6444, [token if word.startswith("/etc") else word for word in flags])
    for name in ("tls/ca.key", "tls/service-account.key", "token", "encryption-config.json",
                 "server-token"):
        path = f"{b.data}/server/{name}"
        want(open(path).read() == open(f"{a.data}/server/{name}").read(), name, "differs")
        want(os.stat(path).st_mode & 0o777 == 0o600, name, "is for more than root")
    b.end()
    b = Server("b", 6444)  # The token has done its work.
    want(ok(b.call("GET", MAPS + "/first"))["data"] == {"a": "1"}, "the first map")
    ok(b.call("GET", "/api/v1/namespaces/default/secrets/s"))
    want(not any("this server leads" in line for line in b.lines), "both lead")


@check
def writes_through_one_are_seen_by_the_others_watch():
    watch = Watch(b, version(ok(b.call("GET", MAPS))))
    made = ok(a.call("POST", MAPS, config_map("seen", n="0")), 201)
    patched = ok(a.call("PATCH", MAPS + "/seen", {"data": {"n": "1"}},
                        "application/merge-patch+json"))
    ok(a.call("DELETE", MAPS + "/seen"))
    events = [e for e in watch.wait(lambda all: any(e["type"] == "DELETED" for e in all))
              if e["object"]["metadata"]["name"] == "seen"]
    want([e["type"] for e in events] == ["ADDED", "MODIFIED", "DELETED"], events)
    want(events[0]["object"] == made and events[1]["object"] == patched, events)
    want(version(events[2]["object"]) > version(patched), events[2])


@check
def of_racing_writers_one_wins():
    ok(a.call("POST", MAPS, config_map("race", n="0")), 201)
    for turn in range(20):
        base = ok(a.call("GET", MAPS + "/race"))
        results = [None, None]

        def put(place, server):
            changed = dict(base, data={"n": f"{turn} {place}"})
            results[place] = server.call("PUT", MAPS + "/race", changed)

        threads = [threading.Thread(target=put, args=(i, s)) for i, s in enumerate((a, b))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        want(sorted(status for status, _ in results) == [200, 409], results)
        winner = next(said for status, said in results if status == 200)
        want(all(ok(s.call("GET", MAPS + "/race")) == winner for s in (a, b)), "not", winner)


@check
def no_increment_is_lost():
    ok(a.call("POST", MAPS, config_map("counter", n="0")), 201)
    failures = []

    def count(server):
        for _ in range(15):
            while True:
                now = ok(server.call("GET", MAPS + "/counter"))
                now["data"]["n"] = str(int(now["data"]["n"]) + 1)
                status, said = server.call("PUT", MAPS + "/counter", now)
                if status == 200:
                    break
                if status != 409:
                    failures.append(said)
                    return

    threads = [threading.Thread(target=count, args=(s,)) for s in (a, b, a, b)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    want(not failures, failures)
    want(ok(b.call("GET", MAPS + "/counter"))["data"]["n"] == "60", b.call("GET", MAPS + "/counter"))


@check
def what_one_acknowledged_the_other_shows():
    for n in range(50):
        made = ok(a.call("PUT", MAPS + "/counter", config_map("counter", n=str(n))), 200)
        want(ok(b.call("GET", MAPS + "/counter")) == made, "the other shows an older one than", made)


@check
def no_address_is_given_away_twice():
    def service(name):
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
                "spec": {"clusterIP": "10.43.7.7", "ports": [{"port": 80}]}}
    path = "/api/v1/namespaces/default/services"
    for n in range(10):
        results = [None, None]

        def make(place, server):
            results[place] = server.call("POST", path, service(f"s{place}"))

        threads = [threading.Thread(target=make, args=(i, s)) for i, s in enumerate((a, b))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        want(sorted(status for status, _ in results) == [201, 422], results)
        winner = next(said for status, said in results if status == 201)["metadata"]["name"]
        ok((a, b)[n % 2].call("DELETE", f"{path}/{winner}"))


class Writer(threading.Thread):
    """Makes and changes maps of its own, and remembers what was acknowledged."""

    def __init__(self, number, server, stop):
        super().__init__(daemon=True)
        self.number, self.server, self.stop = number, server, stop
        self.known = {}     # name → (value, resourceVersion) that was acknowledged.
        self.perhaps = {}   # name → values that may have been written since.
        self.acknowledged, self.refused, self.strange = [], set(), []

    def run(self):
        turn = 0
        while not self.stop.is_set():
            turn += 1
            name, value = f"load-{self.number}-{turn % 10}", str(turn)
            body = config_map(name, v=value)
            try:
                if name in self.known:
                    status, said = self.server.call("PUT", f"{MAPS}/{name}", body)
                else:
                    status, said = self.server.call("POST", MAPS, body)
            except BROKEN:
                self.perhaps.setdefault(name, []).append(value)
                continue
            if status < 300:
                self.known[name] = (value, version(said))
                self.perhaps.pop(name, None)
                self.acknowledged.append((name, version(said)))
            elif status in (503, 504):
                self.refused.add(said["message"])
                self.perhaps.setdefault(name, []).append(value)
                self.stop.wait(0.02)
            elif status in (404, 409) and name in self.perhaps:
                # An earlier one of ours has happened after all.
                state, now = self.server.call("GET", f"{MAPS}/{name}")
                if state == 200:
                    self.known[name] = (now["data"]["v"], version(now))
            else:
                self.strange.append((status, said))
                return


def has_outcome(writer, maps):
    for name, (value, revision) in writer.known.items():
        want(name in maps, name, "is gone, and was acknowledged at", revision)
        now = maps[name]
        same = now["data"]["v"] == value and version(now) == revision
        later = now["data"]["v"] in writer.perhaps.get(name, []) and version(now) > revision
        want(same or later, name, "is", now, "and was acknowledged as", value, revision)


@check
def etcd_is_killed_under_load():
    global etcd
    start = version(ok(a.call("GET", MAPS)))
    watches = [Watch(a, start), Watch(b, start)]
    stop = threading.Event()
    writers = [Writer(i, (a, b)[i % 2], stop) for i in range(WRITERS)]
    for writer in writers:
        writer.start()
    for _ in range(3):
        counts = [len(w.acknowledged) for w in writers]
        eventually(lambda: all(len(w.acknowledged) > n + 10 for w, n in zip(writers, counts)))
        places = [len(server.lines) for server in (a, b)]
        etcd.end(signal.SIGKILL)
        eventually(lambda: all(s.call("GET", "/readyz")[0] == 500 for s in (a, b)))
        for server in (a, b):
            status, said = server.call("POST", MAPS, config_map("never", v="1"))
            want(status == 503 and "etcd" in said["message"], status, said)
            # What is known is served to whom it is good enough; a restart of orch would not help.
            ok(server.call("GET", MAPS + "/first?resourceVersion=0"), 200)
            want(server.call("GET", MAPS + "/first")[0] == 503, "a read that may be stale")
            ok(server.call("GET", "/livez"), 200)
        etcd = Etcd()
        for server, place in zip((a, b), places):
            server.wait_for("it is back", after=place)
        eventually(lambda: all(s.call("GET", "/readyz")[0] == 200 for s in (a, b)))
    counts = [len(w.acknowledged) for w in writers]
    eventually(lambda: all(len(w.acknowledged) > n + 10 for w, n in zip(writers, counts)))
    stop.set()
    for writer in writers:
        writer.join(30)
        want(not writer.strange, writer.strange)
    want(any(w.refused for w in writers), "nobody was refused while etcd was away")
    last = ok(a.call("POST", MAPS, config_map("last", v="1")), 201)
    for server, watch in zip((a, b), watches):
        events = watch.wait(lambda all: any(version(e["object"]) >= version(last) for e in all))
        revisions = [version(e["object"]) for e in events]
        want(revisions == sorted(set(revisions)), "the watch repeats or goes back")
        seen = {(e["object"]["metadata"]["name"], version(e["object"])) for e in events}
        for writer in writers:
            missed = set(writer.acknowledged) - seen
            want(not missed, "the watch has missed", sorted(missed)[:5])
        maps = {m["metadata"]["name"]: m for m in ok(server.call("GET", MAPS))["items"]}
        for writer in writers:
            has_outcome(writer, maps)
    print(f"  {sum(len(w.acknowledged) for w in writers)} writes acknowledged, "
          f"{len(revisions)} events")


@check
def what_was_compacted_while_a_server_was_away_is_gone_for_its_watches():
    global etcd
    before = version(ok(b.call("GET", MAPS)))
    watch = Watch(b, before)
    b.send(signal.SIGSTOP)
    places = len(b.lines)
    etcd.end(signal.SIGKILL)
    etcd = Etcd()
    eventually(lambda: a.call("GET", "/readyz")[0] == 200)
    for n in range(3):
        ok(a.call("POST", MAPS, config_map(f"away-{n}", v="1")), 201)
    ok(a.call("DELETE", MAPS + "/first"))
    newest = int(etcd_call("/v3/kv/range", key=b64("x"))["header"]["revision"])
    etcd_call("/v3/kv/compaction", revision=str(newest))
    b.send(signal.SIGCONT)
    b.wait_for("objects at revision", after=places)
    names = {m["metadata"]["name"] for m in ok(b.call("GET", MAPS))["items"]}
    want({"away-0", "away-1", "away-2"} <= names and "first" not in names, names)
    with watch.more:
        want(watch.more.wait_for(lambda: watch.over, 20), "the watch goes on with a gap")
    late = Watch(b, before).wait(lambda all: all)[0]
    want(late["type"] == "ERROR" and late["object"]["code"] == 410, late)
    # A list and a watch from there work as ever.
    again = Watch(b, version(ok(b.call("GET", MAPS))))
    ok(a.call("POST", MAPS, config_map("afterwards", v="1")), 201)
    again.wait(lambda all: all[-1:] and all[-1]["object"]["metadata"]["name"] == "afterwards")


@check
def a_server_that_dies_leaves_the_lead_to_the_other():
    global a
    place = len(b.lines)
    leads = any("this server leads" in line for line in a.lines)
    want(leads, "the first server never led")
    a.end(signal.SIGKILL)
    b.wait_for("this server leads", seconds=20, after=place)
    a = Server("a", 6443)


@check
def a_restart_finds_everything():
    global a
    before = ok(a.call("GET", MAPS))
    a.end()
    a = Server("a", 6443)
    after = ok(a.call("GET", MAPS))
    want(after["items"] == before["items"], "the maps have changed")
    want(version(after) >= version(before), "the revision went back")


@check
def etcd_is_compacted():
    global a
    a.end()
    b.end()
    a = Server("a", 6443, ["--datastore-endpoint", f"http://127.0.0.1:{ETCD_PORT}",
                           "--etcd-compaction-interval", "1s"])
    old = ok(a.call("POST", MAPS, config_map("old", v="1")), 201)

    def is_compacted():
        ok(a.call("PATCH", MAPS + "/old", {"data": {"v": str(time.monotonic())}},
                  "application/merge-patch+json"))
        said = etcd_call("/v3/kv/range", key=b64("x"), revision=str(version(old)))
        return "compacted" in said.get("error", "")

    eventually(is_compacted)
    a.end()


def run_to_its_end(*flags, data="wrong"):
    name = f"{work}/{data}"
    command = [orch, "server", "--config", f"{work}/none.yaml", "--data-dir", name, "--run-dir",
               name + ".run", "--write-kubeconfig", name + ".kubeconfig", "--bind-address",
               "127.0.0.1", "--node-ip", "127.0.0.1", "--node-name", "n", "--disable-agent", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    want(done.returncode != 0, "it started with", flags)
    return done.stderr


@check
def what_cannot_work_is_said_at_once():
    said = run_to_its_end("--datastore-endpoint", "http://127.0.0.1:1")
    want("--datastore-endpoint" in said and "refused" in said, said)
    said = run_to_its_end("--datastore-endpoint", "mysql://x")
    want("must be an http:// or https:// URL" in said, said)
    said = run_to_its_end("--datastore-endpoint", "http://127.0.0.1:2379", "--cluster-init")
    want("--cluster-init" in said, said)
    where = ["--datastore-endpoint", "http://127.0.0.1:2379"]
    said = run_to_its_end(*where)
    want("server-token" in said, said)
    mine = open(f"{work}/server-token").read().strip()
    said = run_to_its_end(*where, "--token", mine[:-1] + ("0" if mine[-1] != "0" else "1"))
    want("the token is not that of the servers" in said, said)
    said = run_to_its_end(*where, "--token", "K10" + "0" * 64 + mine[mine.index("::"):])
    want("is not the token's" in said, said)
    said = run_to_its_end(*where, "--token", mine, "--service-cidr", "10.96.0.0/16",
                          "--cluster-dns", "10.96.0.10")
    want("the cluster has 10.43.0.0/16" in said, said)
    want(not os.path.exists(f"{work}/wrong/server/tls/ca.key"), "a refused server has the CA's key")
    sealed = etcd_call("/v3/kv/range", key=b64("/orch-shared"))["kvs"][0]["value"]
    want(b"PRIVATE KEY" not in base64.b64decode(sealed), "keys lie open in etcd")
    # One that has a cluster of its own; and one whose secrets are not those.
    own = Server("own", 6448, ["--disable-scheduler"])
    own.end()
    said = run_to_its_end(*where, data="own")
    want("has the keys of another cluster" in said, said)
    shutil.copytree(f"{b.data}/server", f"{work}/wrong/server", dirs_exist_ok=True)
    os.remove(f"{work}/wrong/server/encryption-config.json")
    said = run_to_its_end(*where)
    want("secrets/default/s" in said, said)


def make_certificates():
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=work)
    for name in ("etcd-ca", "other-ca"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", name + ".key", "-out", name + ".crt", "-subj", "/CN=" + name, "-days",
                "2")
    with open(f"{work}/san", "w") as file:
        file.write("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
    for name in ("etcd-server", "etcd-client"):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name)
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "etcd-ca.crt", "-CAkey", "etcd-ca.key",
                "-CAcreateserial", "-out", name + ".crt", "-extfile", "san", "-days", "2")


@check
def etcd_behind_tls_with_certificates():
    make_certificates()
    secure = Etcd("etcd-tls", 2389, [
        "--cert-file", f"{work}/etcd-server.crt", "--key-file", f"{work}/etcd-server.key",
        "--client-cert-auth", "--trusted-ca-file", f"{work}/etcd-ca.crt"])
    try:
        where = ["--datastore-endpoint", "https://127.0.0.1:2389"]
        said = run_to_its_end(*where, "--datastore-cafile", f"{work}/other-ca.crt")
        want("not to be believed" in said, said)
        said = run_to_its_end(*where, "--datastore-cafile", f"{work}/etcd-ca.crt")
        want("etcd does not answer" in said, said)
        flags = server_flags(
            "orch server --datastore-endpoint https://10.0.0.1:2379,https://10.0.0.2:2379,"
            "https://10.0.0.3:2379 --datastore-cafile /etc/orch/etcd/ca.crt --datastore-certfile "
            "/etc/orch/etcd/client.crt --datastore-keyfile /etc/orch/etcd/client.key")
        put = {"/etc/orch/etcd/ca.crt": f"{work}/etcd-ca.crt",
               "/etc/orch/etcd/client.crt": f"{work}/etcd-client.crt",
               "/etc/orch/etcd/client.key": f"{work}/etcd-client.key"}
        flags = [put.get(word, word) for word in flags]
        # Of the three one lives; whichever the server asks first, it finds that one.
        flags[1] = "https://127.0.0.1:1,https://127.0.0.1:2389"
        c = Server("c", 6445, flags)
        try:
            ok(c.call("POST", MAPS, config_map("sealed", v="1")), 201)
        finally:
            c.end()
    finally:
        secure.end()


def leads(member):
    said = etcd_call("/v3/maintenance/status", port=member.port)
    return said["leader"] == said["header"]["member_id"]


@check
def any_one_of_three_etcds_may_die():
    ports = [2401, 2411, 2421]

    def start(port):
        return Etcd(f"etcd-{port}", port, members=ports)

    members = [start(port) for port in ports]
    stop, c, d = threading.Event(), None, None
    try:
        for member in members:
            member.wait_for("serving client traffic")
        where = ["--datastore-endpoint", ",".join(f"http://127.0.0.1:{port}" for port in ports)]
        c = Server("three-c", 6446, where)
        d = Server("three-d", 6447, [*where, "--token-file", f"{c.data}/server/server-token"])
        writers = [Writer(i, (c, d)[i % 2], stop) for i in range(WRITERS)]
        for writer in writers:
            writer.start()

        def go_on():
            counts = [len(w.acknowledged) for w in writers]
            eventually(lambda: all(len(w.acknowledged) > n + 5 for w, n in zip(writers, counts)))
        # The followers, and the leader last: after it was elected, not after it came back.
        for place in sorted(range(3), key=lambda place: leads(members[place])):
            go_on()
            members[place].end(signal.SIGKILL)
            go_on()
            for server in (c, d):
                ok(server.call("GET", MAPS), 200)
            members[place] = start(ports[place])
            members[place].wait_for("serving client traffic")
        go_on()
        stop.set()
        for writer in writers:
            writer.join(30)
            want(not writer.strange, writer.strange)
        for server in (c, d):
            maps = {m["metadata"]["name"]: m for m in ok(server.call("GET", MAPS))["items"]}
            for writer in writers:
                has_outcome(writer, maps)
        print(f"  {sum(len(w.acknowledged) for w in writers)} writes acknowledged")
    finally:
        stop.set()
        for process in (c, d, *members):
            if process:
                process.end(signal.SIGKILL)


a = b = etcd = None
failed = False
try:
    for each in checks:
        begun = time.monotonic()
        each()
        print(f"{each.__name__:70} ok {(time.monotonic() - begun) * 1000:7.0f} ms", flush=True)
except (AssertionError, *BROKEN) as why:
    failed = True
    print(f"FAILED: {each.__name__}: {why!r}")
    for name, process in (("a", a), ("b", b)):
        if process:
            print(f"---- the last of {name}.log\n" + "".join(process.lines[-15:]))
finally:
    for process in (a, b, etcd):
        if process and process.process.poll() is None:
            process.send(signal.SIGCONT)
            process.end(signal.SIGKILL)
sys.exit(1 if failed else 0)
