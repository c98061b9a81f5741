//! Health checks: probes are exec sessions that the owner of the container starts by itself, one at a time. A timer or
//! a reader of the output is all that waits in between.

use std::time::Duration;

use container::{HealthCheck, PROBE_OUTPUT_LIMIT, Phase, ProbeResult};
use shim_proto::Request;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::actor::{Actor, Msg};
use super::exec::ExecEntry;
use super::types::{ExecCreate, ExecStart};
use crate::shim::ShimClient;
use crate::{Error, files};

const SIGKILL: i32 = 9;
/// How long a killed probe may take to die before the next one is planned without waiting for it.
const KILL_TIMEOUT: Duration = Duration::from_millis(500);
/// Bytes before each piece of output: stream and length.
const FRAME_HEADER: usize = 8;

/// The probing of one run, from its start (or thaw) to its end (or freeze).
#[derive(Debug)]
pub(super) struct Monitor {
    check: HealthCheck,
    /// Tells this probing from earlier ones.
    number: u64,
    timer: Option<AbortHandle>,
    /// The session that runs now.
    probe: Option<String>,
}

/// What a probe left behind.
#[derive(Debug)]
pub(crate) struct Probed {
    number: u64,
    exec: String,
    start: i64,
    output: String,
    timed_out: bool,
}

impl Actor {
    /// Begins or ends probing, as the state of the container wants it. Called after each change.
    pub(super) fn follow_health(&mut self) {
        let running = self.record.state.phase == Phase::Running;
        match (&self.monitor, running) {
            (None, true) => {
                let Some(check) = HealthCheck::of(&self.record.spec.config) else { return };
                self.record.health.get_or_insert_default().begin(self.record.state.started_at);
                self.monitors += 1;
                self.monitor = Some(Monitor { check, number: self.monitors, timer: None, probe: None });
                self.schedule_probe();
            }
            (Some(_), false) => self.end_health(),
            _ => {}
        }
    }

    fn end_health(&mut self) {
        let Some(monitor) = self.monitor.take() else { return };
        if let Some(timer) = monitor.timer {
            timer.abort();
        }
        if let (Some(exec), Some(shim)) = (monitor.probe, self.shim.clone()) {
            tokio::spawn(async move { kill(&shim, &exec).await });
        }
        if let Some(health) = &mut self.record.health {
            health.end();
        }
    }

    fn schedule_probe(&mut self) {
        let (Some(monitor), Some(health)) = (&mut self.monitor, &self.record.health) else { return };
        let delay = u64::try_from(monitor.check.delay_ns(health, files::now())).unwrap_or(0);
        let (queue, number) = (self.queue.clone(), monitor.number);
        let timer = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_nanos(delay)).await;
            let _ = queue.send(Msg::ProbeDue { number });
        });
        monitor.timer = Some(timer.abort_handle());
    }

    /// Runs a probe, unless the time it was due in is over.
    pub(super) async fn probe(&mut self, number: u64) {
        let Some(monitor) = self.monitor.as_mut().filter(|m| m.number == number) else { return };
        let create = ExecCreate {
            cmd: monitor.check.command.clone(),
            attach_stdout: true,
            attach_stderr: true,
            ..ExecCreate::default()
        };
        let timeout = Duration::from_nanos(u64::try_from(monitor.check.timeout_ns).unwrap_or(0));
        let start = files::now();
        let mut exec = String::new();
        match self.start_probe(create, &mut exec).await {
            Ok((stream, over, shim)) => {
                let queue = self.queue.clone();
                if let Some(monitor) = &mut self.monitor {
                    monitor.probe = Some(exec.clone());
                }
                tokio::spawn(async move {
                    let (output, timed_out) = follow(stream, over, &shim, &exec, timeout).await;
                    let _ = queue.send(Msg::Probed(Probed { number, exec, start, output, timed_out }));
                });
            }
            Err(error) => {
                self.exec_forget(&exec);
                let result = ProbeResult { start, end: files::now(), exit_code: -1, output: error.to_string() };
                self.take_probe(result);
            }
        }
    }

    async fn start_probe(
        &mut self,
        create: ExecCreate,
        exec: &mut String,
    ) -> Result<(UnixStream, watch::Receiver<bool>, ShimClient), Error> {
        let entry = ExecEntry::new(create, true)?;
        let over = entry.over.subscribe();
        entry.id.clone_into(exec);
        self.exec_add(entry)?;
        let stream = self.exec_start(exec, &ExecStart::default()).await?.ok_or(Error::ShimGone)?;
        Ok((stream, over, self.shim.clone().ok_or(Error::ShimGone)?))
    }

    /// A probe is over, or was given up.
    pub(super) fn probed(&mut self, probed: Probed) {
        let exit_code = self.execs.get(&probed.exec).and_then(|e| e.exit_code);
        self.exec_forget(&probed.exec);
        let Some(monitor) = self.monitor.as_mut().filter(|m| m.number == probed.number) else { return };
        monitor.probe = None;
        let result = if probed.timed_out {
            let timeout = units::duration::format_duration(monitor.check.timeout_ns);
            let output = match probed.output.as_str() {
                "" => format!("Health check exceeded timeout ({timeout})"),
                said => format!("Health check exceeded timeout ({timeout}): {said}"),
            };
            ProbeResult { start: probed.start, end: files::now(), exit_code: -1, output }
        } else {
            let exit_code = exit_code.unwrap_or(-1);
            ProbeResult { start: probed.start, end: files::now(), exit_code, output: probed.output }
        };
        self.take_probe(result);
    }

    fn take_probe(&mut self, result: ProbeResult) {
        let (Some(monitor), Some(health)) = (&self.monitor, &mut self.record.health) else { return };
        let streak = health.failing_streak;
        let changed = health.take(&monitor.check, result);
        // What a daemon that takes over must know; a result like the one before is not worth a write.
        if changed.is_some() || health.failing_streak != streak {
            self.persist();
        }
        self.publish();
        if let Some(status) = changed {
            self.emit(&format!("health_status: {}", status.as_str()), []);
        }
        self.schedule_probe();
    }
}

/// Reads a probe's output to its end. One that takes too long is killed.
async fn follow(
    stream: UnixStream,
    mut over: watch::Receiver<bool>,
    shim: &ShimClient,
    exec: &str,
    timeout: Duration,
) -> (String, bool) {
    let mut output = Output::default();
    let in_time = tokio::time::timeout(timeout, async {
        output.read(stream).await;
        // An error means that the session was forgotten, and is over.
        let _ = over.wait_for(|over| *over).await;
    })
    .await
    .is_ok();
    if !in_time {
        kill(shim, exec).await;
        let _ = tokio::time::timeout(KILL_TIMEOUT, over.wait_for(|over| *over)).await;
    }
    (output.text(), !in_time)
}

async fn kill(shim: &ShimClient, exec: &str) {
    // It may be dead by now.
    let _ = shim.ask(Request::Signal { exec: Some(exec.to_owned()), signal: SIGKILL, all: false }).await;
}

/// What a probe prints, up to the limit.
#[derive(Debug, Default)]
struct Output {
    bytes: Vec<u8>,
    cut: bool,
}

impl Output {
    /// Reads frames to the end; what is over the limit is read and dropped, so that the probe does not stall.
    async fn read(&mut self, stream: UnixStream) {
        let mut stream = tokio::io::BufReader::new(stream);
        loop {
            let mut header = [0; FRAME_HEADER];
            if stream.read_exact(&mut header).await.is_err() {
                return;
            }
            let [.., a, b, c, d] = header;
            let mut rest = u32::from_be_bytes([a, b, c, d]) as usize;
            let mut buffer = [0; 4096];
            while rest > 0 {
                let want = rest.min(buffer.len());
                match stream.read(&mut buffer[..want]).await {
                    Ok(n) if n > 0 => {
                        self.add(&buffer[..n]);
                        rest -= n;
                    }
                    _ => return,
                }
            }
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = PROBE_OUTPUT_LIMIT - self.bytes.len();
        self.cut |= bytes.len() > room;
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        if self.cut { format!("{text}...") } else { text.into_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_over_the_limit_is_cut_and_marked() {
        let mut output = Output::default();
        output.add(&[b'a'; PROBE_OUTPUT_LIMIT - 1]);
        output.add(b"b");
        assert_eq!(output.text().len(), PROBE_OUTPUT_LIMIT);
        output.add(b"c");
        assert_eq!(output.text().len(), PROBE_OUTPUT_LIMIT + 3);
        assert!(output.text().ends_with("ab..."));
    }
}
