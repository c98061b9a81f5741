//! 1.53: an image's inspect tells where the image came from.

use crate::{Operation, Step, tools};

pub(crate) const STEP: Step = Step {
    response: |operation, response| {
        if operation == Operation::ImageInspect {
            tools::remove(response, "Identity");
        }
    },
    ..Step::new(53)
};
