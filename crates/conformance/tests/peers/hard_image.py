"""Writes a docker-archive with what is hard in layers.  usage: hard_image.py OUT.tar BUSYBOX NAME [even]

With `even`, no file is sparse: podman unpacks those, but cannot put their layers together again.

Every directory that a layer touches has its entry in it, so that all times are told.
"""
import gzip, hashlib, io, json, subprocess, sys, tarfile, tempfile, os

T = 1_600_000_000


class Layer:
    def __init__(self):
        self.out = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.out, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name, kind=tarfile.REGTYPE, data=b"", mode=0o644, link="", uid=0, gid=0, mtime=T, dev=(0, 0), pax=()):
        t = tarfile.TarInfo(name)
        t.type, t.mode, t.linkname, t.uid, t.gid, t.mtime, t.size = kind, mode, link, uid, gid, mtime, len(data)
        t.devmajor, t.devminor = dev
        t.pax_headers = dict(pax)
        self.tar.addfile(t, io.BytesIO(data))

    def dir(self, name, mode=0o755, **more):
        self.add(name, tarfile.DIRTYPE, mode=mode, **more)

    def raw(self, tar):
        """Entries of a tar made elsewhere."""
        self.out.seek(self.tar.offset)
        end = len(tar)
        while end >= 512 and not tar[end - 512:end].strip(b"\0"):
            end -= 512
        self.out.write(tar[:end])
        self.tar.offset += end

    def bytes(self):
        self.tar.close()
        return self.out.getvalue()


def xattr(name, value):
    return ("SCHILY.xattr." + name, value)


def sparse():
    """A file of 8 MiB with two pieces of data, in GNU's format of sparse files (1.0)."""
    with tempfile.TemporaryDirectory() as d:
        os.mkdir(d + "/h")
        with open(d + "/h/sparse", "wb") as f:
            f.seek(1 << 20); f.write(b"a" * 5000)
            f.seek(5 << 20); f.write(b"b" * 4096)
            f.truncate(8 << 20)
        command = ["tar", "-C", d, "-c", "--sparse", "--format=pax", "--owner=3", "--group=4", "--numeric-owner", f"--mtime=@{T}", "h/sparse"]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def lowest(busybox, even):
    l = Layer()
    l.dir("bin")
    l.add("bin/busybox", data=busybox, mode=0o755)
    l.add("bin/sleep", tarfile.LNKTYPE, link="bin/busybox", mode=0o755)
    l.dir("h")
    l.dir("h/modes", 0o2775, uid=7, gid=8)
    for mode in (0o4755, 0o2755, 0o1644, 0o000, 0o777):
        l.add(f"h/modes/{mode:o}", data=b"m", mode=mode, uid=mode, gid=70000)
    l.dir("h/sticky", 0o1777)
    l.add("h/owner", data=b"o", uid=4_000_000_000, gid=4_000_000_001)
    l.dir("h/times")
    l.add("h/times/epoch", mtime=0)
    l.add("h/times/nanos", mtime=T, pax=[("mtime", f"{T}.123456789")])
    l.add("h/times/future", mtime=4_102_444_800)
    l.dir("h/" + "d" * 100)
    l.add("h/" + "d" * 100 + "/" + "f" * 255, data=b"long")
    l.add("h/longlink", tarfile.SYMTYPE, link="/" + "t/" * 300 + "end", mode=0o777, mtime=T - 5)
    l.add("h/\u017elu\u0165ou\u010dk\u00fd k\u016f\u0148 \u2603", data=b"utf8")
    l.add("h/ spaces \\ and \"quotes\"\n", data=b"odd")
    l.add("h/absolute", tarfile.SYMTYPE, link="/etc/../../../h/owner", mode=0o777, uid=5)
    l.add("h/dangling", tarfile.SYMTYPE, link="../../..", mode=0o777)
    l.add("h/one", data=b"linked", uid=9)
    l.add("h/two", tarfile.LNKTYPE, link="h/one")
    l.add("h/three", tarfile.LNKTYPE, link="/h/two")
    l.add("h/fifo", tarfile.FIFOTYPE, mode=0o620)
    l.add("h/null", tarfile.CHRTYPE, mode=0o666, dev=(1, 3))
    l.add("h/big", tarfile.CHRTYPE, mode=0o600, dev=(300, 70000))
    l.add("h/block", tarfile.BLKTYPE, mode=0o660, gid=6, dev=(7, 200))
    # cap_net_raw+ep, revision 2.
    cap = b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00".decode("latin-1")
    l.add("h/capable", data=b"c", mode=0o755, uid=1, pax=[xattr("security.capability", cap)])
    l.add("h/attr", data=b"x", pax=[xattr("user.one", "first"), xattr("user.empty", ""), xattr("user.more", "v" * 2000)])
    l.dir("h/attrdir", pax=[xattr("user.dir", "d")])
    if not even:
        l.raw(sparse())
    for d in ("opaque", "opaque/deep", "gone", "gone/deep", "todir", "tofile", "keep", "many"):
        l.dir("h/" + d)
        l.add(f"h/{d}/f", data=d.encode())
    for n in range(300):
        l.add(f"h/many/{n}", data=b"%d" % n, mtime=T + n)
    l.add("h/file", data=b"goes")
    l.add("h/file2dir", data=b"goes")
    l.add("h/link2file", tarfile.SYMTYPE, link="keep", mode=0o777)
    l.add("h/dir2link.f", data=b"f")
    l.dir("h/dir2link")
    l.add("h/dir2link/f", data=b"f")
    l.add("h/meta", data=b"meta", mode=0o600)
    return l.bytes()


def middle():
    l = Layer()
    l.dir("h", 0o751, mtime=T + 10)
    l.add("h/.wh.file")
    l.add("h/.wh.gone")
    l.dir("h/opaque", 0o700, uid=11)
    l.add("h/opaque/.wh..wh..opq")
    l.add("h/opaque/new", data=b"n")
    l.dir("h/file2dir", 0o711)
    l.add("h/file2dir/in", data=b"in")
    l.add("h/tofile", data=b"was a directory")
    l.add("h/link2file", data=b"was a link")
    l.add("h/dir2link", tarfile.SYMTYPE, link="opaque", mode=0o777)
    l.dir("h/keep", 0o500, mtime=T + 20)
    l.add("h/meta", data=b"meta", mode=0o640, uid=12, mtime=T + 30)
    l.dir("h/many", mtime=T + 40)
    for n in range(0, 300, 3):
        l.add(f"h/many/.wh.{n}")
    return l.bytes()


def top():
    l = Layer()
    l.dir("h", 0o755, mtime=T + 50)
    l.add("h/file", data=b"again")
    l.dir("h/gone", 0o750)
    l.add("h/gone/other", data=b"o")
    l.dir("h/opaque", 0o700, uid=11)
    l.add("h/opaque/.wh.new")
    l.dir("h/opaque/deep")
    l.add("h/opaque/deep/fresh", data=b"f")
    l.add("h/two", data=b"broken off", uid=9)
    l.dir("h/many", mtime=T + 60)
    l.add("h/many/0", data=b"zero")
    return l.bytes()


def main(out, busybox, tag, even=None):
    with open(busybox, "rb") as f:
        layers = [lowest(f.read(), even), middle(), top()]
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "created": "2020-01-01T00:00:00Z",
        "config": {"Cmd": ["/bin/sleep", "1000"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(l).hexdigest() for l in layers]},
        "history": [{"created": "2020-01-01T00:00:00Z", "created_by": f"layer {n}"} for n in range(len(layers))],
    }).encode()
    files = {f"layer{n}/layer.tar": l if n == 0 else gzip.compress(l, mtime=0) for n, l in enumerate(layers)}
    name = hashlib.sha256(config).hexdigest() + ".json"
    files[name] = config
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": [f for f in files if f.endswith("layer.tar")]}]
    files["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(out, "w") as tar:
        for name, data in files.items():
            t = tarfile.TarInfo(name)
            t.size = len(data)
            tar.addfile(t, io.BytesIO(data))


main(*sys.argv[1:])
