//! A small static program that tests put into containers and machines.
//!
//! * `probe udp-echo PORT`: answers every datagram with `udp-` and itself.
//! * `probe udp-send HOST:PORT TEXT`: sends a datagram and prints the answer.
//! * `probe dns ADDRESS ANSWER`: a DNS server on ADDRESS:53 that gives ANSWER for every A question.
//! * `probe lines N MICROS`: numbered lines from 1 to N, one per MICROS microseconds (0: as fast as it goes).
//! * `probe hog MIB`: takes memory until killed.

use std::io::Write as _;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::ExitCode;
use std::time::Duration;

#[expect(clippy::print_stderr, reason = "a command")]
fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["udp-echo", port] => udp_echo(port),
        ["udp-send", to, text] => udp_send(to, text),
        ["dns", address, answer] => dns(address, answer),
        ["lines", n, pause] => lines(n, pause),
        ["hog", mib] => hog(mib),
        _ => Err(anyhow::anyhow!("usage: see the head of probe.rs")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("probe: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn udp_echo(port: &str) -> anyhow::Result<()> {
    let socket = UdpSocket::bind(("0.0.0.0", port.parse()?))?;
    let mut buffer = [0; 2048];
    loop {
        let (n, from) = socket.recv_from(&mut buffer)?;
        socket.send_to(&[b"udp-", &buffer[..n]].concat(), from)?;
    }
}

#[expect(clippy::print_stdout, reason = "a command")]
fn udp_send(to: &str, text: &str) -> anyhow::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let to: std::net::SocketAddr = to.parse()?;
    let mut buffer = [0; 2048];
    for _ in 0..5 {
        socket.send_to(text.as_bytes(), to)?;
        if let Ok((n, _)) = socket.recv_from(&mut buffer) {
            println!("{}", String::from_utf8_lossy(&buffer[..n]));
            return Ok(());
        }
    }
    anyhow::bail!("no answer")
}

/// Header, the question as it came, one A record that points at the question's name.
fn dns(address: &str, answer: &str) -> anyhow::Result<()> {
    let socket = UdpSocket::bind((address, 53))?;
    let answer: Ipv4Addr = answer.parse()?;
    let mut buffer = [0; 512];
    loop {
        let (n, from) = socket.recv_from(&mut buffer)?;
        let Some(end) = buffer.get(12..n).and_then(|q| q.iter().position(|&b| b == 0)).map(|p| 12 + p + 5) else {
            continue;
        };
        if end > n {
            continue;
        }
        let is_a = buffer[end - 4..end - 2] == [0, 1];
        let mut reply = Vec::from(&buffer[..2]);
        reply.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
        reply.extend(&buffer[12..end]);
        if is_a {
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4]);
            reply.extend(answer.octets());
        }
        socket.send_to(&reply, from)?;
    }
}

fn lines(n: &str, pause: &str) -> anyhow::Result<()> {
    let (n, pause): (u64, u64) = (n.parse()?, pause.parse()?);
    let mut out = std::io::stdout().lock();
    for i in 1..=n {
        writeln!(out, "{i}")?;
        if pause > 0 {
            out.flush()?;
            std::thread::sleep(Duration::from_micros(pause));
        }
    }
    Ok(())
}

fn hog(mib: &str) -> anyhow::Result<()> {
    let mib: usize = mib.parse()?;
    let mut all = Vec::new();
    for _ in 0..mib {
        let mut piece = vec![1u8; 1 << 20];
        piece[0] = 2;
        all.push(std::hint::black_box(piece));
    }
    std::thread::sleep(Duration::from_secs(3600));
    Ok(())
}
