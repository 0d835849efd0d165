#!/usr/bin/env python3
"""A WebSocket server (RFC 6455) that sends back the first message of each caller, and closes.

websocket_echo.py ADDRESS PORT: says "listening" once it does.
"""
import base64
import hashlib
import socketserver
import struct
import sys

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        fields = {}
        request = self.rfile.readline().split()
        while (line := self.rfile.readline().strip()) != b"":
            name, value = line.split(b":", 1)
            fields[name.strip().lower()] = value.strip()
        if fields.get(b"upgrade", b"").lower() != b"websocket":
            self.wfile.write(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
            return
        accept = base64.b64encode(hashlib.sha1(fields[b"sec-websocket-key"] + GUID).digest())
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        said = self.message()
        for answer in (request[1] + b" ", said):
            size = len(answer)
            length = bytes([size]) if size < 126 else bytes([126]) + struct.pack(">H", size)
            self.wfile.write(b"\x82" + length + answer)
        self.wfile.write(b"\x88\x02\x03\xe8")
        self.rfile.read()

    def message(self):
        head = self.rfile.read(2)
        size = head[1] & 0x7F
        if size == 126:
            size = struct.unpack(">H", self.rfile.read(2))[0]
        mask = self.rfile.read(4)
        return bytes(b ^ mask[i % 4] for i, b in enumerate(self.rfile.read(size)))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


server = Server((sys.argv[1], int(sys.argv[2])), Echo)
print("listening", flush=True)
server.serve_forever()
