# Container scenarios by podman on $RUNTIME: every step with what it says and its exit code, without what differs from run to run.
podman load -q -i "$IMAGE" >/dev/null || exit 1
I=$(podman images -q | head -1)

# What a runtime says in its own words is cut down to what podman makes of it.
p() {
  echo "+ $*" | sed -e "s/$I/IMAGE/g" -e "s#$DIR#DISK#g"
  timeout 20 podman --runtime "$RUNTIME" "$@" >"$DIR/said" 2>&1
  code=$?
  sed -E -e 's/^Error: .*: (OCI runtime attempted to invoke a command that was not found)$/Error: \1/' \
    -e 's/^Error: .*: (OCI permission denied)$/Error: \1/' -e 's/[0-9a-f]{64}/ID/g' -e "s#$RUNTIME#RUNTIME#g" -e 's/[ \t\r]+$//' "$DIR/said"
  echo "[$code]"
}
alone="--network none"

p run --rm $alone $I echo hello
p run --rm $alone $I sh -c 'id; exit 7'
p run --rm $alone $I nosuch
p run --rm $alone $I /etc
p run --rm $alone -w /tmp -e A=1 -u 5:6 $I sh -c 'pwd; echo $A; id -u; id -g'
p run --rm $alone --hostname there $I hostname
p run --rm -i $alone $I cat
p run --rm -t $alone $I tty
p run --rm $alone --cap-drop all --cap-add net_raw $I grep Cap /proc/self/status
p run --rm $alone --security-opt no-new-privileges $I grep -E 'NoNewPrivs|Seccomp:' /proc/self/status
p run --rm $alone --ulimit nofile=77:88 $I sh -c 'ulimit -n; ulimit -Hn'
p run --rm $alone --sysctl kernel.msgmax=4096 $I cat /proc/sys/kernel/msgmax
p run --rm $alone --oom-score-adj 333 $I cat /proc/self/oom_score_adj
p run --rm $alone --memory 32m --cpus 0.5 --pids-limit 20 --cpu-shares 512 $I sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.shares pids/pids.max'
p run --rm $alone -v "$DIR/podman:/mnt:ro" $I sh -c 'touch /mnt/x 2>&1; ls -d /mnt/net'
p run --rm $alone --mount type=bind,src=/usr/share,dst=/deep/er/share,ro $I ls -d /deep/er/share
p run --rm $alone $I sh -c 'ls /dev | grep -v core | sort | tr "\n" " "'
p run --rm $alone --device /dev/zero:/dev/nothing $I sh -c 'head -c 3 /dev/nothing | od -c | head -1'
p run --rm $alone $I sh -c 'awk "{print \$5}" /proc/self/mountinfo | sort'
p run --rm $alone --privileged $I sh -c 'grep Cap /proc/self/status; mount -t tmpfs x /tmp && echo mounted'
p run --rm $alone --read-only $I sh -c 'touch /x 2>&1; touch /tmp/x && echo written'
p run --rm $alone --tmpfs /etc:size=1m $I sh -c 'ls /etc/passwd 2>&1; touch /etc/new && echo written'
p run --rm $alone --uidmap 0:100000:65536 $I sh -c 'cat /proc/self/uid_map; id -u; touch /x && ls -ln /x | cut -c1-30'
p run --rm $alone --pid host $I sh -c '[ $$ != 1 ] && echo shared'
p run --rm $alone --ipc host --uts host $I sh -c 'ls /proc/self/ns | tr "\n" " "'

p run -d --name a $alone $I sleep 1000
p exec a sh -c 'echo err >&2; exit 3'
p exec a nosuch
p exec -t a tty
p exec -u 7:8 -w /tmp -e B=2 a sh -c 'id -u; id -g; pwd; echo $B'
p exec -d a touch /tmp/made
p exec a sh -c 'until [ -e /tmp/made ]; do sleep 0.1; done; ps | grep -q "[s]leep 1000" && echo there'
p inspect -f '{{.State.Status}} {{.State.Running}} {{.OCIRuntime}}' a
p pause a
p inspect -f '{{.State.Status}}' a
p exec a true
p unpause a
p update --memory 64m --pids-limit 50 a
p exec a sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max'
p stats --no-stream --format '{{.Name}} {{.PIDs}}' a
p top a pid comm
p kill -s USR1 nosuch
p kill -s KILL a
p wait a
p inspect -f '{{.State.Status}} {{.State.ExitCode}}' a
p start a
p inspect -f '{{.State.Status}}' a
p rm a
p rm -f -t 0 a
p inspect a

p create --name c $alone $I sh -c 'echo once; exit 4'
p inspect -f '{{.State.Status}}' c
p start -a c
p logs c
p rm c

p run -d --name b $alone $I sh -c 'trap "exit 5" TERM; while :; do sleep 0.1; done'
p stop -t 5 b
p inspect -f '{{.State.ExitCode}}' b
p restart -t 1 b
p stop -t 5 b
p rm b

p run -d --name net -p 127.0.0.1:8099:80 $I httpd -f -h /etc
p exec net sh -c 'wget -qO- http://127.0.0.1/hostname | wc -c'
p rm -f -t 0 net
p ps -aq
