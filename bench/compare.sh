#!/bin/bash
# compare.sh [--quick] GANTRY [SUITES]  -  the figures of ours beside Docker's, and of our runtime beside runc and crun, one
# after the other on this machine, as a table with ratios.
#   --quick  a few minutes: memory, the start of the command line, run, exec, 100 containers one by one
# Results go to $OUT (default /var/tmp/gantry-bench). Suites: bench.py's; default: mem,cli,run,exec,many. RUNS and MANY are
# the numbers of samples and of containers.
HERE=$(dirname "$(readlink -f "$0")"); NS="$HERE/peer_ns.sh exec"
quick=; [ "$1" = --quick ] && { quick=1; shift; }
gantry=$(readlink -f "$1"); [ -x "$gantry" ] || { sed -n 2,7p "$0" >&2; exit 2; }
suites=${2:-mem,cli,run,exec,many}
# A namespace of its own: others may have Docker run in the usual one.
export PEERS=${PEERS:-/var/tmp/peers} PEER_NS=/run/gantry-bench-ns.pid
OUT=${OUT:-/var/tmp/gantry-bench}; IMAGES=${GANTRY_TEST_DIR:-/var/tmp/gantry-test}/images; mkdir -p "$OUT"; OUT=$(readlink -f "$OUT")
common=(--images "$IMAGES" --tmp "$OUT/tmp" --runs "${RUNS:-$([ $quick ] && echo 7 || echo 15)}" --many "${MANY:-100}" --many-runs 1)
[ $quick ] && common+=(--many-modes cli.seq)
rm -f "$OUT"/{docker,gantry,runtimes}.json
"$HERE/peer_ns.sh" up || exit 1

# What the one before has left for the disk to do is not the next one's.
settle() { sync; sleep 5; }

# Docker (the containerd store, the default since 29), and what its runtime is told to filter
engine=docker-ctrd; R=/run/peers/$engine; docker=$PEERS/docker/usr/bin/docker
trap '"$HERE/peers.sh" stop $engine >/dev/null 2>&1; "$HERE/peer_ns.sh" down' EXIT
"$HERE/peers.sh" start $engine || exit 1
settle
$NS python3 "$HERE/bench.py" --host unix:///run/peers/$engine.sock --cli "$docker" --label docker --out "$OUT/docker.json" --suites "$suites" \
  --pids "dockerd=$(cat $R/dockerd.pid),containerd=$(cat $R/containerd.pid)" "${common[@]}"
id=$($NS "$docker" -H unix:///run/peers/$engine.sock run -d bench-busybox:1 sleep 100)
cp "$R/containerd/io.containerd.runtime.v2.task/moby/$id/config.json" "$OUT/config.json" || exit 1
$NS "$docker" -H unix:///run/peers/$engine.sock rm -f "$id" >/dev/null
"$HERE/peers.sh" stop $engine

# ours: data-root and exec-root of its own, called as `docker` for its command line
D=$(mktemp -d "$OUT/gantry.XXXXXX"); ln -s "$gantry" "$D/docker"; sock=$D/sock
end() { kill "$pid" && tail --pid="$pid" -f /dev/null; rm -rf "$D"; "$HERE/peer_ns.sh" down; }
$NS "$gantry" daemon -H "unix://$sock" --data-root "$D/data" --exec-root "$D/exec" -p "$D/pid" >"$OUT/gantry.log" 2>&1 </dev/null &
for i in $(seq 200); do curl -s -m 1 --unix-socket "$sock" http://d/_ping >/dev/null 2>&1 && break; sleep 0.05; done
pid=$(cat "$D/pid") || { cat "$OUT/gantry.log" >&2; exit 1; }
trap end EXIT
settle
$NS python3 "$HERE/bench.py" --host "unix://$sock" --cli "$D/docker" --label gantry --out "$OUT/gantry.json" --suites "$suites" \
  --pids "gantry=$pid" --binaries "gantry=$gantry" "${common[@]}"
cp "$D"/exec/gantry-shim-* "$D/gantry-shim"

# the runtimes alone
$NS python3 "$HERE/bench.py" --label runtimes --out "$OUT/runtimes.json" --suites bare --seccomp-of "$OUT/config.json" "${common[@]}" \
  --runtimes "runc=$PEERS/docker/usr/sbin/runc,crun=$PEERS/docker/usr/bin/crun,gantry=$D/gantry-shim"
end; trap - EXIT
{ "$HERE/table.py" "$OUT/docker.json" "$OUT/gantry.json" --ratio; echo; "$HERE/table.py" "$OUT/runtimes.json" --by crun; } | tee "$OUT/table.md"
