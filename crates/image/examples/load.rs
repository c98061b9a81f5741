//! `load DATA_ROOT ARCHIVE…`: loads archives into a store and says how long each took.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use image::{ListFilter, Load, Store, StoreConfig};
use metastore::Db;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let root = PathBuf::from(args.next().ok_or("no data root")?);
    std::fs::create_dir_all(&root)?;
    let db = Arc::new(Db::open(&root.join("meta.db"))?);
    let store = Store::open(StoreConfig { data_root: root, max_concurrent_downloads: 3 }, db)?;
    let mut out = std::io::stdout().lock();
    for archive in args {
        let start = Instant::now();
        let loaded = store.archives().load_blocking(&mut std::fs::File::open(&archive)?, &Load::default())?;
        writeln!(out, "{:?} in {:.3} s", loaded, start.elapsed().as_secs_f64())?;
    }
    for image in store.list(&ListFilter::default(), false, true)? {
        writeln!(out, "{image:?}")?;
    }
    writeln!(out, "{:?}", store.disk_usage()?)?;
    Ok(())
}
