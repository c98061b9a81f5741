//! Images on their way between engines: what one saves or pushes, the others load and pull, with the same digests and the same
//! trees. Ours, Docker (containerd image store) and podman, each in a machine of its own; their registries share one disk.
//!
//! Needs root, and the peers that `bench/peers.sh fetch` unpacks.

#![expect(clippy::unwrap_used, reason = "a test")]

use conformance::stage::Stage;
use conformance::{Options, Script, play};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;
use testkit::images::{Compression, Image, Layer, MultiImage};
use testkit::{CliKind, EngineKind, Machine, place};

/// For one script; generous, the machine may be busy.
const LIMIT: Duration = Duration::from_secs(120);

/// Where one engine runs, and how it is spoken to.
enum Side {
    Engine(Stage),
    Podman(Machine),
}

impl Side {
    fn engine(kind: EngineKind) -> Self {
        let stage = Stage::set(kind, CliKind::Stock28).unwrap();
        tools(stage.engine.machine.dir());
        Self::Engine(stage)
    }

    /// Podman, with a registry of its own beside it.
    fn podman() -> Self {
        let machine = Machine::boot("podman").unwrap();
        let dir = machine.dir().to_path_buf();
        symlink(place::registry().unwrap(), dir.join("bin/docker-registry")).unwrap();
        fs::write(dir.join("bin/registries"), include_str!("../src/stage/registries.sh")).unwrap();
        fs::write(dir.join("bin/setup"), include_str!("peers/podman.sh")).unwrap();
        tools(&dir);
        let side = Self::Podman(machine);
        let (dir, peer) = (dir.display(), place::peers().join("podman"));
        side.raw(&format!("bash {dir}/bin/registries {dir}; PEER={} DIR={dir} bash {dir}/bin/setup", peer.display()));
        side
    }

    fn dir(&self) -> &Path {
        match self {
            Self::Engine(stage) => stage.engine.machine.dir(),
            Self::Podman(machine) => machine.dir(),
        }
    }

    fn raw(&self, script: &str) -> String {
        let output = match self {
            Self::Engine(stage) => stage.engine.run_for(&stage.cli, script, LIMIT, &[]),
            Self::Podman(machine) => machine.sh_for(script, LIMIT, &[]),
        };
        output.unwrap().ok().unwrap().text().to_owned()
    }

    /// Runs a script; `docker` is podman there.
    fn ok(&self, script: &str) -> String {
        match self {
            Self::Engine(_) => self.raw(&format!("set -e; {script}")),
            Self::Podman(m) => self
                .raw(&format!(". {}/podman.env; set -e; docker() {{ podman \"$@\"; }}; {script}", m.dir().display())),
        }
    }

    /// All that can be told of `/h` in an image, as it is mounted.
    fn tree(&self, image: &str) -> String {
        let tree = match self {
            Self::Engine(_) => self.ok(&format!(
                "c=$(docker run -d --network none {image} /bin/sleep 1000); pid=$(docker inspect -f '{{{{.State.Pid}}}}' $c)
                 python3 $HOME/../bin/tree.py /proc/$pid/root/h; docker rm -f $c >/dev/null"
            )),
            Self::Podman(_) => self.ok(&format!(
                "d=$(docker image mount {image}); python3 $HOME/../bin/tree.py $d/h; docker image umount {image} >/dev/null"
            )),
        };
        assert!(tree.lines().count() > 230, "the whole tree: {tree}");
        tree
    }

    fn id(&self, image: &str) -> String {
        self.ok(&format!("docker image inspect -f '{{{{.Id}}}}' {image}"))
    }

    fn forget(&self, image: &str) {
        self.ok(&format!("docker rmi -f {image} >/dev/null"));
    }
}

fn tools(dir: &Path) {
    for (name, text) in
        [("tree.py", include_str!("peers/tree.py")), ("hard_image.py", include_str!("peers/hard_image.py"))]
    {
        fs::write(dir.join("bin").join(name), text).unwrap();
        fs::set_permissions(dir.join("bin").join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// The others' registries have the first's disk.
fn share_registry(first: &Side, others: &[&Side]) {
    let store = first.dir().join("registry/store");
    fs::create_dir_all(&store).unwrap();
    for other in others {
        let own = other.dir().join("registry/store");
        drop(fs::remove_dir_all(&own));
        symlink(&store, own).unwrap();
    }
}

/// Says which lines differ.
fn same(what: &str, got: &str, want: &str) {
    let differ: Vec<String> = got
        .lines()
        .zip(want.lines())
        .filter(|(a, b)| a != b)
        .take(20)
        .map(|(a, b)| format!("got:  {a}\nwant: {b}\n"))
        .collect();
    assert!(got == want, "{what}\n{}", differ.concat());
}

#[test]
fn hard_layers_by_archive_and_registry() {
    let (ours, docker, podman) = (Side::engine(EngineKind::Gantry), Side::engine(EngineKind::Docker), Side::podman());
    share_registry(&ours, &[&docker, &podman]);
    let dir = ours.dir().display().to_string();
    let busybox = testkit::images::busybox_binary().unwrap();
    ours.ok(&format!("python3 {dir}/bin/hard_image.py {dir}/hard.tar {0} hard:1; python3 {dir}/bin/hard_image.py {dir}/even.tar {0} even:1 even", busybox.display()));
    for side in [&ours, &docker, &podman] {
        side.ok(&format!("docker load -q -i {dir}/hard.tar"));
    }
    let tree = ours.tree("hard:1");
    same("ours as Docker unpacks it", &tree, &docker.tree("hard:1"));
    same("ours as podman unpacks it", &tree, &podman.tree("localhost/hard:1"));
    assert_eq!(ours.id("hard:1"), docker.id("hard:1"), "an archive without digests makes the same image");

    // Archives: ours to the others, theirs to ours.
    let id = ours.id("hard:1");
    ours.ok(&format!("docker save -o {dir}/ours.tar hard:1; docker save -o {dir}/again.tar hard:1; cmp {dir}/ours.tar {dir}/again.tar"));
    docker.forget("hard:1");
    podman.forget("localhost/hard:1");
    for side in [&docker, &podman] {
        side.ok(&format!("docker load -q -i {dir}/ours.tar"));
    }
    assert_eq!(docker.id("hard:1"), id);
    same("what we saved, by Docker", &docker.tree("hard:1"), &tree);
    same("what we saved, by podman", &podman.tree("hard:1"), &tree);
    docker.ok(&format!("docker save -o {dir}/docker.tar hard:1"));
    ours.forget("hard:1");
    ours.ok(&format!("docker load -q -i {dir}/docker.tar"));
    assert_eq!(ours.id("hard:1"), id);
    same("what Docker saved", &ours.tree("hard:1"), &tree);

    // By the registry.
    let name = "127.0.0.1:5000/hard:1";
    ours.ok(&format!("docker tag hard:1 {name}; docker push -q {name}"));
    docker.forget("hard:1");
    docker.ok(&format!("docker pull -q {name}; docker tag {name} {name}-docker; docker push -q {name}-docker"));
    assert_eq!(docker.id(name), id, "a push keeps the digest");
    same("what we pushed, by Docker", &docker.tree(name), &tree);
    podman.ok(&format!("podman rmi -af >/dev/null; podman pull -q --tls-verify=false {name}"));
    same("what we pushed, by podman", &podman.tree(name), &tree);
    ours.ok(&format!("docker rmi -f $(docker images -aq) >/dev/null; docker pull -q {name}-docker"));
    assert_eq!(ours.id(&format!("{name}-docker")), id, "Docker keeps it, too");
    same("what Docker pushed", &ours.tree(&format!("{name}-docker")), &tree);

    // What podman writes: both kinds of archives, zstd layers.
    for side in [&ours, &podman] {
        side.ok(&format!("docker load -q -i {dir}/even.tar"));
    }
    let tree = ours.tree("even:1");
    podman.ok(&format!(
        "podman save -q --format oci-archive -o {dir}/podman-oci.tar even:1; podman save -q -o {dir}/podman-docker.tar even:1
         podman push -q --tls-verify=false --compression-format zstd --force-compression even:1 {name}-zstd"
    ));
    for archive in ["podman-oci", "podman-docker"] {
        ours.ok(&format!("docker rmi -f $(docker images -aq) >/dev/null; docker load -q -i {dir}/{archive}.tar"));
        let loaded = ours.ok("docker images -aq --no-trunc");
        assert_eq!(loaded.lines().count(), 1, "{archive}: {loaded}");
        same(archive, &ours.tree(&loaded), &tree);
    }
    ours.ok(&format!("docker rmi -f $(docker images -aq) >/dev/null; docker pull -q {name}-zstd"));
    same("zstd layers", &ours.tree(&format!("{name}-zstd")), &tree);
    let zstd = ours.ok("curl -s -H 'Accept: application/vnd.oci.image.manifest.v1+json' http://127.0.0.1:5000/v2/hard/manifests/1-zstd | grep -c 'layer.v1.tar+zstd'");
    assert_ne!(zstd, "0", "the layers were zstd");
}

#[test]
fn several_platforms_keep_their_digests() {
    let (ours, docker) = (Side::engine(EngineKind::Gantry), Side::engine(EngineKind::Docker));
    share_registry(&ours, &[&docker]);
    let dir = ours.dir().to_path_buf();
    let one = |platform: &str, compression| {
        let layer = Layer::builder().dir("etc", 0o755).file("etc/platform", platform.as_bytes()).pack(compression);
        Image::builder().layer(layer).platform(platform).cmd(&["/nothing"]).build()
    };
    let image = MultiImage::new(vec![
        one("linux/amd64", Compression::Gzip),
        one("linux/arm64", Compression::Zstd),
        one("linux/arm/v7", Compression::None),
    ]);
    fs::write(dir.join("multi.tar"), image.oci_layout(Some("127.0.0.1:5000/multi:1"))).unwrap();
    let (name, dir) = ("127.0.0.1:5000/multi:1", dir.display().to_string());
    let file = |side: &Side, platform: &str| {
        side.ok(&format!("c=$(docker create --platform {platform} {name}); docker cp $c:/etc/platform -|tar -xO; docker rm $c >/dev/null"))
    };
    ours.ok(&format!(
        "docker load -q -i {dir}/multi.tar; docker push -q {name}; docker save -o {dir}/saved.tar {name}"
    ));
    assert_eq!(ours.id(name), image.digest());
    docker.ok(&format!("docker load -q -i {dir}/saved.tar"));
    assert_eq!(docker.id(name), image.digest(), "by archive");
    assert_eq!(file(&docker, "linux/arm64"), "linux/arm64");
    docker.ok(&format!("docker save -o {dir}/theirs.tar {name}; docker rmi {name} >/dev/null; docker pull -q --platform linux/arm/v7 {name}"));
    assert_eq!(docker.id(name), image.digest(), "by the registry");
    assert_eq!(file(&docker, "linux/arm/v7"), "linux/arm/v7");
    ours.ok(&format!("docker rmi {name} >/dev/null; docker load -q -i {dir}/theirs.tar"));
    assert_eq!(ours.id(name), image.digest(), "Docker's archive");
    for platform in ["linux/amd64", "linux/arm64", "linux/arm/v7"] {
        assert_eq!(file(&ours, platform), platform);
    }
    ours.ok(&format!("docker rmi {name} >/dev/null; docker pull -q --platform linux/arm64 {name}"));
    assert_eq!((ours.id(name).as_str(), file(&ours, "linux/arm64").as_str()), (image.digest(), "linux/arm64"));
}

/// The `manifest` commands: what Docker's client does, and ours.
#[test]
fn lists_of_manifests_by_hand() {
    for cli in [CliKind::Stock28, CliKind::Gantry] {
        let stage = Stage::set(EngineKind::Gantry, cli).unwrap();
        let script = Script::parse(include_str!("../cases/manifest.txt")).unwrap();
        let options = Options { variables: stage.variables(), ..Options::default() };
        play(&script, &stage.engine, &stage.cli, &options).unwrap().ok().unwrap();
    }
}
