//! The image that the daemon carries in itself, so that a first container needs no network.

use error::{ErrorKind, HasKind};
use image::Load;

use crate::App;
use crate::handlers::{Result, reference};

/// If `name` means the embedded image and it is not there, loads it.
pub(crate) async fn ensure(app: &App, name: &str) -> Result<()> {
    let Some((own, archive)) = app.daemon.embedded_image else { return Ok(()) };
    let Ok(wanted) = reference(name) else { return Ok(()) };
    if wanted.or_latest().familiar() != own {
        return Ok(());
    }
    match app.engine.images.resolve(own, None) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            app.engine.images.load(archive, Load::default(), image::null_sink()).await?;
            Ok(())
        }
        // Found, or a failure that the request itself will meet.
        _ => Ok(()),
    }
}
