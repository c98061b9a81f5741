//! `/images`.

pub(super) mod change;
pub(super) mod check;
pub(super) mod embedded;
pub(super) mod list;
pub(super) mod pull;
pub(super) mod push;
pub(super) mod remote;
pub(super) mod tar;
