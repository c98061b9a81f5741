//! dirlock
