use std::collections::BTreeSet;

use oci::runtime::{Seccomp, SeccompAction, SeccompArg, SeccompOp, SeccompRule};

use super::*;
use crate::assemble::{AND, JA, JEQ, JGE, JGT, LD_ABS, RET};

const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;
const KERNEL: KernelVersion = KernelVersion(6, 18);

/// Runs a filter as the kernel would.
fn run(program: &Program, arch: u32, nr: u32, args: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(nr.to_ne_bytes());
    data.extend(arch.to_ne_bytes());
    data.extend(0_u64.to_ne_bytes());
    args.iter().for_each(|a| data.extend(a.to_ne_bytes()));
    let insns: Vec<(u16, u8, u8, u32)> = program
        .bytes
        .chunks(8)
        .map(|c| (u16::from_ne_bytes([c[0], c[1]]), c[2], c[3], u32::from_ne_bytes([c[4], c[5], c[6], c[7]])))
        .collect();
    let (mut a, mut pc) = (0_u32, 0);
    loop {
        let (code, jt, jf, k) = insns[pc];
        pc += 1;
        let mut jump = |yes: bool| pc += usize::from(if yes { jt } else { jf });
        match code {
            LD_ABS => {
                let at = k as usize;
                a = u32::from_ne_bytes(data[at..at + 4].try_into().expect("four bytes"));
            }
            AND => a &= k,
            JEQ => jump(a == k),
            JGT => jump(a > k),
            JGE => jump(a >= k),
            JA => pc += k as usize,
            RET => return k,
            other => panic!("unknown instruction {other:#x}"),
        }
    }
}

fn default_caps() -> Vec<String> {
    [
        "CHOWN",
        "DAC_OVERRIDE",
        "FSETID",
        "FOWNER",
        "MKNOD",
        "NET_RAW",
        "SETGID",
        "SETUID",
        "SETFCAP",
        "SETPCAP",
        "NET_BIND_SERVICE",
        "SYS_CHROOT",
        "KILL",
        "AUDIT_WRITE",
    ]
    .map(|c| format!("CAP_{c}"))
    .to_vec()
}

fn holds(arg: &SeccompArg, args: [u64; 6]) -> bool {
    let a = args[arg.index as usize];
    match arg.op {
        SeccompOp::NotEqual => a != arg.value,
        SeccompOp::LessThan => a < arg.value,
        SeccompOp::LessEqual => a <= arg.value,
        SeccompOp::EqualTo => a == arg.value,
        SeccompOp::GreaterEqual => a >= arg.value,
        SeccompOp::GreaterThan => a > arg.value,
        SeccompOp::MaskedEqual => a & arg.value == arg.value_two.unwrap_or(0),
    }
}

/// The obvious way: the first rule that fits.
fn naive(profile: &Seccomp, name: &str, args: [u64; 6]) -> u32 {
    for rule in profile.syscalls.iter().filter(|r| r.names.iter().any(|n| n == name)) {
        if rule.args.iter().all(|a| holds(a, args)) {
            return match rule.action {
                SeccompAction::Allow => ALLOW,
                _ => 0x0005_0000 | rule.errno_ret.unwrap_or(1),
            };
        }
    }
    EPERM
}

#[test]
fn the_compiled_default_profile_is_the_written_one_for_every_call() {
    let values =
        [0, 1, 8, 37, 38, 39, 40, 41, 131_072, 131_080, 0xffff_ffff, 1 << 32, 0x7e02_0000, 0x1_0000_0026, u64::MAX];
    for caps in [default_caps(), vec!["CAP_SYS_ADMIN".to_owned(), "CAP_SYS_PTRACE".to_owned()]] {
        let profile = docker_default(&caps, KERNEL, Arch::X86_64);
        let program = compile(&profile, Arch::X86_64).expect("compiles");
        for arch in [Arch::X86_64, Arch::X86, Arch::X32] {
            let named = profile.syscalls.iter().flat_map(|r| &r.names);
            let newest = named.filter_map(|n| number(arch, n)).max().expect("some");
            for (name, nr) in numbers::all(arch) {
                for value in values {
                    for args in [[value, 0, 0, 0, 0, 0], [0, value, 0, 0, 0, 0]] {
                        let got = run(&program, arch.audit(), nr, args);
                        let want = if nr > newest { ENOSYS } else { naive(&profile, name, args) };
                        assert_eq!(got, want, "{arch:?} {name} {args:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn unknown_calls_and_architectures() {
    let program = compile(&docker_default(&default_caps(), KERNEL, Arch::X86_64), Arch::X86_64).expect("compiles");
    assert_eq!(run(&program, Arch::X86_64.audit(), 100_000, [0; 6]), ENOSYS);
    assert_eq!(run(&program, Arch::Aarch64.audit(), 0, [0; 6]), 0);
    let clone3 = number(Arch::X86_64, "clone3").expect("exists");
    assert_eq!(run(&program, Arch::X86_64.audit(), clone3, [0; 6]), ENOSYS);
    assert!(program.bytes.len() / 8 < 450, "{} instructions", program.bytes.len() / 8);
}

#[test]
fn comparisons_are_of_64_bits() {
    use SeccompOp::*;
    let samples = [0, 1, 5, 0xffff_ffff, 1 << 32, (1 << 32) + 5, (5 << 32) + 1, u64::MAX];
    for op in [NotEqual, LessThan, LessEqual, EqualTo, GreaterEqual, GreaterThan, MaskedEqual] {
        for value in samples {
            let arg = SeccompArg { index: 2, value, value_two: Some(value & 0x1_0000_0001), op };
            let rule = SeccompRule {
                names: vec!["read".to_owned()],
                action: SeccompAction::Allow,
                errno_ret: None,
                args: vec![arg],
            };
            let spec = Seccomp { syscalls: vec![rule], ..docker_default(&[], KERNEL, Arch::X86_64) };
            let program = compile(&spec, Arch::X86_64).expect("compiles");
            for a in samples {
                let args = [9, 9, a, 9, 9, 9];
                let want = if holds(&arg, args) { ALLOW } else { EPERM };
                assert_eq!(run(&program, Arch::X86_64.audit(), 0, args), want, "{op:?} {value:#x} {a:#x}");
            }
        }
    }
}

#[test]
fn bad_rules_are_refused() {
    let spec = |f: fn(&mut Seccomp)| {
        let mut s = docker_default(&[], KERNEL, Arch::X86_64);
        f(&mut s);
        compile(&s, Arch::X86_64)
    };
    assert!(matches!(spec(|s| s.flags = Some(vec!["X".to_owned()])), Err(CompileError::Flag(_))));
    assert!(matches!(spec(|s| s.default_action = SeccompAction::Notify), Err(CompileError::NotifyDefault)));
}

/// The profile as its authors publish it, where it is at hand, in every combination of its conditions.
#[test]
fn the_profile_is_dockers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/contract/seccomp-default.json");
    let Ok(text) = std::fs::read_to_string(path) else { return skipped(path) };
    let own = |list: &[&str]| list.iter().map(|c| format!("CAP_{c}")).collect::<Vec<String>>();
    let mut sets = vec![Vec::new(), default_caps()];
    for cap in [
        "DAC_READ_SEARCH",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_CHROOT",
        "SYS_MODULE",
        "SYS_PACCT",
        "SYS_PTRACE",
        "SYS_RAWIO",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "SYS_NICE",
        "SYSLOG",
        "BPF",
        "PERFMON",
    ] {
        sets.push(own(&[cap]));
        sets.push([default_caps(), own(&[cap])].concat());
    }
    // Rules of the same action and conditions, as one.
    let folded = |profile: &Seccomp| {
        let mut rules: Vec<(String, BTreeSet<String>)> = Vec::new();
        for rule in &profile.syscalls {
            let head = format!("{:?} {:?} {:?}", rule.action, rule.errno_ret, rule.args);
            match rules.iter_mut().find(|(h, _)| *h == head) {
                Some((_, names)) => names.extend(rule.names.iter().cloned()),
                None => rules.push((head, rule.names.iter().cloned().collect())),
            }
        }
        rules.sort();
        (profile.default_action, profile.default_errno_ret, profile.architectures.clone(), rules)
    };
    for caps in sets {
        for kernel in [KernelVersion(4, 7), KernelVersion(4, 8), KERNEL] {
            for arch in [Arch::X86_64, Arch::Aarch64] {
                let theirs = from_json(&text, &caps, kernel, arch).expect("a profile").expect("with rules");
                assert_eq!(
                    folded(&docker_default(&caps, kernel, arch)),
                    folded(&theirs),
                    "{caps:?} {kernel:?} {arch:?}"
                );
            }
        }
    }
}

#[test]
fn profiles_of_users_are_resolved() {
    let read = |json: &str, caps: &[&str]| {
        let caps: Vec<String> = caps.iter().map(|c| (*c).to_owned()).collect();
        from_json(json, &caps, KERNEL, Arch::X86_64)
    };
    assert_eq!(read("{}", &[]).expect("empty"), None);
    let json = r#"{"defaultAction":"SCMP_ACT_ERRNO","archMap":[{"architecture":"SCMP_ARCH_AARCH64"},
        {"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}],"syscalls":[
        {"name":"read","action":"SCMP_ACT_ALLOW","args":null},
        {"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"],"arches":["amd64"]}},
        {"names":["kexec_load"],"action":"SCMP_ACT_ALLOW","excludes":{"minKernel":"5.0"}}]}"#;
    let names = |caps: &[&str]| {
        let profile = read(json, caps).expect("valid").expect("with rules");
        assert_eq!(profile.architectures.len(), 2);
        profile.syscalls.into_iter().flat_map(|r| r.names).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["read"]);
    assert_eq!(names(&["CAP_SYS_ADMIN"]), ["read", "mount"]);
    let both =
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_ALLOW"}]}"#;
    assert!(matches!(read(both, &[]), Err(ProfileError::Names)));
    assert!(matches!(read("{", &[]), Err(ProfileError::Json { .. })));
    assert!(read(r#"{"defaultAction":"SCMP_ACT_NOSUCH"}"#, &[]).is_err());
}

#[test]
fn a_denied_socket_is_denied_behind_socketcall_too() {
    let rule = |names: &[&str], action| SeccompRule {
        names: names.iter().map(|n| (*n).to_owned()).collect(),
        action,
        errno_ret: None,
        args: Vec::new(),
    };
    let base = docker_default(&[], KERNEL, Arch::X86_64);
    let deny = Seccomp {
        default_action: SeccompAction::Allow,
        default_errno_ret: None,
        syscalls: vec![rule(&["connect", "shmget"], SeccompAction::Errno)],
        ..base.clone()
    };
    let program = compile(&deny, Arch::X86_64).expect("compiles");
    let x86 = |program: &Program, name: &str, first: u64| {
        run(program, Arch::X86.audit(), number(Arch::X86, name).expect("exists"), [first, 0, 0, 0, 0, 0])
    };
    assert_eq!(x86(&program, "socketcall", 3), EPERM);
    assert_eq!(x86(&program, "socketcall", 1), ALLOW);
    assert_eq!(x86(&program, "ipc", 23), EPERM);
    assert_eq!(x86(&program, "ipc", 1), ALLOW);
    let killing = Seccomp {
        default_action: SeccompAction::KillProcess,
        syscalls: vec![rule(&["read"], SeccompAction::Allow)],
        ..base
    };
    let program = compile(&killing, Arch::X86_64).expect("compiles");
    assert_eq!(run(&program, Arch::X86_64.audit(), 400, [0; 6]), ENOSYS);
}

#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn skipped(path: &str) {
    eprintln!("skipped: {path} is not here");
}
