#!/bin/bash
# run.sh GANTRY  -  `make run`: starts an engine of one's own unless it runs already, and runs a first container in it.
set -e
gantry=$1
root=${GANTRY_ROOT:-/var/lib/gantry}
run=${GANTRY_RUN:-/run/gantry}
socket=$run/gantry.sock
export DOCKER_HOST=unix://$socket
[ "$(id -u)" = 0 ] || { echo "the engine needs root" >&2; exit 1; }
mkdir -p "$root" "$run"
if ! "$gantry" version >/dev/null 2>&1; then
  setsid "$gantry" daemon -H "$DOCKER_HOST" --data-root "$root" --exec-root "$run" -p "$run/gantry.pid" \
    --bridge "${GANTRY_BRIDGE:-gantry0}" --bip "${GANTRY_BIP:-172.30.0.1/24}" >>"$root/daemon.log" 2>&1 </dev/null &
  for i in $(seq 200); do "$gantry" version >/dev/null 2>&1 && break; sleep 0.05; done
  "$gantry" version >/dev/null || { tail -20 "$root/daemon.log" >&2; exit 1; }
fi
"$gantry" run --rm gantry/hello
cat <<X

The engine runs on $DOCKER_HOST (log: $root/daemon.log; stop it with: kill \$(cat $run/gantry.pid)). Next:
  export DOCKER_HOST=$DOCKER_HOST
  $gantry run -it --rm debian bash     # needs a registry
  $gantry ps -a
  docker ps -a                         # the stock client works, too
X
