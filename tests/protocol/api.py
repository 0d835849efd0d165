"""A client of nothing but Python's library, for checks that are run in order.

A script is given a kubeconfig, a namespace of its own and "first" or "second"; see run.
"""

import base64
import gzip
import http.client
import json
import os
import re
import socket
import ssl
import sys
import tempfile

from checklist import check, has, run, same  # And for the scripts.

kubeconfig, ns, turn = sys.argv[1:4]
MAPS = f"/api/v1/namespaces/{ns}/configmaps"
PODS = f"/api/v1/namespaces/{ns}/pods"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{ns}/deployments"
PROTOBUF = "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def tls_context():
    text = open(kubeconfig).read()
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for key in ("certificate-authority-data", "client-certificate-data", "client-key-data"):
            files[key] = os.path.join(folder, key)
            with open(files[key], "wb") as file:
                file.write(base64.b64decode(re.search(key + r":\s*\"?([A-Za-z0-9+/=]+)", text)[1]))
        context = ssl.create_default_context(cafile=files["certificate-authority-data"])
        context.load_cert_chain(files["client-certificate-data"], files["client-key-data"])
    return context


TLS = tls_context()


class Answer:
    def __init__(self, code, headers, body):
        self.code, self.headers, self.body = code, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        return self.json["message"]


connection = None


def call(verb, path, body=None, type="application/json", accept=None, **headers):
    """One request on a connection that is kept. `headers`: user_agent="x" is User-Agent: x."""
    global connection
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        sent["Content-Type"] = type
    if accept:
        sent["Accept"] = accept
    if connection is None:
        connection = http.client.HTTPSConnection("127.0.0.1", 6443, context=TLS, timeout=20)
    connection.request(verb, path, body, sent)
    response = connection.getresponse()
    data = response.read()
    if response.headers.get("Content-Encoding") == "gzip":
        data = gzip.decompress(data)
    return Answer(response.status, response.headers, data)


def get(path, **more):
    return call("GET", path, **more)


def post(path, body, **more):
    return call("POST", path, body, **more)


def patch(path, body, type=MERGE, **more):
    return call("PATCH", path, body, type, **more)


def delete(path, body=None, **more):
    return call("DELETE", path, body, **more)


def made(path, body, **more):
    answer = post(path, body, **more)
    same(answer.code, 201)
    return answer.json


def config_map(name, data=None, **metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data or {}}


def deployment(name, **spec):
    labels = {"app": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": 0, "selector": {"matchLabels": labels}, **spec, "template": {
            "metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "busybox:1"}]}}}}


def revision(path=MAPS):
    return get(path + "?limit=1").json["metadata"]["resourceVersion"]


class Watch:
    """The events of a watch, until its end: (type, object). Lines, or protobuf's frames."""

    def __init__(self, path, accept=None):
        self.connection = http.client.HTTPSConnection("127.0.0.1", 6443, context=TLS, timeout=20)
        self.connection.request("GET", path, headers={"Accept": accept} if accept else {})
        self.response = self.connection.getresponse()
        self.code = self.response.status
        self.type = self.response.headers["Content-Type"]

    def frame(self):
        size = self.response.read(4)
        return self.response.read(int.from_bytes(size, "big")) if len(size) == 4 else None

    def next(self):
        line = self.response.readline()
        if not line:
            return None
        event = json.loads(line)
        return event["type"], event["object"]

    def name(self):
        """"ADDED one"."""
        event = self.next()
        return event and f"{event[0]} {event[1]['metadata'].get('name', '')}".strip()

    def all(self):
        return list(iter(self.name, None))

    def close(self):
        self.connection.close()


class WebSocket:
    """Just enough of RFC 6455 to listen."""

    def __init__(self, path, accept=None, protocol=None):
        self.stream = TLS.wrap_socket(socket.create_connection(("127.0.0.1", 6443), timeout=20),
                                      server_hostname="127.0.0.1")
        lines = [f"GET {path} HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket",
                 "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg=="]
        lines += [f"Accept: {accept}"] if accept else []
        lines += [f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []
        self.stream.sendall("\r\n".join(lines + ["", ""]).encode())
        self.file = self.stream.makefile("rb")
        self.code = int(self.file.readline().split()[1])
        self.headers = http.client.parse_headers(self.file)

    def next(self):
        """(opcode, payload) of a whole message."""
        head = self.file.read(2)
        size = head[1] & 127
        if size > 125:
            size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big")
        return head[0] & 15, self.file.read(size)

    def close(self):
        self.stream.close()


def refused(answer, code, reason, message=None):
    same((answer.code, answer.json.get("reason")), (code, reason))
    if message is not None:
        same(answer.message, message)
    return answer.json
