//! `push DATA_ROOT NAME…`: pushes images of a store and says how long each took.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use image::{Progress, Push, Store, StoreConfig};
use metastore::Db;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let root = PathBuf::from(args.next().ok_or("no data root")?);
    let db = Arc::new(Db::open(&root.join("meta.db"))?);
    let store = Store::open(StoreConfig { data_root: root, max_concurrent_downloads: 3 }, db)?;
    let client = registry_client::Client::new(registry_client::Config::default())?;
    for name in args {
        let start = Instant::now();
        let shown = Arc::new(|p: Progress| {
            if let Progress::Status { id, text, .. } = p {
                let _ = writeln!(std::io::stdout(), "{} {text}", id.unwrap_or_default());
            }
        });
        let (source, target) = name.split_once('=').unwrap_or((&name, &name));
        if source != target {
            store.tag(source, &target.parse()?)?;
        }
        let push = Push { reference: target.parse()?, platform: None, auth: None };
        let pushed = store.push(&client, push, shown).await?;
        writeln!(std::io::stdout(), "{pushed:?} in {:.3} s", start.elapsed().as_secs_f64())?;
    }
    Ok(())
}
