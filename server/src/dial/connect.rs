//! One TCP stream to where it shall go: straight, by CONNECT, or by SOCKS5. Loopback is always reached straight.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aggregator_protocol::Proxy;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tower_service::Service;

use super::{CONNECT_TIMEOUT, DialError, tls};
use crate::failure::BoxError;

/// Finds peers that vanished without a word; the first probe after this much silence.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// Which proxy serves which destination; `None`: none, ever.
pub fn matcher(proxy: Option<&Proxy>) -> Result<Option<Arc<Matcher>>, DialError> {
    match proxy {
        None => Err(DialError::Proxy),
        Some(Proxy::Direct) => Ok(None),
        Some(Proxy::Auto) => Ok(Some(Arc::new(Matcher::from_system()))),
        Some(Proxy::Url { url, no_proxy }) => {
            let builder = Matcher::builder().all(url.expose().to_owned());
            Ok(Some(Arc::new(builder.no(no_proxy.clone().unwrap_or_default()).build())))
        }
    }
}

/// The proxy for a destination as one URL with its credentials, as reqwest wants it.
pub fn proxy_url(matcher: Option<&Matcher>, destination: &str) -> Option<String> {
    let destination: Uri = destination.parse().ok()?;
    let intercept = intercept(matcher, &destination)?;
    let uri = intercept.uri();
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?.as_str());
    match intercept.raw_auth() {
        Some((user, password)) => Some(format!("{scheme}://{user}:{password}@{authority}")),
        None => Some(format!("{scheme}://{authority}")),
    }
}

fn intercept(matcher: Option<&Matcher>, destination: &Uri) -> Option<Intercept> {
    if is_loopback(destination.host()?) {
        return None;
    }
    matcher?.intercept(destination)
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Connects to a destination, by way of its proxy if it has one.
#[derive(Clone)]
pub struct Tcp {
    http: HttpConnector,
    matcher: Option<Arc<Matcher>>,
}

impl Tcp {
    /// With this choice of proxies.
    pub fn new(matcher: Option<Arc<Matcher>>) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(TCP_KEEPALIVE));
        Self { http, matcher }
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
        let mut http = self.http.clone();
        let intercept = intercept(self.matcher.as_deref(), &destination);
        Box::pin(async move {
            let Some(intercept) = intercept else {
                return Ok(Stream::new(http.call(destination).await?));
            };
            let proxy = intercept.uri().clone();
            match proxy.scheme_str() {
                Some("http") => {
                    let mut tunnel = with_auth(Tunnel::new(proxy, http), &intercept);
                    Ok(Stream::new(tunnel.call(destination).await?))
                }
                Some("https") => {
                    let trust = tls::config(&aggregator_protocol::Tls::default(), true)
                        .map_err(|error| format!("{error:?}"))?;
                    let connector = HttpsConnectorBuilder::new()
                        .with_tls_config(trust)
                        .https_only()
                        .enable_http1()
                        .wrap_connector(http);
                    let mut tunnel = with_auth(Tunnel::new(proxy, connector), &intercept);
                    Ok(Stream::new(tunnel.call(destination).await?))
                }
                Some(scheme @ ("socks5" | "socks5h")) => {
                    let local_dns = scheme == "socks5";
                    let mut socks = SocksV5::new(proxy, http).local_dns(local_dns);
                    if let Some((user, password)) = intercept.raw_auth() {
                        socks = socks.with_auth(user.to_owned(), password.to_owned());
                    }
                    Ok(Stream::new(socks.call(destination).await?))
                }
                _ => Err("this kind of proxy is not supported".into()),
            }
        })
    }
}

fn with_auth<C>(tunnel: Tunnel<C>, intercept: &Intercept) -> Tunnel<C> {
    match intercept.basic_auth() {
        Some(auth) => tunnel.with_auth(auth.clone()),
        None => tunnel,
    }
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
