//! 1.40: bind mounts have `NonRecursive`; the default IPC mode is the daemon's (`shareable` before); `PidsLimit` can
//! be updated.

use crate::{Operation, Step, tools};

pub(crate) const STEP: Step = Step {
    body: |operation, body, _| {
        match operation {
            Operation::ContainerCreate => {
                for mount in tools::mounts(body) {
                    if let Some(bind) = tools::child(mount, "BindOptions") {
                        bind.shift_remove("NonRecursive");
                    }
                }
                if let Some(host) = tools::object(body).and_then(|b| tools::child_or_new(b, "HostConfig"))
                    && host.get("IpcMode").is_none_or(|m| m.as_str().unwrap_or("").is_empty())
                {
                    host.insert("IpcMode".to_owned(), "shareable".into());
                }
            }
            Operation::ContainerUpdate => {
                tools::remove(body, "PidsLimit");
            }
            _ => {}
        }
        Ok(())
    },
    ..Step::new(40)
};
