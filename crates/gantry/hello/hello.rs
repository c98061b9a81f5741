//! The program of the image `gantry/hello`: shows that a container runs, and a little of where.

use std::fs;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut text = String::from(
        "\nHello from Gantry!\n\nThis container was made from an image that the engine carries in itself. To get here,\n \
         1. the command line asked the daemon for a container,\n \
         2. the daemon loaded the image and prepared a root file system,\n \
         3. a monitor made namespaces, and this program is their first process.\n",
    );
    let line = |path: &str| fs::read_to_string(path).ok().map(|s| s.trim().to_owned());
    text.push_str(&format!("\nProcess id: {}\n", std::process::id()));
    if let Some(host) = line("/proc/sys/kernel/hostname") {
        text.push_str(&format!("Host name:  {host}\n"));
    }
    if let Some(kernel) = line("/proc/sys/kernel/osrelease") {
        text.push_str(&format!("Kernel:     {kernel}\n"));
    }
    text.push_str("\nTry next:  docker run -it <image> sh\n\n");
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
