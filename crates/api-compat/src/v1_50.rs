//! 1.50: deleting an image chooses platforms; an image's `Config` has only what belongs to images; `info` lists devices
//! and no more bridge-nf settings.

use serde_json::Value;

use crate::{Operation, Step, tools};

pub(crate) const STEP: Step = Step {
    query: |operation, query| {
        if operation == Operation::ImageDelete {
            tools::drop_argument(query, "platforms");
        }
    },
    response: |operation, response| match operation {
        Operation::Info => {
            tools::remove(response, "DiscoveredDevices");
            tools::set(response, "BridgeNfIptables", false);
            tools::set(response, "BridgeNfIp6tables", false);
        }
        Operation::ImageInspect => {
            let Some(config) = response.get_mut("Config").filter(|c| c.is_object()) else { return };
            for key in ["Hostname", "Domainname", "Image"] {
                tools::set_default(config, key, "");
            }
            for key in ["AttachStderr", "AttachStdin", "AttachStdout", "OpenStdin", "StdinOnce", "Tty"] {
                tools::set_default(config, key, Value::Bool(false));
            }
        }
        _ => {}
    },
    ..Step::new(50)
};
