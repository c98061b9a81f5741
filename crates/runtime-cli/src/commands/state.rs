//! `state`

use std::collections::BTreeMap;

use oci::runtime::Status;
use serde::Serialize;

use crate::Context;
use crate::error::{Error, Result, name};
use crate::help::say;
use crate::parse::Matches;
use crate::store::Container;

/// A container as `state` and `list` show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View {
    pub(crate) oci_version: String,
    pub(crate) id: String,
    /// 0 when it has ended.
    pub(crate) pid: i32,
    pub(crate) status: &'static str,
    pub(crate) bundle: String,
    pub(crate) rootfs: String,
    /// RFC 3339.
    pub(crate) created: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) owner: String,
}

impl View {
    pub(crate) fn new(container: &Container, owner: String) -> Result<Self> {
        let record = &container.record;
        let status = container.status()?;
        Ok(Self {
            oci_version: record.spec.oci_version.clone(),
            id: record.id.clone(),
            pid: if status == Status::Stopped { 0 } else { record.pid },
            status: name(status),
            bundle: record.bundle.to_string_lossy().into_owned(),
            rootfs: record.rootfs.to_string_lossy().into_owned(),
            created: logdriver::format_rfc3339_nano(record.created),
            annotations: record.spec.annotations.clone(),
            owner,
        })
    }
}

pub(crate) fn run(context: &Context, matches: &mut Matches) -> Result<i32> {
    let view = View::new(&context.store.load(&matches.take_first())?, String::new())?;
    let json = |source| Error::Json { what: "state".to_owned(), source };
    say(&serde_json::to_string_pretty(&view).map_err(json)?);
    Ok(0)
}
