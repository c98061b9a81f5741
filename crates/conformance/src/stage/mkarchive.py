#!/usr/bin/env python3
"""mkarchive.py FILE TAG TEXT [MIB]  -  a docker-archive of one layer: busybox as /bin/sh, TEXT in /marker, MIB of noise in /noise;
$CREATED (RFC 3339) and $LABEL (key=value) are the image's"""
import hashlib, io, json, os, random, sys, tarfile
out, tag, text = sys.argv[1:4]; mib = int(sys.argv[4]) if len(sys.argv) > 4 else 0
def add(t, name, data, mode=0o644):
    i = tarfile.TarInfo(name); i.size = len(data); i.mode = mode; t.addfile(i, io.BytesIO(data))
b = io.BytesIO()
with tarfile.open(fileobj=b, mode="w") as t:
    add(t, "bin/sh", open("/bin/busybox", "rb").read(), 0o755); add(t, "marker", text.encode() + b"\n")
    if mib: add(t, "noise", random.Random(text).randbytes(mib << 20))
layer = b.getvalue()
config = {"Cmd": ["/bin/sh"]}; more = {"created": os.environ["CREATED"]} if "CREATED" in os.environ else {}
if os.environ.get("LABEL"): config["Labels"] = dict([os.environ["LABEL"].split("=", 1)])
cfg = json.dumps({"architecture": "amd64", "os": "linux", **more, "config": config, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
name = hashlib.sha256(cfg).hexdigest() + ".json"
with tarfile.open(out, "w") as t:
    add(t, name, cfg); add(t, "layer.tar", layer); add(t, "manifest.json", json.dumps([{"Config": name, "RepoTags": [tag], "Layers": ["layer.tar"]}]).encode())
