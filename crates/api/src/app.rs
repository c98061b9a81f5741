use engine::Engine;

/// What the handlers work on.
#[derive(Debug)]
pub struct App {
    /// The engine.
    pub engine: Engine,
    /// What only the daemon knows.
    pub daemon: Daemon,
}

/// Facts about the daemon that the engine has no use for, but `version` and `info` show.
#[derive(Debug, Clone, Default)]
pub struct Daemon {
    /// The engine's version, as clients see it.
    pub version: String,
    /// Source revision.
    pub git_commit: String,
    /// When it was built, RFC 3339.
    pub build_time: String,
    /// Version of the compiler.
    pub compiler: String,
    /// Version of this program itself.
    pub own_version: String,
    /// Tells builds of the monitor apart.
    pub shim_revision: String,
    /// `--experimental`.
    pub experimental: bool,
    /// Oldest API version that is served.
    pub min_api: String,
    /// `--http-proxy`.
    pub http_proxy: String,
    /// `--https-proxy`.
    pub https_proxy: String,
    /// `--no-proxy`.
    pub no_proxy: String,
    /// An image in the daemon itself: its familiar name, and an archive to load when somebody asks for it.
    pub embedded_image: Option<(&'static str, &'static [u8])>,
}
