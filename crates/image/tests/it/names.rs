use std::collections::BTreeMap;

use id::{ContainerId, Reference};
use image::{ListFilter, NoneInUse, RemoveOptions, Removed, Use};

use crate::support::{Containers, Place, config, docker_archive, tar};

fn place(tags: &[&str]) -> (Place, String) {
    let place = Place::new();
    let layers = [tar(&[("f", b"x")])];
    let loaded = place.load(&docker_archive(tags, &layers, &config(&layers, "v"))).expect("loads");
    (place, loaded[0].id.to_string())
}

fn reference(s: &str) -> Reference {
    s.parse().expect(s)
}

async fn remove(place: &Place, name: &str, force: bool, uses: &Containers) -> Result<Vec<String>, String> {
    let options = RemoveOptions { force, ..RemoveOptions::default() };
    let removed = place.store.remove(name, options, uses).await.map_err(|e| e.to_string())?;
    Ok(removed
        .into_iter()
        .map(|r| match r {
            Removed::Untagged(n) => format!("untagged {n}"),
            Removed::Deleted(d) => format!("deleted {d}"),
        })
        .collect())
}

fn used(id: &str, reference: &str, running: bool) -> Containers {
    let c = Containers::default();
    c.0.lock().expect("lock").push(Use {
        container: ContainerId::from_bytes([0xab; 32]),
        running,
        reference: reference.to_owned(),
        image: id.parse().expect("digest"),
        manifest: None,
    });
    c
}

#[tokio::test]
async fn names_go_one_by_one_and_the_image_with_the_last() {
    let (place, id) = place(&["a:1"]);
    place.store.tag("a:1", &reference("b")).expect("tags");
    place.store.tag(&id[7..19], &reference("a:2")).expect("tags by id");
    let none = Containers::default();
    assert_eq!(remove(&place, "a:3", false, &none).await, Err("No such image: a:3".to_owned()));
    assert_eq!(remove(&place, "a:2", false, &none).await, Ok(vec!["untagged a:2".to_owned()]));
    let short = &id[7..19];
    assert_eq!(
        remove(&place, short, false, &none).await,
        Err(format!(
            "conflict: unable to delete {short} (must be forced) - image is referenced in multiple repositories"
        ))
    );
    assert_eq!(remove(&place, "b", false, &none).await, Ok(vec!["untagged b:latest".to_owned()]));
    assert_eq!(remove(&place, "a:1", false, &none).await, Ok(vec!["untagged a:1".to_owned(), format!("deleted {id}")]));
    assert_eq!(place.files(), Vec::<String>::new());
}

#[tokio::test]
async fn an_image_in_use_is_not_removed() {
    let (place, id) = place(&["a:1"]);
    let short = &id[7..19];
    let stopped = used(&id, "a:1", false);
    assert_eq!(
        remove(&place, "a:1", false, &stopped).await,
        Err(format!(
            "conflict: unable to delete a:1 (must be forced) - container abababababab is using its referenced image {short}"
        ))
    );
    assert_eq!(
        remove(&place, short, false, &stopped).await,
        Err(format!(
            "conflict: unable to delete {short} (must be forced) - image is being used by stopped container abababababab"
        ))
    );
    assert_eq!(
        remove(&place, short, true, &used(&id, "a:1", true)).await,
        Err(format!(
            "conflict: unable to delete {short} (cannot be forced) - image is being used by running container abababababab"
        ))
    );
    // By name and force, the name goes and the image stays without one.
    assert_eq!(remove(&place, "a:1", true, &stopped).await, Ok(vec!["untagged a:1".to_owned()]));
    assert!(place.store.resolve(&id, None).is_ok());
    assert!(place.store.prune(&ListFilter::default(), &stopped).await.expect("prunes").removed.is_empty());
    assert_eq!(remove(&place, &id, true, &stopped).await, Ok(vec![format!("deleted {id}")]));
}

#[tokio::test]
async fn layers_of_a_container_outlive_the_image() {
    let (place, id) = place(&["a:1"]);
    let image = place.store.resolve("a:1", None).expect("resolves");
    let container = ContainerId::from_bytes([1; 32]);
    let mount = place.store.rootfs().prepare_rw(&container, &image).expect("prepares");
    remove(&place, &id, true, &Containers::default()).await.expect("removes");
    assert_eq!(place.store.rootfs().rw_mount(&container, None).expect("still there"), mount);
    assert!(mount.lower[0].join("f").exists());
    place.store.rootfs().remove_rw(&container).expect("removes");
    place.store.prune(&ListFilter::default(), &NoneInUse).await.expect("prunes");
    assert_eq!(place.files(), Vec::<String>::new());
}

#[tokio::test]
async fn prune_takes_what_is_unused() {
    let (place, id) = place(&["a:1", "b:1"]);
    let layers = [tar(&[("g", b"y")])];
    let other = place.load(&docker_archive(&["c:1"], &layers, &config(&layers, "w"))).expect("loads");
    place.store.tag("a:1", &reference("c:1")).expect("moves the name");
    let report = place.store.prune(&ListFilter::default(), &NoneInUse).await.expect("prunes");
    let other = &other[0].id;
    assert_eq!(report.removed, [Removed::Untagged(other.to_string()), Removed::Deleted(other.clone())]);
    assert!(report.reclaimed > 4096);
    let all = ListFilter { dangling: Some(false), ..ListFilter::default() };
    let report = place.store.prune(&all, &used(&id, "b:1", false)).await.expect("prunes");
    assert_eq!(report.removed.len(), 2);
    assert_eq!(place.store.inspect(&id, None).expect("stays").repo_tags, ["b:1"]);
    let report = place.store.prune(&all, &used(&id, &id[..20], false)).await.expect("prunes");
    assert!(report.removed.is_empty(), "the last name of an image used by id stays");
    place.store.prune(&all, &NoneInUse).await.expect("prunes");
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn lists_are_filtered() {
    let (place, _) = place(&["a:1", "x.io/dir/b:2"]);
    let check = |filters: &[(&str, &str)], want: &[&str]| {
        let args: BTreeMap<String, Vec<String>> =
            filters.iter().map(|(k, v)| ((*k).to_owned(), vec![(*v).to_owned()])).collect();
        let filter = ListFilter::parse(&args, |s| s.parse().ok()).expect("parses");
        let list = place.store.list(&filter, false, false).expect("lists");
        let got: Vec<String> = list.into_iter().flat_map(|i| i.repo_tags).collect();
        assert_eq!(got, want, "{filters:?}");
    };
    check(&[], &["a:1", "x.io/dir/b:2"]);
    check(&[("reference", "a")], &["a:1"]);
    check(&[("reference", "*:1")], &["a:1"]);
    check(&[("reference", "docker.io/library/a")], &[]);
    check(&[("reference", "x.io/*/b")], &["x.io/dir/b:2"]);
    check(&[("reference", "*/b")], &[]);
    check(&[("label", "l")], &["a:1", "x.io/dir/b:2"]);
    check(&[("label", "l=v")], &["a:1", "x.io/dir/b:2"]);
    check(&[("label", "l=w")], &[]);
    check(&[("label!", "l=v")], &[]);
    check(&[("label!", "other=v")], &[]);
    check(&[("label!", "other")], &["a:1", "x.io/dir/b:2"]);
    check(&[("label", "l!=w")], &["a:1", "x.io/dir/b:2"]);
    check(&[("dangling", "true")], &[]);
    check(&[("dangling", "0")], &["a:1", "x.io/dir/b:2"]);
    check(&[("until", "1")], &[]);
    check(&[("before", "a:1")], &[]);
    let bad = |k: &str, v: &str| {
        let args = BTreeMap::from([(k.to_owned(), vec![v.to_owned()])]);
        ListFilter::parse(&args, |_| None).expect_err("is refused").to_string()
    };
    assert_eq!(bad("nope", "1"), "invalid filter 'nope'");
    assert_eq!(bad("dangling", "x"), "invalid filter 'dangling=[x]'");
}
