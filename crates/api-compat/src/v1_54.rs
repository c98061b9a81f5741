//! 1.54: the image list can show identities; connecting a container to a network applies the MAC address.

use crate::{Operation, Step, tools};

pub(crate) const STEP: Step = Step {
    query: |operation, query| {
        if operation == Operation::ImageList {
            tools::drop_argument(query, "identity");
        }
    },
    ..Step::new(54)
};
