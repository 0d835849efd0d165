"""Pods on both nodes that speak to each other through a Service, and how they fare.

On each node there is one that echoes and one that calls: it sends numbers on one connection that
never ends, and on one of its own for each.
"""

import glob

import flows
from process import eventually, want

NODES = {"one": "agent-4", "two": "agent-5"}
SERVICE = "10.43.0.80"
STALL_S = 3.0  # The longest that a number may take; faults last longer, most of them.
READY_S = 60

UNTIL_IT_SERVES = f"""until [ "$(echo 0 | timeout 1 nc {SERVICE} 80)" = 0 ]; do usleep 50000; done
"""
STREAM = UNTIL_IT_SERVES + f"""i=0
while :; do i=$((i+1)); echo $i; usleep 100000; done | nc {SERVICE} 80; echo ended; exit 1"""
ANEW = UNTIL_IT_SERVES + f"""i=0
while :; do
  i=$((i+1)); echo $i | timeout {int(STALL_S)} nc {SERVICE} 80 || echo "$i failed"; usleep 200000
done"""


def pod(name, node, labels, containers):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
            "spec": {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [
                {"name": name, "image": "busybox:1", "command": command}
                for name, command in containers.items()]}}


def is_ready(thing):
    """A pod or a node."""
    return any(condition["type"] == "Ready" and condition["status"] == "True"
               for condition in thing.get("status", {}).get("conditions", []))


class Pods:
    def __init__(self, cluster):
        self.cluster = cluster
        self.runs = {}

    def start(self):
        def make(path, body):
            self.cluster.call(1, "POST", path, body)

        make("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace",
                                    "metadata": {"name": "storm"}})
        eventually(self.has_account)
        make("/api/v1/namespaces/storm/services",
             {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "echo"},
              "spec": {"clusterIP": SERVICE, "selector": {"app": "echo"},
                       "ports": [{"port": 80, "targetPort": 8080}]}})
        for name, node in NODES.items():
            make("/api/v1/namespaces/storm/pods",
                 pod(f"echo-{name}", node, {"app": "echo"},
                     {"echo": ["nc", "-ll", "-p", "8080", "-e", "cat"]}))
        eventually(self.all_ready, READY_S)
        for name, node in NODES.items():
            make("/api/v1/namespaces/storm/pods",
                 pod(f"call-{name}", node, {"app": "call"},
                     {"stream": ["sh", "-c", STREAM], "anew": ["sh", "-c", ANEW]}))
        eventually(self.all_ready, READY_S)
        self.runs = self.now()

    def has_account(self):
        said = self.cluster.call(1, "GET", "/api/v1/namespaces/storm/serviceaccounts")
        return bool(said["items"])

    def list(self, n=1):
        return self.cluster.call(n, "GET", "/api/v1/namespaces/storm/pods")["items"]

    def all_ready(self):
        return all(is_ready(pod) for pod in self.list())

    def now(self, n=1):
        """Who runs since when, and how often it was started anew."""
        return {f"{pod['metadata']['name']}/{each['name']}":
                (pod["metadata"]["uid"], each["containerID"], each["restartCount"],
                 each["state"].get("running", {}).get("startedAt"))
                for pod in self.list(n) for each in pod["status"]["containerStatuses"]}

    def check_untouched(self):
        for n in self.cluster.servers:
            now = self.now(n)
            want(now == self.runs, f"server {n} says that containers changed:\n", self.runs, "\n",
                 now)

    def check_flows(self):
        """How many numbers came back, and the longest pause."""
        total, longest, wrong = 0, 0.0, []
        for name in NODES:
            for container in ("stream", "anew"):
                paths = glob.glob(f"{self.cluster.work}/pod-logs/storm_call-{name}_*/{container}/*")
                lines = [line for path in sorted(paths) for line in open(path)]
                count, pause, said = flows.check(f"{name}'s {container}", lines, STALL_S)
                total, longest, wrong = total + count, max(longest, pause), wrong + said
        want(not wrong, *wrong[:10])
        return total, longest


def check_loops(cluster):
    """A Deployment is carried out: controllers, scheduler and both nodes do their work."""
    path, name = "/apis/apps/v1/namespaces/storm/deployments", "after"
    labels = {"app": name}
    made = pod(name, None, labels, {"main": ["sleep", "1000"]})
    del made["spec"]["nodeName"]
    cluster.call(1, "POST", path, {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": 4, "selector": {"matchLabels": labels},
                 "template": {"metadata": made["metadata"] | {"name": ""}, "spec": made["spec"]}}})

    def available():
        now = cluster.call(2, "GET", f"{path}/{name}")
        return now.get("status", {}).get("availableReplicas") == 4
    eventually(available, READY_S)
    cluster.call(3, "DELETE", f"{path}/{name}")

    def gone():
        pods = cluster.call(2, "GET", "/api/v1/namespaces/storm/pods?labelSelector=app%3Dafter")
        return not pods["items"]
    eventually(gone, READY_S)
