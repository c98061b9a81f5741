//! A registry on loopback (distribution 1.1), in process, in memory: with logins, TLS, a log of what was asked, and on
//! demand with faults.
//!
//! ```
//! use testkit::{images::{Image, Layer}, registry::{Fault, Registry, When}};
//! let registry = Registry::start();
//! let image = Image::builder().layer(Layer::noise("n", 1000, 1).gzip()).build();
//! registry.push("team/app", "1", &image);
//! registry.fault(When::get("/blobs/").times(1), Fault::ResetAfter(500));
//! assert!(registry.name("team/app:1").starts_with("127.0.0.1:"));
//! ```

mod auth;
mod fault;
mod serve;
mod store;
mod tls;

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

pub use auth::Login;
pub use fault::{Fault, When};

use crate::Machine;
use crate::images::{Blob, Image, MultiImage};
use fault::Faults;
use store::Store;

/// How a registry is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where it listens; default: a free port of 127.0.0.1.
    pub listen: Option<SocketAddr>,
    /// Who may come in.
    pub login: Login,
    /// HTTPS with a certificate of a new authority, see [`Registry::ca_pem`].
    pub tls: bool,
    /// With `tls`: speaks HTTP/2 to whom asks for it.
    pub http2: bool,
    /// The certificate is for this name only, and not for the address.
    pub tls_name: Option<String>,
    /// The certificate ended long ago.
    pub tls_expired: bool,
    /// Knows no HEAD of manifests (405).
    pub no_head: bool,
    /// Sends no `Docker-Content-Digest`.
    pub no_digest_header: bool,
    /// Ignores `Range`.
    pub no_range: bool,
    /// Has no referrers API (404).
    pub no_referrers: bool,
}

/// A request that came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logged {
    /// `GET`, ….
    pub method: String,
    /// Without the query.
    pub path: String,
    /// The query, or nothing.
    pub query: String,
    /// The value of `Authorization`.
    pub authorization: Option<String>,
    /// The value of `Range`.
    pub range: Option<String>,
    /// It came by HTTP/2.
    pub http2: bool,
    /// The value of `User-Agent`.
    pub user_agent: Option<String>,
    /// The form that a token was asked for with.
    pub form: String,
    /// The answer's status; 0: the connection was cut instead.
    pub status: u16,
    /// Bytes of body that the answer was to have (content that was really sent may be less).
    pub length: u64,
}

/// A running registry; ends when dropped.
#[derive(Debug)]
pub struct Registry {
    shared: Arc<Shared>,
    address: SocketAddr,
    ca_pem: Option<String>,
    tls: Option<Arc<rustls::ServerConfig>>,
    running: Option<Running>,
}

/// The thread that serves.
#[derive(Debug)]
struct Running {
    stop: tokio::sync::oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Running {
    fn end(self) {
        drop(self.stop);
        // Its panic would have failed the test by its symptoms.
        let _ = self.thread.join();
    }
}

/// What the connections share.
#[derive(Debug)]
struct Shared {
    options: Options,
    address: SocketAddr,
    store: Mutex<Store>,
    faults: Mutex<Faults>,
    log: Mutex<Vec<Logged>>,
    tokens: Mutex<auth::Tokens>,
    /// So many connections end before TLS is agreed on.
    broken_handshakes: AtomicU32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    /// Open to everybody, plain HTTP.
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    /// As the options say.
    ///
    /// # Panics
    /// It cannot listen.
    pub fn with(options: Options) -> Self {
        let wanted = options.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        Self::on(TcpListener::bind(wanted).expect("the registry listens"), options)
    }

    /// On the loopback of a machine, at a free port unless the options name one.
    ///
    /// # Errors
    /// It cannot listen there.
    pub fn in_machine(machine: &Machine, options: Options) -> anyhow::Result<Self> {
        let wanted = options.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        Ok(Self::on(machine.listen(wanted)?, options))
    }

    /// After the machine's reboot: there again, at the same port, with all that it has.
    ///
    /// # Errors
    /// It cannot listen there.
    pub fn return_to(&mut self, machine: &Machine) -> anyhow::Result<()> {
        let listener = machine.listen(self.address)?;
        self.serve(listener);
        Ok(())
    }

    fn on(listener: TcpListener, options: Options) -> Self {
        let address = listener.local_addr().expect("an address");
        let (tls, ca_pem) = if options.tls {
            let (config, pem) = tls::server(options.tls_name.as_deref(), options.http2, options.tls_expired);
            (Some(config), Some(pem))
        } else {
            (None, None)
        };
        let shared = Arc::new(Shared {
            options,
            address,
            store: Mutex::default(),
            faults: Mutex::default(),
            log: Mutex::default(),
            tokens: Mutex::default(),
            broken_handshakes: AtomicU32::new(0),
        });
        let mut registry = Self { shared, address, ca_pem, tls, running: None };
        registry.serve(listener);
        registry
    }

    /// Serves here from now on, and nowhere else.
    fn serve(&mut self, listener: TcpListener) {
        if let Some(running) = self.running.take() {
            running.end();
        }
        listener.set_nonblocking(true).expect("a nonblocking socket");
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn({
            let (shared, tls) = (self.shared.clone(), self.tls.clone());
            move || serve::run(&shared, listener, tls, stopped)
        });
        self.running = Some(Running { stop, thread });
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `127.0.0.1:port/<rest>`: a reference into this registry.
    pub fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    /// `http[s]://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.shared.options.tls { "https" } else { "http" }, self.address)
    }

    /// The certificate of the authority, for `certs.d/<host>/ca.crt`.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Puts an image in, not through HTTP.
    pub fn push(&self, repository: &str, tag: &str, image: &Image) {
        let mut store = lock(&self.shared.store);
        for blob in image.blobs() {
            store.put_known(repository, blob);
        }
        store.put_manifest(repository, Some(tag), &image.manifest);
    }

    /// Puts an image of several platforms in.
    pub fn push_multi(&self, repository: &str, tag: &str, image: &MultiImage) {
        for one in &image.images {
            let mut store = lock(&self.shared.store);
            for blob in one.blobs() {
                store.put_known(repository, blob);
            }
            store.put_manifest(repository, None, &one.manifest);
        }
        lock(&self.shared.store).put_manifest(repository, Some(tag), &image.index);
    }

    /// Puts any manifest in, a wrong one, too.
    pub fn put_manifest(&self, repository: &str, tag: Option<&str>, manifest: &Blob) {
        lock(&self.shared.store).put_manifest(repository, tag, manifest);
    }

    /// Puts a blob in; gives its digest.
    pub fn put_blob(&self, repository: &str, bytes: Vec<u8>) -> String {
        lock(&self.shared.store).put_blob(repository, bytes)
    }

    /// The manifest that a tag or digest means.
    pub fn manifest(&self, repository: &str, tag_or_digest: &str) -> Option<Blob> {
        lock(&self.shared.store).manifest(repository, tag_or_digest)
    }

    /// The same as JSON.
    pub fn manifest_json(&self, repository: &str, tag_or_digest: &str) -> Option<Value> {
        serde_json::from_slice(&self.manifest(repository, tag_or_digest)?.bytes).ok()
    }

    /// A blob of a repository.
    pub fn blob(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        lock(&self.shared.store).blob(repository, digest).map(|b| b.to_vec())
    }

    /// From now on something goes wrong. Faults are tried in the order they were given; the first that fits happens.
    pub fn fault(&self, when: When, fault: Fault) {
        lock(&self.shared.faults).add(when, fault);
    }

    /// All goes well again; [`Self::bytes_sent`] counts anew.
    pub fn heal(&self) {
        *lock(&self.shared.faults) = Faults::default();
    }

    /// All tokens given so far end now.
    pub fn expire_tokens(&self) {
        lock(&self.shared.tokens).clear();
    }

    /// The next so many connections are reset in the middle of the TLS handshake. One whose first byte is none of TLS is logged
    /// with method `PLAIN`.
    pub fn break_handshakes(&self, times: u32) {
        self.shared.broken_handshakes.store(times, Ordering::Relaxed);
    }

    /// What was asked since the start or the last call of this.
    pub fn take_log(&self) -> Vec<Logged> {
        std::mem::take(&mut *lock(&self.shared.log))
    }

    /// Bytes of blobs that were sent since the start or the last [`Self::heal`] (what really went into sockets).
    pub fn bytes_sent(&self) -> u64 {
        lock(&self.shared.faults).sent
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.end();
        }
    }
}

#[cfg(test)]
mod tests;
