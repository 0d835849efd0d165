#!/usr/bin/env python3
"""Requests that no client should send, and the answers that kube-apiserver 1.32 gives to them.

  requests.py KUBECONFIG HOST PORT

One row a request: what it is called, verb, path, body, headers → code, reason, a piece of the
message. A code of 0 means that the connection may just end. After all rows the server must still
answer and the objects that were there before must be as they were.
"""

import base64
import http.client
import json
import re
import socket
import ssl
import sys
import tempfile

NS = "/api/v1/namespaces/bad"
MAPS = NS + "/configmaps"
PODS = NS + "/pods"
SERVICES = NS + "/services"
SECRETS = NS + "/secrets"
DEPLOYMENTS = "/apis/apps/v1/namespaces/bad/deployments"
JSON = {"Content-Type": "application/json"}
YAML = {"Content-Type": "application/yaml"}
PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def config_map(name="new", **more):
    metadata = {"name": name}
    metadata.update(more.pop("metadata", {}))
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **more}


def pod(name="new", container=None, **spec):
    first = {"name": "main", "image": "busybox:1"}
    first.update(container or {})
    spec.setdefault("containers", [first])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def service(**spec):
    spec.setdefault("ports", [{"port": 80}])
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "new"}, "spec": spec}


def deployment(labels=None, selector=None, **spec):
    template = {"metadata": {"labels": labels or {"app": "a"}}, "spec": pod()["spec"]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "new"},
            "spec": {"selector": selector or {"matchLabels": {"app": "a"}}, "template": template,
                     **spec}}


def nested(depth):
    return '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"new"},"data":' + \
        '{"a":' * depth + "1" + "}" * depth + "}"


def patch(kind):
    return {"Content-Type": kind}


def bodies():
    """Bodies that are no object, or not this one."""
    yield "cut off JSON", "POST", MAPS, '{"apiVersion":"v1"', JSON, 400, "BadRequest", ""
    yield "empty body", "POST", MAPS, "", JSON, 400, "BadRequest", ""
    yield "no JSON at all", "POST", MAPS, "hello", JSON, 400, "BadRequest", ""
    yield "array", "POST", MAPS, "[]", JSON, 400, "BadRequest", ""
    yield "null", "POST", MAPS, "null", JSON, 400, "BadRequest", ""
    yield "text after the object", "POST", MAPS, json.dumps(config_map()) + "}", JSON, 400, "BadRequest", ""
    yield "bare word", "POST", MAPS, '{"metadata": nope}', JSON, 400, "BadRequest", ""
    yield "NaN", "POST", MAPS, '{"metadata":{"name":"new"},"data":{"a":NaN}}', JSON, 400, "BadRequest", ""
    yield "bad escape", "POST", MAPS, r'{"metadata":{"name":"\q"}}', JSON, 400, "BadRequest", ""
    yield "wrong kind", "POST", MAPS, pod(), JSON, 400, "BadRequest", "cannot be handled as a ConfigMap"
    yield "wrong version", "POST", MAPS, {**config_map(), "apiVersion": "v2"}, JSON, 400, "BadRequest", ""
    yield "unknown kind", "POST", MAPS, {**config_map(), "kind": "Nope"}, JSON, 400, "BadRequest", ""
    yield "kind is a number", "POST", MAPS, {**config_map(), "kind": 7}, JSON, 400, "BadRequest", ""
    yield "number for a map", "POST", MAPS, config_map(data=7), JSON, 400, "BadRequest", "cannot be handled as a ConfigMap"
    yield "number for text", "POST", MAPS, config_map(data={"a": 7}), JSON, 400, "BadRequest", "cannot be handled as a ConfigMap"
    yield "text for bool", "POST", MAPS, config_map(immutable="yes"), JSON, 400, "BadRequest", "cannot be handled as a ConfigMap"
    yield "labels as list", "POST", MAPS, config_map(metadata={"labels": []}), JSON, 400, "BadRequest", ""
    yield "name is a number", "POST", MAPS, config_map(7), JSON, 400, "BadRequest", ""
    yield "metadata is text", "POST", MAPS, '{"metadata":"x"}', JSON, 400, "BadRequest", ""
    yield "spec is a list", "POST", PODS, {"metadata": {"name": "new"}, "spec": []}, JSON, 400, "BadRequest", "cannot be handled as a Pod"
    yield "port is text", "POST", PODS, pod(container={"ports": [{"containerPort": "80"}]}), JSON, 400, "BadRequest", "cannot be handled as a Pod"
    yield "port too big for int32", "POST", PODS, pod(container={"ports": [{"containerPort": 1 << 40}]}), JSON, 400, "BadRequest", "cannot be handled as a Pod"
    yield "fraction for an integer", "POST", DEPLOYMENTS, deployment(replicas=1.5), JSON, 400, "BadRequest", "cannot be handled as a Deployment"
    yield "bad quantity", "POST", PODS, pod(container={"resources": {"limits": {"cpu": "lots"}}}), JSON, 400, "BadRequest", "quantities must match"
    yield "bad base64", "POST", SECRETS, {"metadata": {"name": "new"}, "data": {"a": "%%%"}}, JSON, 400, "BadRequest", "base64"
    yield "bad time", "POST", MAPS, config_map(metadata={"creationTimestamp": "yesterday"}), JSON, 400, "BadRequest", ""
    yield "malformed YAML", "POST", MAPS, "a: [1, 2", YAML, 400, "BadRequest", ""
    yield "YAML tabs", "POST", MAPS, "metadata:\n\tname: x\n", YAML, 400, "BadRequest", ""
    yield "YAML alias bomb", "POST", MAPS, "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [" + ",".join(["*" + chr(97 + i)] * 9) + "]\n" for i in range(9)), YAML, (400, 413), "", ""
    yield "YAML scalar", "POST", MAPS, "just text", YAML, 400, "BadRequest", ""
    yield "bad UTF-8", "POST", MAPS, b'{"metadata":{"name":"new"},"data":{"a":"\xff\xfe"}}', JSON, (201, 400), "", ""
    yield "overlong UTF-8", "POST", MAPS, b'{"metadata":{"name":"\xc0\xae\xc0\xae"}}', JSON, (400, 422), "", ""
    yield "nested 20000 deep", "POST", MAPS, nested(20_000), JSON, 400, "BadRequest", ""
    yield "arrays 100000 deep", "POST", MAPS, "[" * 100_000, JSON, 400, "BadRequest", ""
    yield "JSON bomb of brackets in YAML", "POST", MAPS, "[" * 50_000, YAML, 400, "BadRequest", ""
    yield "4 MiB body", "POST", MAPS, config_map(data={"a": "x" * (4 << 20)}), JSON, 413, "", "too large"
    yield "2 MiB of data", "POST", MAPS, config_map(data={"a": "x" * (2 << 20)}), JSON, 422, "Invalid", "Too long: may not be more than 1048576 bytes"
    yield "annotations above 256 KiB", "POST", MAPS, config_map(metadata={"annotations": {"a": "x" * 270_000}}), JSON, 422, "Invalid", "Too long: may not be more than 262144 bytes"


def strictness():
    """Unknown and duplicate fields, by what the client asked for."""
    unknown, twice = config_map("strict", dta={}), '{"metadata":{"name":"strict","name":"strict"}}'
    strict = "?dryRun=All&fieldValidation=Strict"
    yield "unknown field, strict", "POST", MAPS + strict, unknown, JSON, 400, "BadRequest", 'strict decoding error: unknown field "dta"'
    yield "duplicate field, strict", "POST", MAPS + strict, twice, JSON, 400, "BadRequest", 'duplicate field "metadata.name"'
    yield "unknown nested field, strict", "POST", PODS + strict, pod(container={"imag": "x"}), JSON, 400, "BadRequest", 'unknown field "spec.containers[0].imag"'
    yield "two unknown fields, strict", "POST", MAPS + strict, config_map("strict", a=1, b=2), JSON, 400, "BadRequest", 'unknown field "a", unknown field "b"'
    yield "unknown field, ignore", "POST", MAPS + "?dryRun=All&fieldValidation=Ignore", unknown, JSON, 201, "", ""
    yield "unknown field, warn", "POST", MAPS + "?dryRun=All&fieldValidation=Warn", unknown, JSON, 201, "", 'warning: 299 - "unknown field \\"dta\\""'
    yield "duplicate field, warn", "POST", MAPS + "?dryRun=All&fieldValidation=Warn", twice, JSON, 201, "", 'duplicate field \\"metadata.name\\"'
    yield "unknown field, by default", "POST", MAPS + "?dryRun=All", unknown, JSON, 201, "", "unknown field"
    yield "unknown validation", "POST", MAPS + "?fieldValidation=Maybe", unknown, JSON, 422, "Invalid", "fieldValidation"
    yield "unknown field in YAML, strict", "POST", MAPS + strict, "metadata: {name: strict}\ndta: 1\n", YAML, 400, "BadRequest", 'unknown field "dta"'
    yield "unknown field in a patch, strict", "PATCH", MAPS + "/keep" + strict, '{"dta":1}', patch(MERGE), (400, 422), "", 'unknown field "dta"'


def media():
    """What is sent and what is wanted back."""
    for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense", "multipart/form-data"):
        yield f"content type {kind}", "POST", MAPS, config_map(), {"Content-Type": kind}, 415, "UnsupportedMediaType", "application/json"
    for kind in ("text/html", "application/xml", "image/png"):
        yield f"accept {kind}", "GET", MAPS, None, {"Accept": kind}, 406, "NotAcceptable", "only the following media types are accepted"
    yield "table of an unknown version", "GET", MAPS, None, {"Accept": "application/json;as=Table;v=v9;g=meta.k8s.io"}, 406, "NotAcceptable", ""
    yield "accept with a fallback", "GET", MAPS, None, {"Accept": "text/html, application/json;q=0.5"}, 200, "", ""
    yield "damaged protobuf", "POST", MAPS, b"k8s\x00\xff\xff\xff\xff", {"Content-Type": "application/vnd.kubernetes.protobuf"}, 400, "BadRequest", ""
    yield "protobuf without its mark", "POST", MAPS, b"nope", {"Content-Type": "application/vnd.kubernetes.protobuf"}, 400, "BadRequest", ""
    yield "patch as plain JSON", "PATCH", MAPS + "/keep", "{}", JSON, 415, "UnsupportedMediaType", MERGE
    yield "patch as text", "PATCH", MAPS + "/keep", "{}", {"Content-Type": "text/plain"}, 415, "UnsupportedMediaType", PATCH


def paths():
    """Paths that lead nowhere, and verbs that nobody offers."""
    for name, path in {
            "unknown group": "/apis/nope.example.com/v1/things",
            "unknown version": "/api/v9/pods",
            "unknown resource": NS + "/unicorns",
            "unknown path": "/etc/passwd",
            "dots": "/api/v1/namespaces/../../secrets",
            "escaped dots": "/api/v1/namespaces/%2e%2e/%2e%2e/secrets",
            "escaped slash": "/api/v1/namespaces/bad%2fconfigmaps",
            "empty namespace": "/api/v1/namespaces//configmaps",
            "empty name in the middle": "/api/v1//pods",
            "unknown subresource": MAPS + "/keep/status",
            "unknown subresource of a pod": PODS + "/nope/unicorn",
            "deeper than resources go": MAPS + "/keep/a/b/c/d",
            "cluster resource in a namespace": NS + "/nodes",
            "NUL": MAPS + "/a%00b",
            "control character": MAPS + "/a%0ab",
    }.items():
        yield f"path: {name}", "GET", path, None, {}, 404, "", ""
    yield "malformed escape", "GET", MAPS + "/%zz", None, {}, 400, "", ""
    yield "path of 20 KB", "GET", "/api/v1/" + "a" * 20_000, None, {}, (400, 404, 414, 431), "", ""
    yield "path of 1 MB", "GET", "/api/v1/" + "a" * 1_000_000, None, {}, (0, 400, 414, 431), "", ""
    yield "object that is not there", "GET", MAPS + "/nope", None, {}, 404, "NotFound", 'configmaps "nope" not found'
    yield "grouped object that is not there", "GET", DEPLOYMENTS + "/nope", None, {}, 404, "NotFound", 'deployments.apps "nope" not found'
    for verb, path in (("PUT", MAPS), ("PATCH", MAPS), ("POST", MAPS + "/keep"), ("TRACE", MAPS),
                       ("BREW", MAPS), ("DELETE", "/api/v1/configmaps"), ("POST", "/api/v1/pods"),
                       ("PUT", "/api/v1/componentstatuses/x")):
        yield f"{verb} {path}", verb, path, "{}" if verb != "TRACE" else None, JSON, (404, 405) if "component" in path else 405, "", ""
    yield "create where the namespace is missing", "POST", "/api/v1/namespaces/nope/configmaps", config_map(), JSON, 404, "NotFound", 'namespaces "nope" not found'


def queries():
    """Selectors, tokens, limits."""
    for text in ("a=b=c", "a in b", "a in (b", "!", "a,,b", "-a=b", "a=-b", "a>b", "=b", "a" * 64):
        quoted = text.replace(" ", "%20").replace(">", "%3E")
        yield f"label selector {text[:12]}", "GET", f"{MAPS}?labelSelector={quoted}", None, {}, 400, "BadRequest", ""
    yield "field selector without a value", "GET", MAPS + "?fieldSelector=metadata.name", None, {}, 400, "BadRequest", "invalid selector"
    yield "unsupported field", "GET", MAPS + "?fieldSelector=data.a%3Db", None, {}, 400, "BadRequest", "field label not supported: data.a"
    yield "unsupported field of pods", "GET", PODS + "?fieldSelector=spec.containers%3Db", None, {}, 400, "BadRequest", "field label not supported: spec.containers"
    for token in ("nonsense", "%00", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTF9", "a" * 3000):
        yield f"continue token {token[:9]}", "GET", f"{MAPS}?limit=1&continue={token}", None, {}, 400, "BadRequest", "continue key is not valid"
    yield "continue and resourceVersion", "GET", MAPS + "?continue=abc&resourceVersion=5", None, {}, 400, "BadRequest", ""
    for value in ("abc", "1.5", "99999999999999999999"):
        yield f"limit {value}", "GET", f"{MAPS}?limit={value}", None, {}, 400, "BadRequest", ""
        yield f"timeoutSeconds {value}", "GET", f"{MAPS}?watch=1&timeoutSeconds={value}", None, {}, 400, "BadRequest", ""
    for value in ("abc", "-1", "1.5"):
        yield f"resourceVersion {value}", "GET", f"{MAPS}?resourceVersion={value}", None, {}, (400, 422), "", ""
        yield f"watch from {value}", "GET", f"{MAPS}?watch=1&resourceVersion={value}", None, {}, (400, 422), "", ""
    yield "resourceVersionMatch alone", "GET", MAPS + "?resourceVersionMatch=Exact", None, {}, 422, "Invalid", "resourceVersionMatch"
    yield "unknown resourceVersionMatch", "GET", MAPS + "?resourceVersion=1&resourceVersionMatch=Soon", None, {}, 422, "Invalid", "resourceVersionMatch"
    yield "sendInitialEvents in a list", "GET", MAPS + "?sendInitialEvents=true", None, {}, 422, "Invalid", "sendInitialEvents"
    yield "sendInitialEvents without match", "GET", MAPS + "?watch=1&sendInitialEvents=true", None, {}, 422, "Invalid", "resourceVersionMatch"
    yield "a version of the future", "GET", MAPS + "?resourceVersion=99999999999", None, {}, 504, "Timeout", "Too large resource version"
    yield "dryRun of what", "POST", MAPS + "?dryRun=Some", config_map(), JSON, 422, "Invalid", "dryRun"
    yield "long fieldManager", "POST", MAPS + "?fieldManager=" + "m" * 129, config_map(), JSON, 422, "Invalid", "fieldManager"
    yield "malformed query escape", "GET", MAPS + "?limit=%zz", None, {}, (200, 400), "", ""


def names():
    """Names and other values that the rules forbid."""
    for name in ("Upper", "under_score", "-dash", "dash-", "a..b", "a b", "é", "a" * 254, "a/b", "..", "."):
        yield f"name {name[:12]}", "POST", MAPS, config_map(name), JSON, 422, "Invalid", "metadata.name: Invalid value"
    yield "no name", "POST", MAPS, {"metadata": {}}, JSON, 422, "Invalid", "metadata.name: Required value: name or generateName is required"
    yield "namespace name with a dot", "POST", "/api/v1/namespaces", {"metadata": {"name": "a.b"}}, JSON, 422, "Invalid", "metadata.name: Invalid value"
    yield "other namespace", "POST", MAPS, config_map(metadata={"namespace": "other"}), JSON, 400, "BadRequest", "the namespace of the provided object does not match"
    yield "name not that of the URL", "PUT", MAPS + "/keep", config_map("other"), JSON, 400, "BadRequest", "the name of the object (other) does not match the name on the URL (keep)"
    yield "resourceVersion on create", "POST", MAPS, config_map(metadata={"resourceVersion": "5"}), JSON, 500, "", "resourceVersion should not be set on objects to be created"
    yield "exists already", "POST", MAPS, config_map("keep"), JSON, 409, "AlreadyExists", 'configmaps "keep" already exists'
    yield "stale resourceVersion", "PUT", MAPS + "/keep", config_map("keep", metadata={"resourceVersion": "1"}), JSON, 409, "Conflict", "the object has been modified"
    yield "resourceVersion is no number", "PUT", MAPS + "/keep", config_map("keep", metadata={"resourceVersion": "x"}), JSON, (400, 409, 422), "", ""
    yield "another uid", "PUT", MAPS + "/keep", config_map("keep", metadata={"uid": "x"}), JSON, 409, "Conflict", "Precondition failed: UID in precondition: x"
    yield "bad label key", "POST", MAPS, config_map(metadata={"labels": {"a b": "c"}}), JSON, 422, "Invalid", "metadata.labels"
    yield "bad label value", "POST", MAPS, config_map(metadata={"labels": {"a": "b c"}}), JSON, 422, "Invalid", "metadata.labels"
    yield "bad annotation key", "POST", MAPS, config_map(metadata={"annotations": {"a/b/c": "d"}}), JSON, 422, "Invalid", "metadata.annotations"
    yield "bad finalizer", "POST", MAPS, config_map(metadata={"finalizers": ["a b"]}), JSON, 422, "Invalid", "metadata.finalizers"
    yield "owner without uid", "POST", MAPS, config_map(metadata={"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p"}]}), JSON, 422, "Invalid", "metadata.ownerReferences[0].uid"
    yield "bad key", "POST", MAPS, config_map(data={"a/b": "c"}), JSON, 422, "Invalid", "data[a/b]: Invalid value"
    yield "immutable data", "PUT", MAPS + "/fixed", config_map("fixed", immutable=True, data={"a": "other"}), JSON, 422, "Invalid", "field is immutable when `immutable` is set"
    yield "pod without containers", "POST", PODS, pod(containers=[]), JSON, 422, "Invalid", "spec.containers: Required value"
    yield "container without image", "POST", PODS, pod(container={"image": ""}), JSON, 422, "Invalid", "spec.containers[0].image: Required value"
    yield "container name", "POST", PODS, pod(container={"name": "A_b"}), JSON, 422, "Invalid", "spec.containers[0].name: Invalid value"
    yield "pull policy", "POST", PODS, pod(container={"imagePullPolicy": "Perhaps"}), JSON, 422, "Invalid", 'Unsupported value: "Perhaps"'
    yield "restart policy", "POST", PODS, pod(restartPolicy="Sometimes"), JSON, 422, "Invalid", "spec.restartPolicy: Unsupported value"
    yield "container port 0", "POST", PODS, pod(container={"ports": [{"containerPort": 0}]}), JSON, 422, "Invalid", "spec.containers[0].ports[0].containerPort"
    yield "mount without volume", "POST", PODS, pod(container={"volumeMounts": [{"name": "v", "mountPath": "/v"}]}), JSON, 422, "Invalid", 'spec.containers[0].volumeMounts[0].name: Not found: "v"'
    yield "service port 70000", "POST", SERVICES, service(ports=[{"port": 70000}]), JSON, 422, "Invalid", "spec.ports[0].port: Invalid value: 70000"
    yield "cluster IP of others", "POST", SERVICES, service(clusterIP="1.2.3.4"), JSON, 422, "Invalid", "1.2.3.4"
    yield "node port out of range", "POST", SERVICES, service(type="NodePort", ports=[{"port": 80, "nodePort": 80}]), JSON, 422, "Invalid", "provided port is not in the valid range"
    yield "selector that misses the template", "POST", DEPLOYMENTS, deployment(labels={"app": "b"}), JSON, 422, "Invalid", "`selector` does not match template `labels`"
    yield "negative replicas", "POST", DEPLOYMENTS, deployment(replicas=-1), JSON, 422, "Invalid", "spec.replicas: Invalid value: -1: must be greater than or equal to 0"


def patches():
    """Patches that don't fit."""
    keep = MAPS + "/keep"
    yield "JSON patch: malformed", "PATCH", keep, "{", patch(PATCH), 400, "BadRequest", ""
    yield "JSON patch: no list", "PATCH", keep, "{}", patch(PATCH), 400, "BadRequest", ""
    yield "JSON patch: unknown op", "PATCH", keep, '[{"op":"burn","path":"/data/a"}]', patch(PATCH), (400, 422), "", ""
    yield "JSON patch: failed test", "PATCH", keep, '[{"op":"test","path":"/data/a","value":"z"}]', patch(PATCH), 422, "Invalid", ""
    yield "JSON patch: missing path", "PATCH", keep, '[{"op":"remove","path":"/data/zz"}]', patch(PATCH), 422, "Invalid", ""
    yield "JSON patch: bad pointer", "PATCH", keep, '[{"op":"add","path":"data","value":1}]', patch(PATCH), (400, 422), "", ""
    yield "JSON patch: 10001 operations", "PATCH", keep, json.dumps([{"op": "test", "path": "/kind", "value": "ConfigMap"}] * 10_001), patch(PATCH), 413, "RequestEntityTooLarge", "10000"
    yield "merge patch: a list", "PATCH", keep, "[]", patch(MERGE), (400, 422), "", ""
    yield "merge patch: wrong type", "PATCH", keep, '{"data":7}', patch(MERGE), (400, 422), "", ""
    yield "merge patch: another name", "PATCH", keep, '{"metadata":{"name":"other"}}', patch(MERGE), (400, 422), "", ""
    yield "merge patch: of nothing", "PATCH", MAPS + "/nope", "{}", patch(MERGE), 404, "NotFound", ""
    yield "merge patch: another uid", "PATCH", keep, '{"metadata":{"uid":"x"}}', patch(MERGE), 409, "Conflict", ""
    yield "strategic: unknown directive", "PATCH", keep, '{"data":{"$patch":"burn"}}', patch(STRATEGIC), (400, 422, 500), "", ""
    yield "apply: no field manager", "PATCH", keep, json.dumps(config_map("keep")), patch(APPLY), 422, "Invalid", "fieldManager: Required value"
    yield "apply: managed fields", "PATCH", keep + "?fieldManager=m", json.dumps(config_map("keep", metadata={"managedFields": [{"manager": "x"}]})), patch(APPLY), 400, "BadRequest", "metadata.managedFields must be nil"
    yield "apply: no kind", "PATCH", keep + "?fieldManager=m", '{"metadata":{"name":"keep"}}', patch(APPLY), 400, "BadRequest", ""
    yield "force without apply", "PATCH", keep + "?force=true", "{}", patch(MERGE), 422, "Invalid", "force: Forbidden: may not be specified for non-apply patch"


def deletions():
    keep = MAPS + "/keep"
    yield "delete: another uid", "DELETE", keep, {"preconditions": {"uid": "x"}}, JSON, 409, "Conflict", "UID in precondition: x"
    yield "delete: another version", "DELETE", keep, {"preconditions": {"resourceVersion": "1"}}, JSON, 409, "Conflict", "ResourceVersion in precondition: 1"
    yield "delete: unknown policy", "DELETE", keep, {"propagationPolicy": "Burn"}, JSON, 422, "Invalid", "propagationPolicy"
    yield "delete: two policies", "DELETE", keep, {"propagationPolicy": "Orphan", "orphanDependents": True}, JSON, 422, "Invalid", ""
    yield "delete: negative grace", "DELETE", keep, {"gracePeriodSeconds": -5}, JSON, (200, 422), "", ""
    yield "delete: grace is text", "DELETE", keep + "?gracePeriodSeconds=abc", None, {}, 400, "BadRequest", ""
    yield "delete: broken body", "DELETE", keep, "{", JSON, 400, "BadRequest", ""
    yield "delete: dry run of what", "DELETE", keep + "?dryRun=Some", None, {}, 422, "Invalid", "dryRun"
    yield "delete: of nothing", "DELETE", MAPS + "/nope", None, {}, 404, "NotFound", 'configmaps "nope" not found'
    yield "delete: a namespace of the system", "DELETE", "/api/v1/namespaces/default", None, {}, 403, "Forbidden", "this namespace may not be deleted"


def access():
    yield "token that is none", "GET", MAPS, None, {"Authorization": "Bearer nonsense"}, 401, "Unauthorized", "Unauthorized"
    yield "token of 10 KB", "GET", MAPS, None, {"Authorization": "Bearer " + "a" * 10_000}, 401, "Unauthorized", "Unauthorized"
    yield "unsigned token", "GET", MAPS, None, {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}, 401, "Unauthorized", "Unauthorized"


# Bytes that are no HTTP → codes; 0: the connection ends.
RAW = {
    "no HTTP": (b"hello\r\n\r\n", (0, 400)),
    "a header without a colon": (b"GET /api HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", (0, 400)),
    "no host": (b"GET /api HTTP/1.1\r\n\r\n", (200, 400)),
    "two lengths": (b"POST " + MAPS.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                    b"Content-Length: 2\r\n\r\n{}", (0, 400)),
    "length and chunks": (b"POST " + MAPS.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (0, 400)),
    "negative length": (b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", (0, 400)),
    "bad chunk": (b"POST " + MAPS.encode() + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                  b"\r\nzz\r\n", (0, 400)),
    "1 MB of headers": (b"GET /api HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"a" * 1_000_000, (0, 400, 431)),
    "HTTP/3.0": (b"GET /api HTTP/3.0\r\nHost: x\r\n\r\n", (0, 400, 505)),
    "an announced 1 TB": (b"POST " + MAPS.encode() + b" HTTP/1.1\r\nHost: x\r\n"
                          b"Content-Type: application/json\r\n"
                          b"Content-Length: 1099511627776\r\n\r\n{", (0, 400, 413)),
}


class Cluster:
    def __init__(self, kubeconfig, host, port):
        self.host, self.port = host, int(port)
        text = open(kubeconfig).read()
        files = {}
        for key in ("certificate-authority-data", "client-certificate-data", "client-key-data"):
            files[key] = tempfile.NamedTemporaryFile()
            data = re.search(key + r":\s*\"?([A-Za-z0-9+/=]+)", text).group(1)
            files[key].write(base64.b64decode(data))
            files[key].flush()
        ca = files["certificate-authority-data"].name
        self.anonymous = ssl.create_default_context(cafile=ca)
        self.tls = ssl.create_default_context(cafile=ca)
        self.tls.load_cert_chain(files["client-certificate-data"].name, files["client-key-data"].name)

    def send(self, verb, path, body=None, headers=None):
        """→ (code, reason, text of message and warnings). Code 0: the connection ended."""
        # A token counts only where no certificate speaks.
        tls = self.anonymous if "Authorization" in (headers or {}) else self.tls
        connection = http.client.HTTPSConnection(self.host, self.port, context=tls, timeout=10)
        if isinstance(body, dict):
            body = json.dumps(body)
        try:
            connection.putrequest(verb, path)
            data = body.encode() if isinstance(body, str) else body
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if data is not None:
                connection.putheader("Content-Length", str(len(data)))
            try:
                connection.endheaders(data)
            except OSError:
                pass  # Refused while it was sent; the answer may be there.
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return 0, "", ""
        finally:
            connection.close()
        warnings = "".join("\nwarning: " + w for w in response.headers.get_all("Warning") or [])
        try:
            answer = json.loads(text)
        except ValueError:
            return response.status, "", text + warnings
        if answer.get("kind") == "Status" and answer.get("status") == "Failure":
            if answer["code"] != response.status:
                return -1, "", f"Status says {answer['code']}, HTTP {response.status}"
            return response.status, answer.get("reason", ""), answer["message"] + warnings
        return response.status, "", warnings

    def send_raw(self, data):
        with socket.create_connection((self.host, self.port), timeout=10) as plain:
            with self.tls.wrap_socket(plain, server_hostname=self.host) as stream:
                try:
                    stream.sendall(data)
                except OSError:
                    pass
                try:
                    answer = stream.recv(4096)
                except OSError:
                    return 0
        match = re.match(rb"HTTP/1\.[01] (\d+)", answer)
        return int(match.group(1)) if match else 0


def snapshot(cluster):
    """What stood there before, without what changes by itself."""
    connection = http.client.HTTPSConnection(cluster.host, cluster.port, context=cluster.tls, timeout=10)
    answers = []
    for path in (MAPS, PODS, SERVICES, SECRETS, DEPLOYMENTS, "/api/v1/namespaces"):
        connection.request("GET", path)
        items = json.loads(connection.getresponse().read())["items"]
        answers.append({item["metadata"]["name"]: item for item in items})
    connection.close()
    return answers


def prepare(cluster):
    for path, body in (("/api/v1/namespaces", {"metadata": {"name": "bad"}}),
                       (MAPS, config_map("keep", data={"a": "b"})),
                       (MAPS, config_map("fixed", immutable=True, data={"a": "b"}))):
        code, _, message = cluster.send("POST", path, body, JSON)
        assert code == 201, message


def main():
    cluster = Cluster(*sys.argv[1:4])
    prepare(cluster)
    before = snapshot(cluster)
    rows = [row for group in (bodies, strictness, media, paths, queries, names, patches, deletions, access)
            for row in group()]
    failed = 0
    for name, verb, path, body, headers, codes, reason, piece in rows:
        codes = codes if isinstance(codes, tuple) else (codes,)
        code, got_reason, message = cluster.send(verb, path, body, headers)
        if code == 201 and "dryRun" not in path:  # Taken in after all: out again.
            cluster.send("DELETE", path.split("?")[0] + "/new")
        if code in codes and (not reason or reason == got_reason) and piece in message:
            continue
        failed += 1
        print(f"FAILED {name}: wanted {codes} {reason} '{piece}'\n"
              f"       got {code} {got_reason} '{message[:300]}'")
    for name, (data, codes) in RAW.items():
        code = cluster.send_raw(data)
        if code not in codes:
            failed += 1
            print(f"FAILED raw {name}: wanted {codes}, got {code}")
    if snapshot(cluster) != before:
        failed += 1
        print("FAILED: what was there before is not what is there now")
    print(f"{len(rows) + len(RAW)} requests, {failed} answered wrongly")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
