use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use id::ContainerId;
use network::{Config, DnsSpec, EndpointSpec, PortSpec, Protocol, Sandbox, SandboxMode, SandboxSpec, Service};

/// A host with a neighbour: `lan0` 192.0.2.1/24 here, 192.0.2.2 there, which has a route to the containers over us.
pub(crate) struct Host {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) neighbour: OwnedFd,
    pub(crate) store: Arc<metastore::Db>,
}

/// Runs a test on a namespace of its own that plays the host.
pub(crate) fn on_host<F: Future<Output = ()>>(test: impl FnOnce(Host) -> F + Send) {
    sys::netns::in_new(|| {
        let dir = tempfile::tempdir().expect("temporary directory");
        // A new namespace takes IPv4 settings over from the real host, where anything may run.
        sh("ip link set lo up; sysctl -qw net.ipv4.ip_forward=0");
        let ((), neighbour) = sys::netns::in_new(|| ()).expect("neighbour");
        let pid_path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&neighbour));
        let holder = dir.path().join("lan");
        std::fs::write(&holder, "").expect("file");
        rustix::mount::mount_bind(pid_path.as_str(), &holder).expect("bind");
        sh(&format!("ip link add lan0 type veth peer name lan1 && nsenter --net={} true", holder.display()));
        // ip(8) wants a pid or a name: move by netlink.
        let mut route = netlink::route::Socket::open().expect("socket");
        let mut batch = netlink::route::Batch::new();
        let there = netlink::route::Namespace::Fd(neighbour.as_fd());
        let change = netlink::route::LinkChange { namespace: Some(there), ..Default::default() };
        batch.set_link(netlink::route::LinkRef::Name("lan1"), &change);
        route.execute(&batch).expect("move");
        rustix::mount::unmount(&holder, rustix::mount::UnmountFlags::DETACH).expect("unmount");
        sh("ip addr add 192.0.2.1/24 dev lan0; ip addr add 2001:db8::1/64 dev lan0 nodad; ip link set lan0 up");
        sys::netns::within(neighbour.as_fd(), || {
            sh("ip link set lo up; ip addr add 192.0.2.2/24 dev lan1; ip addr add 2001:db8::2/64 dev lan1 nodad");
            sh("ip link set lan1 up; ip route add 172.16.0.0/12 via 192.0.2.1; ip route add 10.0.0.0/8 via 192.0.2.1");
        })
        .expect("neighbour");
        let store = Arc::new(metastore::Db::in_memory().expect("store"));
        let host = Host { dir, neighbour, store };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
        runtime.block_on(test(host));
        runtime.shutdown_timeout(Duration::from_secs(2));
    })
    .expect("host namespace");
}

/// What the test left running is kept by mounts that only the directory knows of.
impl Drop for Host {
    fn drop(&mut self) {
        for kept in std::fs::read_dir(self.dir.path().join("run/netns")).into_iter().flatten().flatten() {
            let _ = rustix::mount::unmount(kept.path(), rustix::mount::UnmountFlags::DETACH);
        }
    }
}

pub(crate) fn sh(command: &str) -> String {
    let out = Command::new("sh").args(["-c", command]).output().expect("sh");
    assert!(out.status.success(), "{command}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

impl Host {
    pub(crate) fn config(&self) -> Config {
        Config::new(self.dir.path().join("run"), self.dir.path().join("data"))
    }

    pub(crate) async fn service(&self) -> Service {
        self.service_with(self.config()).await
    }

    pub(crate) async fn service_with(&self, config: Config) -> Service {
        Service::start(config, Arc::clone(&self.store)).await.expect("service starts")
    }

    /// Runs something as the neighbour.
    pub(crate) fn as_neighbour<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        sys::netns::within(self.neighbour.as_fd(), work).expect("neighbour")
    }
}

/// Runs something inside a sandbox.
pub(crate) fn inside<T: Send>(sandbox: &Sandbox, work: impl FnOnce() -> T + Send) -> T {
    let path = sandbox.netns_path.as_deref().expect("a namespace of its own");
    let file = std::fs::File::open(path).expect("open namespace");
    sys::netns::within(file.as_fd(), work).expect("enter namespace")
}

pub(crate) fn container(number: u8) -> ContainerId {
    ContainerId::from_bytes([number; 32])
}

pub(crate) fn spec(number: u8, networks: &[&str]) -> SandboxSpec {
    let id = container(number);
    SandboxSpec {
        name: format!("c{number}"),
        hostname: id.short().to_owned(),
        domainname: String::new(),
        mode: SandboxMode::Private,
        endpoints: networks.iter().map(|n| EndpointSpec::new(*n)).collect(),
        ports: Vec::new(),
        extra_hosts: Vec::new(),
        dns: DnsSpec::default(),
        links: Vec::new(),
        container_id: id,
    }
}

pub(crate) fn port(protocol: Protocol, host_ip: Option<&str>, host_port: u16, container_port: u16) -> PortSpec {
    PortSpec {
        protocol,
        container_port,
        host_ip: host_ip.map(|ip| ip.parse().expect("ip")),
        host_ports: (host_port, host_port),
    }
}

pub(crate) fn ip(sandbox: &Sandbox) -> IpAddr {
    IpAddr::V4(sandbox.endpoints[0].ipv4.expect("address").0)
}

/// A server in a sandbox that tells each client its address as seen from inside, by TCP and UDP.
pub(crate) fn serve(sandbox: &Sandbox, port: u16) {
    let (tcp, udp) = inside(sandbox, || {
        let any = IpAddr::from([0_u8; 16]);
        let tcp = TcpListener::bind((any, port)).or_else(|_| TcpListener::bind(("0.0.0.0", port)));
        let udp = UdpSocket::bind((any, port)).or_else(|_| UdpSocket::bind(("0.0.0.0", port)));
        (tcp.expect("bind tcp"), udp.expect("bind udp"))
    });
    std::thread::spawn(move || {
        while let Ok((mut client, address)) = tcp.accept() {
            let _ = client.write_all(plain(address.ip()).as_bytes());
        }
    });
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((_, client)) = udp.recv_from(&mut buffer) {
            let _ = udp.send_to(plain(client.ip()).as_bytes(), client);
        }
    });
}

fn plain(ip: IpAddr) -> String {
    ip.to_canonical().to_string()
}

/// What a TCP server says, or `None` if it cannot be reached.
pub(crate) fn tcp(to: &str) -> Option<String> {
    let address: SocketAddr = to.parse().expect("address");
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(600)).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(1500))).expect("timeout");
    let mut text = String::new();
    stream.read_to_string(&mut text).ok().filter(|n| *n > 0)?;
    Some(text)
}

/// What a UDP server says, or `None` if it cannot be reached.
pub(crate) fn udp(to: &str) -> Option<String> {
    let address: SocketAddr = to.parse().expect("address");
    let any: SocketAddr = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().expect("address");
    let socket = UdpSocket::bind(any).expect("bind");
    socket.set_read_timeout(Some(Duration::from_millis(600))).expect("timeout");
    socket.send_to(b"?", address).ok()?;
    let mut buffer = [0; 64];
    let (length, from) = socket.recv_from(&mut buffer).ok()?;
    (from == address).then(|| String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// Waits until something becomes true.
pub(crate) async fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !check() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what} did not come true");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}
