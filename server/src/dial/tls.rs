//! Whom connections trust: the operating system, and a CA file of the user's.

use std::sync::Arc;

use aggregator_protocol::Tls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::DialError;

/// Who checks certificates.
pub type Trust = Arc<dyn ServerCertVerifier>;

/// Reads the system's roots and the CA file. `strict` false takes any certificate.
pub fn trust(tls: &Tls, strict: bool) -> Result<Trust, DialError> {
    let roots = tls.ca_file.as_deref().map(extra_roots).transpose()?.unwrap_or_default();
    if !strict {
        return Ok(Arc::new(Anybody { provider: provider(), but: None }));
    }
    let verifier = if roots.is_empty() {
        Verifier::new(provider())
    } else {
        Verifier::new_with_extra_roots(roots, provider())
    };
    Ok(Arc::new(verifier.map_err(|error| DialError::Trust(error.to_string()))?))
}

/// Takes any certificate, but of this host, for which this one checks it.
pub fn lax_but_for(host: &str, checked: Trust) -> Result<Trust, DialError> {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(|error| DialError::Trust(error.to_string()))?;
    Ok(Arc::new(Anybody { provider: provider(), but: Some((name, checked)) }))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A client configuration without ALPN, for which this one checks certificates.
pub fn trusting(trust: Trust) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(trust)
        .with_no_client_auth()
}

/// A client configuration that trusts no certificate.
pub fn nobody() -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

/// The certificates of a PEM file; at least one.
pub fn extra_roots(path: &str) -> Result<Vec<CertificateDer<'static>>, DialError> {
    let unreadable = |error: rustls::pki_types::pem::Error| DialError::CaFile(error.to_string());
    let roots = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect::<Result<Vec<_>, _>>();
    match roots.map_err(unreadable)? {
        roots if roots.is_empty() => Err(DialError::CaFile("it holds no certificate".into())),
        roots => Ok(roots),
    }
}

/// Checks nothing but that the other end holds the key of the certificate it shows. For `tls.strict: false`.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
    /// Whose certificate is checked all the same.
    but: Option<(ServerName<'static>, Trust)>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.but {
            Some((host, checked)) if host == name => {
                checked.verify_server_cert(certificate, between, name, ocsp, now)
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
