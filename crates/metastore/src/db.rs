use std::io::Write as _;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use error::{ErrorKind, HasKind};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Serialize, de::DeserializeOwned};

use crate::schema;

/// Why the store could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite failed (I/O, disk full, damaged file, …).
    #[error("metadata store: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A record could not be turned into JSON.
    #[error("metadata store: record {table}/{key} cannot be encoded: {source}")]
    Encode {
        /// Table of the record.
        table: &'static str,
        /// Key of the record.
        key: String,
        /// What serde said.
        source: serde_json::Error,
    },
    /// A record is there but cannot be read.
    #[error("metadata store: record {table}/{key} is damaged: {source}")]
    Decode {
        /// Table of the record.
        table: &'static str,
        /// Key of the record.
        key: String,
        /// What serde said.
        source: serde_json::Error,
    },
    /// The file was written by a later version.
    #[error("metadata store has schema {found}, this version knows up to {known}: it was written by a later version")]
    TooNew {
        /// Version in the file.
        found: usize,
        /// Newest version known here.
        known: usize,
    },
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        ErrorKind::System
    }
}

/// A table of records of type `R`. Declare one as a `const` beside the record type.
#[derive(Debug)]
pub struct Table<R> {
    name: &'static str,
    record: PhantomData<fn() -> R>,
}

impl<R> Clone for Table<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Table<R> {}

impl<R: Serialize + DeserializeOwned> Table<R> {
    /// The table called `name`; names are part of the format on disk.
    pub const fn new(name: &'static str) -> Self {
        Self { name, record: PhantomData }
    }
}

/// A row that could not be read during a scan: reported, never fatal, so that one bad object can be quarantined.
#[derive(Debug)]
pub struct Damaged {
    /// Key of the record.
    pub key: String,
    /// What is wrong with it.
    pub error: serde_json::Error,
}

/// What a scan found.
#[derive(Debug)]
pub struct Scan<R> {
    /// The records, in key order.
    pub records: Vec<(String, R)>,
    /// The rows that could not be read.
    pub damaged: Vec<Damaged>,
}

/// The open database. Shared by `Arc`; calls block for a disk write at most (~0.3 ms), under one short lock.
#[derive(Debug)]
pub struct Db {
    conn: Mutex<Connection>,
    /// Space put by, so that what frees space can still be recorded when the disk is full.
    reserve: Option<PathBuf>,
}

/// Bytes put by: some pages of the log and of the database for each of a few removals.
const RESERVE: u64 = 512 * 1024;

impl Db {
    /// Opens or creates the database file (mode 0600 by the caller's directory, which must be 0710 or stricter).
    pub fn open(path: &Path) -> Result<Self, Error> {
        let conn = Connection::open(path)?;
        // FULL: a commit is on disk when it returns (https://sqlite.org/pragma.html#pragma_synchronous).
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        // The daemon idles small: 512 KiB of pages instead of SQLite's 2 MiB.
        conn.pragma_update(None, "cache_size", -512)?;
        let reserve = path.with_extension("reserve");
        if let Err(error) = put_by(&reserve) {
            // Not there is no reason not to start: the disk is full right now.
            let _ = std::fs::remove_file(&reserve);
            drop(error);
        }
        Self::init(conn, Some(reserve))
    }

    /// A database in memory, for tests.
    pub fn in_memory() -> Result<Self, Error> {
        Self::init(Connection::open_in_memory()?, None)
    }

    fn init(mut conn: Connection, reserve: Option<PathBuf>) -> Result<Self, Error> {
        schema::migrate(&mut conn)?;
        conn.set_prepared_statement_cache_capacity(16);
        Ok(Self { conn: Mutex::new(conn), reserve })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic while the lock was held left no half-done statement behind: a dropped transaction rolls back.
        self.conn.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The record at `key`, if there is one.
    pub fn get<R: DeserializeOwned>(&self, table: Table<R>, key: &str) -> Result<Option<R>, Error> {
        let conn = self.lock();
        let mut stmt = conn.prepare_cached("SELECT value FROM record WHERE tbl = ?1 AND key = ?2")?;
        let value: Option<Vec<u8>> = stmt.query_row(params![table.name, key], |r| r.get(0)).optional()?;
        let decode = |v: Vec<u8>| {
            serde_json::from_slice(&v).map_err(|source| Error::Decode {
                table: table.name,
                key: key.to_owned(),
                source,
            })
        };
        value.map(decode).transpose()
    }

    /// All records of the table in key order, and those that could not be read.
    pub fn scan<R: DeserializeOwned>(&self, table: Table<R>) -> Result<Scan<R>, Error> {
        let conn = self.lock();
        let mut stmt = conn.prepare_cached("SELECT key, value FROM record WHERE tbl = ?1 ORDER BY key")?;
        let mut rows = stmt.query(params![table.name])?;
        let mut scan = Scan { records: Vec::new(), damaged: Vec::new() };
        while let Some(row) = rows.next()? {
            let key: String = row.get(0)?;
            let value: Vec<u8> = row.get(1)?;
            match serde_json::from_slice(&value) {
                Ok(record) => scan.records.push((key, record)),
                Err(error) => scan.damaged.push(Damaged { key, error }),
            }
        }
        Ok(scan)
    }

    /// Writes one record durably.
    pub fn put<R: Serialize + DeserializeOwned>(&self, table: Table<R>, key: &str, record: &R) -> Result<(), Error> {
        let mut batch = Batch::default();
        batch.put(table, key, record)?;
        self.commit(batch)
    }

    /// Removes one record durably; it is no error when there is none.
    pub fn delete<R: Serialize + DeserializeOwned>(&self, table: Table<R>, key: &str) -> Result<(), Error> {
        let mut batch = Batch::default();
        batch.delete(table, key);
        self.commit(batch)
    }

    /// Applies all writes of the batch, or none. On a full disk the space put by is used up, once.
    pub fn commit(&self, batch: Batch) -> Result<(), Error> {
        match self.try_commit(&batch) {
            Err(Error::Sqlite(error))
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) && self.release_reserve() =>
            {
                self.try_commit(&batch)
            }
            result => result,
        }
    }

    /// Gives the space put by back to the disk; `false` if it is gone already.
    fn release_reserve(&self) -> bool {
        self.reserve.as_ref().is_some_and(|file| std::fs::remove_file(file).is_ok())
    }

    fn try_commit(&self, batch: &Batch) -> Result<(), Error> {
        let mut conn = self.lock();
        let tx = conn.transaction()?;
        for op in &batch.ops {
            match &op.value {
                Some(value) => tx
                    .prepare_cached("INSERT OR REPLACE INTO record (tbl, key, value) VALUES (?1, ?2, ?3)")?
                    .execute(params![op.table, op.key, value])?,
                None => tx
                    .prepare_cached("DELETE FROM record WHERE tbl = ?1 AND key = ?2")?
                    .execute(params![op.table, op.key])?,
            };
        }
        tx.commit()?;
        Ok(())
    }
}

/// Writes the reserve, so that its blocks are taken (a hole would take none).
fn put_by(path: &Path) -> std::io::Result<()> {
    if path.metadata().is_ok_and(|m| m.len() == RESERVE) {
        return Ok(());
    }
    let mut file = std::fs::File::create(path)?;
    let block = [0x5a_u8; 4096];
    for _ in 0..RESERVE / 4096 {
        file.write_all(&block)?;
    }
    file.sync_all()
}

struct Op {
    table: &'static str,
    key: String,
    value: Option<Vec<u8>>,
}

/// Writes that belong together.
#[derive(Default)]
pub struct Batch {
    ops: Vec<Op>,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ops.iter().map(|op| (op.table, &op.key))).finish()
    }
}

impl Batch {
    /// Adds a write.
    pub fn put<R: Serialize + DeserializeOwned>(
        &mut self,
        table: Table<R>,
        key: &str,
        record: &R,
    ) -> Result<(), Error> {
        let value = serde_json::to_vec(record).map_err(|source| Error::Encode {
            table: table.name,
            key: key.to_owned(),
            source,
        })?;
        self.ops.push(Op { table: table.name, key: key.to_owned(), value: Some(value) });
        Ok(())
    }

    /// Adds a removal.
    pub fn delete<R: Serialize + DeserializeOwned>(&mut self, table: Table<R>, key: &str) {
        self.ops.push(Op { table: table.name, key: key.to_owned(), value: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: Table<u32> = Table::new("numbers");
    const WORDS: Table<String> = Table::new("words");

    #[test]
    fn records_come_back_in_key_order_and_tables_are_apart() {
        let db = Db::in_memory().expect("opens");
        for (k, n) in [("b", 2), ("a", 1), ("c", 3)] {
            db.put(NUMBERS, k, &n).expect("put");
        }
        db.put(WORDS, "a", &"x".to_owned()).expect("put");
        db.delete(NUMBERS, "b").expect("delete");
        db.delete(NUMBERS, "missing").expect("delete of nothing");
        let scan = db.scan(NUMBERS).expect("scan");
        assert_eq!(scan.records, [("a".to_owned(), 1), ("c".to_owned(), 3)]);
        assert!(scan.damaged.is_empty());
        assert_eq!(db.get(WORDS, "a").expect("get"), Some("x".to_owned()));
        assert_eq!(db.get(WORDS, "b").expect("get"), None);
    }

    #[test]
    fn a_damaged_record_is_reported_and_the_rest_is_read() {
        let db = Db::in_memory().expect("opens");
        db.put(Table::<String>::new("numbers"), "bad", &"not a number".to_owned()).expect("put");
        db.put(NUMBERS, "good", &7).expect("put");
        let scan = db.scan(NUMBERS).expect("scan");
        assert_eq!(scan.records, [("good".to_owned(), 7)]);
        assert_eq!(scan.damaged.len(), 1);
        assert_eq!(scan.damaged[0].key, "bad");
        assert!(matches!(db.get(NUMBERS, "bad"), Err(Error::Decode { .. })));
    }

    #[test]
    fn a_batch_is_all_or_nothing_and_survives_reopening() {
        let dir = std::env::temp_dir().join(format!("metastore-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("dir");
        let file = dir.join("t.db");
        {
            let db = Db::open(&file).expect("opens");
            let mut batch = Batch::default();
            batch.put(NUMBERS, "a", &1).expect("encodes");
            batch.put(WORDS, "a", &"w".to_owned()).expect("encodes");
            db.commit(batch).expect("commits");
        }
        let db = Db::open(&file).expect("reopens");
        assert_eq!(db.get(NUMBERS, "a").expect("get"), Some(1));
        assert_eq!(db.get(WORDS, "a").expect("get"), Some("w".to_owned()));
        std::fs::remove_dir_all(&dir).expect("clean");
    }
}
