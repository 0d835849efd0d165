#!/usr/bin/env python3
"""A registry behind tokens: token_registry.py PORT BACKEND_HOST:PORT USER:PASSWORD

Hands GETs on to the backend, but only to who shows the token that /token gave for the login (as
distribution's token authentication has it). Prints "ready" when it serves.
"""

import base64
import http.client
import http.server
import json
import secrets
import sys
from urllib.parse import parse_qs, urlsplit

port, backend, login = int(sys.argv[1]), sys.argv[2], sys.argv[3]
tokens = {}  # token → the scope that it was given for.


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, code, body, headers=()):
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urlsplit(self.path)
        shown = self.headers.get("Authorization", "")
        if url.path == "/token":
            if shown != "Basic " + base64.b64encode(login.encode()).decode():
                return self.answer(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}')
            query = parse_qs(url.query)
            assert query["service"] == ["test registry"]
            token = secrets.token_hex(16)
            tokens[token] = query["scope"][0]
            return self.answer(200, json.dumps({"token": token, "expires_in": 60}).encode())
        repository = url.path.removeprefix("/v2/").rsplit("/", 2)[0]
        scope = f"repository:{repository}:pull"
        if tokens.get(shown.removeprefix("Bearer ")) != scope:
            challenge = (f'Bearer realm="http://127.0.0.1:{port}/token",service="test registry",'
                         f'scope="{scope}"')
            return self.answer(401, b"{}", [("WWW-Authenticate", challenge)])
        connection = http.client.HTTPConnection(backend, timeout=20)
        connection.request("GET", self.path, headers={"Accept": self.headers.get("Accept", "*/*")})
        response = connection.getresponse()
        kept = [(name, value) for name, value in response.getheaders()
                if name in ("Content-Type", "Docker-Content-Digest")]
        self.answer(response.status, response.read(), kept)


server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
print("ready", flush=True)
server.serve_forever()
