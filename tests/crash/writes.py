#!/usr/bin/env python3
"""Kills `orch server` at random moments under a load of writes and holds it to what it promised.

  writes.py ORCH WORK_DIR KILLS SECONDS [SEED]

Several clients create, update and delete ConfigMaps of their own and remember each answer. After
every SIGKILL and restart: what was acknowledged is there to the byte with its resourceVersion, what
was cut off happened wholly or not at all, resourceVersions never go back or come twice, and no uid
has two owners. Who fails is told with the seed.
"""

import base64
import http.client
import json
import os
import random
import re
import signal
import ssl
import subprocess
import sys
import threading
import time

CLIENTS = 6
OBJECTS_PER_CLIENT = 40
PORT = 6443
PATH = "/api/v1/namespaces/default/configmaps"
BROKEN = (OSError, http.client.HTTPException)


class Failure(Exception):
    pass


class Server:
    def __init__(self, orch, work):
        self.work = work
        self.kubeconfig = work + "/kubeconfig.yaml"
        self.command = [orch, "server", "--disable-agent", "--config", work + "/config.yaml",
                        "--data-dir", work + "/data", "--run-dir", work + "/run",
                        "--write-kubeconfig", self.kubeconfig, "--node-ip", "127.0.0.1",
                        "--bind-address", "127.0.0.1", "--https-listen-port", str(PORT)]
        self.process = None

    def start(self):
        begun = time.monotonic()
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if "server: ready;" in line:
                threading.Thread(target=self.drain, args=(self.process.stderr,),
                                 daemon=True).start()
                return time.monotonic() - begun
        raise Failure("the server did not start again:\n" + "".join(lines))

    @staticmethod
    def drain(stream):
        for _ in stream:
            pass

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def tls(self):
        """The administrator's client certificate out of the kubeconfig."""
        text = open(self.kubeconfig).read()
        for key, name in (("certificate-authority-data", "ca.pem"),
                          ("client-certificate-data", "client.pem"),
                          ("client-key-data", "client.key")):
            data = re.search(key + r":\s*\"?([A-Za-z0-9+/=]+)", text).group(1)
            with open(os.path.join(self.work, name), "wb") as file:
                file.write(base64.b64decode(data))
        context = ssl.create_default_context(cafile=self.work + "/ca.pem")
        context.load_cert_chain(self.work + "/client.pem", self.work + "/client.key")
        return context


class Client(threading.Thread):
    """One run of writes until the server dies. `known`: name → (uid, version, data)."""

    def __init__(self, number, tls, known, seed, versions):
        super().__init__()
        self.number, self.tls, self.known = number, tls, known
        self.random = random.Random(seed)
        self.versions = versions  # Of every acknowledged write, shared.
        self.cut_off = None       # (verb, name, data): sent, never answered.
        self.acknowledged = 0
        self.error = None

    def run(self):
        connection = http.client.HTTPSConnection("127.0.0.1", PORT, context=self.tls, timeout=20)
        try:
            while True:
                self.write_once(connection)
        except BROKEN:
            pass
        except Exception as error:  # Told by the main thread.
            self.error = error
        finally:
            connection.close()

    def write_once(self, connection):
        name = f"client-{self.number}-{self.random.randrange(OBJECTS_PER_CLIENT)}"
        data = {"value": "x" * self.random.randrange(2000), "salt": str(self.random.random())}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        if name not in self.known:
            verb, path = "POST", PATH
        elif self.random.random() < 0.3:
            verb, path, body = "DELETE", PATH + "/" + name, None
        else:
            verb, path = "PUT", PATH + "/" + name
            body["metadata"]["resourceVersion"] = self.known[name][1]
        self.cut_off = (verb, name, data)
        connection.request(verb, path, json.dumps(body) if body else None,
                           {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        self.cut_off = None
        if response.status >= 500:  # Asked to come again: nothing was promised.
            self.cut_off = (verb, name, data)
            raise OSError(answer.get("message"))
        if response.status not in (200, 201):
            raise Failure(f"{verb} {name}: {response.status} {answer.get('message')}")
        self.acknowledged += 1
        if verb == "DELETE":
            del self.known[name]
            return
        meta = answer["metadata"]
        if verb == "PUT" and meta["uid"] != self.known[name][0]:
            raise Failure(f"PUT {name} changed the uid")
        self.known[name] = (meta["uid"], meta["resourceVersion"], data)
        self.versions.append(int(meta["resourceVersion"]))


def read_all(tls):
    connection = http.client.HTTPSConnection("127.0.0.1", PORT, context=tls, timeout=20)
    connection.request("GET", PATH)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    if response.status != 200:
        raise Failure(f"list after restart: {response.status} {text[:300]}")
    answer = json.loads(text)
    found = {}
    for item in answer["items"]:
        meta = item["metadata"]
        if meta["name"].startswith("client-"):
            found[meta["name"]] = (meta["uid"], meta["resourceVersion"], item["data"])
    return int(answer["metadata"]["resourceVersion"]), found


def possible(before, cut_off):
    """The states that a name may be in after its last request was cut off. None: not there."""
    verb, _, data = cut_off
    if verb == "DELETE":
        return lambda now: now is None or now == before
    if verb == "POST":
        return lambda now: now is None or now[2] == data
    return lambda now: now == before or (
        now is not None and now[0] == before[0] and now[2] == data and int(now[1]) > int(before[1]))


def check(clients, found, list_version, versions, owners):
    if versions and list_version < max(versions):
        raise Failure(f"resourceVersion went back: {list_version} after {max(versions)}")
    if len(set(versions)) != len(versions):
        raise Failure("a resourceVersion was given twice")
    expected = {}
    for client in clients:
        if client.error:
            raise client.error
        expected.update(client.known)
    cut_off = {client.cut_off[1]: client.cut_off for client in clients if client.cut_off}
    for name in set(expected) | set(found):
        before, now = expected.get(name), found.get(name)
        good = possible(before, cut_off[name])(now) if name in cut_off else now == before
        if not good:
            raise Failure(f"{name}: acknowledged {before}, found {now}, cut off {cut_off.get(name)}")
    for name, (uid, _, _) in found.items():
        if owners.setdefault(uid, name) != name:
            raise Failure(f"uid {uid} belongs to {name} and to {owners[uid]}")
    if len({uid for uid, _, _ in found.values()}) != len(found):
        raise Failure("two objects share a uid")


def main():
    orch, work, kills, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    seed = int(sys.argv[5]) if len(sys.argv) > 5 else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}", flush=True)
    choice = random.Random(seed)
    server = Server(orch, work)
    known = [{} for _ in range(CLIENTS)]
    owners, acknowledged, last_version, done, starts = {}, 0, 0, 0, []
    deadline = time.monotonic() + seconds
    try:
        server.start()
        tls = server.tls()
        while done < kills and time.monotonic() < deadline:
            versions = []
            clients = [Client(i, tls, known[i], choice.random(), versions) for i in range(CLIENTS)]
            for client in clients:
                client.start()
            time.sleep(choice.uniform(0.02, 0.3))
            server.kill()
            for client in clients:
                client.join()
            starts.append(server.start())
            list_version, found = read_all(tls)
            check(clients, found, list_version, versions + [last_version], owners)
            last_version = list_version
            for i, client in enumerate(clients):
                acknowledged += client.acknowledged
                known[i] = {name: state for name, state in found.items()
                            if name.startswith(f"client-{i}-")}
            done += 1
    except Failure as failure:
        print(f"FAILED after {done} kills, seed {seed}: {failure}")
        return 1
    finally:
        server.end()
    starts.sort()
    print(f"{done} kills, {acknowledged} acknowledged writes kept; "
          f"restart p50 {starts[len(starts) // 2] * 1000:.0f} ms, max {starts[-1] * 1000:.0f} ms")
    if done < kills:
        print(f"FAILED: only {done} of {kills} kills in {seconds:.0f} s")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
