use std::time::{Duration, Instant};

use crate::fixture::*;

/// Not a gate (the machine is shared): prints what a sandbox costs. Run with `--nocapture`, in release mode.
#[test]
#[expect(clippy::print_stdout, reason = "a measurement")]
fn what_a_sandbox_costs() {
    on_host(|host| async move {
        let service = host.service().await;
        service.sandbox_create(spec(0, &["bridge"])).await.expect("warm up");
        let (mut made, mut with_port, mut released) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..60 {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let mut wish = spec(1, &["bridge"]);
            if round % 2 == 1 {
                wish.ports = vec![port(network::Protocol::Tcp, None, 8080, 80)];
            }
            let start = Instant::now();
            service.sandbox_create(wish).await.expect("create");
            let cost = start.elapsed();
            if round % 2 == 1 {
                with_port.push(cost);
            } else {
                made.push(cost);
            }
            let start = Instant::now();
            service.sandbox_release(&container(1));
            released.push(start.elapsed());
        }
        for (what, mut costs) in [("create", made), ("create with a port", with_port), ("release", released)] {
            costs.sort();
            println!(
                "{what}: median {:?}, min {:?}, max {:?}",
                costs[costs.len() / 2],
                costs[0],
                costs[costs.len() - 1]
            );
        }
        service.shutdown().await;
    });
}
