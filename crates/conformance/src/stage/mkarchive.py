#!/usr/bin/env python3
"""mkarchive.py FILE TAG TEXT [MIB]  -  a docker-archive of one layer: busybox as /bin/sh, TEXT in /marker, MIB of noise in /noise"""
import hashlib, io, json, random, sys, tarfile
out, tag, text = sys.argv[1:4]; mib = int(sys.argv[4]) if len(sys.argv) > 4 else 0
def add(t, name, data, mode=0o644):
    i = tarfile.TarInfo(name); i.size = len(data); i.mode = mode; t.addfile(i, io.BytesIO(data))
b = io.BytesIO()
with tarfile.open(fileobj=b, mode="w") as t:
    add(t, "bin/sh", open("/bin/busybox", "rb").read(), 0o755); add(t, "marker", text.encode() + b"\n")
    if mib: add(t, "noise", random.Random(text).randbytes(mib << 20))
layer = b.getvalue()
cfg = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
name = hashlib.sha256(cfg).hexdigest() + ".json"
with tarfile.open(out, "w") as t:
    add(t, name, cfg); add(t, "layer.tar", layer); add(t, "manifest.json", json.dumps([{"Config": name, "RepoTags": [tag], "Layers": ["layer.tar"]}]).encode())
