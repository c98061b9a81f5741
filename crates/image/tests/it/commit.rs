use id::ContainerId;
use image::{ChangeKind, Commit, NoneInUse, RemoveOptions};
use oci::image::ImageConfig;

use crate::support::{Place, config, docker_archive, tar};

#[tokio::test]
async fn a_container_becomes_an_image_on_top_of_its_own() {
    let place = Place::new();
    let layers = [tar(&[("etc/", b""), ("etc/os", b"base"), ("etc/gone", b"x")])];
    place.load(&docker_archive(&["app:1"], &layers, &config(&layers, "v"))).expect("loads");
    let parent = place.store.resolve("app:1", None).expect("resolves");
    let container = ContainerId::from_bytes([5; 32]);
    let mount = place.store.rootfs().prepare_rw(&container, &parent).expect("prepares");
    let commit = |name: &str| Commit {
        container: container.clone(),
        parent: Some(parent.clone()),
        config: ImageConfig { cmd: vec!["new".to_owned()], ..ImageConfig::default() },
        author: "me".to_owned(),
        comment: "why".to_owned(),
        created_by: "sh -c x".to_owned(),
        reference: Some(name.parse().expect("reference")),
    };
    let empty = place.store.commit(commit("app:empty")).await.expect("commits");
    assert_eq!(place.store.resolve("app:empty", None).expect("resolves").diff_ids, parent.diff_ids);

    std::fs::create_dir(mount.upper.join("etc")).expect("mkdir");
    std::fs::write(mount.upper.join("etc/new"), "n").expect("writes");
    std::fs::write(mount.upper.join("etc/os"), "changed").expect("writes");
    let whiteout = mount.upper.join("etc/gone");
    rustix::fs::mknodat(rustix::fs::CWD, &whiteout, rustix::fs::FileType::CharacterDevice, 0.into(), 0).expect("mknod");
    let changes = place.store.rootfs().changes(&container).expect("walks");
    let got: Vec<(&str, ChangeKind)> = changes.iter().map(|c| (c.path.as_str(), c.kind)).collect();
    assert_eq!(
        got,
        [
            ("/etc", ChangeKind::Modified),
            ("/etc/gone", ChangeKind::Deleted),
            ("/etc/new", ChangeKind::Added),
            ("/etc/os", ChangeKind::Modified),
        ]
    );
    let id = place.store.commit(commit("app:2")).await.expect("commits");
    let image = place.store.resolve("app:2", None).expect("resolves");
    assert_eq!((image.id.clone(), image.diff_ids.len()), (id.clone(), 2));
    let doc = &image.document;
    assert_eq!((doc.author.as_deref(), doc.config.as_ref().expect("config").cmd[0].as_str()), (Some("me"), "new"));
    let history = place.store.history("app:2", None).expect("history");
    assert_eq!((history[0].created_by.as_str(), history[0].comment.as_str()), ("sh -c x", "why"));
    assert_eq!(history[1].id, parent.id.to_string(), "the parent is known");
    let other = ContainerId::from_bytes([6; 32]);
    let top = place.store.rootfs().prepare_rw(&other, &image).expect("prepares").lower[0].clone();
    assert_eq!(std::fs::read(top.join("etc/os")).expect("read"), b"changed");
    assert!(std::fs::symlink_metadata(top.join("etc/gone")).is_ok(), "a whiteout");
    assert!(place.store.verify().expect("verifies").is_empty());
    for c in [&container, &other] {
        place.store.rootfs().remove_rw(c).expect("removes");
    }
    for id in [empty.as_str(), id.as_str(), parent.id.as_str()] {
        let force = RemoveOptions { force: true, ..RemoveOptions::default() };
        place.store.remove(id, force, &NoneInUse).await.expect("removes");
    }
    assert_eq!(place.files(), Vec::<String>::new());
}
