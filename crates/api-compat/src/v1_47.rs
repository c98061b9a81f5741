//! 1.47: the image list can show manifests; two lists are gone from the registry part of `info`.

use serde_json::Value;

use crate::{Operation, Step, tools};

pub(crate) const STEP: Step = Step {
    query: |operation, query| {
        if operation == Operation::ImageList {
            tools::drop_argument(query, "manifests");
        }
    },
    response: |operation, response| {
        if operation == Operation::Info
            && let Some(registry) = response.get_mut("RegistryConfig")
        {
            tools::set(registry, "AllowNondistributableArtifactsCIDRs", Value::Null);
            tools::set(registry, "AllowNondistributableArtifactsHostnames", Value::Null);
        }
    },
    ..Step::new(47)
};
