//! `pull DATA_ROOT NAME…`: pulls images into a store and says how long each took.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use image::{Progress, Pull, Store, StoreConfig};
use metastore::Db;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let root = PathBuf::from(args.next().ok_or("no data root")?);
    std::fs::create_dir_all(&root)?;
    let db = Arc::new(Db::open(&root.join("meta.db"))?);
    let store = Store::open(StoreConfig { data_root: root, max_concurrent_downloads: 3 }, db)?;
    let client = registry_client::Client::new(registry_client::Config::default())?;
    for name in args {
        let start = Instant::now();
        let shown = Arc::new(move |p: Progress| {
            if let Progress::Status { id, text, .. } = p {
                let _ = writeln!(
                    std::io::stdout(),
                    "{:.3} {} {text}",
                    start.elapsed().as_secs_f64(),
                    id.unwrap_or_default()
                );
            }
        });
        let pulled = store.pull(&client, Pull { reference: name.parse()?, platform: None, auth: None }, shown).await?;
        writeln!(std::io::stdout(), "{pulled:?} in {:.3} s", start.elapsed().as_secs_f64())?;
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let memory: Vec<&str> = status.lines().filter(|l| l.starts_with("VmRSS") || l.starts_with("VmHWM")).collect();
    writeln!(std::io::stdout(), "{memory:?} {:?}", store.disk_usage()?)?;
    Ok(())
}
