//! The one metadata store: an embedded transactional database (SQLite, WAL, `synchronous=FULL`) holding one JSON
//! record per object in named tables. A committed record survives power loss; nothing else persists engine state.
//!
//! Records are addressed by a string key inside a [`Table`]. Each table is private to one owner (containers to the
//! engine, tags to the image store, …); the schema is versioned once for the whole file, one migration per step.

mod db;
mod schema;

pub use db::{Batch, Damaged, Db, Error, Scan, Table};
