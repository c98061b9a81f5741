//! `/containers`.

pub(super) mod attach;
pub(super) mod create;
pub(super) mod files;
pub(super) mod lifecycle;
pub(super) mod list;
pub(super) mod logs;
pub(super) mod stats;
pub(super) mod view;
