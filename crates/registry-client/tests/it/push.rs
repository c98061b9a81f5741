use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use registry_client::{BlobSource, Error, Mounted, OpenBlob, Repository};
use testkit::images::Image;
use testkit::registry::{Fault, Login, Options, Registry, When};
use tokio::io::AsyncRead;

use crate::{client, descriptor, image, login, reference};

struct Memory(Bytes);

impl BlobSource for Memory {
    fn open(&self, offset: u64) -> OpenBlob<'_> {
        let rest = self.0.slice(usize::try_from(offset).expect("offset")..);
        Box::pin(async move { Ok::<Box<dyn AsyncRead + Send + Unpin>, io::Error>(Box::new(io::Cursor::new(rest))) })
    }
}

pub(crate) async fn push(r: &Repository, image: &Image, tag: &str) -> Result<u64, Error> {
    let sent = AtomicU64::new(0);
    for blob in image.blobs() {
        if r.ensure_blob(&blob.digest.parse().expect("digest"), None).await? == Mounted::Not {
            let source = Memory(blob.bytes.clone().into());
            r.upload_blob(&descriptor(blob), &source, &|n| sent.store(n, Ordering::Relaxed)).await?;
        }
    }
    r.put_manifest(&descriptor(&image.manifest), image.manifest.bytes.clone().into(), Some(tag)).await?;
    Ok(sent.into_inner())
}

#[tokio::test]
async fn an_image_is_pushed() {
    for kind in [Login::None, Login::Basic("u".into(), "p".into()), Login::token("u", "p")] {
        let registry = Registry::with(Options { login: kind, ..Options::default() });
        let image = image();
        let r = client().repository(&reference(&registry.name("team/app")), login("u", "p"));
        let sent = push(&r, &image, "v1").await.expect("push");
        assert_eq!(sent, image.layers[0].blob.bytes.len() as u64);
        assert_eq!(registry.manifest("team/app", "v1"), Some(image.manifest.clone()));
        assert_eq!(registry.blob("team/app", &image.layers[0].blob.digest).as_ref(), Some(&image.layers[0].blob.bytes));
        registry.take_log();
        push(&r, &image, "v2").await.expect("again");
        assert!(registry.take_log().iter().all(|l| l.method != "POST"), "nothing is sent twice");

        let other = client().repository(&reference(&registry.name("team/other")), login("u", "p"));
        let digest = image.layers[0].blob.digest.parse().expect("digest");
        assert_eq!(other.ensure_blob(&digest, Some("team/app")).await.expect("mount"), Mounted::FromOther);
        assert_eq!(other.ensure_blob(&digest, Some("team/app")).await.expect("mount"), Mounted::Existed);
    }
}

#[tokio::test]
async fn broken_uploads_are_repeated() {
    for fault in [Fault::ResetAfter(0), Fault::Status(500, None, ""), Fault::Status(503, None, "")] {
        for method in ["POST", "PUT"] {
            let registry = Registry::start();
            registry.fault(When::method(method, "/").times(2), fault.clone());
            let r = client().repository(&reference(&registry.name("a")), None);
            push(&r, &image(), "1").await.unwrap_or_else(|e| panic!("{fault:?} {method}: {e}"));
        }
    }
}

#[tokio::test]
async fn uploads_elsewhere_carry_no_secret() {
    let other = Registry::start();
    let registry = Registry::with(Options { login: Login::Basic("u".into(), "p".into()), ..Options::default() });
    registry.fault(
        When::method("POST", "/blobs/uploads/"),
        Fault::Location(format!("{}/v2/x/blobs/uploads/y", other.url())),
    );
    let r = client().repository(&reference(&registry.name("a")), login("u", "p"));
    push(&r, &image(), "1").await.expect_err("the other registry knows no such upload");
    let log = other.take_log();
    assert!(!log.is_empty() && log.iter().all(|l| l.authorization.is_none()), "{log:?}");
}

#[tokio::test]
async fn refusals() {
    let Login::Token { user, .. } = Login::token("u", "p") else { unreachable!() };
    let login = Login::Token { user, anonymous_pull: true, expires_in: None, no_post: false, realm: None };
    let registry = Registry::with(Options { login, ..Options::default() });
    let r = client().repository(&reference(&registry.name("a")), None);
    let e = push(&r, &image(), "1").await.expect_err("anonymous");
    assert!(e.to_string().starts_with("push access denied for 127.0.0.1"), "{e}");
}
