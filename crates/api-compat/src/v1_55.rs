//! 1.55: block device limits can be updated (before: ignored).

use crate::{Operation, Step, tools};

pub(crate) const STEP: Step = Step {
    body: |operation, body, _| {
        if operation == Operation::ContainerUpdate {
            for key in [
                "BlkioWeightDevice",
                "BlkioDeviceReadBps",
                "BlkioDeviceWriteBps",
                "BlkioDeviceReadIOps",
                "BlkioDeviceWriteIOps",
            ] {
                tools::remove(body, key);
            }
        }
        Ok(())
    },
    ..Step::new(55)
};
