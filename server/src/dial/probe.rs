//! The way to a host, one step after the other, for diagnoses: the proxy or the name and TCP, then TLS. The choice of proxy and
//! the trust are those of the clients. Sends nothing but what a connection needs, and never a secret of a key or relay.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use aggregator_protocol::Fault;
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::connect::{NotThrough, Obstacle};
use super::handshake::Denied;
use super::tls::{self, Trust};
use super::{Clients, DialError};
use crate::failure::BoxError;
use crate::policy::base::Base;
use crate::policy::proxy::Refused;
use crate::policy::route::Egress;

/// A connection, whatever it is made of.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// An open way to a host, on which nothing was sent yet.
pub type Open = Box<dyn Io>;

/// Host and port of a base.
#[derive(Debug, Clone)]
pub struct Host {
    uri: Uri,
    /// The host without brackets.
    pub name: String,
    /// The port, also where the URL names none.
    pub port: u16,
}

impl Host {
    /// Of a base; `None` if there is no such host, which a base does not let happen.
    pub fn of(base: &Base) -> Option<Self> {
        let uri: Uri = base.url().parse().ok()?;
        let name = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if base.https { 443 } else { 80 });
        Some(Self { uri, name, port })
    }

    /// As text.
    pub fn with_port(&self) -> String {
        let host = self.uri.host().unwrap_or_default();
        format!("{host}:{}", self.port)
    }

    /// Where the host is an address and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        self.name.parse().ok()
    }

    /// The addresses of the name.
    pub async fn resolve(&self) -> Result<Vec<IpAddr>, Fault> {
        let found = tokio::net::lookup_host((self.name.as_str(), self.port)).await;
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in found.map_err(|_| Fault::UnknownHost)? {
            if !addresses.contains(&address.ip()) {
                addresses.push(address.ip());
            }
        }
        if addresses.is_empty() { Err(Fault::UnknownHost) } else { Ok(addresses) }
    }

    /// Connects to one of these addresses, in the way in which requests do; to which one.
    pub async fn connect(&self, addresses: Vec<IpAddr>) -> Result<(Open, IpAddr), Fault> {
        let port = self.port;
        let known = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        let mut http = HttpConnector::new_with_resolver(Known(known));
        http.enforce_http(false);
        let stream = http.call(self.uri.clone()).await.map_err(|error| fault(&error));
        let stream = stream.map_err(|fault| fault.unwrap_or(Fault::Unreachable))?.into_inner();
        let address = stream.peer_addr().map_err(|_| Fault::Broken)?.ip();
        Ok((Box::new(stream), address))
    }
}

/// A resolver that knows already.
#[derive(Clone)]
struct Known(Vec<SocketAddr>);

impl Service<Name> for Known {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = std::future::Ready<Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        std::future::ready(Ok(self.0.clone().into_iter()))
    }
}

/// What a handshake showed.
pub struct Handshake {
    /// DNS names in the certificate, where one came.
    pub names: Option<Vec<String>>,
    /// Whether it is trusted.
    pub result: Result<(), Refusal>,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Our own settings.
    Settings(DialError),
    /// The other end, or the way there.
    Fault(Fault),
}

impl Clients {
    /// The network proxy that serves this host as `scheme://host:port`; `None`: none does.
    pub fn proxy_for(&self, host: &Host) -> Result<Option<String>, DialError> {
        let proxies = self.proxies.as_ref().map_err(Clone::clone)?;
        let proxy = proxies.serving(&host.uri).map_err(|Refused| DialError::Proxy(None))?;
        Ok(proxy.map(|proxy| proxy.origin()))
    }

    /// Connects to a host by way of its network proxy.
    pub async fn by_proxy(&self, host: &Host) -> Result<Open, Refusal> {
        let mut tcp = self.tcp().map_err(Refusal::Settings)?;
        let stream = tcp.call(host.uri.clone()).await.map_err(|error| Refusal::Fault(proxy_fault(&error)))?;
        Ok(Box::new(TokioIo::new(stream)))
    }

    /// Speaks TLS on an open way, with the trust that a way out has.
    pub async fn handshake(self: &Arc<Self>, egress: &Egress, host: &Host, open: Open) -> Handshake {
        let refused = |refusal| Handshake { names: None, result: Err(refusal) };
        let strict = *egress != Egress::Direct || self.tls.strict;
        let clients = self.clone();
        let trust = match tokio::task::spawn_blocking(move || clients.trust(strict)).await {
            Ok(Ok(trust)) => trust,
            Ok(Err(error)) => return refused(Refusal::Settings(error)),
            Err(_) => return refused(Refusal::Fault(Fault::Tls)),
        };
        let Ok(name) = ServerName::try_from(host.name.clone()) else {
            return refused(Refusal::Fault(Fault::Tls));
        };
        let witness = Arc::new(Witness { trust, seen: OnceLock::new() });
        let connector = TlsConnector::from(Arc::new(tls::trusting(witness.clone())));
        let result = match connector.connect(name, open).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Refusal::Fault(fault(&error).unwrap_or(Fault::Tls))),
        };
        Handshake { names: witness.seen.get().cloned(), result }
    }
}

/// Remembers whose certificate was shown, whether it is trusted or not.
#[derive(Debug)]
struct Witness {
    trust: Trust,
    seen: OnceLock<Vec<String>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let _ = self.seen.set(names(certificate));
        self.trust.verify_server_cert(certificate, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trust.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trust.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.supported_verify_schemes()
    }
}

fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let read = webpki::EndEntityCert::try_from(certificate);
    read.map(|read| read.valid_dns_names().map(str::to_owned).collect()).unwrap_or_default()
}

/// What is wrong, by the first cause that tells; `None`: none does.
pub fn fault(error: &(dyn Error + 'static)) -> Option<Fault> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(tls_fault(error));
        }
        let io = error.downcast_ref::<io::Error>();
        // What an error of the system's kind wraps is not its source, but stands in its place.
        if let Some(found) = io.and_then(io::Error::get_ref).and_then(|inner| fault(inner)) {
            return Some(found);
        }
        if let Some(found) = io.and_then(|error| io_fault(error.kind())) {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

fn io_fault(kind: ErrorKind) -> Option<Fault> {
    Some(match kind {
        ErrorKind::ConnectionRefused => Fault::Refused,
        ErrorKind::TimedOut => Fault::TimedOut,
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable
        | ErrorKind::PermissionDenied => Fault::Unreachable,
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => Fault::Broken,
        _ => return None,
    })
}

fn tls_fault(error: &rustls::Error) -> Fault {
    let rustls::Error::InvalidCertificate(error) = error else { return Fault::Tls };
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Fault::CertificateName
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Fault::CertificateTime,
        // An issuer of a name that is known, and not the one that is.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Fault::CertificateIssuer,
        // How tools sign a certificate by itself.
        CertificateError::Other(other)
            if other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) =>
        {
            Fault::CertificateIssuer
        }
        _ => Fault::Tls,
    }
}

/// What is wrong on a way through a proxy.
fn proxy_fault(error: &BoxError) -> Fault {
    match error.downcast_ref::<NotThrough>().map(|not_through| &not_through.why) {
        Some(Obstacle::Denied(Denied::Credentials)) => Fault::ProxyCredentials,
        Some(Obstacle::Denied(Denied::Broken(_))) => Fault::Broken,
        Some(Obstacle::Denied(_)) => Fault::ProxyRefused,
        Some(Obstacle::Unreachable(error)) => fault(&**error).unwrap_or(Fault::Unreachable),
        None => Fault::Settings,
    }
}
