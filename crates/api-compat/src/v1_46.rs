//! 1.46: the container list shows annotations; a push can choose a platform; `info` tells of containerd (which we have
//! not got); `image create` events exist (see [`crate::Behaviour`]).

use crate::{Operation, Step, tools};

pub(crate) const STEP: Step = Step {
    query: |operation, query| {
        if operation == Operation::ImagePush {
            tools::drop_argument(query, "platform");
        }
    },
    response: |operation, response| match operation {
        Operation::ContainerList => {
            for container in tools::each(response) {
                if let Some(host) = tools::child(container, "HostConfig") {
                    host.shift_remove("Annotations");
                }
            }
        }
        Operation::Info => {
            tools::remove(response, "Containerd");
        }
        _ => {}
    },
    ..Step::new(46)
};
