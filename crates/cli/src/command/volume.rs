//! `docker volume …`

use super::Handler;
pub(super) fn handler(_verb: &str) -> Option<Handler> { None }
