//! The schema and its history. A migration, once released, is never edited: add another step.

use rusqlite::Connection;

use crate::Error;

/// Step `n` brings a database from version `n` to `n + 1`.
const MIGRATIONS: &[&str] = &[
    // 1: one row per record; `WITHOUT ROWID` keeps rows in key order, so a prefix scan is one range read.
    "CREATE TABLE record (tbl TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (tbl, key)) WITHOUT ROWID;",
];

/// Brings the database to the newest version; refuses one that a later Gantry wrote.
pub(crate) fn migrate(conn: &mut Connection) -> Result<(), Error> {
    let found: usize = conn.pragma_query_value(None, "user_version", |r| r.get::<_, i64>(0))?.try_into().unwrap_or(0);
    if found > MIGRATIONS.len() {
        return Err(Error::TooNew { found, known: MIGRATIONS.len() });
    }
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(found) {
        let tx = conn.transaction()?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", i64::try_from(step + 1).unwrap_or(i64::MAX))?;
        tx.commit()?;
    }
    Ok(())
}
