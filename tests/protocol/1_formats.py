"""JSON, YAML, protobuf, Tables and metadata alone; what Accept says; gzip and pretty."""

from api import (DEPLOYMENTS, MAPS, PARTIAL, PARTIAL_LIST, PROTOBUF, TABLE, call, check, config_map, deployment, get,
                 has, made, post, run, same)


@check
def json_is_what_nobody_asked_for():
    made(MAPS, config_map("f", {"a": "1"}))
    for accept in (None, "*/*", "application/*", "application/json", "text/html, application/json;q=0.5"):
        answer = get(MAPS + "/f", accept=accept)
        same((answer.code, answer.headers["Content-Type"]), (200, "application/json"))
        same(answer.json["kind"], "ConfigMap")
    same(get(MAPS + "/f").headers["Cache-Control"], "no-cache, private")


@check
def yaml_both_ways():
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: y\ndata:\n  a: \"1\"\n  b: |\n    two\n    lines\n"
    answer = post(MAPS, text, type="application/yaml", accept="application/yaml")
    same((answer.code, answer.headers["Content-Type"]), (201, "application/yaml"))
    has(answer.body.decode(), "kind: ConfigMap\n")
    same(get(MAPS + "/y").json["data"], {"a": "1", "b": "two\nlines\n"})
    again = call("PUT", MAPS + "/y", answer.body, type="application/yaml")
    same((again.code, again.json["metadata"]["resourceVersion"]), (200, get(MAPS + "/y").json["metadata"]["resourceVersion"]))


@check
def protobuf_both_ways():
    answer = get(MAPS + "/f", accept=PROTOBUF)
    same((answer.code, answer.headers["Content-Type"], answer.body[:4]), (200, PROTOBUF, b"k8s\0"))
    wire = answer.body.replace(b"\x0a\x01f", b"\x0a\x01g", 1)  # The name; uid and the like are the server's.
    created = post(MAPS, strip_version(wire), type=PROTOBUF, accept="application/json")
    same((created.code, created.json.get("message")), (201, None))
    same((created.json["metadata"]["name"], created.json["data"]), ("g", {"a": "1"}))
    listed = get(MAPS, accept=PROTOBUF)
    same((listed.headers["Content-Type"], listed.body[:4]), (PROTOBUF, b"k8s\0"))
    has(listed.body, b"ConfigMapList")


def strip_version(wire):
    """Without metadata.resourceVersion, field 6: a create may not say it. Nor managedFields, 17."""
    envelope = fields(wire[4:])
    config = fields(envelope[2])
    metadata = {number: value for number, value in fields(config[1]).items() if number not in (6, 17)}
    config[1] = message(metadata)
    envelope[2] = message(config)
    return b"k8s\0" + message(envelope)


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """The fields of a message, length-delimited ones alone; of repeated ones the last."""
    found, at = {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            _, at = varint(data, at)
            continue
        size, at = varint(data, at)
        found[tag >> 3] = data[at:at + size]
        at += size
    return found


def message(found):
    out = b""
    for number, value in found.items():
        size, head = len(value), bytes([number << 3 | 2])
        while size > 127:
            head += bytes([size & 127 | 128])
            size >>= 7
        out += head + bytes([size]) + value
    return out


@check
def errors_come_in_the_same_form():
    answer = get(MAPS + "/nope", accept=PROTOBUF)
    same((answer.code, answer.headers["Content-Type"], answer.body[:4]), (404, PROTOBUF, b"k8s\0"))
    has(answer.body, b'configmaps "nope" not found')


@check
def tables():
    made(DEPLOYMENTS, deployment("t"))
    for path in (DEPLOYMENTS, DEPLOYMENTS + "/t"):
        answer = get(path, accept=TABLE + ",application/json")
        table = answer.json
        same((table["kind"], table["apiVersion"]), ("Table", "meta.k8s.io/v1"))
        same([c["name"] for c in table["columnDefinitions"]],
             ["Name", "Ready", "Up-to-date", "Available", "Age", "Containers", "Images", "Selector"])
        same(table["rows"][0]["cells"][:4], ["t", "0/0", 0, 0])
        same((table["rows"][0]["object"]["kind"], table["rows"][0]["object"]["metadata"]["name"]),
             ("PartialObjectMetadata", "t"))
    same(get(DEPLOYMENTS + "?includeObject=None", accept=TABLE).json["rows"][0].get("object"), None)
    whole = get(DEPLOYMENTS + "?includeObject=Object", accept=TABLE).json["rows"][0]["object"]
    same((whole["kind"], whole["spec"]["replicas"]), ("Deployment", 0))


@check
def metadata_alone():
    one = get(MAPS + "/f", accept=PARTIAL).json
    same((one["kind"], one["apiVersion"], one["metadata"]["name"], "data" in one),
         ("PartialObjectMetadata", "meta.k8s.io/v1", "f", False))
    several = get(MAPS, accept=PARTIAL_LIST).json
    same((several["kind"], several["apiVersion"]), ("PartialObjectMetadataList", "meta.k8s.io/v1"))
    same([i["kind"] for i in several["items"] if i["metadata"]["name"] == "f"], ["PartialObjectMetadata"])
    wire = get(MAPS + "/f", accept=PARTIAL.replace("application/json", PROTOBUF))
    same(wire.body[:4], b"k8s\0")
    has(wire.body, b"PartialObjectMetadata")


@check
def the_first_that_is_served_counts():
    for accept, kind in ((f"application/json;as=Table;v=v9;g=meta.k8s.io,{TABLE}", "Table"),
                         (f"application/json;as=Chair;v=v1;g=meta.k8s.io,application/json", "ConfigMapList"),
                         (f"application/json;q=0.1,{TABLE};q=0.9", "Table"),
                         (f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io,{TABLE},application/json", "Table")):
        same((accept, get(MAPS, accept=accept).json["kind"]), (accept, kind))
    same(get(MAPS, accept="image/png").code, 406)
    same(get(MAPS, accept="application/json;q=0").code, 406)
    same(post(MAPS, "{}", type="text/plain").code, 415)


@check
def gzip_from_128_kb():
    made(MAPS, config_map("big", {"a": "x" * 150_000}))
    made(MAPS, config_map("small", {"a": "x" * 100_000}))
    for path, wanted in ((MAPS + "/big", "gzip"), (MAPS + "/small", None), (MAPS, "gzip")):
        answer = get(path, Accept_Encoding="gzip")
        same((path, answer.headers["Content-Encoding"]), (path, wanted))
        answer.json  # Whole again after unpacking.
    same(get(MAPS + "/big").headers["Content-Encoding"], None)


@check
def pretty():
    plain, lined = get(MAPS + "/f"), get(MAPS + "/f?pretty=true")
    same(plain.json, lined.json)
    same((b"\n  " in plain.body, b"\n  " in lined.body), (False, True))
    same(get(MAPS + "/f?pretty=false").body, plain.body)


@check
def head_has_no_body():
    answer = call("HEAD", MAPS + "/f")
    same((answer.code, answer.body), (200, b""))


run()
