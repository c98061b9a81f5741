//! The machine and the faults themselves (needs root).

#![expect(clippy::unwrap_used, reason = "a test")]

use testkit::Machine;
use testkit::faults::Disk;
use testkit::leftovers;
use testkit::neighbour::Neighbour;

fn ok(machine: &Machine, script: &str) -> String {
    machine.sh(script).unwrap().ok().unwrap().text().to_owned()
}

#[test]
fn a_machine_is_its_own() {
    let machine = Machine::boot("own").unwrap();
    assert_eq!(ok(&machine, "hostname"), machine.name());
    assert_eq!(ok(&machine, "ls /sys/class/net; echo $$ >/dev/null; ls /run/netns"), "lo");
    ok(&machine, "echo private >/etc/gantry-test && touch /run/file && ip link add d0 type bridge");
    assert!(!std::path::Path::new("/etc/gantry-test").exists());
    // Orphans are reaped by process 1.
    ok(&machine, "(sleep 0.1 &) ; sleep 0.4");
    assert!(leftovers::processes(machine.name()).iter().all(|p| !p.zombie));
    assert_eq!(machine.sh("exit 7").unwrap().code, 7);
    assert_eq!(machine.sh("kill -9 $$").unwrap().code, 137);
}

#[test]
fn a_reboot_forgets_all_but_the_disk() {
    let mut machine = Machine::boot("reboot").unwrap();
    ok(&machine, "echo kept >file; touch /run/file; ip link add d0 type bridge; setsid sleep 1000 >/dev/null 2>&1 &");
    let init = machine.init().unwrap();
    machine.reboot().unwrap();
    assert_ne!(machine.init().unwrap(), init);
    assert_eq!(ok(&machine, "cat file; ls /run/file /sys/class/net/d0 2>/dev/null; pgrep -c sleep || true"), "kept\n0");
    let name = machine.name().to_owned();
    drop(machine);
    assert_eq!(leftovers::cgroups(&name).len(), 0);
}

#[test]
fn cut_off_from_power_only_synced_data_survives() {
    let mut machine = Machine::boot("cut").unwrap();
    let disk = Disk::mount(&machine, 64, None).unwrap();
    let path = disk.path().display().to_string();
    ok(&machine, &format!("cd {path}; echo a >synced; sync synced; sync {path}; echo b >lost"));
    disk.cut(&machine).unwrap();
    assert_ne!(machine.sh(&format!("cat {path}/synced && touch {path}/x")).unwrap().code, 0);
    machine.reboot().unwrap();
    disk.remount(&machine).unwrap();
    assert_eq!(ok(&machine, &format!("cat {path}/synced; cat {path}/lost 2>/dev/null || true")), "a");
}

#[test]
fn a_full_disk_is_full() {
    let machine = Machine::boot("full").unwrap();
    let disk = Disk::mount(&machine, 16, Some(64)).unwrap();
    disk.fill(&machine).unwrap();
    let done = machine.sh(&format!("head -c 1000000 /dev/zero >{}/more", disk.path().display())).unwrap();
    assert!(done.stderr.contains("No space left on device"), "{done}");
}

#[test]
fn neighbours_are_reached_through_the_network() {
    let machine = Machine::boot("neighbour").unwrap();
    let neighbour = Neighbour::add(&machine, 0).unwrap();
    ok(&machine, "mkdir www; echo hi >www/index.html; busybox httpd -p 8080 -h www");
    let page = neighbour.sh(&machine, &format!("curl -s http://{}:8080/", neighbour.gateway)).unwrap().ok().unwrap();
    assert_eq!(page.text(), "hi");
}
