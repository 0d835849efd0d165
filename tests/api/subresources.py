"""What the parts of a resource do: scale, ephemeralcontainers, approval, eviction, and the kinds
that nobody stores."""

import client
import objects

NS = "/api/v1/namespaces/walk"
BASE = {"metadata": {"name": "parts"}}
EVICTION = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "parts"}}


def walk(api, check):
    walk_scale(api, check)
    walk_ephemeral_containers(api, check)
    walk_approval(api, check)
    walk_eviction(api, check)
    walk_components(api, check)
    walk_versions(api, check)


def walk_scale(api, check):
    made = api.call("POST", "/apis/apps/v1/namespaces/walk/deployments",
                    {**BASE, "spec": {"replicas": 2, **objects.WORKLOAD}})
    check(made.code == 201, "scale", made.message)
    own = "/apis/apps/v1/namespaces/walk/deployments/parts"
    scale = own + "/scale"
    got = api.get(scale)
    check(got.json["kind"] == "Scale" and got.json["spec"] == {"replicas": 2} and
          got.json["status"] == {"replicas": 0, "selector": "app=a"}, "get scale", got.json)
    table = api.get(scale, client.TABLE).json
    check([c["name"] for c in table["columnDefinitions"]] ==
          ["Name", "Desired", "Available", "Age"], "scale as a table", table)
    check(table["rows"][0]["cells"][:3] == ["parts", 2, 0], "cells of a scale", table["rows"])
    check(api.get(scale, client.PROTOBUF).body.startswith(b"k8s\0"), "scale as protobuf")

    wanted = dict(got.json, spec={"replicas": 3})
    put = api.call("PUT", scale, wanted)
    check(put.code == 200 and put.json["spec"] == {"replicas": 3}, "put scale", put.message)
    check(put.json["metadata"]["resourceVersion"] != got.json["metadata"]["resourceVersion"],
          "revision of a scale")
    check(api.call("PUT", scale, wanted).code == 409, "put of a stale scale")
    for kind, body, replicas in (
            ("merge", {"spec": {"replicas": 4}}, 4), ("strategic", {"spec": {"replicas": 5}}, 5),
            ("json", [{"op": "replace", "path": "/spec/replicas", "value": 6}], 6),
            ("merge", {"spec": {"replicas": 0}}, 0)):
        answer = api.patch(scale, body, kind)
        check(answer.code == 200 and answer.json["spec"].get("replicas", 0) == replicas,
              "patch scale", kind, answer.message)
    deployment = api.get(own).json
    check(deployment["spec"]["replicas"] == 0, "the deployment", deployment["spec"]["replicas"])
    owners = [(m["manager"], m.get("subresource")) for m in deployment["metadata"]["managedFields"]]
    check(any(sub == "scale" for _, sub in owners), "owners of replicas", owners)
    apply = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "parts"},
             "spec": {"replicas": 7}}
    clash = api.patch(scale + "?fieldManager=scaler", apply, "apply")
    check(clash.code == 409 and ".spec.replicas" in clash.message, "apply scale", clash.code,
          clash.message)
    forced = api.patch(scale + "?fieldManager=scaler&force=true", apply, "apply")
    check(forced.code == 200 and forced.json["spec"]["replicas"] == 7, "force scale",
          forced.message)
    bad = api.patch(scale, {"spec": {"replicas": -1}})
    check(bad.code == 422 and bad.fields == ["spec.replicas"], "bad scale", bad.message)
    check(api.call("PUT", scale, dict(wanted, kind="Pod")).code == 400, "no scale at all")
    check(api.call("DELETE", own).code == 200, "delete")


def walk_ephemeral_containers(api, check):
    check(api.call("POST", NS + "/pods", {**BASE, "spec": objects.POD}).code == 201, "pod")
    path = NS + "/pods/parts/ephemeralcontainers"
    debug = {"name": "debug", "image": "busybox:1", "targetContainerName": "c"}
    added = api.patch(path, {"spec": {"ephemeralContainers": [debug], "hostNetwork": True}},
                      "strategic")
    check(added.code == 200, "add", added.message)
    spec = added.json["spec"]
    check([c["name"] for c in spec["ephemeralContainers"]] == ["debug"] and
          "hostNetwork" not in spec, "only they are added", spec)
    for change, word in (([], "may not be removed"),
                         ([{**debug, "image": "other"}], "may not be changed"),
                         ([debug, {"name": "e", "image": "i", "targetContainerName": "z"}],
                          "targetContainerName")):
        answer = api.patch(path, {"spec": {"ephemeralContainers": change}})
        check(answer.code == 422 and word in answer.message, word, answer.code, answer.message)
    plain = api.patch(NS + "/pods/parts", {"spec": {"ephemeralContainers": []}})
    check(plain.code == 422, "through the front door", plain.code)
    got = api.get(path)
    check(got.code == 200 and got.json["kind"] == "Pod", "get", got.code)


def walk_approval(api, check):
    facts = objects.KINDS[("certificates.k8s.io", "certificatesigningrequests")]
    root = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    check(api.call("POST", root, {**BASE, **facts["object"]}).code == 201, "request")
    approved = {"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "r",
                                           "message": "m"}]}}
    sly = api.patch(root + "/parts/status", approved)
    check(sly.code == 422, "approval through status", sly.code)
    answer = api.patch(root + "/parts/approval", approved)
    check(answer.code == 200, "approve", answer.message)
    both = {"status": {"conditions": approved["status"]["conditions"] +
                       [{"type": "Denied", "status": "True"}]}}
    check(api.patch(root + "/parts/approval", both).code == 422, "both")
    check(api.patch(root + "/parts/approval", {"status": {"conditions": []}}).code == 422,
          "taken back")
    row = api.get(root + "/parts", client.TABLE).json["rows"][0]["cells"]
    check(row[5].startswith("Approved"), "condition", row)
    check(api.call("DELETE", root + "/parts").code == 200, "delete")


def walk_eviction(api, check):
    """No controller runs: the budget's status is written by hand."""
    pods = NS + "/pods"
    budgets = "/apis/policy/v1/namespaces/walk/poddisruptionbudgets"
    running = {"status": {"phase": "Running",
                          "conditions": [{"type": "Ready", "status": "True"}]}}

    def pod(name="parts"):
        api.call("DELETE", pods + "/" + name, {"gracePeriodSeconds": 0})
        made = api.call("POST", pods, {"metadata": {"name": name, "labels": {"app": "evict"}},
                                       "spec": objects.POD})
        check(made.code == 201, "pod", made.message)
        check(api.patch(f"{pods}/{name}/status", running).code == 200, "run")

    def budget(name="b", **more):
        made = api.call("POST", budgets, {
            "metadata": {"name": name},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "evict"}}, **more}})
        check(made.code == 201, "budget", made.message)

    def says(**status):
        answer = api.patch(budgets + "/b/status", {"status": status})
        check(answer.code == 200, "status", answer.message)

    def evict(query="", **more):
        return api.call("POST", pods + "/parts/eviction" + query, {**EVICTION, **more})

    pod()
    budget()
    answer = evict()
    check(answer.code == 429 and "still being processed" in
          answer.json["details"]["causes"][0]["message"], "before it is counted", answer.message)
    check(answer.json["details"]["retryAfterSeconds"] == 10 and
          answer.headers.get("Retry-After") == "10", "retry after", answer.json["details"])
    says(observedGeneration=1, disruptionsAllowed=0, currentHealthy=1, desiredHealthy=1,
         expectedPods=1)
    answer = evict()
    cause = answer.json["details"]["causes"][0]
    check(answer.code == 429 and answer.json["reason"] == "TooManyRequests" and answer.message ==
          "Cannot evict pod as it would violate the pod's disruption budget.", "refused",
          answer.code, answer.message)
    check(cause == {"reason": "DisruptionBudget", "message":
                    "The disruption budget b needs 1 healthy pods and has 1 currently"}, cause)
    says(disruptionsAllowed=2, currentHealthy=3)
    check(evict("?dryRun=All").code == 201, "dry run")
    check(api.get(budgets + "/b").json["status"]["disruptionsAllowed"] == 2, "a dry run costs")
    check(evict(metadata={"name": "other"}).code == 400, "another name")
    answer = evict()
    check(answer.code == 201 and answer.json["status"] == "Success", "evict", answer.message)
    status = api.get(budgets + "/b").json["status"]
    check(status["disruptionsAllowed"] == 1 and list(status["disruptedPods"]) == ["parts"],
          "spent", status)
    check(api.get(pods + "/parts").code == 404, "gone")

    # A pod that isn't ready goes when the others suffice, or always.
    pod()
    says(disruptionsAllowed=0, currentHealthy=0)
    api.patch(pods + "/parts/status", {"status": {"conditions": [{"type": "Ready",
                                                                  "status": "False"}]}})
    check(evict().code == 429, "unready, too few")
    says(currentHealthy=1)
    check(evict().code == 201, "unready, others suffice")
    pod()
    budget("c")
    answer = evict()
    check(answer.code == 500 and "more than one PodDisruptionBudget" in answer.message, "two",
          answer.message)
    check(api.call("DELETE", budgets, {}).code == 200, "delete")
    check(evict().code == 201, "without a budget")


def walk_components(api, check):
    listed = api.get("/api/v1/componentstatuses").json
    names = [item["metadata"]["name"] for item in listed["items"]]
    check(names == ["etcd-0"], "components of a bare server", names)
    table = api.get("/api/v1/componentstatuses/etcd-0", client.TABLE).json
    check(table["rows"][0]["cells"] == ["etcd-0", "Healthy", "ok", ""], table["rows"])
    check(api.get("/api/v1/componentstatuses/none").code == 404, "no such component")


def walk_versions(api, check):
    """Two versions of one stored kind."""
    v1 = "/apis/autoscaling/v1/namespaces/walk/horizontalpodautoscalers"
    v2 = "/apis/autoscaling/v2/namespaces/walk/horizontalpodautoscalers"
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
    old = {**BASE, "spec": {"scaleTargetRef": target, "maxReplicas": 3,
                            "targetCPUUtilizationPercentage": 70}}
    made = api.call("POST", v1, old)
    check(made.code == 201 and made.json["spec"]["targetCPUUtilizationPercentage"] == 70, "v1",
          made.message)
    new = api.get(v2 + "/parts").json
    metric = new["spec"]["metrics"][0]
    check(metric == {"type": "Resource", "resource": {"name": "cpu", "target": {
        "type": "Utilization", "averageUtilization": 70}}}, metric)
    memory = {"type": "Resource", "resource": {"name": "memory", "target": {
        "type": "AverageValue", "averageValue": "1Gi"}}}
    pods = {"type": "Pods", "pods": {"metric": {"name": "hits"}, "target": {
        "type": "AverageValue", "averageValue": "10"}}}
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    changed = api.patch(v2 + "/parts", {"spec": {"metrics": [metric, memory, pods],
                                                 "behavior": behavior}})
    check(changed.code == 200, "v2", changed.message)
    seen = api.get(v1 + "/parts").json
    notes = seen["metadata"]["annotations"]
    check("autoscaling.alpha.kubernetes.io/metrics" in notes and
          '"targetAverageValue":"1Gi"' in notes["autoscaling.alpha.kubernetes.io/metrics"], notes)
    check(api.patch(v1 + "/parts", {"spec": {"maxReplicas": 5}}).code == 200, "patch v1")
    kept = api.get(v2 + "/parts").json
    check(kept["spec"]["maxReplicas"] == 5 and kept["spec"]["metrics"] == [metric, memory, pods],
          "nothing is lost", kept["spec"])
    check(kept["spec"]["behavior"] == changed.json["spec"]["behavior"], kept["spec"]["behavior"])
    check("annotations" not in kept["metadata"], kept["metadata"])
    check(api.call("PUT", v1 + "/parts", api.get(v1 + "/parts").json).json["metadata"][
        "resourceVersion"] == kept["metadata"]["resourceVersion"], "the same again")
    code, event = api.first_event(v1 + "?watch=1&timeoutSeconds=20")
    check(code == 200 and event["object"]["apiVersion"] == "autoscaling/v1", code, event)
    check(api.call("DELETE", v1 + "/parts").code == 200, "delete")
    check(api.get(v2 + "/parts").code == 404, "gone in both")
