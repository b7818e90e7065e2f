//! What the windows of one machine say to each other, over the port: `/-/status`, `/-/leader` (the status as JSON lines, one at
//! each change), `/-/records` and `/-/retest`. Serves them as the leader, asks them as a follower. All stand behind the same
//! guard and token as the API.

use std::sync::Arc;
use std::time::Duration;

use aggregator_protocol::{Leader, Record, RecordsParams, RetestParams, Status};
use async_stream::stream;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use crate::failure::{BoxError, Failure, whole};
use crate::proxy::Body;
use crate::shared::{Identity, Shared, stopping, wall_clock};
use crate::{VERSION, retest};

/// Paths of our own begin so.
pub const PREFIX: &str = "/-/";
/// Names us to our own kind; demanded where something is asked that a web page must not ask.
const OURSELVES: HeaderName = HeaderName::from_static("x-gemini-aggregator");
/// Whoever holds the port tells who it is within this time, or is a stranger.
const IDENTIFY: Duration = Duration::from_secs(1);
/// A follower's re-test may take as long as the leader's.
const HANDED_ON: Duration = Duration::from_secs(40);
/// Two lines of `/-/leader` are at least so far apart.
const COALESCE: Duration = Duration::from_millis(250);
/// No answer between windows is larger.
const LARGEST: usize = 8 * 1024 * 1024;

/// `/-/status`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    /// Hashed; empty with `serve`.
    pool: String,
    /// Hashed; empty with `serve`.
    host: String,
    pid: u32,
    #[serde(flatten)]
    status: Status,
}

// --- the leader's side ---

/// Answers one of our own paths.
pub async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let asks_by_name = request.headers().contains_key(&OURSELVES);
    let path = request.uri().path().to_owned();
    let mut response = match (request.method(), path.as_str()) {
        (&Method::GET, "/-/status") => json(&page(&shared)),
        (&Method::GET, "/-/leader") => lines(shared),
        (&Method::POST, "/-/records" | "/-/retest") if !asks_by_name => Failure::NotByName.response(false),
        (&Method::POST, "/-/records") => match params::<RecordsParams>(request).await {
            Some(params) => {
                json(&shared.records(&params).iter().map(AsRef::as_ref).collect::<Vec<&Record>>())
            }
            None => Failure::BrokenBody.response(false),
        },
        (&Method::POST, "/-/retest") => match params::<RetestParams>(request).await {
            Some(params) => match retest::retest(&shared, &params.key_id).await {
                Some(answer) => json(&answer),
                None => Failure::UnknownKey.response(false),
            },
            None => Failure::BrokenBody.response(false),
        },
        _ => Failure::NoSuchPage.response(false),
    };
    name_ourselves(&path, response.headers_mut());
    response
}

/// Answers on our own paths say whose they are, refusals too, so that a follower knows its own kind.
pub fn name_ourselves(path: &str, headers: &mut HeaderMap) {
    if path.starts_with(PREFIX) {
        headers.insert(OURSELVES, HeaderValue::from_static(VERSION));
    }
}

fn page(shared: &Shared) -> Page {
    let Identity { pool, host } = shared.identity();
    Page {
        pool: hashed(&pool),
        host: hashed(&host),
        pid: std::process::id(),
        status: shared.status(wall_clock()),
    }
}

/// Ids are random, so a plain hash hides them; nobody's stays nobody's.
fn hashed(id: &str) -> String {
    if id.is_empty() {
        return String::new();
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, id.as_bytes());
    digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn params<T: for<'de> Deserialize<'de>>(request: Request<Incoming>) -> Option<T> {
    let mut body = Limited::new(request.into_body(), 64 * 1024);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        bytes.extend_from_slice(&frame.ok()?.into_data().ok()?);
    }
    serde_json::from_slice(if bytes.is_empty() { b"{}" } else { &bytes }).ok()
}

fn json(value: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).expect("our own messages are JSON");
    answer(whole(text.into()), "application/json")
}

fn lines(shared: Arc<Shared>) -> Response<Body> {
    let lines = stream! {
        let mut changes = shared.watch_changes();
        let mut stop = shared.watch_stop();
        let mut last = None;
        while stop.borrow().is_none() {
            let page = page(&shared);
            let mut line = serde_json::to_vec(&page).expect("our own messages are JSON");
            line.push(b'\n');
            if last.as_ref() != Some(&line) {
                last = Some(line.clone());
                yield Ok::<_, BoxError>(Frame::data(Bytes::from(line)));
            }
            tokio::time::sleep(COALESCE).await;
            tokio::select! {
                _ = changes.changed() => {}
                () = stopping(&mut stop) => {}
            }
        }
    };
    answer(StreamBody::new(lines).boxed_unsync(), "application/jsonl")
}

fn answer(body: Body, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

// --- the follower's side ---

/// Who holds a port.
#[derive(Debug, PartialEq, Eq)]
pub enum Holder {
    /// Another window with the same pool on this machine.
    Ours(Leader),
    /// A Gemini Aggregator with other keys, or one that runs by itself.
    OtherPool,
    /// A Gemini Aggregator of another machine, forwarded.
    OtherHost,
    /// Anything else.
    Stranger,
}

/// Asks whoever holds this port of 127.0.0.1.
pub async fn who_holds(shared: &Shared, port: u16) -> Holder {
    let asked = tokio::time::timeout(IDENTIFY, async {
        let response = ask(shared, port, Method::GET, "/-/status", Bytes::new()).await.ok()?;
        if !response.headers().contains_key(&OURSELVES) {
            return None;
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            // Our own kind, but its token is another: so is its pool.
            return Some(Holder::OtherPool);
        }
        let page: Page = serde_json::from_slice(&read(response.into_body()).await?).ok()?;
        Some(whose(&page, &shared.identity()))
    });
    asked.await.ok().flatten().unwrap_or(Holder::Stranger)
}

fn whose(page: &Page, own: &Identity) -> Holder {
    if own.pool.is_empty() || page.pool != hashed(&own.pool) {
        Holder::OtherPool
    } else if page.host != hashed(&own.host) {
        Holder::OtherHost
    } else {
        Holder::Ours(Leader { pid: page.pid, version: page.status.version.clone() })
    }
}

/// Shows the leader's status as ours, until the leader goes.
pub async fn follow(shared: &Shared, port: u16) {
    let Ok(response) = ask(shared, port, Method::GET, "/-/leader", Bytes::new()).await else { return };
    let mut body = response.into_body();
    let mut buffer = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        buffer.extend_from_slice(&data);
        while let Some(end) = memchr::memchr(b'\n', &buffer) {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            if let Ok(page) = serde_json::from_slice::<Page>(&line) {
                shared.follow(Some(page.status));
            }
        }
        if buffer.len() > LARGEST {
            return;
        }
    }
}

/// What became of a question that was handed on.
pub enum HandedOn<T> {
    /// The leader's answer.
    Answered(T),
    /// The leader knows nothing of what was asked for.
    Unknown,
    /// The leader is gone, or did not answer.
    Silent,
}

/// Hands a question of the editor's on to the leader.
pub async fn hand_on<T: for<'de> Deserialize<'de>>(
    shared: &Shared,
    port: u16,
    path: &str,
    params: &impl Serialize,
) -> HandedOn<T> {
    let body = serde_json::to_vec(params).expect("our own messages are JSON");
    let asked = tokio::time::timeout(HANDED_ON, async {
        let response = ask(shared, port, Method::POST, path, body.into()).await.ok()?;
        let status = response.status();
        Some((status, read(response.into_body()).await?))
    });
    match asked.await.ok().flatten() {
        Some((StatusCode::OK, body)) => {
            serde_json::from_slice(&body).map_or(HandedOn::Silent, HandedOn::Answered)
        }
        Some((StatusCode::NOT_FOUND, _)) => HandedOn::Unknown,
        _ => HandedOn::Silent,
    }
}

async fn ask(
    shared: &Shared,
    port: u16,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Response<Incoming>, BoxError> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut sender, connection): (SendRequest<Full<Bytes>>, _) =
        http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse()?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("127.0.0.1"));
    headers.insert(OURSELVES, HeaderValue::from_static(VERSION));
    if let Some(token) = &shared.config().access_token {
        let mut token = HeaderValue::from_str(token.expose())?;
        token.set_sensitive(true);
        headers.insert("x-goog-api-key", token);
    }
    Ok(sender.send_request(request).await?)
}

async fn read(body: Incoming) -> Option<Vec<u8>> {
    let mut body = Limited::new(body, LARGEST);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(pool: &str, host: &str) -> Page {
        Page { pool: hashed(pool), host: hashed(host), pid: 7, status: Shared::new().status(0) }
    }

    #[test]
    fn the_same_pool_on_the_same_machine_is_ours() {
        let own = Identity { pool: "p".into(), host: "h".into() };
        let leader = Leader { pid: 7, version: VERSION.into() };
        assert_eq!(whose(&page_of("p", "h"), &own), Holder::Ours(leader));
        assert_eq!(whose(&page_of("p", "other"), &own), Holder::OtherHost);
        assert_eq!(whose(&page_of("other", "h"), &own), Holder::OtherPool);
        assert_eq!(whose(&page_of("", ""), &own), Holder::OtherPool);
        assert_eq!(
            whose(&page_of("", ""), &Identity::default()),
            Holder::OtherPool,
            "nobody follows a `serve`"
        );
    }

    #[test]
    fn a_page_shows_ids_hashed() {
        let text = serde_json::to_string(&page_of("secret-pool", "secret-host")).unwrap();
        assert!(!text.contains("secret-"));
        assert_eq!(serde_json::from_str::<Page>(&text).unwrap().status, Shared::new().status(0));
    }
}
