"""Reads the table of bad requests: the files in cases/ and what they are written in.

A case is its name, the request, and the answer that kube-apiserver 1.32 gives:

    == a container's name in capitals
    POST pods
    @container {"name": "A_b"}
    --
    422 Invalid
    Pod "new" is invalid: spec.containers[0].name: Invalid value: "A_b": …
    FieldValueInvalid spec.containers[0].name

The request: a verb and a path (a plural is one in the namespace of the test), headers, a body. A
body of `@pod {…}` is the object of that name in objects.json with the JSON merged into it;
`@container {…}` merges into the only container of a pod. <"text" times 9> stands for repeated text,
<hex 00ff> for bytes, <newline> for one, <empty> for a body without any.

The answer: code and reason, the message, each cause's reason and field, `warning: …`. A message
that ends with … is only the beginning; line breaks in it are \\n. An answer that is no Status has
neither reason nor message.
"""

import json
import pathlib
import re

HERE = pathlib.Path(__file__).parent
GROUPS = {
    "apps/v1": "deployments statefulsets daemonsets replicasets",
    "batch/v1": "jobs cronjobs",
    "autoscaling/v2": "horizontalpodautoscalers",
    "networking.k8s.io/v1": "ingresses networkpolicies",
    "policy/v1": "poddisruptionbudgets",
    "rbac.authorization.k8s.io/v1": "roles rolebindings",
    "coordination.k8s.io/v1": "leases",
    "discovery.k8s.io/v1": "endpointslices",
}
PREFIXES = {plural: f"/apis/{group}" for group, plurals in GROUPS.items() for plural in plurals.split()}
OBJECTS = json.loads((HERE / "objects.json").read_text())
HEADER = re.compile(r"^([A-Z][A-Za-z-]+):\s*(.*)$")
FILLER = re.compile(r'<("(?:[^"\\]|\\.)*") times (\d+)>')


class Case:
    def __init__(self, file, text):
        request, _, answer = text.partition("\n--\n")
        self.file = file
        self.name, first, *rest = request.split("\n")
        self.verb, self.target = first.split(" ", 1)
        self.target = absolute(fill(self.target).decode())
        self.headers = {}
        while rest and (header := HEADER.match(rest[0])):
            self.headers[header[1]] = fill(header[2]).decode()
            rest.pop(0)
        self.body = body("\n".join(rest)) if rest else None
        if self.body is not None:
            self.headers.setdefault("Content-Type", "application/json")
        self.answer = answer.strip("\n").split("\n")


def absolute(target):
    if target.startswith("/"):
        return target
    plural = re.match(r"[a-z]*", target)[0]
    return f"{PREFIXES.get(plural, '/api/v1')}/namespaces/bad/{target}"


def fill(text):
    """The bytes that a text with <…> in it stands for."""
    text = FILLER.sub(lambda found: json.loads(found[1]) * int(found[2]), text)
    if hexed := re.fullmatch(r"<hex ([0-9a-f ]*)>", text):
        return bytes.fromhex(hexed[1])
    if text == "<empty>":
        return b""
    return text.replace("<newline>", "\n").replace("<alias bomb>", alias_bomb()).encode()


def alias_bomb():
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    for before, this in zip("abcdefgh", "bcdefghi"):
        lines.append(f"{this}: &{this} [" + ",".join(["*" + before] * 9) + "]")
    return "\n".join(lines)


def merged(base, change):
    if not isinstance(change, dict) or not isinstance(base, dict):
        return change
    result = dict(base)
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def body(text):
    found = re.match(r"@(\w+) (.*)$", text, re.S)
    if not found:
        return fill(text)
    change = json.loads(fill(found[2]))
    if found[1] == "container":
        pod = json.loads(json.dumps(OBJECTS["bases"]["pod"]))
        pod["spec"]["containers"][0].update(change)
        return json.dumps(pod).encode()
    return json.dumps(merged(OBJECTS["bases"][found[1]], change)).encode()


def cases():
    for file in sorted((HERE / "cases").glob("*.txt")):
        text = file.read_text()
        for block in re.split(r"^== ", text, flags=re.M)[1:]:
            yield Case(file.name, block.rstrip("\n"))


def standing():
    """(path, object) of what is there while the requests are sent."""
    for path, value in OBJECTS["standing"]:
        if isinstance(value, str):
            value = merged(OBJECTS["bases"][value], {"metadata": {"name": "keep"}})
        yield absolute(path), value
