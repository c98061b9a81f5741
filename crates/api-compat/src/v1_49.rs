//! 1.49: image inspect chooses a platform; `info` tells the firewall backend and no more what revisions it expected.

use crate::{Operation, Step, tools};

pub(crate) const STEP: Step = Step {
    query: |operation, query| {
        if operation == Operation::ImageInspect {
            tools::drop_argument(query, "platform");
        }
    },
    response: |operation, response| {
        if operation != Operation::Info {
            return;
        }
        tools::remove(response, "FirewallBackend");
        for commit in ["ContainerdCommit", "RuncCommit", "InitCommit"] {
            if let Some(commit) = response.get_mut(commit) {
                let id = tools::text(commit, "ID").to_owned();
                tools::set(commit, "Expected", id);
            }
        }
    },
    ..Step::new(49)
};
