//! 1.41: `HostConfig.Capabilities` (1.40 only) is gone; creation takes a `platform`; stats take `one-shot`.
//! (Before, the default cgroup namespace on a cgroup v1 host was `host`: that is the engine's default there anyway.)

use crate::{CompatError, Operation, Step, tools};

pub(crate) const STEP: Step = Step {
    query: |operation, query| match operation {
        Operation::ContainerCreate => tools::drop_argument(query, "platform"),
        Operation::ContainerStats => tools::drop_argument(query, "one-shot"),
        _ => {}
    },
    body: |operation, body, _| {
        if operation == Operation::ContainerCreate
            && let Some(given) = tools::child(body, "HostConfig").and_then(|h| h.shift_remove("Capabilities"))
            && given.as_array().is_some_and(|c| !c.is_empty())
        {
            return Err(CompatError::Capabilities);
        }
        Ok(())
    },
    ..Step::new(41)
};
