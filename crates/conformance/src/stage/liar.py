#!/usr/bin/env python3
"""liar.py PORT FAULT  -  a registry that passes on what 127.0.0.1:5000 says, but of blobs larger than 1 MiB:
  short    sends half and closes, every time          die      sends half, then is gone
  flip     changes a byte                             error    says 500
  once     sends half the first time, then behaves    (ranges are passed on)"""
import http.client, http.server, os, sys
port, fault = int(sys.argv[1]), sys.argv[2]; done = set(); faulty = set()
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"; default_request_version = "HTTP/1.0"   # a TLS hello gets an HTTP answer, as from any server
    def log_message(self, *a): pass
    def do_HEAD(self): self.do_GET()
    def do_GET(self):
        c = http.client.HTTPConnection("127.0.0.1", 5000, timeout=60)
        c.request(self.command, self.path, headers={k: v for k, v in self.headers.items() if k.lower() in ("accept", "range")})
        r = c.getresponse(); body = bytearray(r.read()); big = "/blobs/" in self.path and self.command == "GET" and (len(body) > 1 << 20 or self.path in faulty)
        if big: faulty.add(self.path)
        if big and fault == "error": r.status, body = 500, bytearray(b'{"errors":[{"code":"UNKNOWN","message":"fault"}]}')
        if big and fault == "flip": body[len(body) // 2] ^= 1
        self.send_response(r.status)
        for k in ("Content-Type", "Docker-Content-Digest", "Content-Range", "Accept-Ranges", "Docker-Distribution-Api-Version"):
            if r.headers[k]: self.send_header(k, r.headers[k])
        self.send_header("Content-Length", r.headers["Content-Length"] if self.command == "HEAD" else str(len(body))); self.end_headers()
        if big and fault in ("short", "die") or (big and fault == "once" and self.path not in done):
            done.add(self.path); self.wfile.write(b"" if self.headers["Range"] else body[:len(body) // 2]); self.wfile.flush()
            if fault == "die": os._exit(0)
            self.close_connection = True; return
        self.wfile.write(body)
class S(http.server.ThreadingHTTPServer): daemon_threads = True; request_queue_size = 64
S(("127.0.0.1", port), H).serve_forever()
