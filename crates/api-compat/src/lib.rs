//! What older API versions look like, as a chain of pure functions. The engine and its handlers know the newest
//! version only; here requests are upgraded to it step by step, and responses downgraded from it, one file per version
//! that changed something. A step says what its version changed, so its documentation is that version's change log:
//! a request of version V takes all steps newer than V upwards, a response takes them downwards.
//!
//! Source: moby's `api/docs/CHANGELOG.md` and the version checks in `daemon/server/router`.

mod behaviour;
mod error;
mod operation;
mod tools;
mod v1_25;
mod v1_32;
mod v1_40;
mod v1_41;
mod v1_42;
mod v1_43;
mod v1_44;
mod v1_45;
mod v1_46;
mod v1_47;
mod v1_48;
mod v1_49;
mod v1_50;
mod v1_51;
mod v1_52;
mod v1_53;
mod v1_54;
mod v1_55;
mod version;

pub use behaviour::Behaviour;
pub use error::CompatError;
pub use operation::Operation;
pub use version::Version;

use serde_json::Value;

/// The arguments of a query, in order.
pub type Query = Vec<(String, String)>;

/// What one version changed. Each function brings its subject across the border below that version.
struct Step {
    version: Version,
    /// Upgrades a query.
    query: fn(Operation, &mut Query),
    /// Upgrades a body; may have something to tell the user.
    body: fn(Operation, &mut Value, &mut Vec<String>) -> Result<(), CompatError>,
    /// Downgrades a response.
    response: fn(Operation, &mut Value),
}

impl Step {
    const fn new(minor: u32) -> Self {
        Self { version: Version::new(1, minor), query: |_, _| {}, body: |_, _, _| Ok(()), response: |_, _| {} }
    }
}

/// Oldest first.
const STEPS: &[Step] = &[
    v1_25::STEP,
    v1_32::STEP,
    v1_40::STEP,
    v1_41::STEP,
    v1_42::STEP,
    v1_43::STEP,
    v1_44::STEP,
    v1_45::STEP,
    v1_46::STEP,
    v1_47::STEP,
    v1_48::STEP,
    v1_49::STEP,
    v1_50::STEP,
    v1_51::STEP,
    v1_52::STEP,
    v1_53::STEP,
    v1_54::STEP,
    v1_55::STEP,
];

fn newer_than(version: Version) -> &'static [Step] {
    &STEPS[STEPS.partition_point(|s| s.version <= version)..]
}

/// Upgrades the arguments of a request.
pub fn upgrade_query(version: Version, operation: Operation, query: &mut Query) {
    for step in newer_than(version) {
        (step.query)(operation, query);
    }
}

/// Whether bodies of this operation ever changed (if not, they need not be taken apart).
pub fn upgrades_body(operation: Operation) -> bool {
    use Operation::{ContainerCreate, ContainerUpdate, ExecCreate, ExecStart, NetworkConnect, NetworkCreate};
    matches!(operation, ContainerCreate | ContainerUpdate | ExecCreate | ExecStart | NetworkCreate | NetworkConnect)
}

/// Upgrades the JSON body of a request. Gives what the user should be told.
///
/// # Errors
/// If the client asks for something that its version has not got, in Docker's words.
pub fn upgrade_body(version: Version, operation: Operation, body: &mut Value) -> Result<Vec<String>, CompatError> {
    let mut warnings = Vec::new();
    for step in newer_than(version) {
        (step.body)(operation, body, &mut warnings)?;
    }
    Ok(warnings)
}

/// Whether responses of this operation look different in `version`.
pub fn downgrades(version: Version, operation: Operation) -> bool {
    version < Version::LATEST && operation.response_changed()
}

/// Downgrades a JSON response, or one value of a stream of them.
pub fn downgrade(version: Version, operation: Operation, response: &mut Value) {
    for step in newer_than(version).iter().rev() {
        (step.response)(operation, response);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_in_order_and_within_the_served_range() {
        assert!(STEPS.windows(2).all(|w| w[0].version < w[1].version));
        assert!(STEPS.iter().all(|s| s.version > Version::OLDEST && s.version <= Version::LATEST));
    }

    #[test]
    fn the_newest_version_changes_nothing() {
        assert!(newer_than(Version::LATEST).is_empty());
        let mut body = serde_json::json!({"Image": "x", "MacAddress": "02:00:00:00:00:01"});
        let before = body.clone();
        upgrade_body(Version::LATEST, Operation::ContainerCreate, &mut body).expect("nothing to refuse");
        assert_eq!(body, before);
    }
}
