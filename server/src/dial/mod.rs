//! Connections upstream, and the clients they serve. One trust and one choice of network proxy for the request path
//! (hyper-util) and for everything beside it (reqwest).
//!
//! Nothing here is built before it is needed: reading the system's roots takes longer than all the rest of the start.

mod connect;
mod early;
mod lanes;
mod lost;
mod tls;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use aggregator_protocol::{ProblemCode, Proxy, Severity, Tls};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::policy::route::Egress;
use crate::shared::Shared;
use crate::upload::Upload;
use connect::{Limited, Tcp};
use early::Early;
pub use lanes::Incoming;
use lanes::Lanes;
pub use lost::SendError;
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
    proxy: Option<Proxy>,
    tls: Tls,
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
    /// The proxy that is configured cannot be used; never is anything sent past it.
    Proxy,
    /// The CA file cannot be read or holds no certificate.
    CaFile(String),
    /// The system's trust store cannot be read.
    Trust(String),
}

impl std::fmt::Display for DialError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Proxy => formatter.write_str("the proxy cannot be used"),
            Self::CaFile(why) | Self::Trust(why) => formatter.write_str(why),
        }
    }
}

/// Reads the trust store aside, before the first request needs it, and says what is wrong with it.
pub fn warm(shared: &Arc<Shared>) {
    let (shared, live) = (shared.clone(), shared.live());
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
        if let Err(error) = warmed {
            tracing::warn!(%error, "no connection can be trusted");
        }
    });
}

impl Clients {
    /// Builds nothing yet. `proxy` is `None` when the one configured was refused.
    pub fn new(proxy: Option<Proxy>, tls: Tls) -> Arc<Self> {
        Arc::new(Self {
            proxy,
            tls,
            plain: OnceLock::new(),
            direct: OnceLock::new(),
            relay: OnceLock::new(),
            aside_direct: OnceLock::new(),
            aside_relay: OnceLock::new(),
            warmed: AtomicBool::new(false),
        })
    }

    /// Whether these serve that choice.
    pub fn serve(&self, proxy: &Option<Proxy>, tls: &Tls) -> bool {
        self.proxy == *proxy && self.tls == *tls
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
            let proxies = connect::matcher(self.proxy.as_ref())?;
            let proxy =
                reqwest::Proxy::custom(move |url| connect::proxy_url(proxies.as_deref(), url.as_str()));
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls::config(&self.tls, strict)?)
                .proxy(proxy)
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .build()
                .map_err(|error| DialError::Trust(error.without_url().to_string()))
        });
        built.as_ref().map_err(Clone::clone)
    }

    /// For `http`, which is on loopback only. It trusts nobody, so nothing has to be read for it.
    fn plain(&self) -> Result<&Client<Connector, Outgoing>, DialError> {
        if let Some(client) = self.plain.get() {
            return Ok(client);
        }
        let tcp = Tcp::new(connect::matcher(self.proxy.as_ref())?);
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
            let tcp = Tcp::new(connect::matcher(self.proxy.as_ref())?);
            let connector = HttpsConnectorBuilder::new()
                .with_tls_config(tls::config(&self.tls, strict)?)
                .https_only()
                .enable_all_versions()
                .wrap_connector(tcp);
            Ok(Lanes::new(&Limited(connector)))
        });
        built.as_ref().map_err(Clone::clone)
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
