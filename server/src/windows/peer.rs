//! Who holds a port: a window of the same pool proves that it is one before it is told anything. Never sends the token, or an id,
//! to anybody else.

use std::io::ErrorKind;
use std::time::Duration;

use aggregator_protocol::{Leader, Role, Secret};
use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use ring::{hmac, rand};
use tokio::net::TcpStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{OURSELVES, hashed, hex, name_ourselves, read};
use crate::failure::{Failure, whole};
use crate::proxy::Body;
use crate::shared::{Identity, Shared};
use crate::{VERSION, headers};

/// Where it is asked who holds the port.
const PAGE: &str = "/-/status";
/// Asks for a proof: up to 64 letters and digits, never the same again.
const NONCE: HeaderName = HeaderName::from_static("x-gemini-aggregator-nonce");
/// The [`Proof`].
const PROOF: HeaderName = HeaderName::from_static("x-gemini-aggregator-proof");
/// Whoever holds the port tells who it is within this time, or is a stranger.
const IDENTIFY: Duration = Duration::from_secs(1);

/// What a leader says of itself to whoever sends a nonce, in one header: `HOST PORT PID TOKEN CODE`. The code is made of the others
/// and the nonce with the id of the pool, which is never sent; so nobody else can say it, say it again, or pass it on from
/// another port.
#[derive(Debug, PartialEq, Eq)]
struct Proof {
    /// Hashed.
    host: String,
    port: u16,
    pid: u32,
    /// The access token, hashed with nonce and pool: who has another need not try its own.
    token: String,
}

impl Proof {
    fn write(&self, pool: &str, nonce: &str) -> String {
        let Self { host, port, pid, token } = self;
        let said = format!("{host} {port} {pid} {token}");
        format!("{said} {}", code(pool, &format!("{nonce} {said}")))
    }

    /// `None` if it proves nothing.
    fn read(text: &str, pool: &str, nonce: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let (host, port, pid, token) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let said =
            Self { host: host.into(), port: port.parse().ok()?, pid: pid.parse().ok()?, token: token.into() };
        (!pool.is_empty() && said.write(pool, nonce) == text).then_some(said)
    }
}

fn code(pool: &str, text: &str) -> String {
    hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, pool.as_bytes()), text.as_bytes()).as_ref())
}

fn token_code(shared: &Shared, pool: &str, nonce: &str) -> String {
    let config = shared.config();
    let token = config.access_token.as_ref().map_or("", Secret::expose);
    code(pool, &Zeroizing::new(format!("{nonce} token {token}")))
}

/// The answer to `/-/status` with a nonce: who this is, for which no token is wanted and no record kept. `None`: the request is
/// none of these, or the guard has to say why it is refused.
pub fn introduction(shared: &Shared, parts: &Parts) -> Option<Response<Body>> {
    let nonce = parts.headers.get(&NONCE)?.to_str().ok()?;
    let plain = nonce.len() <= 64 && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !plain || parts.method != Method::GET || parts.uri.path() != PAGE {
        return None;
    }
    match headers::guard(parts, &[], &shared.config()) {
        Ok(_) | Err((Failure::WrongToken, _)) => {}
        Err(_) => return None,
    }
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    name_ourselves(PAGE, response.headers_mut());
    let Identity { pool, host } = shared.identity();
    if let Role::Leader { port } = shared.role()
        && !pool.is_empty()
    {
        let token = token_code(shared, &pool, nonce);
        let proof = Proof { host: hashed(&host), port, pid: std::process::id(), token }.write(&pool, nonce);
        response.headers_mut().insert(PROOF, proof.parse().ok()?);
    }
    Some(response)
}

/// Who holds a port.
#[derive(Debug)]
pub enum Holder {
    /// Another window with the same pool on this machine.
    Ours(Peer),
    /// A Gemini Aggregator with other keys, or one that runs by itself.
    OtherPool,
    /// A Gemini Aggregator of another machine, forwarded.
    OtherHost,
    /// Nobody any more, or somebody who is just leaving.
    Gone,
    /// Anything else.
    Stranger,
}

/// Asks whoever holds this port of 127.0.0.1. It gets no token and learns no id.
pub async fn who_holds(shared: &Shared, port: u16) -> Holder {
    timeout(IDENTIFY, ask_who(shared, port)).await.unwrap_or(Holder::Stranger)
}

async fn ask_who(shared: &Shared, port: u16) -> Holder {
    let own = shared.identity();
    let mut sender = match connect(port).await {
        Ok(sender) => sender,
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) => {
            return Holder::Gone;
        }
        Err(_) => return Holder::Stranger,
    };
    let mut nonce = [0; 16];
    if rand::SecureRandom::fill(&rand::SystemRandom::new(), &mut nonce).is_err() {
        return Holder::Stranger;
    }
    let nonce = hex(&nonce);
    let mut request = question(Method::GET, Uri::from_static(PAGE), Bytes::new());
    request.headers_mut().insert(NONCE, HeaderValue::from_str(&nonce).expect("letters and digits"));
    let response = match sender.send_request(request).await {
        Ok(response) => response,
        // No HTTP is a stranger's answer; none at all is that of a process that ends.
        Err(error) if error.is_parse() => return Holder::Stranger,
        Err(_) => return Holder::Gone,
    };
    let text = |name: &HeaderName| response.headers().get(name)?.to_str().ok().map(str::to_owned);
    let Some(version) = text(&OURSELVES) else { return Holder::Stranger };
    let proof = text(&PROOF).and_then(|proof| Proof::read(&proof, &own.pool, &nonce));
    match proof {
        Some(proof) if proof.host != hashed(&own.host) => Holder::OtherHost,
        Some(proof) if proof.port == port => match read(response.into_body()).await {
            Some(_) => {
                let same_token = proof.token == token_code(shared, &own.pool, &nonce);
                Holder::Ours(Peer { sender, leader: Leader { pid: proof.pid, version }, same_token })
            }
            None => Holder::Gone,
        },
        _ => Holder::OtherPool,
    }
}

/// A connection to whoever answers requests: this process itself, or the window that it follows. `None`: nobody does, or not
/// before both windows have the same token.
pub async fn endpoint(shared: &Shared) -> Option<Peer> {
    match shared.role() {
        Role::Leader { port } => {
            let leader = Leader { pid: std::process::id(), version: VERSION.to_owned() };
            Some(Peer { sender: connect(port).await.ok()?, leader, same_token: true })
        }
        Role::Follower { port, .. } => match who_holds(shared, port).await {
            Holder::Ours(peer) if peer.same_token => Some(peer),
            _ => None,
        },
        _ => None,
    }
}

async fn connect(port: u16) -> std::io::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Something to ask over a port of this machine.
pub fn question(method: Method, uri: Uri, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    request.headers_mut().insert(HOST, HeaderValue::from_static("127.0.0.1"));
    request.headers_mut().insert(OURSELVES, HeaderValue::from_static(VERSION));
    request
}

/// A connection to a window of the same pool, which has proved that it is one. Only here is the token sent.
#[derive(Debug)]
pub struct Peer {
    sender: SendRequest<Full<Bytes>>,
    /// Who it is.
    pub leader: Leader,
    /// Whether it has our access token. Where not, settings are still under way to one of us.
    pub same_token: bool,
}

/// What a leader answers to who wants to follow it.
pub enum Followed {
    /// Its status, line by line.
    Lines(Incoming),
    /// Not before both have the same token.
    OtherToken,
    /// It cannot be followed.
    Refused,
    /// It is gone.
    Gone,
}

impl Peer {
    /// Asks for the leader's status.
    pub async fn follow(&mut self, shared: &Shared) -> Followed {
        if !self.same_token {
            return Followed::OtherToken;
        }
        let request = question(Method::GET, Uri::from_static("/-/leader"), Bytes::new());
        match timeout(IDENTIFY, self.ask(shared, request)).await {
            Ok(Ok(response)) => match response.status() {
                StatusCode::OK => Followed::Lines(response.into_body()),
                StatusCode::UNAUTHORIZED => Followed::OtherToken,
                _ => Followed::Refused,
            },
            Ok(Err(_)) => Followed::Gone,
            Err(_) => Followed::Refused,
        }
    }

    /// Asks it a [`question`], with the token.
    pub async fn ask(
        &mut self,
        shared: &Shared,
        mut request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        if let Some(token) = shared.config().access_token.as_ref().and_then(headers::sensitive) {
            request.headers_mut().insert("x-goog-api-key", token);
        }
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_worth_something_to_the_same_pool_with_the_same_nonce_only() {
        let proof = Proof { host: hashed("h"), port: 3145, pid: 7, token: "t".into() };
        let text = proof.write("p", "n1");
        assert_eq!(Proof::read(&text, "p", "n1"), Some(proof));
        for (text, pool, nonce) in [
            (text.clone(), "p", "n2"),
            (text.clone(), "other", "n1"),
            (text.replace("3145", "3146"), "p", "n1"),
            (text.replace(" 7 ", " 8 "), "p", "n1"),
            (text.replace(" t ", " u "), "p", "n1"),
            (text.replace(&hashed("h"), &hashed("other")), "p", "n1"),
            (format!("{text} more"), "p", "n1"),
            (String::new(), "p", "n1"),
            (Proof { host: hashed("h"), port: 3145, pid: 7, token: "t".into() }.write("", "n1"), "", "n1"),
        ] {
            assert_eq!(Proof::read(&text, pool, nonce), None, "{text} {pool} {nonce}");
        }
    }
}
