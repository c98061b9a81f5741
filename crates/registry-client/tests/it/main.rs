//! The client against a loopback registry that can do everything wrong.

mod auth;
mod faults;
mod pull;
mod push;
mod real;
mod search;
mod transport;

use std::time::Duration;

use id::Reference;
use oci::image::Descriptor;
use registry_client::{Client, Config, Credentials, Error, Proxies, Repository};
use testkit::images::{Blob, Image, Layer};
use testkit::registry::Registry;

fn config() -> Config {
    Config {
        proxies: Proxies::default(),
        stall_timeout: Duration::from_millis(300),
        retry_pause: Duration::from_millis(2),
        ..Config::default()
    }
}

fn client() -> Client {
    Client::new(config()).expect("a client")
}

fn reference(text: &str) -> Reference {
    Reference::parse_normalized(text).expect("a reference")
}

fn repository(registry: &Registry, rest: &str) -> Repository {
    client().repository(&reference(&registry.name(rest)), None)
}

fn login(user: &str, password: &str) -> Option<Credentials> {
    Some(Credentials { username: user.to_owned(), password: password.to_owned(), ..Credentials::default() })
}

fn descriptor(blob: &Blob) -> Descriptor {
    Descriptor {
        media_type: blob.media_type.clone(),
        digest: blob.digest.clone(),
        size: i64::try_from(blob.bytes.len()).expect("a size"),
        ..Descriptor::default()
    }
}

/// An image with one layer of a good megabyte.
fn image() -> Image {
    Image::builder().layer(Layer::noise("noise", 1_200_000, 7).gzip()).cmd(&["/noise"]).build()
}

async fn fetch(repository: &Repository, blob: &Blob, offset: u64) -> Result<Vec<u8>, Error> {
    let mut stream = repository.blob(&descriptor(blob), offset).await?;
    let mut all = Vec::new();
    while let Some(data) = stream.next().await {
        all.extend_from_slice(&data?);
        assert_eq!(stream.position(), offset + all.len() as u64);
    }
    Ok(all)
}
