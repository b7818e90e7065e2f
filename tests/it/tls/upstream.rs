//! An upstream behind TLS, with a certificate authority of its own. By HTTP/2 the test answers each request itself, frame by
//! frame; by HTTP/1.1 it is a door in front of a scripted fake.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::request::Parts;
use http::{Request, Response};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::support::soon;

/// Signs certificates that nobody trusts unless told to.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = params(&[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "An authority for one test");
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Accepts connections as a host of this name, with these protocols.
    pub fn acceptor(&self, name: &str, protocols: &[&str]) -> TlsAcceptor {
        let mut params = params(&[name]);
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config).into()
    }
}

/// Valid for as long as the strictest system allows.
fn params(names: &[&str]) -> CertificateParams {
    const DAY: Duration = Duration::from_secs(86_400);
    let now = Duration::from_millis(gemini_aggregator::shared::wall_clock());
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + now - DAY;
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + now + 30 * DAY;
    params
}

/// What a connection does with its first request.
#[derive(Debug, Clone, Copy)]
pub enum Manner {
    /// Hands it to the test, and all that follow.
    Serves,
    /// Says GOAWAY for this reason, vouches for no stream, and closes.
    Leaves(Reason),
}

/// An HTTP/2 upstream on localhost.
pub struct Upstream {
    port: u16,
    exchanges: mpsc::UnboundedReceiver<Exchange>,
    /// Connections up to this one shall go away.
    leaving: watch::Sender<usize>,
    /// Connections that were accepted, with or without success.
    accepted: watch::Receiver<usize>,
    accepting: JoinHandle<()>,
}

impl Upstream {
    pub async fn start(authority: &Authority) -> Self {
        Self::start_as(authority, "localhost", []).await
    }

    /// Shows a certificate for this name; the first connections have these manners.
    pub async fn start_as<const N: usize>(authority: &Authority, name: &str, manners: [Manner; N]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = authority.acceptor(name, &["h2", "http/1.1"]);
        let (sender, exchanges) = mpsc::unbounded_channel();
        let leaving = watch::Sender::new(0);
        let (count, accepted) = watch::channel(0);
        let go_away = leaving.clone();
        let accepting = tokio::spawn(async move {
            for number in 1.. {
                let (stream, _) = listener.accept().await.unwrap();
                count.send_replace(number);
                let manner = manners.get(number - 1).copied().unwrap_or(Manner::Serves);
                let (acceptor, sender, leaving) = (acceptor.clone(), sender.clone(), go_away.subscribe());
                tokio::spawn(async move {
                    // One that does not trust us is no fault.
                    let Ok(tls) = acceptor.accept(stream).await else { return };
                    match manner {
                        Manner::Serves => serve(tls, number, sender, leaving).await,
                        Manner::Leaves(reason) => leave(tls, reason).await,
                    }
                });
            }
        });
        Self { port, exchanges, leaving, accepted, accepting }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// Where it is, whatever name it goes by.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The next request that came, whole.
    pub async fn next(&mut self) -> Exchange {
        soon("a request", self.exchanges.recv()).await.unwrap()
    }

    /// Whether no request is waiting.
    pub fn is_idle(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// How many connections there were.
    pub fn accepted(&self) -> usize {
        *self.accepted.borrow()
    }

    /// Says on all connections so far that they will take no further request.
    pub fn goes_away(&self) {
        self.leaving.send_replace(self.accepted());
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(
    tls: TlsStream<TcpStream>,
    number: usize,
    sender: mpsc::UnboundedSender<Exchange>,
    mut leaving: watch::Receiver<usize>,
) {
    let mut builder = h2::server::Builder::new();
    let Ok(mut connection) = builder.max_concurrent_streams(100).handshake(tls).await else { return };
    let mut gone = false;
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                let sender = sender.clone();
                tokio::spawn(async move {
                    if let Some(exchange) = Exchange::read(number, request, respond).await {
                        // The test may be over.
                        let _ = sender.send(exchange);
                    }
                });
            }
            changed = leaving.changed(), if !gone => {
                gone = changed.is_err() || number <= *leaving.borrow();
                if gone {
                    connection.graceful_shutdown();
                }
            }
        }
    }
}

/// Waits for the head of a request and turns it away (RFC 9113, 4.1 and 6.8).
async fn leave(mut tls: TlsStream<TcpStream>, reason: Reason) {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    tls.write_all(&SETTINGS).await.unwrap();
    let mut preface = [0; 24];
    tls.read_exact(&mut preface).await.unwrap();
    let mut frame = [0; 9];
    while frame[3] != 1 {
        tls.read_exact(&mut frame).await.unwrap();
        let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]);
        let mut payload = vec![0; length as usize];
        tls.read_exact(&mut payload).await.unwrap();
    }
    let mut go_away = vec![0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    go_away.extend(u32::from(reason).to_be_bytes());
    tls.write_all(&go_away).await.unwrap();
    tls.shutdown().await.unwrap();
    // Whoever closes with bytes unread resets, which could overtake the frame.
    let _ = tokio::io::copy(&mut tls, &mut tokio::io::sink()).await;
}

/// A request and the way to answer it.
pub struct Exchange {
    /// Which connection it came by, from 1.
    pub connection: usize,
    pub head: Parts,
    pub body: Vec<u8>,
    incoming: RecvStream,
    respond: SendResponse<Bytes>,
}

impl Exchange {
    async fn read(
        connection: usize,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
    ) -> Option<Self> {
        let (head, mut incoming) = request.into_parts();
        let mut body = Vec::new();
        while let Some(data) = incoming.data().await {
            let data = data.ok()?;
            incoming.flow_control().release_capacity(data.len()).ok()?;
            body.extend_from_slice(&data);
        }
        Some(Self { connection, head, body, incoming, respond })
    }

    /// Begins a stream of events.
    pub fn opens(mut self) -> Open {
        let head = Response::builder().header("content-type", "text/event-stream").body(()).unwrap();
        Open { stream: self.respond.send_response(head, false).unwrap(), _incoming: self.incoming }
    }

    /// Answers whole.
    pub fn answers(mut self, body: &Value) {
        let head =
            Response::builder().header("content-type", "application/json; charset=UTF-8").body(()).unwrap();
        let mut stream = self.respond.send_response(head, false).unwrap();
        stream.send_data(body.to_string().into(), true).unwrap();
    }

    /// Resets the stream before any answer.
    pub fn resets(mut self, reason: Reason) {
        self.respond.send_reset(reason);
    }

    /// Why the other end gave the request up.
    pub async fn left(&mut self) -> Reason {
        soon("a reset", std::future::poll_fn(|context| self.respond.poll_reset(context))).await.unwrap()
    }
}

/// An answer under way.
pub struct Open {
    stream: SendStream<Bytes>,
    _incoming: RecvStream,
}

impl Open {
    pub fn sends(&mut self, text: &str) {
        self.stream.send_data(text.to_owned().into(), false).unwrap();
    }

    pub fn ends(mut self) {
        self.stream.send_data(Bytes::new(), true).unwrap();
    }

    pub fn resets(mut self, reason: Reason) {
        self.stream.send_reset(reason);
    }

    /// Why the other end gave the answer up.
    pub async fn left(&mut self) -> Reason {
        soon("a reset", std::future::poll_fn(|context| self.stream.poll_reset(context))).await.unwrap()
    }

    /// Sends this again and again, as fast as it is taken; counts the bytes. Ends when the other end has had enough.
    pub async fn floods(mut self, block: Bytes, sent: watch::Sender<usize>) {
        loop {
            let mut left = block.clone();
            while !left.is_empty() {
                self.stream.reserve_capacity(left.len());
                let granted = std::future::poll_fn(|context| self.stream.poll_capacity(context)).await;
                let Some(Ok(granted)) = granted else { return };
                let piece = left.split_to(granted.min(left.len()));
                let length = piece.len();
                if self.stream.send_data(piece, false).is_err() {
                    return;
                }
                sent.send_modify(|total| *total += length);
            }
        }
    }
}

/// A door that speaks TLS and HTTP/1.1 in front of a fake.
pub struct Door {
    port: u16,
    accepting: JoinHandle<()>,
}

impl Door {
    pub async fn start(authority: &Authority, to: SocketAddr) -> Self {
        Self::start_as(authority, "localhost", to).await
    }

    /// Shows a certificate for this name.
    pub async fn start_as(authority: &Authority, name: &str, to: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = authority.acceptor(name, &["http/1.1"]);
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut tls) = acceptor.accept(stream).await else { return };
                    let mut fake = TcpStream::connect(to).await.unwrap();
                    // Either side may break off.
                    let _ = tokio::io::copy_bidirectional(&mut tls, &mut fake).await;
                });
            }
        });
        Self { port, accepting }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
