#!/bin/bash
# compare.sh GANTRY [SUITES]  -  the figures of ours and of Docker, one after the other on this machine, as a table with ratios.
# Results go to $OUT (default /var/tmp/gantry-bench). Suites: bench.py's; default: mem,cli,run,exec,many
HERE=$(dirname "$(readlink -f "$0")"); NS="$HERE/peer_ns.sh exec"
gantry=$(readlink -f "$1"); suites=${2:-mem,cli,run,exec,many}
export PEERS=${PEERS:-/var/tmp/peers}
OUT=${OUT:-/var/tmp/gantry-bench}; IMAGES=${GANTRY_TEST_DIR:-/var/tmp/gantry-test}/images; mkdir -p "$OUT"
common="--images $IMAGES --suites $suites --runs ${RUNS:-15} --many ${MANY:-50} --many-runs 1"
# Docker (the containerd store, the default since 29)
"$HERE/peers.sh" start registry; "$HERE/peers.sh" start docker-ctrd || exit 1
R=/run/peers/docker-ctrd
$NS python3 "$HERE/bench.py" --host unix:///run/peers/docker-ctrd.sock --cli "$PEERS/docker/usr/bin/docker" --label docker --out "$OUT/docker.json" \
  --pids "dockerd=$(cat $R/dockerd.pid),containerd=$(cat $R/containerd.pid)" $common
"$HERE/peers.sh" stop docker-ctrd
# ours: data-root and exec-root of its own, called as `docker` for its command line
D=$(mktemp -d "$OUT/gantry.XXXXXX"); ln -s "$gantry" "$D/docker"; sock=/run/gantry-bench.sock
"$HERE/peer_ns.sh" up
$NS "$gantry" daemon -H unix://$sock --data-root "$D/data" --exec-root /run/gantry-bench -p "$D/pid" >"$D/log" 2>&1 </dev/null &
for i in $(seq 200); do curl -s -m 1 --unix-socket $sock http://d/_ping >/dev/null 2>&1 && break; sleep 0.05; done
$NS python3 "$HERE/bench.py" --host unix://$sock --cli "$D/docker" --label gantry --out "$OUT/gantry.json" \
  --pids "gantry=$(cat "$D/pid")" --binaries "gantry=$gantry" $common
kill "$(cat "$D/pid")"; "$HERE/peers.sh" stop registry
"$HERE/table.py" "$OUT/docker.json" "$OUT/gantry.json" --ratio | tee "$OUT/table.md"
rm -rf "$D"
