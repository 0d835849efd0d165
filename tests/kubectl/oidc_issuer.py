#!/usr/bin/env python3
"""A little OpenID issuer on the loopback, for oidc.sh.

    oidc_issuer.py FOLDER

Serves FOLDER/openid-configuration and FOLDER/keys.json over HTTPS with FOLDER/tls.crt and tls.key;
writes its port to FOLDER/port once it listens, and a line to FOLDER/hits for every request.
"""
import http.server
import os
import socketserver
import ssl
import sys

folder = sys.argv[1]
FILES = {"/.well-known/openid-configuration": "openid-configuration", "/keys": "keys.json"}


class Issuer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(os.path.join(folder, "hits"), "a", encoding="utf-8") as hits:
            hits.write(self.path + "\n")
        name = FILES.get(self.path)
        if name is None:
            self.send_error(404)
            return
        with open(os.path.join(folder, name), "rb") as file:
            body = file.read()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def server_bind(self):
        socketserver.TCPServer.server_bind(self)  # Without asking DNS for a name.
        self.server_name, self.server_port = self.server_address[:2]


server = Server(("127.0.0.1", 0), Issuer)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.path.join(folder, "tls.crt"), os.path.join(folder, "tls.key"))
server.socket = context.wrap_socket(server.socket, server_side=True)
with open(os.path.join(folder, "port.new"), "w", encoding="utf-8") as file:
    file.write(f"{server.server_address[1]}\n")
os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
print("listening", flush=True)
server.serve_forever()
