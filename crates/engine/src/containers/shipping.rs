//! Log drivers of a container: where its log lies, and sending it elsewhere.

use std::path::PathBuf;
use std::time::Duration;

use logdriver::JsonFileConfig;
use logship::{Info, ShipError, Shipper, Sink};
use shim_proto::{LogFile, LogPlan};

use super::ContainerRecord;
use super::actor::Actor;
use crate::Error;
use crate::engine::Shared;

/// So long a removal waits for what is not yet sent.
const DRAIN: Duration = Duration::from_secs(5);

/// The live file of the log that the shim writes; none for driver `none`.
pub(super) fn file(shared: &Shared, record: &ContainerRecord) -> Option<PathBuf> {
    let dir = shared.container_dir(&record.id);
    match record.spec.host.log_config.kind.as_str() {
        "none" => None,
        "local" => Some(dir.join("local-logs/container.log")),
        driver if logship::is_remote(driver) => Some(dir.join("container-cached.log")),
        _ => Some(dir.join(format!("{}-json.log", record.id))),
    }
}

/// Whether `logs` may read the file: not where the user does not want the cache of a log that is sent elsewhere.
pub(super) fn is_readable(record: &ContainerRecord) -> bool {
    let declared = &record.spec.host.log_config;
    let disabled = declared.config.get("cache-disabled").is_some_and(|v| logdriver::values::boolean(v) == Ok(true));
    !(disabled && logship::is_remote(&declared.kind))
}

/// Whether rotated files are to be compressed.
pub(super) fn compresses(record: &ContainerRecord) -> bool {
    let declared = &record.spec.host.log_config;
    let option = if logship::is_remote(&declared.kind) { "cache-compress" } else { "compress" };
    declared.config.get(option).is_none_or(|v| logdriver::values::boolean(v) != Ok(false))
}

/// What the shim is to do with the output.
pub(super) fn log_plan(shared: &Shared, record: &ContainerRecord) -> Result<LogPlan, Error> {
    let Some(path) = file(shared, record) else { return Ok(LogPlan::None) };
    let declared = &record.spec.host.log_config;
    let config = match declared.kind.as_str() {
        "local" => {
            crate::files::make_dir(path.parent().unwrap_or(&path), 0o700)?;
            JsonFileConfig::local(path, &declared.config, "")
        }
        driver if logship::is_remote(driver) => JsonFileConfig::local(path, &declared.config, "cache-"),
        _ => {
            let info = info(record);
            // Without the option there is no tag in this driver's records.
            let tag = match declared.config.get("tag").filter(|t| !t.is_empty()) {
                Some(_) => Some(info.tag().map_err(Error::LogInit)?),
                None => None,
            };
            JsonFileConfig::from_opts(path, &declared.config, &info.labels, &info.env, tag.as_deref())
        }
    };
    let config = config.map_err(|e| Error::LogInit(e.into()))?;
    Ok(LogPlan::JsonFile(LogFile {
        path: config.path,
        max_size: config.max_size,
        max_file: config.max_file,
        attrs: config.attrs,
    }))
}

fn info(record: &ContainerRecord) -> Info {
    let (path, args) = record.command();
    let config = &record.spec.config;
    Info {
        opts: record.spec.host.log_config.config.clone(),
        id: record.id.to_string(),
        name: record.name.clone(),
        path,
        args,
        image_id: record.image.id.to_string(),
        image_name: config.image.clone(),
        created_at: record.created_at,
        env: config.env.clone().unwrap_or_default(),
        labels: config.labels.clone().unwrap_or_default(),
        hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
    }
}

impl Actor {
    /// Before a run: the receiver of the log must be there, as Docker has it.
    pub(super) async fn ship_logs(&mut self) -> Result<(), Error> {
        let declared = self.record.spec.host.log_config.kind.clone();
        if !logship::is_remote(&declared) {
            return Ok(());
        }
        let mut sink = Sink::new(&declared, &info(&self.record)).map_err(Error::LogInit)?;
        sink.connect().await.map_err(Error::LogInit)?;
        if let Some(before) = self.shipper.take() {
            before.stop().await;
        }
        self.start_shipper(sink);
        Ok(())
    }

    /// A daemon takes over: what the last one did not send is sent.
    pub(super) fn resume_shipping(&mut self) {
        let declared = &self.record.spec.host.log_config.kind;
        if !logship::is_remote(declared) || self.shipper.is_some() {
            return;
        }
        match Sink::new(declared, &info(&self.record)) {
            Ok(sink) => self.start_shipper(sink),
            Err(error) => tracing::warn!("container {}: its log: {error}", self.record.id.short()),
        }
        if !self.record.state.is_alive() {
            self.finish_shipping();
        }
    }

    fn start_shipper(&mut self, sink: Sink) {
        let Some(log) = file(&self.shared, &self.record) else { return };
        let position = self.shared.container_dir(&self.record.id).join("container-sent.json");
        self.shipper = Some(Shipper::start(self.record.id.short(), sink, log, position));
    }

    /// The run is over: what is left is sent behind.
    pub(super) fn finish_shipping(&self) {
        if let Some(shipper) = &self.shipper {
            shipper.finish();
        }
    }

    /// The log is about to be removed.
    pub(super) async fn end_shipping(&mut self) {
        if let Some(shipper) = self.shipper.take() {
            shipper.drain(DRAIN).await;
        }
    }
}

/// The name of a driver that is not there is that of a plugin that is not there.
pub(super) fn validate(driver: &str, opts: &logdriver::LogOpts) -> Result<(), Error> {
    logship::validate_opts(driver, opts).map_err(|error| match error {
        ShipError::Opt(logdriver::OptError::UnknownDriver(name)) => {
            Error::Invalid(format!("error looking up logging plugin {name}: plugin \"{name}\" not found"))
        }
        other => Error::LogDriver(other),
    })
}
