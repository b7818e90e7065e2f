//! One TCP stream to where it shall go: straight, by CONNECT, or by SOCKS5.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tower_service::Service;

use super::CONNECT_TIMEOUT;
use super::handshake::{self, Denied, Target};
use super::proxies::Proxies;
use crate::failure::BoxError;
use crate::policy::proxy::{ProxyUrl, Refused, Scheme};

/// Finds peers that vanished without a word; the first probe after this much silence.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Connects to a destination, by way of its proxy if it has one.
#[derive(Clone)]
pub struct Tcp {
    http: HttpConnector,
    proxies: Arc<Proxies>,
    /// How a proxy is trusted that speaks TLS.
    trust: ClientConfig,
}

impl Tcp {
    /// With this choice of proxies.
    pub fn new(proxies: Arc<Proxies>, trust: ClientConfig) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(TCP_KEEPALIVE));
        Self { http, proxies, trust }
    }
}

impl Service<Uri> for Tcp {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting<Stream>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Uri) -> Connecting<Stream> {
        let Self { mut http, proxies, trust } = self.clone();
        Box::pin(async move {
            match proxies.serving(&destination) {
                Ok(None) => Ok(Stream::new(http.call(destination).await?)),
                Ok(Some(proxy)) => {
                    let through = through(&proxy, http, trust, &destination).await;
                    through.map_err(|why| NotThrough { proxy: proxy.authority(), why }.into())
                }
                Err(Refused) => Err("the proxy of the operating system cannot be used".into()),
            }
        })
    }
}

/// Why there is no way through a proxy.
#[derive(Debug)]
pub struct NotThrough {
    /// Host and port.
    proxy: String,
    /// What stands in the way.
    pub why: Obstacle,
}

/// What stands in the way through a proxy.
#[derive(Debug)]
pub enum Obstacle {
    /// No connection to it, or no trust.
    Unreachable(BoxError),
    /// It does not pass bytes on.
    Denied(Denied),
}

impl std::fmt::Display for NotThrough {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.why {
            Obstacle::Unreachable(_) => write!(formatter, "the proxy {} cannot be reached", self.proxy),
            Obstacle::Denied(_) => write!(formatter, "the proxy {} does not connect", self.proxy),
        }
    }
}

impl std::error::Error for NotThrough {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(match &self.why {
            Obstacle::Unreachable(error) => &**error,
            Obstacle::Denied(denied) => denied,
        })
    }
}

async fn through(
    proxy: &ProxyUrl,
    mut http: HttpConnector,
    trust: ClientConfig,
    destination: &Uri,
) -> Result<Stream, Obstacle> {
    let unreachable = |error: BoxError| Obstacle::Unreachable(error);
    let tls = proxy.scheme == Scheme::Https;
    let address = format!("{}://{}", if tls { "https" } else { "http" }, proxy.authority());
    let address = Uri::try_from(address).map_err(|error| unreachable(error.into()))?;
    let stream = if tls {
        // Without ALPN: HTTP/2 is for the other end of the tunnel.
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(trust)
            .https_only()
            .enable_http1()
            .wrap_connector(http);
        Stream::new({ connector }.call(address).await.map_err(unreachable)?)
    } else {
        Stream::new(http.call(address).await.map_err(|error| unreachable(error.into()))?)
    };
    let target = Target {
        host: destination.host().unwrap_or_default().to_owned(),
        port: destination.port_u16().unwrap_or(443),
    };
    let (mut stream, credentials) = (TokioIo::new(stream), proxy.credentials.as_ref());
    let said = match proxy.scheme {
        Scheme::Http | Scheme::Https => handshake::connect(&mut stream, &target, credentials).await,
        Scheme::Socks5 => handshake::socks5(&mut stream, &target, credentials).await,
    };
    said.map_err(Obstacle::Denied)?;
    Ok(stream.into_inner())
}

/// A connector that gives up after [`CONNECT_TIMEOUT`].
#[derive(Clone)]
pub struct Limited<C>(pub C);

impl<C> Service<Uri> for Limited<C>
where
    C: Service<Uri, Error = BoxError>,
    C::Future: Send + 'static,
    C::Response: 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Connecting<C::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let connecting = self.0.call(destination);
        Box::pin(async move {
            match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no connection within 10 s").into()),
            }
        })
    }
}

trait Io: Read + Write + Connection + Unpin + Send {}
impl<T: Read + Write + Connection + Unpin + Send> Io for T {}

/// An open way to the destination, whatever it is made of.
pub struct Stream(Box<dyn Io>);

impl Stream {
    fn new(io: impl Read + Write + Connection + Unpin + Send + 'static) -> Self {
        Self(Box::new(io))
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.0.connected()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[derive(Clone)]
    struct Nobody;

    impl Service<Uri> for Nobody {
        type Response = Stream;
        type Error = BoxError;
        type Future = Connecting<Stream>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Uri) -> Self::Future {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_does_not_answer_is_given_up_after_ten_seconds() {
        let started = Instant::now();
        let connected = Limited(Nobody).call(Uri::from_static("https://nobody.example")).await;
        assert_eq!(connected.err().unwrap().to_string(), "no connection within 10 s");
        assert_eq!(started.elapsed().as_secs(), 10);
    }
}
