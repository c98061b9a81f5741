//! What an OCI runtime has to do, as cases that run against any runtime with runc's command line.
//!
//! A case is a block in a file of `cases/` ([`table`] has the format): a change to a common spec, a script inside the
//! container, what it must print. Cases were run against runc and crun first; what they pass is the yardstick
//! ([`yardstick`]), a file in the repository with their versions. `oci-suite --runtime PATH` runs them.
//!
//! Inside: [`table`] reads cases, [`merge`] builds a spec, [`stage`] lays out a bundle, [`run`] runs one case and says
//! what is wrong, also what the runtime left behind.

pub mod fuzz;
pub mod merge;
pub mod run;
pub mod stage;
pub mod table;
pub mod yardstick;
