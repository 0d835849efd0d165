#!/usr/bin/env python3
"""A WebSocket client of few lines (RFC 6455), for the protocols that kubectl does not speak.

websocket_streams.py SERVER CA PEM PROTOCOL PATH [SAY]: connects, sends the message SAY, and prints
each message until the other end closes: its channel's number and its text when the protocol has
channels, else its text. SAY and what is printed have Python's escapes. "-" is no PROTOCOL, or no
PEM.
"""
import base64
import os
import socket
import ssl
import struct
import sys
from urllib.parse import urlparse


def connect(server, ca, pem, protocol, path):
    url = urlparse(server)
    tls = ssl.create_default_context(cafile=ca)
    if pem != "-":
        tls.load_cert_chain(pem)
    raw = socket.create_connection((url.hostname, url.port), timeout=20)
    sock = tls.wrap_socket(raw, server_hostname=url.hostname)
    lines = [
        f"GET {path} HTTP/1.1", f"Host: {url.netloc}", "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode(),
    ]
    if protocol != "-":
        lines.append("Sec-WebSocket-Protocol: " + protocol)
    sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    stream = sock.makefile("rb")
    status = stream.readline().decode().strip()
    fields = {}
    while (line := stream.readline().strip()) != b"":
        name, value = line.decode().split(":", 1)
        fields[name.lower()] = value.strip()
    if " 101 " not in status:
        body = stream.read(int(fields.get("content-length", 0))).decode()
        sys.exit(f"{status} {body}")
    return sock, stream


def send(sock, opcode, payload):
    mask = os.urandom(4)
    size = len(payload)
    head = bytes([0x80 | opcode])
    head += bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + struct.pack(">H", size)
    sock.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))


def receive(stream):
    head = stream.read(2)
    if len(head) < 2:
        return 8, b""
    size = head[1] & 0x7F
    if size == 126:
        size = struct.unpack(">H", stream.read(2))[0]
    elif size == 127:
        size = struct.unpack(">Q", stream.read(8))[0]
    return head[0] & 0x0F, stream.read(size)


def main():
    server, ca, pem, protocol, path = sys.argv[1:6]
    sock, stream = connect(server, ca, pem, protocol, path)
    text = "base64." in protocol
    channels = "channel." in protocol
    if len(sys.argv) > 6:
        said = sys.argv[6].encode().decode("unicode_escape").encode("latin-1")
        if text:
            said = str(said[0]).encode() + base64.b64encode(said[1:])
        send(sock, 1 if text else 2, said)
    while True:
        opcode, payload = receive(stream)
        if opcode == 8:
            break
        channel = ""
        if channels:
            channel = (chr(payload[0]) if text else str(payload[0])) + " "
            payload = payload[1:]
        if text:
            payload = base64.b64decode(payload)
        print(channel + repr(payload)[2:-1], flush=True)


main()
