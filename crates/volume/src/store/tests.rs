use super::*;

struct Place {
    dir: tempfile::TempDir,
    meta: Arc<Db>,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("directory"), meta: Arc::new(Db::in_memory().expect("opens")) }
    }

    fn open(&self) -> Store {
        Store::open(self.dir.path(), self.meta.clone()).expect("opens")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join("volumes").join(path)
    }
}

fn named(name: &str) -> NewVolume {
    NewVolume { name: name.to_owned(), ..NewVolume::default() }
}

fn nobody() -> Vec<String> {
    Vec::new()
}

#[test]
fn a_volume_is_made_once_kept_and_removed() {
    let place = Place::new();
    let store = place.open();
    let mut wanted = named("data");
    wanted.labels.insert("a".to_owned(), "b".to_owned());
    let made = store.create(wanted, None).expect("made");
    assert!(made.created && place.at("data/_data").is_dir());
    assert!(!store.create(named("data"), None).expect("there").created);
    std::fs::write(place.at("data/_data/file"), "x").expect("file");

    let store = place.open();
    let (volume, told) = store.get("data").expect("kept");
    assert_eq!(volume, made.volume);
    assert_eq!(told.mountpoint, place.at("data/_data"));
    store.remove("data", false, nobody).expect("removed");
    assert_eq!(std::fs::read_dir(place.at("")).expect("reads").count(), 0, "nothing is left");
    assert_eq!(store.get("data").expect_err("gone").to_string(), "get data: no such volume");
    assert_eq!(store.remove("data", false, nobody).expect_err("gone").to_string(), "get data: no such volume");
    assert!(place.open().list().is_empty());
}

#[test]
fn what_is_used_or_held_stays() {
    let place = Place::new();
    let store = place.open();
    store.create(named("data"), Some("c1")).expect("made");
    let text = store.remove("data", false, || vec!["c2".to_owned()]).expect_err("in use").to_string();
    assert_eq!(text, "remove data: volume is in use - [c1, c2]");
    store.release("c1");
    store.hold("data", "c3").expect("held");
    assert!(store.remove("data", true, nobody).is_err());
    store.release("c3");
    store.remove("data", false, nobody).expect("free");
    assert!(store.hold("data", "c4").is_err());
}

#[test]
fn names_and_drivers_are_checked() {
    let place = Place::new();
    let store = place.open();
    let text = |wanted| store.create(wanted, None).expect_err("refused").to_string();
    assert_eq!(
        text(named("x")),
        "create x: volume name is too short, names should be at least two alphanumeric characters"
    );
    assert!(text(named("../../x")).contains("includes invalid characters for a local volume name"));
    let other = NewVolume { driver: "nosuch".to_owned(), ..named("vol") };
    assert_eq!(text(other.clone()), "create vol: error looking up volume plugin nosuch: plugin \"nosuch\" not found");
    store.create(named("vol"), None).expect("made");
    assert!(store.create(other, None).is_err());
    let anonymous = store.create(NewVolume::default(), None).expect("made").volume;
    assert!(anonymous.is_anonymous() && anonymous.name.len() == 64);
}

#[test]
fn what_a_crash_leaves_is_finished_or_undone() {
    let place = Place::new();
    let store = place.open();
    store.create(named("going"), None).expect("made");
    store.create(named("lost"), None).expect("made");
    drop(store);
    // Cut off behind the rename of a removal; a directory that was not on disk when power went.
    std::fs::rename(place.at("going"), place.at(".removing-going")).expect("renames");
    std::fs::remove_dir_all(place.at("lost")).expect("removes");
    // A directory as another engine left it.
    std::fs::create_dir_all(place.at("docker/_data")).expect("directory");
    std::fs::write(
        place.at("docker/opts.json"),
        r#"{"MountType":"tmpfs","MountOpts":"size=1m","MountDevice":"tmpfs","Quota":{"Size":0}}"#,
    )
    .expect("file");
    std::fs::create_dir_all(place.at("no-volume")).expect("directory");

    let store = place.open();
    let names: Vec<String> = store.list().iter().map(|v| v.name.clone()).collect();
    assert_eq!(names, ["docker", "lost"]);
    assert!(!place.at(".removing-going").exists());
    assert_eq!(store.get("docker").expect("there").0.options.as_ref().expect("options")["o"], "size=1m");
    assert_eq!(store.mount("lost", "c").expect("made anew"), place.at("lost/_data"));
    assert!(place.at("lost/_data").is_dir());
}

#[test]
fn only_what_is_empty_is_filled_and_half_a_copy_is_begun_again() {
    let place = Place::new();
    let store = place.open();
    store.create(named("vol"), None).expect("made");
    let source = place.dir.path().join("image");
    std::fs::create_dir(&source).expect("directory");
    std::fs::write(source.join("a"), "image").expect("file");
    let from = archive::open_dir(CWD, &source).expect("opens");
    assert!(store.populate("vol", "c", &from, false).expect("copies"));
    assert_eq!(std::fs::read(place.at("vol/_data/a")).expect("reads"), b"image");
    std::fs::write(place.at("vol/_data/a"), "mine").expect("file");
    assert!(!store.populate("vol", "c", &from, false).expect("nothing to do"));
    assert_eq!(std::fs::read(place.at("vol/_data/a")).expect("reads"), b"mine");
    std::fs::write(place.at("vol/.copying"), "").expect("file");
    assert!(!store.populate("vol", "c", &from, true).expect("others use it"));
    assert!(store.populate("vol", "c", &from, false).expect("copies"));
    assert_eq!(std::fs::read(place.at("vol/_data/a")).expect("reads"), b"image");
    assert!(!place.at("vol/.copying").exists());
}
