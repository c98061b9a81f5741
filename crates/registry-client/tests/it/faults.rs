use std::time::{Duration, Instant};

use registry_client::{Error, TransportError};
use testkit::images::Image;
use testkit::registry::{Fault, Registry, When};

use crate::{descriptor, fetch, image, repository};

fn registry(image: &Image) -> Registry {
    let registry = Registry::start();
    registry.push("a", "1", image);
    registry
}

#[tokio::test]
async fn broken_downloads_go_on_where_they_broke() {
    let image = image();
    let layer = &image.layers[0].blob;
    let faults = [
        Fault::ResetAfter(0),
        Fault::ResetAfter(1),
        Fault::ResetAfter(500_000),
        Fault::TruncateAfter(700_001),
        Fault::StallAfter(300_000),
        Fault::Status(500, None, ""),
        Fault::Status(503, Some(0), ""),
        Fault::Status(429, Some(0), r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#),
    ];
    for fault in faults {
        let registry = registry(&image);
        registry.fault(When::get("/blobs/").times(2), fault.clone());
        let r = repository(&registry, "a:1");
        assert_eq!(fetch(&r, layer, 0).await.expect("blob"), layer.bytes, "{fault:?}");
        let sent = registry.bytes_sent();
        assert!(sent <= layer.bytes.len() as u64 * 11 / 10 + 256 * 1024, "{fault:?}: {sent} bytes sent");
    }
}

#[tokio::test]
async fn many_breaks_with_progress_are_endured() {
    let image = image();
    let registry = registry(&image);
    registry.fault(When::get("/blobs/").times(15), Fault::ResetAfter(60_000));
    let layer = &image.layers[0].blob;
    assert_eq!(fetch(&repository(&registry, "a:1"), layer, 0).await.expect("blob"), layer.bytes);
}

#[tokio::test]
async fn patience_ends() {
    let image = image();
    let layer = &image.layers[0].blob;
    let registry = registry(&image);
    registry.fault(When::get("/blobs/").after(1), Fault::StallAfter(0));
    registry.fault(When::get("/blobs/").times(1), Fault::TruncateAfter(100_000));
    let r = repository(&registry, "a:1");
    let mut stream = r.blob(&descriptor(layer), 0).await.expect("stream");
    let begun = Instant::now();
    let error = loop {
        match stream.next().await.expect("not the end") {
            Ok(_) => {}
            Err(e) => break e,
        }
    };
    assert!(matches!(&error, Error::Interrupted { .. } | Error::ShortRead { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert!(stream.next().await.is_none());
    registry.heal();
    registry.fault(When::any("/manifests/"), Fault::Status(503, None, "down"));
    let e = r.resolve().await.expect_err("down");
    assert!(e.to_string().ends_with("503 Service Unavailable"), "{e}");
    assert_eq!(registry.take_log().iter().filter(|l| l.path.contains("/manifests/")).count(), 5);
}

#[tokio::test]
async fn sizes_and_digests_that_lie_are_found_out() {
    let image = image();
    let layer = &image.layers[0].blob;
    for fault in [Fault::Longer(1), Fault::Longer(2_000_000), Fault::Shorter(1)] {
        let registry = registry(&image);
        registry.fault(When::any("/v2/"), fault);
        let r = repository(&registry, "a:1");
        assert!(matches!(fetch(&r, layer, 0).await, Err(Error::SizeMismatch { .. })));
        assert!(matches!(r.manifest(&descriptor(&image.manifest)).await, Err(Error::SizeMismatch { .. })));
    }
    let registry = registry(&image);
    registry.fault(When::any("/v2/"), Fault::Corrupt);
    let r = repository(&registry, "a:1");
    let e = r.manifest(&descriptor(&image.manifest)).await.expect_err("corrupt");
    assert!(matches!(&e, Error::DigestMismatch { .. }), "{e}");
    registry.heal();
    registry.fault(When::any("/manifests/"), Fault::DigestHeader("sha256:12"));
    assert!(r.resolve().await.is_err_and(|e| e.to_string().contains("Docker-Content-Digest")));
}

#[tokio::test]
async fn the_registrys_words_are_passed_on() {
    let image = image();
    let registry = registry(&image);
    let words = r#"{"errors":[{"code":"DENIED","message":"no","detail":"ask Bob"}]}"#;
    registry.fault(When::any("/manifests/"), Fault::Status(403, None, words));
    let e = repository(&registry, "a:1").resolve().await.expect_err("denied");
    assert_eq!(e.to_string(), "error from registry: no - ask Bob");
    registry.heal();
    let words = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#;
    registry.fault(When::any("/manifests/"), Fault::Status(429, Some(3600), words));
    let begun = Instant::now();
    let e = repository(&registry, "a:1").resolve().await.expect_err("limited");
    assert_eq!(e.to_string(), "error from registry: You have reached your pull rate limit.");
    assert!(begun.elapsed() < Duration::from_secs(60), "an hour is not waited for");
}

#[tokio::test]
async fn redirections_are_bounded() {
    let image = image();
    let registry = registry(&image);
    registry.fault(When::get("/blobs/"), Fault::Redirect(format!("{}{{path}}", registry.url())));
    let r = repository(&registry, "a:1");
    let e = fetch(&r, &image.config, 0).await.expect_err("a loop");
    assert!(matches!(&e, Error::Request { source: TransportError::Redirect(_), .. }), "{e}");
    assert_eq!(registry.take_log().iter().filter(|l| l.status == 307).count(), 11);
}

#[tokio::test]
async fn slow_is_not_stalled() {
    let image = image();
    let registry = registry(&image);
    registry.fault(When::get("/blobs/").times(1), Fault::Slow(10_000));
    assert_eq!(fetch(&repository(&registry, "a:1"), &image.config, 0).await.expect("slow"), image.config.bytes);
}
