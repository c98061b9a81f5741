//! `/containers`.

pub(super) mod attach;
pub(super) mod create;
pub(super) mod lifecycle;
pub(super) mod list;
pub(super) mod logs;
pub(super) mod view;
