#!/usr/bin/env python3
"""Fills a server's disk with ConfigMaps until it refuses, then gives space back."""

import json
import os
import subprocess
import sys

import requests

orch, work = sys.argv[1:3]
several = len(sys.argv) > 3 and sys.argv[3] == "several"
BALLAST = (60 if several else 5) << 20
PORT = "6443"
MAPS = "/api/v1/namespaces/default/configmaps"


def start():
    process = subprocess.Popen(
        [orch, "server", "--disable-agent", "--config", work + "/config.yaml",
         "--data-dir", work + "/small/data", "--run-dir", work + "/small-run",
         "--write-kubeconfig", work + "/small.yaml", "--node-ip", "127.0.0.1"] +
        (["--cluster-init"] if several else []),
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "server: ready;" in line:
            return process
    sys.exit("FAILED: the server on the small disk did not start:\n" + "".join(lines))


def send(cluster, verb, target, body=None):
    """→ (code, what a Status says)."""
    data = body and json.dumps(body).encode()
    code, _, answer = cluster.call(verb, target, requests.JSON if body else None, data)
    return code, answer.get("message", "") if isinstance(answer, dict) else ""


def config_map(name, data=None):
    return {"metadata": {"name": name}, "data": data or {}}


def main():
    ballast = work + "/small/ballast"
    with open(ballast, "wb") as file:
        file.write(b"x" * BALLAST)
    process = start()
    cluster = requests.Cluster(work + "/small.yaml", "127.0.0.1", PORT)
    kept, refusal = {}, None
    for i in range(800):
        data = {"a": str(i) * (60_000 // len(str(i)))}
        code, message = send(cluster, "POST", MAPS, config_map(f"m{i}", data))
        if code == 201:
            kept[f"m{i}"] = data
        else:
            refusal = code, message
            break
    print(f"{len(kept)} writes of 60 KB fitted, then: {refusal}")
    assert refusal and 500 <= refusal[0] < 600, "the disk never was full"
    assert work in refusal[1] or "space" in refusal[1] or "full" in refusal[1], "the refusal does not say why"
    assert send(cluster, "GET", MAPS + "/m0")[0] == 200, "reads don't go on"
    assert send(cluster, "GET", "/readyz")[0] == 500, "a server that takes no writes says that it is ready"
    assert send(cluster, "GET", "/livez")[0] == 200, "a full disk is no reason to start anew"
    heard = lambda words: any(words in line for line in process.stderr)
    assert not several or heard("readyz check etcd failed"), "it said nothing of that"
    os.unlink(ballast)
    # The log of several servers looks for room twice a second; nobody has to write.
    assert not several or heard("there is space again in"), "it doesn't notice that there is space"
    code, message = send(cluster, "POST", MAPS, config_map("after"))
    print(f"with space again: {code} {message}")
    assert code == 201, "writes don't go on when there is space"
    assert send(cluster, "GET", "/readyz")[0] == 200, "it does not say that it is ready again"
    process.terminate()
    process.wait()
    process = start()
    code, message = send(cluster, "POST", MAPS, config_map("later"))
    assert code == 201, f"no recovery: {code} {message}"
    for name in kept:
        assert send(cluster, "GET", f"{MAPS}/{name}")[0] == 200, f"{name} is lost"
    process.terminate()
    process.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
