//! 1.51: the image list counts containers (before: always -1).

use crate::{Operation, Step, tools};

pub(crate) const STEP: Step = Step {
    response: |operation, response| {
        if operation == Operation::ImageList {
            for image in tools::each(response) {
                tools::set(image, "Containers", -1);
            }
        }
    },
    ..Step::new(51)
};
