#!/bin/bash
# images.sh GANTRY [SUITES]  -  what is done with images, ours beside Docker (both of its stores) and podman, one after the
# other on this machine, as a table with ratios to the best of them. Suites: image (116 MB, six layers), big (1.1 GB, twelve;
# wants big.tar of mkimages.py --big). RUNS: samples; PEERS_TOO: which peers (default: docker-ctrd docker podman).
# $IMAGES: archives; results go to $OUT. Push goes to a registry whose store is emptied before; pulls take the same gzip layers.
HERE=$(dirname "$(readlink -f "$0")"); NS="$HERE/peer_ns.sh exec"
gantry=$(readlink -f "$1"); [ -x "$gantry" ] || { sed -n 2,7p "$0" >&2; exit 2; }
suites=${2:-image}; peers=${PEERS_TOO-docker-ctrd docker podman}
export PEERS=${PEERS:-/var/tmp/peers} PEER_NS=/run/gantry-images-ns.pid PEER_RUN=/run/gantry-images
OUT=${OUT:-/var/tmp/gantry-bench-images}; mkdir -p "$OUT"; OUT=$(readlink -f "$OUT"); export PEER_VAR=$OUT/var
IMAGES=${IMAGES:-${GANTRY_TEST_DIR:-/var/tmp/gantry-test}/images}
common=(--images "$IMAGES" --tmp "$OUT/tmp" --runs "${RUNS:-10}" --max-n "${RUNS:-10}" --suites "$suites" --registry-dir "$PEER_VAR/registry")
rm -f "$OUT"/*.json; mkdir -p "$PEER_VAR/registry" "$PEER_RUN"
settle() { sync; sleep 5; }
"$HERE/peer_ns.sh" up && "$HERE/peers.sh" start registry || exit 1
current=; trap '[ "$current" ] && "$HERE/peers.sh" stop $current >/dev/null 2>&1; "$HERE/peers.sh" stop registry; "$HERE/peer_ns.sh" down' EXIT
for current in $peers; do
  cli=$PEERS/docker/usr/bin/docker; [ $current = podman ] && cli="$PEERS/podman/usr/bin/podman"
  "$HERE/peers.sh" start $current || exit 1; settle
  $NS env $("$HERE/peers.sh" env $current) python3 "$HERE/bench.py" --host "unix://$PEER_RUN/$current.sock" --cli "$cli" --label $current --out "$OUT/$current.json" "${common[@]}"
  "$HERE/peers.sh" stop $current
done
current=
D=$(mktemp -d "$OUT/gantry.XXXXXX"); ln -s "$gantry" "$D/docker"
$NS "$gantry" daemon -H "unix://$D/sock" --data-root "$D/data" --exec-root "$D/exec" -p "$D/pid" >"$OUT/gantry.log" 2>&1 </dev/null &
for i in $(seq 200); do curl -s -m 1 --unix-socket "$D/sock" http://d/_ping >/dev/null 2>&1 && break; sleep 0.05; done
pid=$(cat "$D/pid") || { cat "$OUT/gantry.log" >&2; exit 1; }
settle
$NS python3 "$HERE/bench.py" --host "unix://$D/sock" --cli "$D/docker" --label gantry --out "$OUT/gantry.json" "${common[@]}"
grep VmHWM "/proc/$pid/status" | tee "$OUT/memory"
kill "$pid" && tail --pid="$pid" -f /dev/null; rm -rf "$D"
all=(); for p in $peers; do all+=("$OUT/$p.json"); done
"$HERE/table.py" "${all[@]}" "$OUT/gantry.json" --ratio | tee "$OUT/table.md"
