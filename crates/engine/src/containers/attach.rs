use shim_proto::{AttachSpec, Request};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use container::Phase;

use super::actor::{Actor, Attached};
use super::{AttachOptions, Containers, LogOptions, Msg};
use crate::Error;
use crate::session::{Session, parse_detach_keys};
use crate::shim::{Posted, ShimClient};

impl Containers {
    /// Attaches to a container. What is written from now on is in the session, whenever it is run.
    ///
    /// # Errors
    /// Not found, paused, restarting, wrong detach keys.
    pub async fn attach(&self, reference: &str, options: AttachOptions) -> Result<Session, Error> {
        let handle = self.find(reference)?;
        let view = handle.view();
        match view.state.phase {
            Phase::Paused => return Err(Error::AttachPaused(reference.to_owned())),
            Phase::Restarting => return Err(Error::AttachRestarting(reference.to_owned())),
            _ => {}
        }
        let detach_keys = parse_detach_keys(options.detach_keys.as_deref())?;
        let stdin = options.stdin && view.spec.config.open_stdin;
        let stream = if options.stream {
            let spec = AttachSpec { exec: None, stdin, stdout: options.stdout, stderr: options.stderr };
            Some(handle.ask(|reply| Msg::Attach { spec, reply }).await?)
        } else {
            None
        };
        let logs = if options.logs {
            let wanted = LogOptions { stdout: options.stdout, stderr: options.stderr, ..LogOptions::default() };
            Some(self.logs(reference, &wanted)?)
        } else {
            None
        };
        self.emit_view(&handle, "attach", []);
        let this = self.clone();
        let on_detach = Box::new(move || this.emit_view(&handle, "detach", []));
        Ok(Session {
            tty: view.spec.config.tty,
            framed: false,
            logs,
            stream,
            stdin,
            detach_keys,
            on_detach,
            over: None,
        })
    }
}

impl Actor {
    pub(super) async fn attach(&mut self, spec: AttachSpec) -> Result<Attached, Error> {
        match &self.shim {
            Some(shim) if self.record.state.is_alive() => Ok(Attached::Now(shim.attach(spec).await?)),
            _ => {
                let (tx, rx) = oneshot::channel();
                self.pending_attach.retain(|(_, tx)| !tx.is_closed());
                self.pending_attach.push((spec, tx));
                Ok(Attached::Later(rx))
            }
        }
    }

    /// Asks for the streams of those that attached before the start. Called between the shim's birth and the start.
    pub(super) async fn post_pending_attach(
        &mut self,
        shim: &ShimClient,
    ) -> Result<Vec<(Posted, oneshot::Sender<UnixStream>)>, Error> {
        let mut posted = Vec::new();
        for (spec, tx) in std::mem::take(&mut self.pending_attach) {
            if !tx.is_closed() {
                posted.push((shim.post(Request::Attach(spec)).await?, tx));
            }
        }
        Ok(posted)
    }
}
