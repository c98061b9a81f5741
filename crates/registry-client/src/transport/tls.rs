//! TLS: who is trusted, by registry (`/etc/docker/certs.d`).

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, InvalidMessage, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::pinned::Verifier;
use crate::TransportError;
use crate::host::Trust;
use crate::hosts::HostTls;

/// TLS settings of all registries, made when first needed.
#[derive(Debug)]
pub(super) struct TlsSettings {
    trust: Arc<Trust>,
    certs_dir: PathBuf,
    provider: Arc<CryptoProvider>,
    made: Mutex<HashMap<String, Arc<ClientConfig>>>,
}

impl TlsSettings {
    pub(super) fn new(trust: Arc<Trust>, certs_dir: PathBuf) -> Self {
        Self { trust, certs_dir, provider: Arc::new(ring::default_provider()), made: Mutex::default() }
    }

    pub(super) async fn handshake(
        &self,
        tcp: TcpStream,
        host: &str,
        port: u16,
    ) -> Result<TlsStream<TcpStream>, TransportError> {
        let config = self.config(host, port)?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| TransportError::Certificate(format!("cannot validate certificate for {host}")))?;
        TlsConnector::from(config).connect(name, tcp).await.map_err(|e| failure(e, host))
    }

    fn config(&self, host: &str, port: u16) -> Result<Arc<ClientConfig>, TransportError> {
        let key = format!("{host}:{port}");
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = made.get(&key) {
            return Ok(config.clone());
        }
        let mut files = Files::read(&self.certs_dir, host, port)?;
        let named = self.trust.tls_of(host, port).unwrap_or_default();
        files.add(&named)?;
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| TransportError::Files(e.to_string()))?;
        let builder = if named.skip_verify || self.trust.is_insecure(host, port) {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(self.provider.clone())))
        } else {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots.add_parsable_certificates(files.authorities.iter().cloned());
            let provider = self.provider.clone();
            match Verifier::new(roots, files.authorities, provider) {
                Ok(verifier) => builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)),
                Err(e) => return Err(TransportError::Files(format!("tls: {e}"))),
            }
        };
        let mut config = match files.identity {
            Some((chain, key)) => {
                builder.with_client_auth_cert(chain, key).map_err(|e| TransportError::Files(format!("tls: {e}")))?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        made.insert(key, config.clone());
        Ok(config)
    }
}

/// What lies in a registry's directory under `certs.d`.
#[derive(Debug, Default)]
struct Files {
    authorities: Vec<CertificateDer<'static>>,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl Files {
    fn read(certs_dir: &Path, host: &str, port: u16) -> Result<Self, TransportError> {
        let mut found = Self::default();
        let mut names = vec![format!("{host}:{port}")];
        if port == 443 {
            names.push(host.to_owned());
        }
        if host == "registry-1.docker.io" {
            names.push("docker.io".to_owned());
        }
        for name in names {
            let dir = certs_dir.join(&name);
            let entries = match std::fs::read_dir(&dir) {
                Ok(entries) => entries,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(TransportError::Files(format!("open {}: {e}", dir.display()))),
            };
            let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
            paths.sort();
            for path in paths {
                match path.extension().and_then(|e| e.to_str()) {
                    Some("crt") => found.authorities.extend(certificates(&path)?),
                    Some("cert") => found.identity = Some((certificates(&path)?, private_key(&path)?)),
                    Some("key") if !path.with_extension("cert").exists() => {
                        return Err(TransportError::Files(format!(
                            "missing client certificate {} for key {}",
                            path.with_extension("cert").display(),
                            path.display()
                        )));
                    }
                    _ => {}
                }
            }
        }
        Ok(found)
    }

    /// Adds what `hosts.toml` names.
    fn add(&mut self, named: &HostTls) -> Result<(), TransportError> {
        for path in &named.authorities {
            self.authorities.extend(certificates(path)?);
        }
        if let Some((certificate, key)) = &named.identity {
            let key = key.as_ref().unwrap_or(certificate);
            let private = PrivateKeyDer::from_pem_file(key)
                .map_err(|e| TransportError::Files(format!("{}: {e}", key.display())))?;
            self.identity = Some((certificates(certificate)?, private));
        }
        Ok(())
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|e| TransportError::Files(format!("{}: {e}", path.display())))
}

fn private_key(certificate: &Path) -> Result<PrivateKeyDer<'static>, TransportError> {
    let path = certificate.with_extension("key");
    if !path.exists() {
        return Err(TransportError::Files(format!(
            "missing key {} for client certificate {}. CA certificates must use the extension .crt",
            path.display(),
            certificate.display()
        )));
    }
    PrivateKeyDer::from_pem_file(&path).map_err(|e| TransportError::Files(format!("{}: {e}", path.display())))
}

fn failure(error: io::Error, host: &str) -> TransportError {
    match error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => TransportError::PlainHttp,
        Some(rustls::Error::InvalidCertificate(why)) => TransportError::Certificate(certificate_text(why, host)),
        _ => TransportError::Tls(Arc::new(error)),
    }
}

fn certificate_text(error: &CertificateError, host: &str) -> String {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
        UnknownIssuer,
    };
    match error {
        // A self-signed certificate is its own authority, and an unknown one.
        UnknownIssuer | CertificateError::Other(_) => "certificate signed by unknown authority".to_owned(),
        Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
            "certificate has expired or is not yet valid".to_owned()
        }
        NotValidForName => format!("certificate is not valid for any names, but wanted to match {host}"),
        NotValidForNameContext { presented, .. } if presented.is_empty() => {
            format!("certificate is not valid for any names, but wanted to match {host}")
        }
        NotValidForNameContext { presented, .. } => {
            let names: Vec<&str> = presented.iter().map(|n| bare_name(n)).collect();
            format!("certificate is valid for {}, not {host}", names.join(", "))
        }
        other => other.to_string(),
    }
}

/// `DnsName("x")` and `IpAddress(x)`, as the verifier lists names, without their wrapping.
fn bare_name(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

/// For insecure registries: takes any certificate, but checks that the other side has its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
