#!/usr/bin/env python3
"""What happens on a terminal, with the stock client and with ours: usage: terminal.py OURS THEIRS
Each scenario runs both on a pseudo terminal, types, resizes, and compares what is seen and the exit code."""
import fcntl, os, pty, re, select, signal, struct, subprocess, sys, termios, time

def size(fd, rows, cols): fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

class Term:
    def __init__(self, argv, rows=24, cols=80):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"; os.execv(argv[0], argv)
        size(self.fd, rows, cols); self.seen = b""
    def read(self, until=None, timeout=8):
        end = time.time() + timeout
        while time.time() < end:
            if until and re.search(until, self.seen): return True
            r, _, _ = select.select([self.fd], [], [], 0.1)
            if r:
                try: data = os.read(self.fd, 65536)
                except OSError: return until is None
                if not data: return until is None
                self.seen += data
        return False
    def send(self, data): os.write(self.fd, data)
    def resize(self, rows, cols): size(self.fd, rows, cols); os.kill(self.pid, signal.SIGWINCH)
    def echo_on(self): return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)
    def wait(self, timeout=10):
        self.read(timeout=0.5); end = time.time() + timeout
        while time.time() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid: self.read(timeout=0.3); return os.waitstatus_to_exitcode(status)
            self.read(timeout=0.1)
        os.kill(self.pid, signal.SIGKILL); os.waitpid(self.pid, 0); return "timeout"

def clean(text, name):
    text = text.decode("utf-8", "replace").replace(name, "NAME")
    text = re.sub(r"(\r/ # \x1b\[J)+", r"\1", text)  # one or two redraws, as signals are drawn together
    return re.sub(r"\b[0-9a-f]{12,64}\b", "<id>", text)

IMG = "bench-busybox:1"
def shell(d, n):
    t = Term([d, "run", "-it", "--rm", "--name", n, IMG, "sh"], 30, 100)
    t.read(rb"[#$] $"); t.send(b"stty size; echo A$((1+1))B\n"); t.read(rb"A2B\r"); t.resize(40, 120); time.sleep(0.7)
    raw = not t.echo_on()
    t.send(b"stty size\n"); t.read(rb"40 120"); t.send(b"exit 3\n"); code = t.wait(); return clean(t.seen, n), code, raw
def detach(d, n):
    t = Term([d, "run", "-it", "--name", n, IMG, "sh"]); t.read(rb"[#$] $"); t.send(b"\x10\x11"); code = t.wait()
    a = Term([d, "attach", n]); time.sleep(0.5); a.send(b"echo X$((2+2))Y\n"); a.read(rb"X4Y\r"); a.send(b"\x10\x11"); code2 = a.wait()
    b = Term([d, "attach", "--detach-keys", "ctrl-a,x", n]); time.sleep(0.5); b.send(b"\x01x"); code3 = b.wait()
    subprocess.run([d, "rm", "-f", n], stdout=subprocess.DEVNULL)
    return clean(t.seen, n), code, "X4Y" in clean(a.seen, n), clean(a.seen, n).split("\n")[-2:], code2, clean(b.seen, n)[-30:], code3
def execs(d, n):
    subprocess.run([d, "run", "-d", "--name", n, IMG, "sleep", "100"], stdout=subprocess.DEVNULL)
    t = Term([d, "exec", "-it", n, "sh"], 33, 99); t.read(rb"[#$] $"); t.send(b"stty size; exit 5\n"); code = t.wait()
    u = Term([d, "exec", "-it", n, "sh"]); u.read(rb"[#$] $"); u.send(b"\x10\x11"); code2 = u.wait()
    subprocess.run([d, "rm", "-f", n], stdout=subprocess.DEVNULL); return clean(t.seen, n), code, clean(u.seen, n), code2
def interrupt(d, n):
    t = Term([d, "run", "--rm", "--name", n, IMG, "sh", "-c", "trap 'echo got; exit 9' INT; echo ready; while :; do sleep 0.1; done"])
    t.read(rb"ready"); t.send(b"\x03"); code = t.wait(); return clean(t.seen, n), code
def term_signal(d, n):
    p = subprocess.Popen([d, "run", "--rm", "--name", n, IMG, "sh", "-c", "trap 'echo got; exit 8' TERM; echo ready; while :; do sleep 0.1; done"], stdout=subprocess.PIPE)
    p.stdout.readline(); p.send_signal(signal.SIGTERM); out = p.stdout.read(); return out, p.wait()
def three_interrupts(d, n):
    t = Term([d, "run", "--name", n, IMG, "sh", "-c", "trap '' INT; echo ready; sleep 100"]); t.read(rb"ready")
    for _ in range(3): time.sleep(0.3); t.send(b"\x03")
    code = t.wait(); subprocess.run([d, "rm", "-f", n], stdout=subprocess.DEVNULL); return clean(t.seen, n), code
def tty_only(d, n):
    t = Term([d, "run", "-t", "--rm", IMG, "sh", "-c", "echo one; echo two >&2"]); code = t.wait(); return clean(t.seen, n), code
def start_i(d, n):
    subprocess.run([d, "create", "-it", "--name", n, IMG, "sh"], stdout=subprocess.DEVNULL)
    t = Term([d, "start", "-ai", n]); t.read(rb"[#$] $"); t.send(b"exit 4\n"); code = t.wait()
    subprocess.run([d, "rm", "-f", n], stdout=subprocess.DEVNULL); return clean(t.seen, n), code
def logs_follow(d, n):
    subprocess.run([d, "run", "-d", "--name", n, IMG, "sh", "-c", "echo a; sleep 1; echo b"], stdout=subprocess.DEVNULL)
    p = subprocess.run([d, "logs", "-f", n], capture_output=True, timeout=10)
    subprocess.run([d, "rm", "-f", n], stdout=subprocess.DEVNULL); return p.stdout, p.returncode
def table_tty(d, n):
    t = Term([d, "ps", "-a", "--filter", "name=nosuch"]); code = t.wait(); return clean(t.seen, n), code
def wait_sigint(d, n):
    subprocess.run([d, "run", "-d", "--name", n, IMG, "sleep", "100"], stdout=subprocess.DEVNULL)
    t = Term([d, "wait", n]); time.sleep(0.7); t.send(b"\x03"); code = t.wait()
    subprocess.run([d, "rm", "-f", n], stdout=subprocess.DEVNULL); return clean(t.seen, n), abs(code) % 128 if isinstance(code, int) else code

ours, theirs = sys.argv[1:3]; bad = 0
for case in (shell, detach, execs, interrupt, term_signal, three_interrupts, tty_only, start_i, logs_follow, table_tty, wait_sigint):
    if len(sys.argv) > 3 and case.__name__ not in sys.argv[3:]: continue
    a = case(theirs, f"ctt{os.getpid()}{case.__name__}"); b = case(ours, f"cto{os.getpid()}{case.__name__}")
    same = a == b; bad += not same
    print(("same  " if same else "DIFFER"), case.__name__)
    if not same: print("  theirs", a, "\n  ours  ", b)
sys.exit(bad != 0)
