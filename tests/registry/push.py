#!/usr/bin/env python3
"""Pushes an image to a registry: push.py ARCHIVE HOST:PORT REPOSITORY TAG TEXT [USER:PASSWORD]

The docker archive's layers go first, then one more, gzipped, with /etc/text holding TEXT. Prints the
manifest's digest and, in a second line, that of the last layer.
"""

import base64
import gzip
import hashlib
import http.client
import io
import json
import sys
import tarfile
from urllib.parse import urlsplit


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Registry:
    def __init__(self, address, repository, login):
        self.address, self.repository = address, repository
        self.headers = {}
        if login:
            self.headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()

    def send(self, method, path, body=b"", kind="application/octet-stream"):
        connection = http.client.HTTPConnection(self.address, timeout=20)
        connection.request(method, path, body, {**self.headers, "Content-Type": kind})
        response = connection.getresponse()
        text = response.read()
        assert response.status < 400, f"{method} {path}: {response.status} {text[:300]}"
        return response

    def blob(self, data):
        response = self.send("POST", f"/v2/{self.repository}/blobs/uploads/")
        place = urlsplit(response.headers["Location"])
        self.send("PUT", f"{place.path}?{place.query}&digest={digest(data)}", data)
        return {"digest": digest(data), "size": len(data)}


def text_layer(text):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("etc/text")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return buffer.getvalue()


def main():
    archive, address, repository, tag, text = sys.argv[1:6]
    registry = Registry(address, repository, sys.argv[6] if len(sys.argv) > 6 else "")
    with tarfile.open(archive) as tar:
        entry = json.load(tar.extractfile("manifest.json"))[0]
        config = json.load(tar.extractfile(entry["Config"]))
        tars = [tar.extractfile(name).read() for name in entry["Layers"]]
    tars.append(text_layer(text.encode()))
    config["rootfs"]["diff_ids"] = [digest(data) for data in tars]
    image = "application/vnd.oci.image."
    layers = [{**registry.blob(gzip.compress(data, mtime=0)), "mediaType": image + "layer.v1.tar+gzip"}
              for data in tars]
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": image + "manifest.v1+json",
        "config": {**registry.blob(json.dumps(config).encode()), "mediaType": image + "config.v1+json"},
        "layers": layers}).encode()
    registry.send("PUT", f"/v2/{repository}/manifests/{tag}", manifest, image + "manifest.v1+json")
    print(digest(manifest))
    print(layers[-1]["digest"])


if __name__ == "__main__":
    main()
