#!/usr/bin/env python3
"""Writes hostile image archives into a folder: names that lead out, links, sizes that cannot be."""

import hashlib
import io
import json
import os
import sys
import tarfile

folder = sys.argv[1]
os.makedirs(folder)


def tar_of(entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, content in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content
                tar.addfile(info)
    return buffer.getvalue()


def image(name, layer, manifest=None, diff_id=None):
    digest = diff_id or "sha256:" + hashlib.sha256(layer).hexdigest()
    config = {"architecture": "amd64", "os": "linux", "config": {},
              "rootfs": {"type": "layers", "diff_ids": [digest]}}
    if manifest is None:
        manifest = [{"Config": "config.json", "RepoTags": ["bad:1"], "Layers": ["layer.tar"]}]
    text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    write(name, tar_of([("manifest.json", tarfile.REGTYPE, text),
                        ("config.json", tarfile.REGTYPE, json.dumps(config).encode()),
                        ("layer.tar", tarfile.REGTYPE, layer)]))


def write(name, data):
    with open(f"{folder}/{name}.tar", "wb") as file:
        file.write(data)


file, link, hard = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
escape = os.path.dirname(os.path.abspath(folder)) + "/escaped"
good = tar_of([("a", file, b"a")])
image("dots", tar_of([("../../../../escaped", file, b"x")]))
image("hard_link_out", tar_of([("passwd", hard, "../../../../etc/passwd")]))
image("wrong_digest", good, diff_id="sha256:" + "0" * 64)
image("manifest_leads_out", good, [{"Config": "../../etc/passwd", "RepoTags": ["bad:1"], "Layers": ["layer.tar"]}])
image("layer_leads_out", good, [{"Config": "config.json", "RepoTags": ["bad:1"], "Layers": ["/etc/passwd"]}])
image("manifest_is_no_json", good, b"{")
image("manifest_is_a_number", good, b"7")
image("many_layers", good, [{"Config": "config.json", "RepoTags": ["bad:1"], "Layers": ["layer.tar"] * 5000}])
image("layer_is_no_tar", os.urandom(2048))
write("no_tar", b"hello" * 1000)
write("empty", b"")
write("nothing_in_it", tar_of([]))
write("cut_off", tar_of([("manifest.json", file, b"[]" + b" " * 5000)])[:2000])
# A header that claims 8 EiB.
huge = bytearray(tar_of([("manifest.json", file, b"[]")]))
huge[124:136] = b"\x80" + b"\0" * 3 + (1 << 62).to_bytes(8, "big")
huge[148:156] = b" " * 8
huge[148:156] = b"%06o\0 " % sum(huge[:512])
write("absurd_size", bytes(huge))
