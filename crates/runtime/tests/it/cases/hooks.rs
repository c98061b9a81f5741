use std::fs;

use oci::runtime::{Hook, Hooks, State, Status};

use super::Case;
use crate::fixture::{Fixture, spec};

pub(crate) const CASES: &[(&str, Case)] = &[
    ("hooks::order_state_and_place", order_state_and_place),
    ("hooks::failure_ends_the_container", failure_ends_the_container),
    ("hooks::environment", environment),
];

fn hook(script: &str) -> Hook {
    Hook { path: "/bin/sh".into(), args: ["sh", "-c", script].map(str::to_owned).to_vec(), ..Hook::default() }
}

fn order_state_and_place(fixture: &Fixture) {
    let dir = fixture.dir.path();
    let note = |name: &str| {
        let log = dir.join("log");
        let state = dir.join(name);
        hook(&format!(
            "echo {name} $(hostname) $(readlink /proc/self/ns/mnt) >> {}; cat > {}",
            log.display(),
            state.display()
        ))
    };
    let mut spec = spec("echo user; cat /started");
    spec.annotations.insert("key".into(), "value".into());
    spec.hooks = Some(Hooks {
        prestart: vec![note("prestart")],
        create_runtime: vec![note("createRuntime")],
        create_container: vec![note("createContainer")],
        start_container: vec![hook("cat > /started")],
        ..Hooks::default()
    });
    let out = fixture.out(&spec);
    let log = fs::read_to_string(dir.join("log")).expect("log");
    let lines: Vec<Vec<&str>> = log.lines().map(|l| l.split(' ').collect()).collect();
    assert_eq!(lines.iter().map(|l| l[0]).collect::<Vec<_>>(), ["prestart", "createRuntime", "createContainer"]);
    let ours = fs::read_link("/proc/self/ns/mnt").expect("link");
    assert_eq!(lines[0][2], ours.to_str().expect("text"));
    assert_ne!(lines[2][2], lines[0][2], "createContainer runs in the container's mount namespace");
    let mut pids = Vec::new();
    for name in ["prestart", "createRuntime", "createContainer"] {
        let state: State = serde_json::from_str(&fs::read_to_string(dir.join(name)).expect(name)).expect(name);
        assert_eq!((state.id.as_str(), state.status), ("box", Status::Creating), "{name}");
        assert_eq!(state.bundle, dir.to_str().expect("text"));
        assert_eq!(state.annotations.get("key").map(String::as_str), Some("value"));
        pids.push(state.pid.expect("pid"));
    }
    assert!(pids[0] > 1 && pids.iter().all(|p| *p == pids[0]), "{pids:?}");
    let (user, state) = out.split_once('\n').expect("lines");
    let state: State = serde_json::from_str(state).expect("state");
    assert_eq!((user, state.status, state.pid), ("user", Status::Created, Some(1)));
}

fn failure_ends_the_container(fixture: &Fixture) {
    let bad = || vec![hook("echo broken >&2; exit 7")];
    for (name, hooks) in [
        ("prestart", Hooks { prestart: bad(), ..Hooks::default() }),
        ("createRuntime", Hooks { create_runtime: bad(), ..Hooks::default() }),
        ("createContainer", Hooks { create_container: bad(), ..Hooks::default() }),
    ] {
        let mut spec = spec("true");
        spec.hooks = Some(hooks);
        assert_eq!(
            fixture.refused(&spec),
            format!("error running {name} hook #0: exit status 7, stdout: , stderr: broken\n")
        );
    }
}

fn environment(fixture: &Fixture) {
    let mut spec = spec("cat /seen");
    let own = Hook { env: vec!["PATH=/bin".into(), "FROM=hook".into()], ..hook("echo $FROM >> /seen") };
    spec.hooks = Some(Hooks { start_container: vec![hook("echo $FROM >> /seen"), own], ..Hooks::default() });
    assert_eq!(fixture.out(&spec), "process\nhook\n");
}
