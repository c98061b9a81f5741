//! Certificates for tests of TLS: an authority, and what it signs.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A server at 127.0.0.1.
    Server,
    /// A client.
    Client,
    /// A client, until 2001.
    ExpiredClient,
}

/// A certificate authority that lives as long as its test.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// No random numbers.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// Puts `ca.pem`, and a `cert.pem` with its `key.pem` for this purpose, into a directory: what `DOCKER_CERT_PATH` is.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn issue_into(&self, dir: &Path, purpose: Purpose) -> anyhow::Result<()> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        params.extended_key_usages = vec![match purpose {
            Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Purpose::Client | Purpose::ExpiredClient => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        if purpose == Purpose::ExpiredClient {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer)?;
        fs::create_dir_all(dir)?;
        fs::write(dir.join("ca.pem"), &self.pem)?;
        fs::write(dir.join("cert.pem"), certificate.pem())?;
        fs::write(dir.join("key.pem"), key.serialize_pem())?;
        Ok(())
    }
}
