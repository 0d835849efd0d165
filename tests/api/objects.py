"""For every stored kind: a small valid object, what changes it, and what must not change.

Of each, by group and plural:
  object   the object, without kind, apiVersion and metadata.name
  name     the name, when the kind has a rule of its own
  change   a merge patch of what metadata.generation counts
  status   a merge patch to /status
  frozen   merge patches that must be refused, each with the field that the refusal names
  bad      documents' merge patches that no create may pass, each with the field
"""

import base64
import subprocess

POD = {"containers": [{"name": "c", "image": "busybox:1"}]}
TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": POD}
WORKLOAD = {"selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE}
JOB = {"template": {"spec": {**POD, "restartPolicy": "Never"}}}
OTHER_SELECTOR = {"spec": {"selector": {"matchLabels": {"app": "b"}},
                           "template": {"metadata": {"labels": {"app": "b"}}}}}
READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2024-01-01T00:00:00Z",
         "reason": "Good", "message": ""}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
HOOK = {"name": "a.example.com", "clientConfig": {"url": "https://example.com/x"},
        "sideEffects": "None", "admissionReviewVersions": ["v1"], "rules": [RULE]}
ROLE_REF = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
SUBJECT = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}
NODE_TERM = {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
CRD = {
    "group": "example.com", "scope": "Namespaced", "names": {"plural": "lamps", "kind": "Lamp"},
    "versions": [{"name": "v1", "served": True, "storage": True,
                  "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                      "spec": {"type": "object", "properties": {"watts": {"type": "integer"}}}}}}}],
}


def request(common_name="jane"):
    """A certificate request in PEM, in base64."""
    made = subprocess.run(
        ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", "/dev/null", "-subj", f"/O=people/CN={common_name}"],
        capture_output=True, check=True)
    return base64.b64encode(made.stdout).decode()


def workload(**more):
    return {"object": {"spec": {**WORKLOAD, **more}},
            "change": {"spec": {"minReadySeconds": 7}},
            "status": {"status": {"replicas": 1, "observedGeneration": 1}},
            "frozen": [(OTHER_SELECTOR, "spec.selector")],
            "bad": [({"spec": {"replicas": -1}}, "spec.replicas"),
                    ({"spec": {"template": {"metadata": {"labels": {"app": "z"}}}}},
                     "spec.template.metadata.labels"),
                    ({"spec": {"template": {"spec": {"containers": []}}}},
                     "spec.template.spec.containers"),
                    ({"spec": {"template": {"spec": {"restartPolicy": "Never"}}}},
                     "spec.template.spec.restartPolicy")]}


KINDS = {
    ("", "configmaps"): {
        "object": {"data": {"a": "1"}},
        "bad": [({"data": {"a/b": "1"}}, "data[a/b]"), ({"binaryData": {"a": "eA=="}}, "data[a]")]},
    ("", "endpoints"): {
        "object": {"subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}]},
        "bad": [({"subsets": [{"addresses": [{"ip": "127.0.0.1"}]}]},
                 "subsets[0].addresses[0].ip")]},
    ("", "events"): {
        "object": {"involvedObject": {"kind": "Pod", "namespace": "walk", "name": "p", "uid": "u",
                                      "apiVersion": "v1", "resourceVersion": "7",
                                      "fieldPath": "spec.containers{c}"},
                   "reason": "Started", "message": "m", "type": "Normal",
                   "reportingComponent": "walker", "source": {"component": "walker"}},
        "bad": [({"involvedObject": {"namespace": "elsewhere"}}, "involvedObject.namespace")]},
    ("", "limitranges"): {
        "object": {"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}},
        "bad": [({"spec": {"limits": [{"type": "Container", "min": {"cpu": "2"},
                                       "max": {"cpu": "1"}}]}}, "spec.limits[0].min[cpu]")]},
    ("", "namespaces"): {
        "object": {}, "status": {"status": {"phase": "Active", "conditions": [READY]}}},
    ("", "nodes"): {
        "object": {"spec": {"podCIDR": "10.9.0.0/24", "podCIDRs": ["10.9.0.0/24"]}},
        "status": {"status": {"conditions": [READY]}},
        "frozen": [({"spec": {"podCIDRs": ["10.8.0.0/24"], "podCIDR": "10.8.0.0/24"}},
                    "spec.podCIDRs")],
        "bad": [({"spec": {"taints": [{"key": "a", "effect": "Nowhere"}]}},
                 "spec.taints[0].effect")]},
    ("", "persistentvolumeclaims"): {
        "object": {"spec": CLAIM},
        "status": {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}},
        "frozen": [({"spec": {"accessModes": ["ReadWriteMany"]}}, "spec"),
                   ({"spec": {"volumeMode": "Block"}}, "spec")],
        "bad": [({"spec": {"accessModes": []}}, "spec.accessModes"),
                ({"spec": {"resources": None}}, "spec.resources[storage]")]},
    ("", "persistentvolumes"): {
        "object": {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                            "hostPath": {"path": "/srv"}}},
        "status": {"status": {"phase": "Released"}},
        "frozen": [({"spec": {"hostPath": {"path": "/other"}}}, "spec.persistentvolumesource"),
                   ({"spec": {"volumeMode": "Block"}}, "spec.volumeMode")],
        "bad": [({"spec": {"hostPath": None}}, "spec"), ({"spec": {"capacity": None}},
                                                         "spec.capacity")]},
    ("", "pods"): {
        "object": {"metadata": {"annotations": {"a": "b"}}, "spec": POD},
        "status": {"status": {"phase": "Running", "podIP": "10.1.2.3",
                              "podIPs": [{"ip": "10.1.2.3"}]}},
        "frozen": [({"spec": {"restartPolicy": "Never"}}, "spec"),
                   ({"spec": {"nodeName": "elsewhere"}}, "spec")],
        "bad": [({"spec": {"containers": []}}, "spec.containers"),
                ({"spec": {"restartPolicy": "Maybe"}}, "spec.restartPolicy"),
                ({"spec": {"ephemeralContainers": [{"name": "e", "image": "i"}]}},
                 "spec.ephemeralContainers")]},
    ("", "podtemplates"): {
        "object": {"template": TEMPLATE},
        "bad": [({"template": {"spec": {"containers": []}}}, "template.spec.containers")]},
    ("", "replicationcontrollers"): {
        "object": {"spec": {"selector": {"app": "a"}, "template": TEMPLATE}},
        "change": {"spec": {"minReadySeconds": 7}},
        "status": {"status": {"replicas": 1}},
        "bad": [({"spec": {"replicas": -1}}, "spec.replicas")]},
    ("", "resourcequotas"): {
        "object": {"spec": {"hard": {"configmaps": "99"}}},
        "status": {"status": {"hard": {"configmaps": "99"}, "used": {"configmaps": "1"}}},
        "frozen": [({"spec": {"scopes": ["Terminating"]}}, "spec.scopes")],
        "bad": [({"spec": {"hard": {"configmaps": "-1"}}}, "spec.hard[configmaps]")]},
    ("", "secrets"): {
        "object": {"type": "example.com/kind", "data": {"a": "eA=="}},
        "frozen": [({"type": "Opaque"}, "type")],
        "bad": [({"type": "kubernetes.io/tls"}, "data[tls.crt]")]},
    ("", "serviceaccounts"): {"object": {"automountServiceAccountToken": False}},
    ("", "services"): {
        "object": {"spec": {"selector": {"app": "a"}, "ports": [{"port": 80}]}},
        "status": {"status": {"loadBalancer": {}, "conditions": [READY]}},
        "frozen": [({"spec": {"clusterIP": "10.43.0.77", "clusterIPs": ["10.43.0.77"]}},
                    "spec.clusterIPs[0]")],
        "bad": [({"spec": {"ports": [{"port": 0}]}}, "spec.ports[0].port"),
                ({"spec": {"ports": []}}, "spec.ports")]},
    ("apiregistration.k8s.io", "apiservices"): {
        "name": "v1.walk.example.com",
        "object": {"spec": {"group": "walk.example.com", "version": "v1",
                            "groupPriorityMinimum": 100, "versionPriority": 10,
                            "insecureSkipTLSVerify": True,
                            "service": {"namespace": "walk", "name": "s"}}},
        "status": {"status": {"conditions": [{"type": "Available", "status": "False",
                                              "reason": "No", "message": "m"}]}},
        "bad": [({"spec": {"group": "other.example.com"}}, "metadata.name"),
                ({"spec": {"versionPriority": 0}}, "spec.versionPriority"),
                ({"spec": {"caBundle": "eA=="}}, "spec.insecureSkipTLSVerify")]},
    ("apps", "controllerrevisions"): {
        "object": {"data": {"a": 1}, "revision": 1},
        "frozen": [({"data": {"a": 2}}, "data")]},
    ("apps", "daemonsets"): {
        "object": {"spec": WORKLOAD}, "change": {"spec": {"minReadySeconds": 7}},
        "status": {"status": {"currentNumberScheduled": 1, "numberMisscheduled": 0,
                              "desiredNumberScheduled": 1, "numberReady": 1}},
        "frozen": [(OTHER_SELECTOR, "spec.selector")],
        "bad": [({"spec": {"template": {"metadata": {"labels": {"app": "z"}}}}},
                 "spec.template.metadata.labels")]},
    ("apps", "deployments"): {
        **workload(),
        "change": {"spec": {"paused": True}}},
    ("apps", "replicasets"): workload(),
    ("apps", "statefulsets"): {
        **workload(serviceName="s"),
        "status": {"status": {"replicas": 1, "availableReplicas": 0}},
        "frozen": [({"spec": {"serviceName": "t"}}, "spec"), (OTHER_SELECTOR, "spec")]},
    ("events.k8s.io", "events"): {
        "object": {"eventTime": "2024-01-01T00:00:00.000000Z", "type": "Normal", "reason": "Run",
                   "action": "Walk", "reportingController": "example.com/walker",
                   "reportingInstance": "w-1", "note": "n",
                   "regarding": {"kind": "Pod", "namespace": "walk", "name": "p", "uid": "u",
                                 "apiVersion": "v1", "resourceVersion": "7", "fieldPath": "f"}},
        "frozen": [({"note": "other"}, "note")],
        "bad": [({"eventTime": None}, "eventTime"), ({"reason": None}, "reason"),
                ({"type": "Odd"}, "type"), ({"action": "a" * 129}, "action")]},
    ("autoscaling", "horizontalpodautoscalers"): {
        "object": {"spec": {"maxReplicas": 3,
                            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment",
                                               "name": "d"}}},
        "status": {"status": {"currentReplicas": 1, "desiredReplicas": 2}},
        "bad": [({"spec": {"maxReplicas": 0}}, "spec.maxReplicas"),
                ({"spec": {"scaleTargetRef": {"kind": None}}}, "spec.scaleTargetRef.kind")]},
    ("batch", "cronjobs"): {
        "object": {"spec": {"schedule": "@daily", "jobTemplate": {"spec": JOB}}},
        "change": {"spec": {"suspend": True}},
        "status": {"status": {"lastScheduleTime": "2024-01-01T00:00:00Z"}},
        "bad": [({"spec": {"schedule": "61 * * * *"}}, "spec.schedule"),
                ({"metadata": {"name": "n" * 53}}, "metadata.name")]},
    ("batch", "jobs"): {
        "object": {"spec": JOB}, "change": {"spec": {"suspend": True}},
        "status": {"status": {"active": 1, "succeeded": 2}},
        "frozen": [({"spec": {"completions": 5}}, "spec.completions"),
                   ({"spec": {"completionMode": "Indexed"}}, "spec.completionMode"),
                   ({"spec": {"template": {"spec": {"hostname": "h"}}}}, "spec.template")],
        "bad": [({"spec": {"parallelism": -1}}, "spec.parallelism"),
                ({"spec": {"template": {"spec": {"restartPolicy": "Always"}}}},
                 "spec.template.spec.restartPolicy")]},
    ("certificates.k8s.io", "certificatesigningrequests"): {
        "object": {"spec": {"request": request(), "signerName": "example.com/s",
                            "usages": ["client auth"]}},
        "status": {"status": {"conditions": [{"type": "Failed", "status": "True",
                                              "reason": "r", "message": "m"}]}},
        "bad": [({"spec": {"signerName": "s"}}, "spec.signerName"),
                ({"spec": {"usages": ["flying"]}}, "spec.usages[0]"),
                ({"spec": {"expirationSeconds": 5}}, "spec.expirationSeconds")]},
    ("networking.k8s.io", "ingressclasses"): {
        "object": {"spec": {"controller": "example.com/c"}},
        "change": {"spec": {"parameters": {"kind": "K", "name": "n", "scope": "Cluster"}}},
        "frozen": [({"spec": {"controller": "example.com/d"}}, "spec.controller")],
        "bad": [({"spec": {"controller": "c"}}, "spec.controller")]},
    ("networking.k8s.io", "ingresses"): {
        "object": {"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}},
        "change": {"spec": {"defaultBackend": {"service": {"port": {"number": 81}}}}},
        "status": {"status": {"loadBalancer": {"ingress": [{"ip": "10.1.2.3"}]}}},
        "bad": [({"spec": {"defaultBackend": None}}, "spec"),
                ({"spec": {"rules": [{"host": "1.2.3.4"}]}}, "spec.rules[0].host")]},
    ("networking.k8s.io", "networkpolicies"): {
        "object": {"spec": {"podSelector": {}}},
        "change": {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}},
        "bad": [({"spec": {"policyTypes": ["Sideways"]}}, "spec.policyTypes[0]")]},
    ("policy", "poddisruptionbudgets"): {
        "object": {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}},
        "change": {"spec": {"minAvailable": 2}},
        "status": {"status": {"disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1,
                              "expectedPods": 2}},
        "bad": [({"spec": {"maxUnavailable": 1}}, "spec"),
                ({"spec": {"minAvailable": "101%"}}, "spec.minAvailable")]},
    ("rbac.authorization.k8s.io", "clusterrolebindings"): {
        "object": {"roleRef": ROLE_REF, "subjects": [SUBJECT]},
        "frozen": [({"roleRef": {"name": "edit"}}, "roleRef")],
        "bad": [({"roleRef": {"kind": "Role"}}, "roleRef.kind")]},
    ("rbac.authorization.k8s.io", "clusterroles"): {
        "object": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
        "bad": [({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": []}]},
                 "rules[0].verbs")]},
    ("rbac.authorization.k8s.io", "rolebindings"): {
        "object": {"roleRef": ROLE_REF, "subjects": [SUBJECT]},
        "frozen": [({"roleRef": {"name": "edit"}}, "roleRef")],
        "bad": [({"subjects": [{"kind": "Robot", "name": "a"}]}, "subjects[0].kind")]},
    ("rbac.authorization.k8s.io", "roles"): {
        "object": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
        "bad": [({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]},
                 "rules[0].nonResourceURLs")]},
    ("storage.k8s.io", "csidrivers"): {
        "object": {"spec": {"attachRequired": False}},
        "change": {"spec": {"requiresRepublish": True}},
        "frozen": [({"spec": {"attachRequired": True}}, "spec.attachRequired")],
        "bad": [({"spec": {"fsGroupPolicy": "Odd"}}, "spec.fsGroupPolicy")]},
    ("storage.k8s.io", "csinodes"): {
        "object": {"spec": {"drivers": [{"name": "d.example.com", "nodeID": "n"}]}},
        "frozen": [({"spec": {"drivers": [{"name": "d.example.com", "nodeID": "m"}]}},
                    "spec.drivers[0]")],
        "bad": [({"spec": {"drivers": [{"name": "-", "nodeID": "n"}]}},
                 "spec.drivers[0].name")]},
    ("storage.k8s.io", "csistoragecapacities"): {
        "object": {"storageClassName": "c", "capacity": "1Gi"},
        "frozen": [({"storageClassName": "d"}, "storageClassName")],
        "bad": [({"storageClassName": "-"}, "storageClassName")]},
    ("storage.k8s.io", "storageclasses"): {
        "object": {"provisioner": "example.com/p"},
        "frozen": [({"provisioner": "example.com/q"}, "provisioner"),
                   ({"reclaimPolicy": "Retain"}, "reclaimPolicy"),
                   ({"volumeBindingMode": "WaitForFirstConsumer"}, "volumeBindingMode")],
        "bad": [({"provisioner": ""}, "provisioner")]},
    ("storage.k8s.io", "volumeattachments"): {
        "object": {"spec": {"attacher": "d.example.com", "nodeName": "n",
                            "source": {"persistentVolumeName": "v"}}},
        "status": {"status": {"attached": True}},
        "frozen": [({"spec": {"nodeName": "m"}}, "spec")],
        "bad": [({"spec": {"source": {"persistentVolumeName": None}}}, "spec.source")]},
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"): {
        "object": {"webhooks": [HOOK]},
        "change": {"webhooks": [{**HOOK, "timeoutSeconds": 3}]},
        "bad": [({"webhooks": [{**HOOK, "name": "a"}]}, "webhooks[0].name"),
                ({"webhooks": [{**HOOK, "timeoutSeconds": 31}]}, "webhooks[0].timeoutSeconds"),
                ({"webhooks": [{**HOOK, "clientConfig": {}}]}, "webhooks[0].clientConfig"),
                ({"webhooks": [{**HOOK, "sideEffects": "Some"}]}, "webhooks[0].sideEffects"),
                ({"webhooks": [{**HOOK, "clientConfig": {"url": "http://a/"}}]},
                 "webhooks[0].clientConfig.url")]},
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"): {
        "object": {"webhooks": [HOOK]},
        "change": {"webhooks": [{**HOOK, "timeoutSeconds": 3}]},
        "bad": [({"webhooks": [HOOK, HOOK]}, "webhooks[1].name"),
                ({"webhooks": [{**HOOK, "admissionReviewVersions": ["v7"]}]},
                 "webhooks[0].admissionReviewVersions")]},
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"): {
        "object": {"spec": {"matchConstraints": {"resourceRules": [RULE]},
                            "validations": [{"expression": "true"}]}},
        "change": {"spec": {"failurePolicy": "Ignore"}},
        "status": {"status": {"observedGeneration": 1}},
        "bad": [({"spec": {"validations": None}}, "spec.validations"),
                ({"spec": {"matchConstraints": None}}, "spec.matchConstraints")]},
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"): {
        "object": {"spec": {"policyName": "p", "validationActions": ["Deny"]}},
        "change": {"spec": {"validationActions": ["Audit"]}},
        "bad": [({"spec": {"policyName": ""}}, "spec.policyName"),
                ({"spec": {"validationActions": ["Deny", "Warn"]}}, "spec.validationActions")]},
    ("apiextensions.k8s.io", "customresourcedefinitions"): {
        "name": "lamps.example.com",
        "object": {"spec": CRD},
        "change": {"spec": {"names": {"shortNames": ["lp"]}}},
        "status": {"status": {"acceptedNames": {"plural": "lamps", "kind": "Lamp"},
                              "storedVersions": ["v1"]}},
        "frozen": [({"spec": {"scope": "Cluster"}}, "spec.scope")],
        "bad": [({"spec": {"group": "other.example.com"}}, "metadata.name"),
                ({"spec": {"scope": "Everywhere"}}, "spec.scope"),
                ({"spec": {"versions": [{"name": "v1", "served": True, "storage": True}]}},
                 "spec.versions[0].schema.openAPIV3Schema")]},
    ("scheduling.k8s.io", "priorityclasses"): {
        "object": {"value": 5},
        "frozen": [({"value": 6}, "value"), ({"preemptionPolicy": "Never"}, "preemptionPolicy")],
        "bad": [({"value": 1000000001}, "value"), ({"metadata": {"name": "system-x"}},
                                                   "metadata.name")]},
    ("coordination.k8s.io", "leases"): {
        "object": {"spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}},
        "bad": [({"spec": {"leaseDurationSeconds": 0}}, "spec.leaseDurationSeconds")]},
    ("node.k8s.io", "runtimeclasses"): {
        "object": {"handler": "runc"},
        "frozen": [({"handler": "kata"}, "handler")],
        "bad": [({"handler": "Not_Good"}, "handler")]},
    ("discovery.k8s.io", "endpointslices"): {
        "object": {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"]}]},
        "change": {"endpoints": [{"addresses": ["10.1.2.4"]}]},
        "frozen": [({"addressType": "IPv6", "endpoints": [{"addresses": ["fd00::1"]}]},
                    "addressType")],
        "bad": [({"endpoints": [{"addresses": ["x"]}]}, "endpoints[0].addresses[0]")]},
    ("flowcontrol.apiserver.k8s.io", "flowschemas"): {
        "object": {"spec": {"priorityLevelConfiguration": {"name": "global-default"},
                            "rules": [{"subjects": [{"kind": "User", "user": {"name": "jane"}}],
                                       "nonResourceRules": [{"verbs": ["*"],
                                                             "nonResourceURLs": ["/x"]}]}]}},
        "change": {"spec": {"matchingPrecedence": 77}},
        "status": {"status": {"conditions": [{"type": "Dangling", "status": "False"}]}},
        "bad": [({"spec": {"matchingPrecedence": 10001}}, "spec.matchingPrecedence"),
                ({"spec": {"priorityLevelConfiguration": {"name": ""}}},
                 "spec.priorityLevelConfiguration.name")]},
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"): {
        "object": {"spec": {"type": "Limited",
                            "limited": {"limitResponse": {"type": "Reject"}}}},
        "change": {"spec": {"limited": {"nominalConcurrencyShares": 7}}},
        "status": {"status": {"conditions": [{"type": "Ready", "status": "True"}]}},
        "bad": [({"spec": {"type": "Odd"}}, "spec.type"),
                ({"spec": {"limited": None}}, "spec.limited")]},
}
