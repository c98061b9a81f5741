//! 1.43: containers have annotations; an image without names has empty lists of names (before: `<none>`).

use serde_json::json;

use crate::{Operation, Step, tools};

pub(crate) const STEP: Step = Step {
    body: |operation, body, _| {
        if operation == Operation::ContainerCreate
            && let Some(host) = tools::child(body, "HostConfig")
        {
            host.shift_remove("Annotations");
        }
        Ok(())
    },
    response: |operation, response| {
        if operation != Operation::ImageList {
            return;
        }
        for image in tools::each(response) {
            let empty = |key: &str| image.get(key).and_then(|v| v.as_array()).is_none_or(Vec::is_empty);
            if empty("RepoTags") && empty("RepoDigests") {
                tools::set(image, "RepoTags", json!(["<none>:<none>"]));
                tools::set(image, "RepoDigests", json!(["<none>@<none>"]));
            }
        }
    },
    ..Step::new(43)
};
