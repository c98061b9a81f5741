//! A server whose own certificate is the trusted one.
//!
//! The usual way to run a registry of one's own is a self-signed certificate (`openssl req -x509`) whose copy is the
//! client's `ca.crt`. Such a certificate says of itself that it is an authority, which webpki refuses of a server and
//! Go accepts. Here it is accepted when it is one of the trusted certificates byte for byte, is for this name, and
//! is within its time.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The usual rules, and the one above.
#[derive(Debug)]
pub(super) struct Verifier {
    usual: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl Verifier {
    /// `trusted` are those of `roots` that were configured for this registry.
    pub(super) fn new(
        roots: RootCertStore,
        trusted: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Self { usual, trusted })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        cert: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.usual.verify_server_cert(cert, intermediates, name, ocsp, now) {
            Err(Error::InvalidCertificate(CertificateError::Other(_))) if self.trusted.contains(cert) => {
                verify_server_name(&ParsedCertificate::try_from(cert)?, name)?;
                match validity(cert) {
                    Some((from, _)) if now.as_secs() < from => Err(CertificateError::NotValidYet.into()),
                    Some((_, to)) if now.as_secs() > to => Err(CertificateError::Expired.into()),
                    Some(_) => Ok(ServerCertVerified::assertion()),
                    None => Err(CertificateError::BadEncoding.into()),
                }
            }
            usual => usual,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// `notBefore` and `notAfter` of a certificate in seconds since 1970 (RFC 5280, section 4.1).
fn validity(cert: &[u8]) -> Option<(u64, u64)> {
    let (_, certificate, _) = element(cert)?;
    let (_, mut tbs, _) = element(certificate)?;
    // Version (tag 0, optional), serial number, signature algorithm, issuer.
    if *tbs.first()? == 0xa0 {
        tbs = element(tbs)?.2;
    }
    for _ in 0..3 {
        tbs = element(tbs)?.2;
    }
    let (_, validity, _) = element(tbs)?;
    let (from_tag, from, rest) = element(validity)?;
    let (to_tag, to, _) = element(rest)?;
    Some((seconds(from_tag, from)?, seconds(to_tag, to)?))
}

/// Tag, contents and what follows of a DER element.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let digits = usize::from(first & 0x7f);
        if digits == 0 || digits > 4 {
            return None;
        }
        length = 0;
        for _ in 0..digits {
            let (&digit, more) = rest.split_first()?;
            (length, rest) = (length << 8 | usize::from(digit), more);
        }
    }
    (length <= rest.len()).then(|| (tag, &rest[..length], &rest[length..]))
}

/// `UTCTime` (`YYMMDDHHMMSSZ`, tag 23) or `GeneralizedTime` (`YYYYMMDDHHMMSSZ`, tag 24).
fn seconds(tag: u8, text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        23 => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: u64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        24 => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let two = |at: usize| rest.get(at..at + 2)?.parse::<u64>().ok();
    let (month, day, hour, minute, second) = (two(0)?, two(2)?, two(4)?, two(6)?, two(8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year < 1970 {
        return None;
    }
    // Days since 1970-01-01, counted in years that begin in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    Some((days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(seconds(23, b"700101000000Z"), Some(0));
        assert_eq!(seconds(23, b"261121051736Z"), Some(1_795_238_256));
        assert_eq!(seconds(24, b"20240229235959Z"), Some(1_709_251_199));
        assert_eq!(seconds(24, b"20241301000000Z"), None);
        assert_eq!(seconds(2, b"20240101000000Z"), None);
    }

    #[test]
    fn lengths() {
        assert_eq!(element(&[4, 2, 1, 2, 9]), Some((4, &[1, 2][..], &[9][..])));
        assert_eq!(element(&[4, 0x81, 1, 7]), Some((4, &[7][..], &[][..])));
        assert_eq!(element(&[4, 3, 1]), None);
        assert_eq!(element(&[4, 0x80]), None);
        assert_eq!(element(&[]), None);
    }

    #[test]
    fn garbage_has_no_validity() {
        for n in 0..64 {
            assert_eq!(validity(&vec![0x30; n]), None);
        }
    }
}
