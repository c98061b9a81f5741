//! TLS settings from PEM files.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::endpoint::TlsFiles;
use crate::{Error, Result};

/// The settings of one client.
pub(crate) fn config(files: &TlsFiles) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|source| Error::Tls { source })?;
    let builder = if files.verify {
        builder.with_root_certificates(roots(files)?)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer { provider }))
    };
    let config = match (&files.cert, &files.key) {
        (Some(cert), Some(key)) if cert.exists() && key.exists() => builder
            .with_client_auth_cert(certificates(cert)?, private_key(key)?)
            .map_err(|source| Error::Tls { source })?,
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn roots(files: &TlsFiles) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    let system = Path::new("/etc/ssl/certs/ca-certificates.crt");
    let path = files.ca.as_deref().unwrap_or(system);
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|source| Error::Tls { source })?;
    }
    Ok(store)
}

fn pem_blocks(path: &Path, suffix: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let fail = |reason: String| Error::Certificate { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
    let mut blocks = Vec::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find("-----BEGIN ") {
        let after = &rest[start + 11..];
        let Some((label, body)) = after.split_once("-----") else { break };
        let Some((data, tail)) = body.split_once("-----END ") else { break };
        if label.ends_with(suffix) {
            let packed: String = data.split_whitespace().collect();
            let der = STANDARD.decode(packed).map_err(|e| fail(e.to_string()))?;
            blocks.push((label.to_owned(), der));
        }
        rest = tail;
    }
    if blocks.is_empty() { Err(fail(format!("no {suffix} found"))) } else { Ok(blocks) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    Ok(pem_blocks(path, "CERTIFICATE")?.into_iter().map(|(_, der)| CertificateDer::from(der)).collect())
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let (label, der) = pem_blocks(path, "PRIVATE KEY")?.swap_remove(0);
    Ok(match label.as_str() {
        "RSA PRIVATE KEY" => PrivateKeyDer::Pkcs1(der.into()),
        "EC PRIVATE KEY" => PrivateKeyDer::Sec1(der.into()),
        _ => PrivateKeyDer::Pkcs8(der.into()),
    })
}

/// `--tls` without `--tlsverify`: encrypted, but any server is believed.
#[derive(Debug)]
struct AnyServer {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
