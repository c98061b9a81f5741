//! 1.32: `POST /images/create` takes a `platform`.

use crate::{Operation, Step, tools};

pub(crate) const STEP: Step = Step {
    query: |operation, query| {
        if operation == Operation::ImageCreate {
            tools::drop_argument(query, "platform");
        }
    },
    ..Step::new(32)
};
