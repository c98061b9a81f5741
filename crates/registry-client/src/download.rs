//! A file from anywhere by HTTP (what `import` takes from a URL).

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header;
use hyper::{Request, Uri};

use crate::request::{read_body, resolve, shown_url};
use crate::transport::body_failure;
use crate::{Client, Error, TransportError};

const REDIRECTS_MAX: u32 = 10;
/// So much of an explanation is shown.
const EXPLANATION_MAX: usize = 16 * 1024;
/// How long the sender may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A file on its way.
#[derive(Debug)]
pub struct Download {
    incoming: Incoming,
    length: Option<u64>,
    url: String,
}

impl Client {
    /// Begins to fetch `url` (`http` if it names no scheme); redirections are followed, nothing secret is sent.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`], [`Error::Download`] for a status of 400 and more, [`Error::NoDownload`].
    pub async fn download(&self, url: &str) -> Result<Download, Error> {
        let invalid = |url: &str| Error::InvalidUrl { url: url.to_owned() };
        let mut uri: Uri = url.parse().map_err(|_| invalid(url))?;
        for _ in 0..=REDIRECTS_MAX {
            if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
                return Err(invalid(&uri.to_string()));
            }
            let shown = shown_url(&uri);
            let mut request = Request::new(Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync());
            *request.uri_mut() = uri.clone();
            let fail = |source| Error::NoDownload { url: shown.clone(), source };
            let response = self.shared().transport.send(request).await.map_err(&fail)?;
            let status = response.status();
            if let (301 | 302 | 303 | 307 | 308, Some(target)) =
                (status.as_u16(), response.headers().get(header::LOCATION).and_then(|v| v.to_str().ok()))
            {
                uri = resolve(&uri, target).ok_or_else(|| invalid(target))?;
                continue;
            }
            if status.as_u16() >= 400 {
                let text = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
                let body = read_body(response.into_body(), EXPLANATION_MAX).await.unwrap_or_default();
                let why = String::from_utf8_lossy(&body).trim().to_owned();
                return Err(Error::Download { url: shown, code: status.as_u16(), status: text, why });
            }
            let length = response.headers().get(header::CONTENT_LENGTH).and_then(|n| n.to_str().ok()?.parse().ok());
            return Ok(Download { incoming: response.into_body(), length, url: shown });
        }
        let source = TransportError::Redirect(format!("stopped after {REDIRECTS_MAX} redirects"));
        Err(Error::NoDownload { url: shown_url(&uri), source })
    }
}

impl Download {
    /// Bytes in all, if the server says so.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next bytes; `None` after the last.
    ///
    /// # Errors
    /// [`Error::NoDownload`] if the connection breaks or stays silent.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        loop {
            let fail = |source| Error::NoDownload { url: self.url.clone(), source };
            match tokio::time::timeout(SILENCE_MAX, self.incoming.frame()).await {
                Err(_) => {
                    return Some(Err(fail(TransportError::Timeout { what: "response body", after: SILENCE_MAX })));
                }
                Ok(None) => return None,
                Ok(Some(Err(e))) => return Some(Err(fail(body_failure(&e)))),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Some(Ok(data)),
                    _ => {}
                },
            }
        }
    }
}
