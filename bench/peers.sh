#!/bin/bash
# The engines to compare with, side by side with ours, in a mount and network namespace of their own.  usage:
#   peers.sh fetch [all]           download and unpack Docker, its clients 28 and 20.10, and a registry (Debian packages of
#                                  suite sid and of the machine's own) under $PEERS (default /var/tmp/peers); all: Podman too
#   peers.sh start docker|docker-crun|docker-ctrd|podman|registry     peers.sh stop NAME     peers.sh env NAME
# sockets: /run/peers/NAME.sock ($PEER_RUN; data in $PEER_VAR); TCP 127.0.0.1:23750 (docker), :23751 (podman) inside the namespace
# docker       dockerd 28.5.2, default runtime runc 1.3.6, overlay2 graphdriver
# docker-crun  the same with crun 1.28 as default runtime
# docker-ctrd  the same (runc) with the containerd image store (the default since Docker 29)
# podman       podman 5.8.6 system service (crun), Docker-compatible API
HERE=$(dirname "$(readlink -f "$0")"); NS="$HERE/peer_ns.sh exec"
PEERS=${PEERS:-/var/tmp/peers}; D=$PEERS/docker; P=$PEERS/podman; R=$PEERS/registry
VAR=${PEER_VAR:-$PEERS/var}; RUN=${PEER_RUN:-/run/peers}; mkdir -p $VAR $RUN
sock() { echo $RUN/$1.sock; }
waitsock() { for i in $(seq 600); do curl -s -m 1 --unix-socket "$(sock $1)" http://d/_ping >/dev/null 2>&1 && return 0; sleep 0.05; done; echo "$1 did not come up" >&2; return 1; }
podenv() { cat <<X
PATH=$P/usr/bin:$P/usr/sbin:$P/usr/lib/podman:/usr/sbin:/usr/bin:/sbin:/bin
CONTAINERS_CONF=$VAR/podman/containers.conf
CONTAINERS_STORAGE_CONF=$VAR/podman/storage.conf
CONTAINERS_REGISTRIES_CONF=$VAR/podman/registries.conf
PODMAN_IGNORE_CGROUPSV1_WARNING=1
X
}
LIBS="libc6 libseccomp2 libyajl2 libcap2 libsystemd0 libgpgme45 libsqlite3-0 libsubid6 libglib2.0-0t64 libgcc-s1 libblake3-0 libjson-c5 libgpg-error0 libassuan9 libpcre2-8-0 libstdc++6 libtbb12 libcap-ng0 libselinux1 libacl1 libattr1 libaudit1 libdevmapper1.02.1 libnftables1 libcrypt1"
DOCKER="docker.io docker-cli docker-buildx containerd runc crun tini"
PODMAN="podman conmon netavark aardvark-dns buildah golang-github-containers-common"
# checkpoint and restore: what its test cases use; they are skipped without
CRIU="criu libcompel1 libprotobuf-c1 libnet9 libnl-3-200 libgnutls30t64 libbsd0 libmd0 libmnl0 libnftnl11 libgmp10 libjansson4 libxtables12 libuuid1 libp11-kit0 libidn2-0 libunistring5 libtasn1-6 libhogweed6t64 libnettle8t64 libffi8 libedit2 libzstd1 zlib1g libbrotli1 libtinfo6"
fetch() {  # the apt source is the machine's own, with the suite replaced; the system's package state is not touched
  local A=$PEERS/apt L=$PEERS/lib/usr/lib/x86_64-linux-gnu f want=$DOCKER; mkdir -p $A/lists/partial $A/cache $A/deb $D $P $R $PEERS/lib
  [ "$1" = all ] && want="$DOCKER docker-compose $PODMAN"
  sed -n '/^URIs:/{s///;p;q}' /etc/apt/sources.list.d/debian.sources >$A/uri 2>/dev/null
  [ -s $A/uri ] || sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p;/^deb /q' /etc/apt/sources.list >$A/uri
  printf 'Types: deb\nURIs: %s\nSuites: sid\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$(cat $A/uri)" >$A/sid.sources
  local o="-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=$A -o Dir::State::Lists=$A/lists -o Dir::Cache=$A/cache -o APT::Sandbox::User=root"
  apt-get $o update -qq && (cd $A/deb && apt-get $o download -qq $want docker-registry $LIBS) || return 1
  (cd $A/deb && apt-get $o download -qq $CRIU) && mkdir -p $PEERS/criu && dpkg -x $A/deb/criu_*.deb $PEERS/criu || echo "no criu: its cases will be skipped"
  for f in $A/deb/lib*.deb $A/deb/zlib*.deb; do dpkg -x $f $PEERS/lib; done
  for f in $want; do case " $PODMAN " in *" $f "*) ;; *) dpkg -x $A/deb/${f}_*.deb $D || return 1;; esac; done
  [ "$1" = all ] && for f in $PODMAN crun runc; do dpkg -x $A/deb/${f}_*.deb $P || return 1; done
  dpkg -x $A/deb/docker-registry_*.deb $R
  # Docker's client of the machine's own suite (bookworm: 20.10)
  mkdir -p $A/own $PEERS/docker20 && (cd $A/own && apt-get -o APT::Sandbox::User=root download -qq docker.io) && dpkg -x $A/own/docker.io_*.deb $PEERS/docker20 || return 1
  # these want a newer glibc than bookworm's: give them the unpacked one
  for f in $D/usr/{bin,sbin}/{runc,crun} $P/usr/{bin,sbin}/{runc,crun,podman,buildah,conmon} $P/usr/lib/podman/{netavark,aardvark-dns} $PEERS/criu/usr/sbin/criu; do
    [ -f $f ] && [ ! -L $f ] && patchelf --set-interpreter $L/ld-linux-x86-64.so.2 --force-rpath --set-rpath $L $f
  done
  for f in $D/usr/sbin/dockerd $D/usr/bin/{docker,containerd,crun} $PEERS/docker20/usr/bin/docker $D/usr/sbin/runc $P/usr/bin/podman; do [ -x $f ] && printf '%s: ' $f && $f --version 2>&1 | head -1; done
  return 0
}
case $1 in
fetch) fetch $2;;
start) n=$2; s=$(sock $n); mkdir -p $VAR/$n $RUN/$n; rm -f $s $RUN/$n/*.pid.self
 $HERE/peer_ns.sh up || exit 1
 case $n in
 docker*)
  export PATH=$D/usr/sbin:$D/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin
  x=(); case $n in docker-crun) x=(--add-runtime crun=$D/usr/bin/crun --default-runtime crun);; docker-ctrd) x=(--feature containerd-snapshotter=true);; esac
  cs=$RUN/$n/containerd.sock
  cat >$VAR/$n/containerd.toml <<X
version = 3
root = "$VAR/$n/containerd"
state = "$RUN/$n/containerd"
disabled_plugins = ["io.containerd.cri.v1.images","io.containerd.cri.v1.runtime","io.containerd.grpc.v1.cri"]
[grpc]
  address = "$cs"
X
  setsid $NS $D/usr/bin/containerd -c $VAR/$n/containerd.toml >$VAR/$n/containerd.log 2>&1 </dev/null & echo $! >$RUN/$n/containerd.pid
  for i in $(seq 200); do [ -S $cs ] && break; sleep 0.05; done
  echo '{}' >$VAR/$n/daemon.json
  setsid $NS $D/usr/sbin/dockerd --config-file $VAR/$n/daemon.json --containerd $cs --data-root $VAR/$n/data --exec-root $RUN/$n/exec -p $RUN/$n/dockerd.pid.self \
    -H unix://$s -H tcp://127.0.0.1:23750 --tls=false --insecure-registry 127.0.0.1:5000 "${x[@]}" ${DOCKERD_EXTRA} >$VAR/$n/dockerd.log 2>&1 </dev/null & echo $! >$RUN/$n/dockerd.pid
  waitsock $n;;
 podman)
  mkdir -p $VAR/podman/cni $VAR/podman/net
  cat >$VAR/podman/containers.conf <<X
[engine]
cgroup_manager="cgroupfs"
events_logger="file"
runtime="crun"
conmon_path=["$P/usr/bin/conmon"]
helper_binaries_dir=["$P/usr/lib/podman","$P/usr/libexec/podman"]
static_dir="$VAR/podman/libpod"
tmp_dir="$RUN/podman/libpod"
volume_path="$VAR/podman/volumes"
image_default_transport="docker://"
compat_api_enforce_docker_hub=false
[engine.runtimes]
crun=["$P/usr/bin/crun"]
runc=["$P/usr/sbin/runc"]
[network]
network_backend="netavark"
network_config_dir="$VAR/podman/net"
[containers]
default_ulimits=["nofile=$(ulimit -Hn):$(ulimit -Hn)","nproc=$(ulimit -Hu):$(ulimit -Hu)"]
seccomp_profile="$P/usr/share/containers/seccomp.json"
X
  cat >$VAR/podman/storage.conf <<X
[storage]
driver="overlay"
graphroot="$VAR/podman/storage"
runroot="$RUN/podman/storage"
X
  cat >$VAR/podman/registries.conf <<X
unqualified-search-registries=["127.0.0.1:5000"]
[[registry]]
location="127.0.0.1:5000"
insecure=true
X
  mkdir -p /etc/containers; [ -e /etc/containers/policy.json ] || echo '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
  while read -r l; do export "$l"; done < <(podenv)
  setsid $NS $P/usr/bin/podman system service --time=0 unix://$s >$VAR/podman/service.log 2>&1 </dev/null & echo $! >$RUN/podman/service.pid
  setsid $NS $P/usr/bin/podman system service --time=0 tcp://127.0.0.1:23751 >$VAR/podman/service-tcp.log 2>&1 </dev/null & echo $! >$RUN/podman/service-tcp.pid
  waitsock podman;;
 registry)
  cat >$VAR/registry.yml <<X
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $VAR/registry}, delete: {enabled: true}}
http: {addr: "127.0.0.1:5000"}
X
  setsid $NS $R/usr/bin/docker-registry serve $VAR/registry.yml >$VAR/registry.log 2>&1 </dev/null & echo $! >$RUN/registry.pid
  for i in $(seq 100); do $NS curl -s -m 1 http://127.0.0.1:5000/v2/ >/dev/null && exit 0; sleep 0.1; done; exit 1;;
 esac;;
stop) n=$2
 case $n in
 registry) kill "$(cat $RUN/registry.pid)";;
 docker*) for p in dockerd containerd; do q=$(cat $RUN/$n/$p.pid 2>/dev/null) && kill "$q" 2>/dev/null && for i in $(seq 200); do kill -0 "$q" 2>/dev/null || break; sleep 0.1; done; done;;
 podman) for p in service service-tcp; do q=$(cat $RUN/podman/$p.pid 2>/dev/null) && kill "$q" 2>/dev/null; done;;
 esac;;
env) case $2 in podman) podenv;; docker*) echo "PATH=$D/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin"; echo "DOCKER_HOST=unix://$(sock $2)";; esac;;
*) sed -n 2,8p "$0";;
esac
