//! A certificate authority for one registry.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

/// The server's settings and the authority's certificate. Without `name` the certificate is for 127.0.0.1 and localhost.
pub(super) fn server(name: Option<&str>, http2: bool, expired: bool) -> (Arc<ServerConfig>, String) {
    let ca_key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let ca_certificate = ca.self_signed(&ca_key).expect("a certificate");
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
    };
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(names).expect("parameters");
    if expired {
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    }
    let certificate = params.signed_by(&key, &Issuer::new(ca, ca_key)).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .expect("a certificate with its key");
    if http2 {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    (Arc::new(config), ca_certificate.pem())
}
