#!/usr/bin/env python3
"""Runs the same command lines with the stock docker client and with ours against the same engine, and compares
stdout, stderr and exit code; or, with `bodies`, what both send to a recording engine.

usage: differential.py run|bodies OURS THEIRS [CASES...]     (DOCKER_HOST names the engine; image bench-busybox:1 is there)
Cases are lines of cases/*.txt beside this file. `@` before a line: the two runs get their own container names (%N).
A case that ends with `## why` is expected to differ and is only counted.
"""
import glob, http.server, json, os, re, shlex, socketserver, subprocess, sys, tempfile, threading

HERE = os.path.dirname(os.path.abspath(__file__))
VOLATILE = [
    (re.compile(r"\b[0-9a-f]{64}\b"), "<id>"), (re.compile(r"\b[0-9a-f]{12}\b"), "<short>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?"), "<time>"),
    (re.compile(r"(Less than a second|About a minute|About an hour|\d+ (second|minute|hour|day|week)s?)"), "<age>"),
    (re.compile(r"pid=\d+"), "pid"), (re.compile(r"/tmp/tmp\.\w+"), "<tmp>"), (re.compile(r"docker-import-\d+"), "docker-import"), (re.compile(r"time=\"[^\"]*\" level=error msg=\"Can.t add file.*\n"), ""), (re.compile(r"\S*cli-diff-\S*"), "<tmp>"),
]

def cases(names):
    for path in sorted(glob.glob(HERE + "/cases/*.txt")):
        if names and os.path.basename(path)[:-4] not in names: continue
        for line in open(path):
            line = line.rstrip("\n")
            if line and not line.startswith("# "): yield os.path.basename(path)[:-4], line

def normal(text):
    for pattern, word in VOLATILE: text = pattern.sub(word, text)
    return re.sub(r" {2,}", "  ", text)

def run(binary, line, tag, env):
    script = line.replace("docker ", binary + " ").replace("%N", tag)
    p = subprocess.run(["timeout", "30", "bash", "-c", script], capture_output=True, env=env, stdin=subprocess.DEVNULL)
    d = lambda b: normal(b.decode("utf-8", "replace").replace(tag, "NAME"))
    return {"out": d(p.stdout), "err": d(p.stderr), "code": p.returncode}

def difference(where, a, b):
    if type(a) is type(b) is dict:
        for k in sorted(set(a) | set(b)): difference(f"{where}.{k}", a.get(k, "<absent>"), b.get(k, "<absent>"))
    elif type(a) is type(b) is list and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)): difference(f"{where}[{i}]", x, y)
    elif a != b: print(f"{where}: theirs {a!r} ours {b!r}")

def steady(value):
    """Lists whose order is that of a Go map are sorted."""
    if isinstance(value, dict):
        return {k: sorted(v) if k in ("Env", "Binds", "DnsOptions") and v else steady(v) for k, v in value.items()}
    return [steady(v) for v in value] if isinstance(value, list) else value

def sent(line, log):
    """The requests of one command line; those that the client sends side by side are sorted."""
    side_by_side = line.split()[1] in ("kill", "pause", "restart", "rm", "stop", "unpause")
    return sorted(steady(log), key=lambda r: (r["method"], r["path"])) if side_by_side else steady(list(log))

def compare(name, line, a, b, stats):
    line, _, why = line.partition(" ## ")
    if a == b:
        stats["same"] += 1
        return
    if why:
        stats["known"] += 1
        return
    stats["differ"] += 1
    print(f"--- [{name}] {line}")
    for key in a:
        if key == "sent" and len(a[key]) == len(b[key]): difference("  sent", a[key], b[key])
        elif a[key] != b[key]: print(f"  {key}: theirs {a[key]!r}\n  {key}: ours   {b[key]!r}")

def differential(ours, theirs, names):
    stats = dict(same=0, differ=0, known=0)
    # One version for both: answers differ by version.
    env = dict({"DOCKER_API_VERSION": "1.51"} | dict(os.environ), HOME=tempfile.mkdtemp(prefix="cli-diff-"))
    for n, (name, line) in enumerate(cases(names)):
        if name.startswith("body"): continue
        text = line.partition(" ## ")[0]
        a = run(theirs, text, f"cdt{os.getpid()}x{n}", env); b = run(ours, text, f"cdo{os.getpid()}x{n}", env)
        compare(name, line, a, b, stats)
    print(stats); return stats["differ"] == 0

class Recorder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"; log = []
    def log_message(self, *a): pass
    def address_string(self): return ""
    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while True:
                n = int(self.rfile.readline().split(b";")[0], 16); body += self.rfile.read(n); self.rfile.readline()
                if not n: break
        path = self.path.split("?")[0]
        if "_ping" not in path:
            try: body = json.loads(body) if body else None
            except ValueError: body = body.decode("latin1")
            query = sorted(self.path.partition("?")[2].split("&"))
            Recorder.log.append({"method": self.command, "path": path, "query": query, "body": body, "auth": self.headers.get("X-Registry-Auth")})
        code, out = 200, b"{}"
        if path.endswith("/containers/create"): code, out = 201, b'{"Id":"' + b"a" * 64 + b'","Warnings":[]}'
        elif path.endswith(("/networks/create", "/volumes/create")): code, out = 201, b'{"Id":"n1","Name":"v"}'
        elif path.endswith("/exec"): code, out = 201, b'{"Id":"e1"}'
        elif re.search(r"/(containers|images)/json$|/networks$|/search$", path) or (self.command == "DELETE" and "/images/" in path): out = b"[]"
        elif re.search(r"/containers/[^/]+/json$", path): out = json.dumps({"Id": "x" * 64, "Config": {}, "HostConfig": {}, "State": {}, "NetworkSettings": {}, "Name": "/x"}).encode()
        elif re.search(r"/(start|kill|stop|pause|unpause|rename|restart|resize)$", path): code, out = 204, b""
        self.send_response(code)
        self.send_header("Api-Version", "1.51"); self.send_header("Ostype", "linux"); self.send_header("Content-Type", "application/json")
        if code != 204: self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        if self.command != "HEAD" and code != 204: self.wfile.write(out)
    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any

class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    def get_request(self): return super().get_request()[0], ("", 0)

def bodies(ours, theirs, names):
    where = tempfile.mkdtemp(prefix="cli-diff-"); sock = where + "/s"
    threading.Thread(target=Server(sock, Recorder).serve_forever, daemon=True).start()
    env = dict(os.environ, HOME=where, DOCKER_HOST="unix://" + sock, SET="from-env")
    stats = dict(same=0, differ=0, known=0)
    for name, line in cases(names):
        if not name.startswith("body"): continue
        text = line.partition(" ## ")[0]; got = []
        for binary in (theirs, ours):
            Recorder.log.clear(); r = run(binary, text, "N", env); r["sent"] = sent(text, Recorder.log); got.append(r)
        compare(name, line, got[0], got[1], stats)
    print(stats); return stats["differ"] == 0

if __name__ == "__main__":
    mode, ours, theirs, *names = sys.argv[1:]
    sys.exit(0 if (bodies if mode == "bodies" else differential)(ours, theirs, names) else 1)
