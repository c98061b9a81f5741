use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

/// The files of a TLS listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate chain (PEM).
    pub cert: PathBuf,
    /// Its key (PEM, not encrypted).
    pub key: PathBuf,
    /// Authorities whose clients are let in (PEM); with `None` anybody is. The system's authorities never count.
    pub client_ca: Option<PathBuf>,
}

/// Why TLS cannot be served. The texts are dockerd's.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Certificate or key cannot be read, don't go together, or are no good.
    #[error("Could not load X509 key pair (cert: {cert:?}, key: {key:?}): {message}")]
    KeyPair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The client authorities cannot be read, or are no good.
    #[error("could not read CA certificate {path:?}: {message}")]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// Makes the TLS configuration of a listener.
///
/// # Errors
/// See [`TlsError`].
pub fn server_config(files: &TlsFiles) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key_pair = |message| TlsError::KeyPair { cert: files.cert.clone(), key: files.key.clone(), message };
    let chain = certificates(&files.cert).map_err(key_pair)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| key_pair(said(&files.key, &e)))?;
    let refused = |e: rustls::Error| key_pair(e.to_string());
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(refused)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let bad = |message: String| TlsError::ClientCa { path: path.clone(), message };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path).map_err(bad)? {
                roots.add(certificate).map_err(|e| bad(e.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|e| bad(e.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(refused)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match all {
        Ok(all) if all.is_empty() => Err("tls: failed to find any PEM data in certificate input".to_owned()),
        Ok(all) => Ok(all),
        Err(e) => Err(said(path, &e)),
    }
}

/// As Go tells that a file cannot be read.
fn said(path: &Path, e: &pem::Error) -> String {
    match e {
        pem::Error::Io(e) if e.kind() == std::io::ErrorKind::NotFound => {
            format!("open {}: no such file or directory", path.display())
        }
        pem::Error::Io(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            format!("open {}: permission denied", path.display())
        }
        e => e.to_string(),
    }
}
