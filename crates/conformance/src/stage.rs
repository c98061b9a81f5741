//! What a case file finds: a machine with an engine, a command line, image archives and two registries.

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use testkit::{Cli, CliKind, Engine, EngineKind, EngineOptions, Machine, place};

/// A machine with an engine, a plain registry on 127.0.0.1:5000 and one with TLS on `registry.test:5443`.
#[derive(Debug)]
pub struct Stage {
    /// The engine in its machine.
    pub engine: Engine,
    /// The command line that `docker` means.
    pub cli: Cli,
}

impl Stage {
    /// Boots the machine, starts registries and engine.
    pub fn set(engine: EngineKind, cli: CliKind) -> anyhow::Result<Self> {
        let machine = Machine::boot(&format!("{}-{}", engine.name(), cli.name()))?;
        let dir = machine.dir().to_path_buf();
        let bench = place::project().join("bench");
        let link = |from: &std::path::Path, to: &str| std::os::unix::fs::symlink(from, dir.join("bin").join(to));
        link(&place::registry()?, "docker-registry")?;
        link(&bench.join("seed.py"), "seed.py")?;
        link(&place::built("probe")?, "probe")?;
        for (name, text) in [
            ("liar.py", include_str!("stage/liar.py")),
            ("mkarchive.py", include_str!("stage/mkarchive.py")),
            ("listening.sh", include_str!("stage/listening.sh")),
        ] {
            fs::write(dir.join("bin").join(name), text)?;
            fs::set_permissions(dir.join("bin").join(name), fs::Permissions::from_mode(0o755))?;
        }
        fs::write(dir.join("bin/registries"), include_str!("stage/registries.sh"))?;
        machine.sh(&format!("bash {}/bin/registries {}", dir.display(), dir.display()))?.ok().context("registries")?;
        let engine = Engine::start_in(machine, EngineOptions::of(engine))?;
        let cli = engine.cli(cli)?;
        Ok(Self { engine, cli })
    }

    /// What case files may refer to.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let dir = self.engine.machine.dir();
        let all = [
            ("IMAGES", place::images().display().to_string()),
            ("DIR", dir.display().to_string()),
            ("PROBE", place::built("probe").map(|p| p.display().to_string()).unwrap_or_default()),
            ("BB", "bench-busybox:1".to_owned()),
            ("DATA_ROOT", self.engine.data_root().display().to_string()),
        ];
        all.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
    }
}
