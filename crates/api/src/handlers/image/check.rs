//! `POST /system/check`: an endpoint of Gantry's own.

use api_types::system::{CheckFault, CheckReport};
use hyper::StatusCode;
use image::{Fault, FaultKind, Repair};

use crate::handlers::{Request, Result};

/// Verifies every digest, layer and record of the image store; `repair=1` mends what can be mended.
pub(crate) async fn check(request: Request) -> Result {
    let report = request.state.engine.system.check(request.form.bool("repair")).await?;
    let shown = CheckReport {
        images: report.images,
        blobs: report.blobs,
        bytes: report.bytes,
        layers: report.layers,
        faults: report.faults.into_iter().map(fault).collect(),
    };
    request.reply(StatusCode::OK, &shown)
}

fn fault(fault: Fault) -> CheckFault {
    let kind = match fault.kind {
        FaultKind::Record => "record",
        FaultKind::Blob => "blob",
        FaultKind::Layer => "layer",
        FaultKind::Container => "container",
    };
    let repair = fault.repair.map_or("", |r| match r {
        Repair::Quarantined => "quarantined",
        Repair::Rebuilt => "rebuilt",
        Repair::Removed => "removed",
    });
    CheckFault {
        kind: kind.to_owned(),
        name: fault.name,
        why: fault.why,
        images: fault.images,
        repair: repair.to_owned(),
    }
}
