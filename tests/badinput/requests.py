#!/usr/bin/env python3
"""Sends what no client should send (table.py) and holds every answer against the table.

  requests.py [--print] KUBECONFIG HOST PORT CERTIFICATES

CERTIFICATES is a folder of <name>.crt and <name>.key: who else might call. --print prints a wrong
case as it would have to read. After all cases the server must still answer, and the objects that
were there before must be as they were.
"""

import base64
import http.client
import json
import pathlib
import re
import socket
import ssl
import sys
import tempfile

import table

MAPS = table.absolute("configmaps")
JSON = {"Content-Type": "application/json"}

# Bytes that are no HTTP → codes; 0: the connection ends.
RAW = {
    "no HTTP": (b"hello\r\n\r\n", (0, 400)),
    "a header without a colon": (b"GET /api HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", (0, 400)),
    "no host": (b"GET /api HTTP/1.1\r\n\r\n", (200, 400)),
    "two lengths": (b"POST " + MAPS.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                    b"Content-Length: 2\r\n\r\n{}", (0, 400)),
    "length and chunks": (b"POST " + MAPS.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (0, 400)),
    "negative length": (b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", (0, 400)),
    "bad chunk": (b"POST " + MAPS.encode() + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                  b"\r\nzz\r\n", (0, 400)),
    "1 MB of headers": (b"GET /api HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"a" * 1_000_000, (0, 400, 431)),
    "a path of 1 MB": (b"GET /api/" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (0, 400, 414, 431)),
    "HTTP/3.0": (b"GET /api HTTP/3.0\r\nHost: x\r\n\r\n", (0, 400, 505)),
    "an announced 1 TB": (b"POST " + MAPS.encode() + b" HTTP/1.1\r\nHost: x\r\n"
                          b"Content-Type: application/json\r\n"
                          b"Content-Length: 1099511627776\r\n\r\n{", (0, 400, 413)),
}


class Cluster:
    def __init__(self, kubeconfig, host, port, certificates=None):
        self.host, self.port = host, int(port)
        text = pathlib.Path(kubeconfig).read_text()
        files = {}
        for key in ("certificate-authority-data", "client-certificate-data", "client-key-data"):
            files[key] = tempfile.NamedTemporaryFile()
            files[key].write(base64.b64decode(re.search(key + r":\s*\"?([A-Za-z0-9+/=]+)", text)[1]))
            files[key].flush()
        self.ca = files["certificate-authority-data"].name
        self.files = files  # They go when this goes.
        self.admin = self.caller(files["client-certificate-data"].name, files["client-key-data"].name)
        self.callers = {"none": self.caller()}
        for file in pathlib.Path(certificates).glob("*.crt") if certificates else ():
            self.callers[file.stem] = self.caller(file, file.with_suffix(".key"))
        self.tokens = {}

    def caller(self, certificate=None, key=None):
        context = ssl.create_default_context(cafile=self.ca)
        if certificate:
            context.load_cert_chain(certificate, key)
        return context

    def call(self, verb, target, headers=None, body=None):
        """→ (code, warnings, decoded body or None). Code 0: the connection ended."""
        headers = dict(headers or {})
        # A token counts only where no certificate speaks.
        tls = self.callers["none"] if "Authorization" in headers else self.admin
        tls = self.callers.get(headers.pop("Certificate", ""), tls)
        for name, token in self.tokens.items():
            headers = {key: value.replace(f"<token {name}>", token) for key, value in headers.items()}
        connection = http.client.HTTPSConnection(self.host, self.port, context=tls, timeout=10)
        try:
            connection.putrequest(verb, target)
            for key, value in headers.items():
                if value or key != "Content-Type":
                    connection.putheader(key, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            try:
                connection.endheaders(body)
            except OSError:
                pass  # Refused while it was sent; the answer may be there.
            response = connection.getresponse()
            warnings = response.headers.get_all("Warning") or []
            text = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return 0, [], None
        finally:
            connection.close()
        try:
            return response.status, warnings, json.loads(text)
        except ValueError:
            return response.status, warnings, text

    def make(self, target, value):
        code, _, answer = self.call("POST", target, JSON, json.dumps(value).encode())
        assert code == 201, answer
        return answer

    def send_raw(self, data):
        with socket.create_connection((self.host, self.port), timeout=10) as plain:
            with self.admin.wrap_socket(plain, server_hostname=self.host) as stream:
                try:
                    stream.sendall(data)
                except OSError:
                    pass
                try:
                    answer = stream.recv(4096)
                except OSError:
                    return 0
        match = re.match(rb"HTTP/1\.[01] (\d+)", answer)
        return int(match.group(1)) if match else 0


def make_tokens(cluster):
    """Tokens of a service account that has no rights, and what becomes of them."""
    path = table.absolute("serviceaccounts/keep/token")
    good = cluster.make(path, {"spec": {}})["status"]["token"]
    other = cluster.make(path, {"spec": {"audiences": ["elsewhere"]}})["status"]["token"]
    head, claims, signature = good.split(".")
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    told["exp"] = 1
    old = base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")
    cluster.tokens = {"good": good, "audience": other, "expired": f"{head}.{old}.{signature}",
                      "forged": f"{head}.{claims}.{signature[:-8]}AAAAAAAA"}


def rendered(code, warnings, answer):
    """The answer as the table writes it."""
    if isinstance(answer, str) and answer.startswith("apiVersion: v1\n"):
        return [str(code)] + [line for line in answer.split("\n") if line.startswith("message: ")]
    if not isinstance(answer, dict) or answer.get("kind") != "Status" or answer.get("status") != "Failure":
        lines = [str(code)]
        if isinstance(answer, str) and answer:
            lines.append(answer.rstrip("\n").replace("\n", "\\n"))
    else:
        if answer["code"] != code:
            return [f"HTTP {code}, but the Status says {answer['code']}"]
        lines = [f"{code} {answer.get('reason', '')}".rstrip(), answer["message"].replace("\n", "\\n")]
        for cause in answer.get("details", {}).get("causes", []):
            lines.append(f"{cause.get('reason', '')} {cause.get('field', '')}".rstrip())
    return lines + [f"warning: {warning}" for warning in warnings]


def fits(wanted, got):
    if len(wanted) != len(got):
        return False
    return all(g.startswith(w[:-1]) if w.endswith("…") else g == w for w, g in zip(wanted, got))


def consistent(answer):
    """Whether the message of an Invalid is made of its causes, and its subject is in the details."""
    if not isinstance(answer, dict) or answer.get("reason") != "Invalid":
        return True
    details = answer.get("details", {})
    said = [f"{cause['field']}: {cause['message']}" for cause in details.get("causes", []) if cause.get("field")]
    if not said:
        return True
    whole = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    return answer["message"].endswith(" is invalid: " + whole)


def snapshot(cluster):
    """What stood there before, without what changes by itself."""
    answers = []
    for plural in sorted({path.split("?")[0] for path, _ in table.standing()}):
        items = cluster.call("GET", plural)[2]["items"]
        answers.append({item["metadata"]["name"]: {key: item[key] for key in item if key != "status"}
                        for item in items if item["metadata"]["name"] in ("keep", "fixed", "bad")})
    return answers


def main():
    arguments = sys.argv[1:]
    printing = "--print" in arguments
    if printing:
        arguments.remove("--print")
    cluster = Cluster(*arguments)
    for path, value in table.standing():
        cluster.make(path, value)
    make_tokens(cluster)
    before = snapshot(cluster)
    failed = count = 0
    for case in table.cases():
        count += 1
        code, warnings, answer = cluster.call(case.verb, case.target, case.headers, case.body)
        if code in (200, 201) and case.verb == "POST" and "dryRun" not in case.target:
            cluster.call("DELETE", case.target.split("?")[0] + "/new")  # Taken in after all: out again.
        got = rendered(code, warnings, answer)
        if fits(case.answer, got) and consistent(answer):
            continue
        failed += 1
        if printing:
            print(f"== {case.name}\t{case.file}\n" + "\n".join(got))
            continue
        print(f"FAILED {case.file}: {case.name}\n  wanted " + "\n         ".join(case.answer)
              + "\n  got    " + "\n         ".join(got))
    for name, (data, codes) in RAW.items():
        count += 1
        code = cluster.send_raw(data)
        if code not in codes:
            failed += 1
            print(f"FAILED raw {name}: wanted {codes}, got {code}")
    after = snapshot(cluster)
    if after != before:
        failed += 1
        changed = [name for was, now in zip(before, after) for name in was if was[name] != now.get(name)]
        print(f"FAILED: not what they were before: {changed}")
    print(f"{count} requests, {failed} answered wrongly")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
