//! Connections upstream, and the clients they serve. One trust and one choice of network proxy for the request path
//! (hyper-util) and for everything beside it (reqwest).
//!
//! Nothing here is built before it is needed: reading the system's roots takes longer than all the rest of the start.

mod connect;
mod early;
mod handshake;
mod lanes;
mod lost;
pub mod probe;
mod proxies;
mod tls;

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use aggregator_protocol::{ProblemCode, Secret, Severity, Tls};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::policy::proxy::{Choice, Refused};
use crate::policy::route::Egress;
use crate::shared::Shared;
use crate::upload::Upload;
use connect::{Limited, Tcp};
use early::Early;
pub use lanes::Incoming;
use lanes::Lanes;
pub use lost::{NoConnection, SendError, no_connection};
use proxies::Proxies;
use tls::Trust;
pub use tls::extra_roots;

/// Name, connect, proxy and TLS together (acceptance W7).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Shorter than Google keeps idle connections, longer than a pause between two turns of a chat.
const IDLE_CONNECTION: Duration = Duration::from_secs(90);
/// By HTTP/1.1. No answer of Google's comes near it; it is also what a connection reads at a time.
const LARGEST_HEAD: usize = 64 * 1024;
/// HTTP/2 PING, so that a dead path is noticed while a thinking model is silent.
const PING_EVERY: Duration = Duration::from_secs(30);
/// How long the answer to a PING may take.
const PING_ANSWER: Duration = Duration::from_secs(20);
/// How much of an answer the other end may send by HTTP/2 ahead of a caller that reads slowly or not at all: what such a
/// caller costs here at most. It bounds how fast an answer comes, too: to 5 MB/s where a round trip takes 200 ms, and events
/// are of kilobytes. (How fast a request goes out is for the other end's windows to say.)
const STREAM_WINDOW: u32 = 1024 * 1024;
/// The same for all answers of a connection together. It bounds nothing, on purpose: if it were less than the windows of all
/// streams (100 of 1 MiB), callers that do not read would use it up, and every other answer would stop until they leave.
/// Go's client has the same, so servers know it.
const CONNECTION_WINDOW: u32 = 1 << 30;

/// One type for both: hyper, its pool and HTTP/2 are in the program once.
type Connector = Limited<HttpsConnector<Tcp>>;

/// The clients for one choice of proxy and trust. Kept over a change of configuration that leaves both as they are.
pub struct Clients {
    choice: Option<Choice>,
    proxies: Result<Arc<Proxies>, DialError>,
    tls: Tls,
    /// Whom to trust, as it was read: without checks, and with them.
    trust: [OnceLock<Result<Trust, DialError>>; 2],
    plain: OnceLock<Client<Connector, Outgoing>>,
    direct: OnceLock<Result<Lanes, DialError>>,
    relay: OnceLock<Result<Lanes, DialError>>,
    aside_direct: OnceLock<Result<reqwest::Client, DialError>>,
    aside_relay: OnceLock<Result<reqwest::Client, DialError>>,
    /// [`warm`] has them.
    warmed: AtomicBool,
}

/// Why nothing can be sent at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialError {
    /// The proxy that is configured, or that this variable of the environment names, cannot be used; never is anything sent
    /// past it.
    Proxy(Option<&'static str>),
    /// The CA file cannot be read or holds no certificate.
    CaFile(String),
    /// The system's trust store cannot be read.
    Trust(String),
}

impl std::fmt::Display for DialError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Proxy(None) => formatter.write_str("the proxy cannot be used"),
            Self::Proxy(Some(variable)) => write!(formatter, "the proxy of {variable} cannot be used"),
            Self::CaFile(why) | Self::Trust(why) => formatter.write_str(why),
        }
    }
}

impl DialError {
    /// Which setting is to blame.
    pub fn setting(&self) -> &'static str {
        match self {
            Self::Proxy(None) => "proxy",
            Self::Proxy(Some(_)) => "proxy (auto: HTTPS_PROXY or ALL_PROXY of the environment)",
            Self::CaFile(_) => "tls.caFile",
            Self::Trust(_) => "tls",
        }
    }
}

/// Says whether the environment names a proxy that cannot be used, reads the trust store aside, before the first request needs it, and says what is wrong with it.
pub fn warm(shared: &Arc<Shared>) {
    let (shared, live) = (shared.clone(), shared.live());
    match live.clients.proxies {
        Err(DialError::Proxy(Some(variable))) => {
            shared.raise(ProblemCode::ProxyUrl, Some(variable.into()), Severity::Error);
        }
        _ => shared.clear(ProblemCode::ProxyUrl),
    }
    let https = live.config.upstream.as_ref().is_some_and(|base| base.https);
    if !https && live.config.tls.ca_file.is_none() {
        shared.clear(ProblemCode::CaFile);
        return;
    }
    // Another state with the same proxy and trust finds the same.
    if live.clients.warmed.swap(true, Ordering::Relaxed) {
        return;
    }
    tokio::task::spawn_blocking(move || {
        let warmed = live.clients.warm();
        if !Arc::ptr_eq(&live.clients, &shared.live().clients) {
            return;
        }
        match warmed {
            Err(DialError::CaFile(_)) => shared.raise(ProblemCode::CaFile, None, Severity::Error),
            _ => shared.clear(ProblemCode::CaFile),
        }
        if let Err(error @ (DialError::CaFile(_) | DialError::Trust(_))) = warmed {
            tracing::warn!(%error, "no connection can be trusted");
        }
    });
}

impl Clients {
    /// Builds nothing yet, but reads the environment. `choice` is `None` when the proxy configured was refused.
    pub fn new(choice: Option<Choice>, tls: Tls) -> Arc<Self> {
        Arc::new(Self {
            proxies: Proxies::new(choice.as_ref()).map(Arc::new),
            choice,
            tls,
            trust: Default::default(),
            plain: OnceLock::new(),
            direct: OnceLock::new(),
            relay: OnceLock::new(),
            aside_direct: OnceLock::new(),
            aside_relay: OnceLock::new(),
            warmed: AtomicBool::new(false),
        })
    }

    /// Whether these serve that choice.
    pub fn serve(&self, choice: &Option<Choice>, tls: &Tls) -> bool {
        self.choice == *choice && self.tls == *tls
    }

    /// What nobody may see of the proxy, whoever named it.
    pub fn secrets(&self) -> Vec<Secret> {
        self.proxies.as_ref().map(|proxies| proxies.secrets()).unwrap_or_default()
    }

    /// Sends one request. Dropping the future, or the body it gives, ends it upstream.
    pub async fn send(
        &self,
        egress: &Egress,
        mut request: http::Request<Outgoing>,
    ) -> Result<http::Response<Incoming>, SendError> {
        let early = matches!(egress, Egress::Relay(_)).then(|| Early::watch(&mut request));
        let https = request.uri().scheme() == Some(&http::uri::Scheme::HTTPS);
        let (sending, seat) = match (https, egress) {
            (false, _) => (self.plain()?.request(request), None),
            (true, Egress::Direct) => self.secure(&self.direct, self.tls.strict)?.request(request),
            (true, Egress::Relay(_)) => self.secure(&self.relay, true)?.request(request),
        };
        let answer = match early {
            None => sending.await?,
            Some(early) => tokio::select! {
                answer = sending => answer?,
                () = early.too_many() => return Err(SendError::Broken("1xx answers without end".into())),
            },
        };
        Ok(answer.map(|body| Incoming::new(body, seat)))
    }

    /// Reads the trust store now, so that the first request need not wait for it.
    pub fn warm(&self) -> Result<(), DialError> {
        self.secure(&self.direct, self.tls.strict).map(drop)
    }

    /// The client for what is off the request path: no redirects, no compression, the same trust and proxy.
    pub fn aside(&self, egress: &Egress) -> Result<&reqwest::Client, DialError> {
        let (slot, strict) = match egress {
            Egress::Direct => (&self.aside_direct, self.tls.strict),
            Egress::Relay(_) => (&self.aside_relay, true),
        };
        let built = slot.get_or_init(|| {
            let proxies = self.proxies.clone()?;
            let mut trust = tls::trusting(match proxies.by_tls() {
                Some(proxy) if !strict => tls::lax_but_for(&proxy.host, self.trust(true)?)?,
                _ => self.trust(strict)?,
            });
            trust.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            reqwest::Client::builder()
                .tls_backend_preconfigured(trust)
                .proxy(reqwest::Proxy::custom(move |url| aside_proxy(&proxies, url)))
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .build()
                .map_err(|error| DialError::Trust(error.without_url().to_string()))
        });
        built.as_ref().map_err(Clone::clone)
    }

    /// Read once, for all of these clients.
    fn trust(&self, strict: bool) -> Result<Trust, DialError> {
        self.trust[usize::from(strict)].get_or_init(|| tls::trust(&self.tls, strict)).clone()
    }

    /// To any host, by its proxy. A proxy learns our password: whether it is trusted is no question of `tls.strict`.
    fn tcp(&self) -> Result<Tcp, DialError> {
        let proxies = self.proxies.clone()?;
        let for_proxy = match proxies.by_tls() {
            Some(_) => tls::trusting(self.trust(true)?),
            None => tls::nobody(),
        };
        Ok(Tcp::new(proxies, for_proxy))
    }

    /// For `http`, which is on loopback only. It trusts nobody, so nothing has to be read for it.
    fn plain(&self) -> Result<&Client<Connector, Outgoing>, DialError> {
        if let Some(client) = self.plain.get() {
            return Ok(client);
        }
        let tcp = Tcp::new(self.proxies.clone()?, tls::nobody());
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::nobody())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(self.plain.get_or_init(|| builder().build(Limited(connector))))
    }

    fn secure<'a>(
        &self,
        slot: &'a OnceLock<Result<Lanes, DialError>>,
        strict: bool,
    ) -> Result<&'a Lanes, DialError> {
        let built = slot.get_or_init(|| {
            let connector = HttpsConnectorBuilder::new()
                .with_tls_config(tls::trusting(self.trust(strict)?))
                .https_only()
                .enable_all_versions()
                .wrap_connector(self.tcp()?);
            Ok(Lanes::new(&Limited(connector)))
        });
        built.as_ref().map_err(Clone::clone)
    }
}

/// The proxy for a destination, as reqwest wants it: with credentials in its URL. reqwest goes straight where it is given none, so
/// in place of one that cannot be used it is given one that is nowhere (RFC 6761, 6.4).
fn aside_proxy(proxies: &Proxies, destination: &reqwest::Url) -> Option<reqwest::Url> {
    let nowhere = || reqwest::Url::parse("http://proxy.invalid").ok();
    let destination = http::Uri::try_from(destination.as_str());
    match destination.map(|destination| proxies.serving(&destination).map(|proxy| proxy.map(Cow::into_owned)))
    {
        Ok(Ok(None)) => None,
        Ok(Ok(Some(proxy))) => reqwest::Url::parse(proxy.with_credentials().expose()).ok().or_else(nowhere),
        Ok(Err(Refused)) | Err(_) => nowhere(),
    }
}

fn builder() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_CONNECTION)
        .http1_max_buf_size(LARGEST_HEAD)
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_ANSWER)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW);
    builder
}

/// A request body: whole, and so cheap to send again, or passed through as it comes.
#[derive(Debug)]
pub enum Outgoing {
    /// A reference to the whole; `None` once it is out.
    Whole(Option<Bytes>),
    /// As it comes from downstream; never sent twice.
    Stream(Upload),
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(
                bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))),
            ),
            Self::Stream(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_the_request_path_no_proxy_that_is_refused_becomes_none() {
        let aside = |proxy: &str, destination: &str| {
            let found = aside_proxy(&Proxies::of_system(proxy, ""), &destination.parse().unwrap());
            found.map(|proxy| proxy.to_string())
        };
        assert_eq!(aside("socks5://p.test", "https://g.test").as_deref(), Some("socks5h://p.test:1080"));
        assert_eq!(aside("p.test:3128", "https://g.test").as_deref(), Some("http://p.test:3128/"));
        assert_eq!(aside("socks4://p.test:1", "https://g.test").as_deref(), Some("http://proxy.invalid/"));
        assert_eq!(aside("socks4://p.test:1", "https://localhost"), None);
        let named = Choice::from_desired(aggregator_protocol::Proxy::Url {
            url: Secret::new("https://m%40e:a%2Fb%25@p.test"),
            no_proxy: None,
        });
        let proxies = Proxies::new(Some(&named.unwrap())).unwrap();
        let found = aside_proxy(&proxies, &"https://g.test".parse().unwrap()).unwrap();
        assert_eq!(found.as_str(), "https://m%40e:a%2Fb%25@p.test/");
    }
}
