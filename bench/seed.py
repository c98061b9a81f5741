#!/usr/bin/env python3
"""seed.py ARCHIVE HOST:PORT/REPO:TAG [--ca FILE] [--oci]  -  puts a docker-archive into a registry by its HTTP API

Layers are gzipped here, the same way every time, so that every engine pulls the very same bytes.
--oci: OCI media types instead of Docker's. Prints the manifest's digest. The gzip files are kept in ARCHIVE.gz.d."""
import argparse, gzip, hashlib, http.client, json, os, re, shutil, ssl, tarfile, tempfile

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("archive"); ap.add_argument("reference")
ap.add_argument("--ca", help="the registry speaks TLS; its certificate authority"); ap.add_argument("--oci", action="store_true")
A = ap.parse_args()
host, rest = A.reference.split("/", 1); repo, tag = rest.rsplit(":", 1)
conn = http.client.HTTPSConnection(host, timeout=120, context=ssl.create_default_context(cafile=A.ca)) if A.ca else http.client.HTTPConnection(host, timeout=120)

def call(method, path, body=None, headers={}):
    conn.request(method, path, body, headers); r = conn.getresponse(); r.read(); return r.status, r.headers
def digest(path):
    with open(path, "rb") as f: return "sha256:" + hashlib.file_digest(f, "sha256").hexdigest()
def blob(path):
    d = digest(path)
    if call("HEAD", f"/v2/{repo}/blobs/{d}")[0] == 200: return
    _, h = call("POST", f"/v2/{repo}/blobs/uploads/", b"")
    url = re.sub(r"^https?://[^/]+", "", h["Location"]); url += ("&" if "?" in url else "?") + "digest=" + d
    with open(path, "rb") as f: status, _ = call("PUT", url, f, {"Content-Type": "application/octet-stream", "Content-Length": str(os.path.getsize(path))})
    if status != 201: raise SystemExit(f"seed: PUT blob {d}: {status}")

kept = A.archive + ".gz.d"
if not os.path.exists(kept) or os.path.getmtime(kept) < os.path.getmtime(A.archive):
    new = tempfile.mkdtemp(dir=os.path.dirname(kept) or "."); n = 0
    with tarfile.open(A.archive) as t:
        m = json.load(t.extractfile("manifest.json"))[0]
        with open(new + "/config", "wb") as f: f.write(t.extractfile(m["Config"]).read())
        for n, layer in enumerate(m["Layers"]):
            with open(f"{new}/{n}", "wb") as o, gzip.GzipFile("", "wb", 6, o, 0) as g: shutil.copyfileobj(t.extractfile(layer), g, 1 << 20)
    shutil.rmtree(kept, ignore_errors=True)
    try: os.rename(new, kept)
    except OSError: shutil.rmtree(new)          # another process was first
kinds = (("application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip") if A.oci else
         ("application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip"))
def descriptor(path, kind): return {"mediaType": kind, "size": os.path.getsize(path), "digest": digest(path)}
layers = sorted((f for f in os.listdir(kept) if f.isdigit()), key=int)
manifest = json.dumps({"schemaVersion": 2, "mediaType": kinds[0], "config": descriptor(kept + "/config", kinds[1]), "layers": [descriptor(f"{kept}/{l}", kinds[2]) for l in layers]}).encode()
for f in ["config", *layers]: blob(f"{kept}/{f}")
status, _ = call("PUT", f"/v2/{repo}/manifests/{tag}", manifest, {"Content-Type": kinds[0]})
if status != 201: raise SystemExit(f"seed: PUT manifest: {status}")
print("sha256:" + hashlib.sha256(manifest).hexdigest())
