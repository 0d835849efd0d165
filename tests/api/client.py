"""A small HTTPS client: the administrator of a kubeconfig, over connections that are kept."""

import base64
import http.client
import json
import re
import ssl
import tempfile
import urllib.parse

PATCHES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
PROTOBUF = "application/vnd.kubernetes.protobuf"


class Answer:
    def __init__(self, code, headers, body):
        self.code, self.headers, self.body = code, headers, body
        try:
            self.json = json.loads(body)
        except ValueError:
            self.json = None

    @property
    def message(self):
        return self.json.get("message", "") if isinstance(self.json, dict) else str(self.body[:200])

    @property
    def fields(self):
        """The fields that a 422 complains of."""
        details = (self.json or {}).get("details") or {}
        return [cause.get("field") for cause in details.get("causes") or []]


class Client:
    def __init__(self, kubeconfig):
        with open(kubeconfig, encoding="utf-8") as file:
            text = file.read()

        def data(name):
            return base64.b64decode(re.search(name + r": *(\S+)", text).group(1))

        server = urllib.parse.urlsplit(re.search(r"server: *(\S+)", text).group(1))
        self.host, self.port = server.hostname, server.port
        self.context = ssl.create_default_context(cadata=data("certificate-authority-data").decode())
        with tempfile.NamedTemporaryFile() as file:
            file.write(data("client-certificate-data") + b"\n" + data("client-key-data"))
            file.flush()
            self.context.load_cert_chain(file.name)
        self.connection = self.connect()

    def connect(self):
        return http.client.HTTPSConnection(self.host, self.port, context=self.context, timeout=30)

    def call(self, method, path, body=None, kind=None, accept=None):
        headers = {"User-Agent": "walker/1"}
        if accept:
            headers["Accept"] = accept
        if body is not None:
            headers["Content-Type"] = PATCHES.get(kind, kind or "application/json")
            if not isinstance(body, (bytes, str)):
                body = json.dumps(body)
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def get(self, path, accept=None):
        return self.call("GET", path, accept=accept)

    def patch(self, path, body, kind="merge"):
        return self.call("PATCH", path, body, kind)

    def first_event(self, path):
        """The first line of a watch."""
        connection = self.connect()
        connection.request("GET", path)
        response = connection.getresponse()
        line = response.readline()
        connection.close()
        return response.status, json.loads(line) if line else None
