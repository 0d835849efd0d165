#!/usr/bin/env python3
"""Walks every resource of the golden text against a running server.

  walk.py KUBECONFIG GOLDEN

First discovery, both forms, word for word. Then of every stored kind: create, get, list by each
field selector, watch, columns, PUT with and without a resourceVersion, patches, what generation
counts, that status and the rest keep apart, what must not change, what can't be created, delete.
"""

import copy
import sys

import client
import golden
import objects
import subresources

failures = []
checks = 0


def check(ok, *what):
    global checks
    checks += 1
    if not ok:
        failures.append(what[0])
        print("FAILED", *what)


def merged(target, patch):
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def at(document, path):
    for step in path.split("."):
        document = document.get(step) if isinstance(document, dict) else None
    return document


def holds(document, patch):
    """Whether the document says all that the patch does; what is absent is zero."""
    if isinstance(patch, dict):
        return all(holds((document or {}).get(key), value) for key, value in patch.items())
    if isinstance(patch, list):
        return len(document or []) == len(patch) and all(map(holds, document or [], patch))
    return document == patch or (document is None and not patch)


def walk_discovery(api, resources, preferred):
    by_version = {}
    for one in resources:
        by_version.setdefault((one.group, one.version), []).append(one)

    for (group, version), members in by_version.items():
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        wanted = sorted((e for one in members for e in golden.entries_of(one)),
                        key=lambda e: e["name"])
        got = sorted(api.get(path).json["resources"], key=lambda e: e["name"])
        for entry in wanted:
            check(entry in got, path, "lacks", entry)
        for entry in got:
            check(entry in wanted, path, "has besides", entry)

    groups = api.get("/apis").json["groups"]
    got = [group["preferredVersion"]["groupVersion"] for group in groups]
    check(got == [version for version in preferred if "/" in version], "/apis", got)
    served = {v["groupVersion"] for group in groups for v in group["versions"]}
    check(served == {f"{g}/{v}" for g, v in by_version if g}, "/apis versions", served)

    for path, core in (("/api", True), ("/apis", False)):
        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        for item in api.get(path, accept).json["items"]:
            for version in item["versions"]:
                group = item["metadata"].get("name", "")
                members = by_version.get((group, version["version"]), [])
                wanted = [golden.aggregated_of(one) for one in members]
                got = version["resources"]
                for entry in got:
                    for sub in entry.get("subresources", []):
                        sub.setdefault("verbs", [])
                key = (lambda e: e["resource"])
                for entry in wanted:
                    for sub in (entry, *[e for e in got if e["resource"] == entry["resource"]]):
                        sub.get("subresources", []).sort(key=lambda s: s["subresource"])
                check(sorted(got, key=key) == sorted(wanted, key=key), path, group, "aggregated")
                check(core == (not group), path, group)


class Kind:
    """One stored resource and the requests about it."""

    def __init__(self, api, resource, facts):
        self.api, self.resource, self.facts = api, resource, facts
        self.label = f"{resource.api_version}/{resource.name}"
        self.name = facts.get("name", "walk-it")
        self.namespace = "walk" if resource.namespaced else None

    def url(self, name=None, sub=None):
        return self.resource.path(self.namespace, name, sub)

    @property
    def own(self):
        return self.url(self.name)

    def document(self, patch=None, name=None):
        made = {"kind": self.resource.kind, "apiVersion": self.resource.api_version,
                **copy.deepcopy(self.facts["object"])}
        made = merged(made, {"metadata": {"name": name or self.name, "labels": {"walk": "yes"}}})
        return merged(made, patch) if patch else made

    def check(self, ok, *what):
        check(ok, self.label, *what)

    def walk(self):
        self.refuse_bad()
        if not self.create():
            return
        self.read()
        self.update()
        if self.facts.get("change"):
            self.count_generation()
        if "status" in self.resource.subresources:
            self.keep_status_apart()
        self.select()
        self.keep_frozen()
        self.put_missing()
        self.remove()

    def refuse_bad(self):
        for patch, field in self.facts.get("bad", []):
            answer = self.api.call("POST", self.url(), self.document(patch))
            self.check(answer.code == 422 and field in answer.fields, "bad", patch, "→",
                       answer.code, answer.message)
        answer = self.api.call("POST", self.url(), self.document(name="Not/Good"))
        self.check(answer.code == 422 and "metadata.name" in answer.fields, "bad name",
                   answer.code, answer.message)

    def create(self):
        answer = self.api.call("POST", self.url() + "?dryRun=All", self.document())
        self.check(answer.code == 201, "dry run", answer.code, answer.message)
        self.check(self.api.get(self.own).code == 404, "there after a dry run")
        answer = self.api.call("POST", self.url() + "?fieldValidation=Strict", self.document())
        self.check(answer.code == 201, "create", answer.code, answer.message)
        if answer.code != 201:
            return False
        made = answer.json
        metadata = made["metadata"]
        self.check(made["kind"] == self.resource.kind and
                   made["apiVersion"] == self.resource.api_version, "kind", made["kind"])
        self.check(all(metadata.get(f) for f in ("uid", "resourceVersion", "creationTimestamp")),
                   "metadata", metadata)
        self.check("selfLink" not in metadata, "selfLink")
        from_nothing = self.resource.name == "csidrivers"  # Counts changes, has no first.
        wanted = 1 if self.resource.generation and not from_nothing else None
        self.check(metadata.get("generation") == wanted, "generation", metadata.get("generation"))
        again = self.api.call("POST", self.url(), self.document())
        self.check(again.code == 409 and again.json["reason"] == "AlreadyExists", "twice",
                   again.code)
        return True

    def read(self):
        got = self.api.get(self.own)
        self.check(got.code == 200, "get", got.code)
        listed = self.api.get(self.url())
        self.check(listed.json["kind"] == self.resource.kind + "List" and
                   listed.json["apiVersion"] == self.resource.api_version, "list",
                   listed.json.get("kind"))
        # The list says of what kind its items are.
        item = {key: value for key, value in got.json.items() if key not in ("kind", "apiVersion")}
        self.check(item in listed.json["items"], "not in the list")
        if self.resource.namespaced:
            everywhere = self.api.get(self.resource.path())
            self.check(item in everywhere.json["items"], "not in the list of all namespaces")
        table = self.api.get(self.own, client.TABLE).json
        columns = [(c["name"], c["priority"]) for c in table["columnDefinitions"]]
        self.check(columns == self.resource.columns, "columns", columns)
        self.check(len(table["rows"][0]["cells"]) == len(columns), "cells", table["rows"])
        partial = self.api.get(
            self.own, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1").json
        self.check(partial["kind"] == "PartialObjectMetadata" and
                   partial["metadata"] == got.json["metadata"], "partial", partial)
        if self.resource.name != "customresourcedefinitions":
            binary = self.api.get(self.own, client.PROTOBUF)
            self.check(binary.body.startswith(b"k8s\0"), "protobuf", binary.body[:40])
        code, event = self.api.first_event(
            self.url() + f"?watch=1&timeoutSeconds=20&fieldSelector=metadata.name={self.name}")
        self.check(code == 200 and event["type"] == "ADDED" and event["object"] == got.json,
                   "watch", code, event and event["type"])

    def current(self):
        return self.api.get(self.own).json

    def update(self):
        before = self.current()
        same = self.api.call("PUT", self.own, before)
        self.check(same.code == 200 and same.json == before, "the same again is no change",
                   same.code, same.message)
        changed = merged(before, {"metadata": {"annotations": {"put": "1"}}})
        answer = self.api.call("PUT", self.own, changed)
        self.check(answer.code == 200 and answer.json["metadata"]["annotations"]["put"] == "1",
                   "PUT", answer.code, answer.message)
        stale = self.api.call("PUT", self.own, merged(changed, {"metadata": {"annotations": {
            "put": "2"}}}))
        self.check(stale.code == 409 and stale.json["reason"] == "Conflict", "stale", stale.code)
        blind = merged(self.current(), {"metadata": {"resourceVersion": None,
                                                     "annotations": {"put": "3"}}})
        answer = self.api.call("PUT", self.own, blind)
        wanted = 422 if self.resource.conditional_update else 200
        self.check(answer.code == wanted, "PUT without resourceVersion", answer.code)
        for kind, body in (
                ("merge", {"metadata": {"annotations": {"merge": "1"}}}),
                ("strategic", {"metadata": {"annotations": {"strategic": "1"}}}),
                ("json", [{"op": "add", "path": "/metadata/annotations/json", "value": "1"}])):
            answer = self.api.patch(self.own, body, kind)
            self.check(answer.code == 200 and answer.json["metadata"]["annotations"][kind] == "1",
                       "patch", kind, answer.code, answer.message)
        applied = self.api.patch(self.own + "?fieldManager=walker", {
            "kind": self.resource.kind, "apiVersion": self.resource.api_version,
            "metadata": {"name": self.name, "annotations": {"apply": "1"}}}, "apply")
        self.check(applied.code == 200 and applied.json["metadata"]["annotations"]["apply"] == "1",
                   "apply", applied.code, applied.message)

    def count_generation(self):
        before = self.current()["metadata"].get("generation", 0)
        answer = self.api.patch(self.own, self.facts["change"])
        self.check(answer.code == 200, "change", answer.code, answer.message)
        if answer.code == 200:
            self.check(answer.json["metadata"].get("generation") == before + 1, "generation after",
                       answer.json["metadata"].get("generation"), "before", before)

    def keep_status_apart(self):
        patch = self.facts["status"]
        before = self.current()
        answer = self.api.patch(self.own, patch)
        self.check(answer.code == 200 and answer.json.get("status") == before.get("status"),
                   "status through the front door", answer.code, answer.message)
        answer = self.api.patch(self.url(self.name, "status"), patch)
        self.check(answer.code == 200, "status", answer.code, answer.message)
        if answer.code != 200:
            return
        after = answer.json
        self.check(holds(after["status"], patch["status"]), "status", after["status"])
        for key in set(before) | set(after):
            if key not in ("metadata", "status"):
                self.check(after.get(key) == before.get(key), "status changed", key)
        self.check(after["metadata"].get("generation") == before["metadata"].get("generation"),
                   "status counted as a generation")
        got = self.api.get(self.url(self.name, "status"))
        self.check(got.code == 200 and got.json == after, "get status", got.code)
        if "spec" in after and self.facts.get("change"):
            sly = self.api.patch(self.url(self.name, "status"), merged(
                self.facts["change"], {"metadata": {"annotations": {"status": "1"}}}))
            self.check(sly.code == 200 and sly.json["spec"] == after["spec"],
                       "spec through status", sly.code, sly.message)

    def select(self):
        now = self.current()
        for field in ["metadata.name"] + (["metadata.namespace"] if self.namespace else []) + \
                self.resource.select:
            path = {"status.successful": "status.succeeded", "source": "source.component",
                    "spec.host": "spec.nodeName"}.get(field, field)
            value = at(now, path)
            if field == "status.podIPs":
                value = ",".join(entry["ip"] for entry in value)
            if value is None:
                value = "0" if field.endswith(("replicas", "successful")) else \
                    "false" if field in ("spec.unschedulable", "spec.hostNetwork") else ""
            text = str(value).replace("True", "true").replace("\\", "\\\\").replace(",", "\\,")
            for operator, there in (("%3D", True), ("!%3D", False)):
                selector = field + operator + text.replace(" ", "%20").replace("{", "%7B").replace(
                    "}", "%7D").replace("\\", "%5C")
                answer = self.api.get(self.url() + "?fieldSelector=" + selector)
                names = [item["metadata"]["name"] for item in (answer.json.get("items") or [])]
                self.check(answer.code == 200 and (self.name in names) == there, "select",
                           selector, answer.code, names)
        odd = self.api.get(self.url() + "?fieldSelector=spec.nothing%3Dx")
        known = ("field label not supported", "is not a known field selector")
        self.check(odd.code == 400 and any(text in odd.message for text in known), "odd selector",
                   odd.code, odd.message)

    def keep_frozen(self):
        for patch, field in self.facts.get("frozen", []):
            answer = self.api.patch(self.own, patch)
            self.check(answer.code == 422 and field in answer.fields, "frozen", patch, "→",
                       answer.code, answer.fields, answer.message)
        for field, value in (("uid", "00000000-0000-0000-0000-000000000000"), ("name", "other")):
            answer = self.api.patch(self.own, {"metadata": {field: value}})
            self.check(answer.code in (400, 409, 422), "metadata", field, answer.code)

    def put_missing(self):
        if "name" in self.facts:
            return  # There can be only one.
        answer = self.api.call("PUT", self.url("walk-two"), self.document(name="walk-two"))
        wanted = 201 if self.resource.create_on_update else 404
        self.check(answer.code == wanted, "PUT to nothing", answer.code, answer.message)

    def remove(self):
        gone = self.api.call("DELETE", self.url("no-such-thing"))
        self.check(gone.code == 404, "delete of nothing", gone.code)
        stale = self.api.call("DELETE", self.own, {"kind": "DeleteOptions", "apiVersion": "v1",
                                                   "preconditions": {"uid": "other"}})
        self.check(stale.code == 409, "delete with another uid", stale.code)
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
        if "deletecollection" in self.resource.verbs:
            answer = self.api.call("DELETE", self.url() + "?labelSelector=walk%3Dno", options)
            self.check(answer.code == 200, "delete of none", answer.code, answer.message)
            self.check(self.api.get(self.own).code == 200, "gone without being selected")
            answer = self.api.call("DELETE", self.url() + "?labelSelector=walk%3Dyes", options)
        else:
            refused = self.api.call("DELETE", self.url())
            self.check(refused.code == 405, "deletecollection", refused.code)
            answer = self.api.call("DELETE", self.own, options)
        self.check(answer.code == 200, "delete", answer.code, answer.message)
        after = self.api.get(self.own)
        held = after.code == 200 and (after.json["metadata"].get("finalizers") or
                                      self.resource.name == "namespaces" or
                                      self.resource.name in ("jobs", "replicationcontrollers"))
        if held:  # Its controllers, which don't run here, would let it go.
            self.check(after.json["metadata"].get("deletionTimestamp"), "not being deleted")
        else:
            self.check(after.code == 404, "there after delete", after.code)


def walk_verbs(api, resources):
    """Verbs that a resource doesn't have are told from resources that don't exist."""
    methods = {"create": ("POST", False), "list": ("GET", False), "get": ("GET", True),
               "update": ("PUT", True), "patch": ("PATCH", True), "delete": ("DELETE", True),
               "deletecollection": ("DELETE", False)}
    for one in resources:
        namespace = "walk" if one.namespaced else None
        for verb, (method, named) in methods.items():
            if verb in one.verbs:
                continue
            answer = api.call(method, one.path(namespace, "x" if named else None), {}
                              if method in ("POST", "PUT", "PATCH") else None, "merge"
                              if method == "PATCH" else None)
            check(answer.code == 405, one.name, verb, answer.code)
        check(api.get(one.path(namespace, "x", "nothing")).code == 404, one.name, "no subresource")


def main():
    api = client.Client(sys.argv[1])
    resources, preferred = golden.read(sys.argv[2])
    walk_discovery(api, resources, preferred)
    for path, body in (("namespaces", {"metadata": {"name": "walk"}}),
                       ("namespaces/walk/serviceaccounts", {"metadata": {"name": "default"}})):
        made = api.call("POST", "/api/v1/" + path, body)
        check(made.code == 201, path, made.code, made.message)
    walk_verbs(api, resources)
    for resource in resources:
        if not resource.stored:
            continue
        facts = objects.KINDS.get((resource.group, resource.name))
        check(facts is not None, resource.name, "has no object in objects.py")
        if facts is not None:
            Kind(api, resource, facts).walk()
    subresources.walk(api, check)
    print(f"{len(resources)} resources, {checks} checks, {len(failures)} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
