//! Figures: `GANTRY_SHIM=target/release/gantry-shim cargo test -p gantry-shim -- --ignored --nocapture measure`.

#![expect(clippy::print_stdout, reason = "the figures")]

use std::time::{Duration, Instant};

use shim_proto::{LogPlan, Request};

use crate::fixture::Fixture;

fn show(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_micros();
    println!("{name}: median {} us, min {}, p95 {} ({} times)", at(50), at(0), at(95), times.len());
}

#[test]
fn measure_start_to_exit() {
    let mut fixture = Fixture::new();
    let (mut starts, mut exits, mut deletes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..100 {
        let mut plan = fixture.plan(&["/bin/true"]);
        plan.log = LogPlan::None;
        let begin = Instant::now();
        let mut container = fixture.launch(&plan);
        container.start().unwrap();
        starts.push(begin.elapsed());
        container.wait();
        exits.push(begin.elapsed());
        container.delete();
        deletes.push(begin.elapsed());
    }
    show("launch to started", starts);
    show("launch to exit", exits);
    show("launch to deleted", deletes);
}

#[test]
fn measure_exec() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sleep", "1000"]);
    let mut container = fixture.start(&plan);
    let mut times = Vec::new();
    for n in 0..100 {
        let begin = Instant::now();
        drop(container.exec(&n.to_string(), crate::fixture::process(&["true"]), false).unwrap());
        container.wait_exec(&n.to_string());
        times.push(begin.elapsed());
    }
    show("exec to exit", times);
    container.ok(Request::Signal { exec: None, signal: 9, all: false });
    container.wait();
    container.delete();
}

#[test]
fn measure_memory() {
    let mut fixture = Fixture::new();
    let containers: Vec<_> = (0..20)
        .map(|_| {
            let plan = fixture.plan(&["sleep", "1000"]);
            fixture.start(&plan)
        })
        .collect();
    std::thread::sleep(Duration::from_millis(1300));
    for mut container in containers {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", container.shim_pid)).unwrap();
        let wanted = ["Rss", "Pss", "Pss_Anon", "Private_Clean", "Private_Dirty"];
        let line: Vec<String> = rollup
            .lines()
            .filter(|l| wanted.iter().any(|w| l.starts_with(&format!("{w}:"))))
            .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        println!("{}", line.join(", "));
        container.ok(Request::Signal { exec: None, signal: 9, all: false });
        container.wait();
        container.delete();
    }
}
