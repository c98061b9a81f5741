//! 1.42: console sizes count on Linux; bind mounts have `CreateMountpoint`; options that do not fit a mount's type are
//! refused; stop and restart take a `signal`; the image list takes `shared-size`; `df` takes `type`; a volume prune
//! spares named volumes unless told `all`.

use serde_json::Value;

use crate::{Operation, Query, Step, tools};

pub(crate) const STEP: Step = Step {
    query: |operation, query| match operation {
        Operation::ContainerStop => tools::drop_argument(query, "signal"),
        Operation::ImageList => tools::drop_argument(query, "shared-size"),
        Operation::DiskUsage => tools::drop_argument(query, "type"),
        Operation::VolumePrune => prune_all(query),
        _ => {}
    },
    body: |operation, body, _| {
        match operation {
            Operation::ContainerCreate => container_create(body),
            Operation::ExecCreate | Operation::ExecStart => {
                tools::remove(body, "ConsoleSize");
            }
            _ => {}
        }
        Ok(())
    },
    ..Step::new(42)
};

fn prune_all(query: &mut Query) {
    let given = query.iter().find(|(k, _)| k == "filters").map_or("", |(_, v)| v);
    let mut filters: Value = serde_json::from_str(given).unwrap_or_else(|_| serde_json::json!({}));
    tools::set(&mut filters, "all", serde_json::json!(["true"]));
    tools::drop_argument(query, "filters");
    query.push(("filters".to_owned(), filters.to_string()));
}

fn container_create(body: &mut Value) {
    for mount in tools::mounts(body) {
        if let Some(bind) = tools::child(mount, "BindOptions") {
            bind.shift_remove("CreateMountpoint");
        }
        let kind = tools::text(mount, "Type").to_owned();
        for (option, wants) in [("VolumeOptions", "volume"), ("TmpfsOptions", "tmpfs")] {
            if kind != wants {
                tools::remove(mount, option);
            }
        }
    }
    if let Some(host) = tools::child(body, "HostConfig") {
        host.shift_remove("ConsoleSize");
    }
}
