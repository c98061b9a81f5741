//! Mutants of image names: what is a name, and in which parts, is what the grammar of the distribution project says,
//! here as a regular expression in Python.

use std::process::{Command, Stdio};

use id::Reference;
use testkit::mutate::{self, Random};

const SEEDS: [&str; 12] = [
    "busybox",
    "library/busybox:1.36",
    "localhost/a/b",
    "localhost:5000/a__b/c-d.e:v1.0_x-y",
    "Registry.Example:443/team/app@sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    "[2001:db8::1]:5000/a:tag@sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    "index.docker.io/busybox",
    "docker.io/a",
    "UPPER/case",
    "a---b/c..d",
    "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    "x.y/z",
];

const PYTHON: &str = r"
import re, sys
C = r'(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])'
DOMAIN = r'(?:%s(?:\.%s)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?' % (C, C)
P = r'[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
REF = re.compile(r'(%s)/(%s(?:/%s)*)(?::([\w][\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?' % (DOMAIN, P, P), re.A)
def parse(s):
    if re.fullmatch('[a-f0-9]{64}', s): return None
    head, slash, rest = s.partition('/')
    if not slash or (not re.search('[.:]', head) and head != 'localhost' and head.lower() == head): head, rest = 'docker.io', s
    if head == 'index.docker.io': head = 'docker.io'
    if head == 'docker.io' and '/' not in rest: rest = 'library/' + rest
    path = rest.partition(':')[0]
    if path.lower() != path: return None
    m = REF.fullmatch(head + '/' + rest)
    if not m or len(m[2]) > 255: return None
    if m[4] and not re.fullmatch('sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}', m[4]): return None
    return '|'.join(x or '' for x in m.groups())
for line in sys.stdin.buffer.read().split(b'\0'):
    try: r = parse(line.decode())
    except UnicodeDecodeError: r = None
    sys.stdout.write((r or '!') + '\n')
";

fn ours(s: &str) -> String {
    let Ok(r) = Reference::parse_normalized(s) else { return "!".to_owned() };
    assert_eq!(Reference::parse_normalized(&r.to_string()).as_ref(), Ok(&r), "{s:?} is not what it prints as");
    // (A path on the default registry that begins like a host is shown as if it were one, as Docker does.)
    let familiar = r.familiar();
    let head = familiar.split('/').next().unwrap_or_default();
    if r.domain() != id::DEFAULT_DOMAIN
        || !(head.contains(['.', ':']) || head == "localhost")
        || !familiar.contains('/')
    {
        assert_eq!(Reference::parse_normalized(&familiar).as_ref(), Ok(&r), "{s:?} is not what users are shown");
    }
    let digest = r.digest().map(|d| d.as_str().to_owned()).unwrap_or_default();
    format!("{}|{}|{}|{digest}", r.domain(), r.path(), r.tag().unwrap_or_default())
}

#[test]
#[expect(clippy::print_stdout, reason = "says that it is skipped")]
fn names_are_what_the_grammar_says() {
    let mut random = Random::new(5);
    let words: [&[u8]; 14] = [
        b"/",
        b":",
        b"@",
        b".",
        b"-",
        b"_",
        b"__",
        b"A",
        b"localhost",
        b"docker.io/",
        b"library/",
        b"[::1]",
        b"\xc3\xa9",
        b":0",
    ];
    let mut all: Vec<String> = SEEDS.iter().map(|s| (*s).to_owned()).collect();
    while all.len() < 6000 {
        let seed = *random.pick(&SEEDS);
        let mutant = mutate::bytes(&mut random, seed.as_bytes(), &words);
        if let Ok(text) = String::from_utf8(mutant)
            && !text.contains('\0')
        {
            all.push(text);
        }
    }
    let python = Command::new("python3").args(["-c", PYTHON]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut python) = python else {
        println!("skipped: python3 is not there");
        return;
    };
    let mut stdin = python.stdin.take().expect("stdin");
    let input = all.join("\0");
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, input.as_bytes()));
    let out = python.wait_with_output().expect("python");
    writer.join().expect("thread").expect("writes");
    let theirs = String::from_utf8(out.stdout).expect("text");
    let theirs: Vec<&str> = theirs.lines().collect();
    assert_eq!(theirs.len(), all.len());
    let apart: Vec<String> = all
        .iter()
        .zip(&theirs)
        .filter(|(text, theirs)| ours(text) != **theirs)
        .map(|(text, theirs)| format!("{text:?}: ours {}, theirs {theirs}", ours(text)))
        .collect();
    assert!(apart.is_empty(), "{} differ:\n{}", apart.len(), apart[..apart.len().min(10)].join("\n"));
    assert!(theirs.iter().filter(|t| **t != "!").count() > 1000, "enough of them are names");
}
