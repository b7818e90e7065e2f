//! What the windows of one machine say to each other, over the port: `/-/status`, `/-/leader` (the status as JSON lines, one at
//! each change), `/-/records`, `/-/retest` and `/-/forgive`. Serves them as the leader, asks them as a follower. All stand behind
//! the same guard and token as the API. Who is a window of the same pool, [`peer`] knows.

mod peer;

use std::sync::Arc;
use std::time::Duration;

use aggregator_protocol::{Health, Record, RecordsParams, RetestParams, Role, Status};
use async_stream::stream;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN};
use http::{HeaderMap, Method, Request, Response, Uri, response};
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use ring::digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;

use crate::failure::{BoxError, Failure, whole};
use crate::listen::Ending;
use crate::proxy::Body;
use crate::shared::{Identity, Shared, stopping, wall_clock};
use crate::{VERSION, retest};
use peer::endpoint;
pub use peer::{Followed, Holder, Peer, introduction, question, who_holds};

/// Paths of our own begin so.
pub const PREFIX: &str = "/-/";
/// Names us to our own kind; demanded where something is asked that a web page must not ask.
const OURSELVES: HeaderName = HeaderName::from_static("x-gemini-aggregator");
/// Two lines of `/-/leader` are at least so far apart.
const COALESCE: Duration = Duration::from_millis(250);
/// A cooldown that ends changes the status though nothing happened.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The question in the body of a request may pause for so long.
const SILENCE: Duration = Duration::from_secs(60);
/// To tell a window something that needs no answer.
const TOLD: Duration = Duration::from_secs(1);
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

/// `/-/forgive`: ids of instances that a diagnosis found good.
#[derive(Serialize, Deserialize)]
struct Forgive {
    instances: Vec<String>,
}

// --- the leader's side ---

/// Answers one of our own paths.
pub async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    // A page on the list may use the API; what happened to other requests, and spending a key's quota, is none of its business.
    let asks_by_name = request.headers().contains_key(&OURSELVES) && !request.headers().contains_key(ORIGIN);
    let path = request.uri().path().to_owned();
    let mut response = match (request.method(), path.as_str()) {
        (&Method::GET, "/-/status") => json(&page(&shared)),
        (&Method::GET, "/-/leader") => lines(shared),
        (&Method::POST, "/-/records" | "/-/retest" | "/-/forgive") if !asks_by_name => {
            Failure::NotByName.response(false)
        }
        (&Method::POST, "/-/records") => match params::<RecordsParams>(request.into_body()).await {
            Ok(params) => json(&shared.records(&params).iter().map(AsRef::as_ref).collect::<Vec<&Record>>()),
            Err(failure) => failure.response(false),
        },
        (&Method::POST, "/-/retest") => match params::<RetestParams>(request.into_body()).await {
            Ok(params) => match retest::retest(&shared, &params.key_id).await {
                Some(answer) => json(&answer),
                None => Failure::UnknownKey.response(false),
            },
            Err(failure) => failure.response(false),
        },
        (&Method::POST, "/-/forgive") => match params::<Forgive>(request.into_body()).await {
            Ok(Forgive { instances }) => json(&forgive(&shared, &instances)),
            Err(failure) => failure.response(false),
        },
        _ => Failure::NoSuchPage.response(false),
    };
    name_ourselves(&path, response.headers_mut());
    response
}

/// Answers how many of them there are.
fn forgive(shared: &Shared, ids: &[String]) -> usize {
    let config = shared.config();
    let good = config.instances.iter().filter(|instance| ids.iter().any(|id| **id == *instance.id));
    good.inspect(|instance| shared.forgive(instance)).count()
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
    hex(&digest::digest(&digest::SHA256, id.as_bytes()).as_ref()[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn params<T: for<'de> Deserialize<'de>>(
    body: impl hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
) -> Result<T, Failure> {
    let mut body = Limited::new(body, 64 * 1024);
    let mut bytes = Vec::new();
    while let Some(frame) = timeout(SILENCE, body.frame()).await.map_err(|_| Failure::SlowBody)? {
        let data = frame.ok().and_then(|frame| frame.into_data().ok()).ok_or(Failure::BrokenBody)?;
        bytes.extend_from_slice(&data);
    }
    let bytes = if bytes.is_empty() { b"{}" } else { &bytes[..] };
    serde_json::from_slice(bytes).map_err(|_| Failure::BrokenBody)
}

fn json(value: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).expect("our own messages are JSON");
    answer(whole(text.into()), "application/json")
}

/// Ends when the port is free again, and not before: it tells the followers that one of them may take it.
fn lines(shared: Arc<Shared>) -> Response<Body> {
    let lines = stream! {
        let mut changes = shared.watch_changes();
        let port_left = port_left(&shared);
        tokio::pin!(port_left);
        let mut last = None;
        loop {
            let page = page(&shared);
            let mut line = serde_json::to_vec(&page).expect("our own messages are JSON");
            line.push(b'\n');
            if last.as_ref() != Some(&line) {
                last = Some(line.clone());
                yield Ok::<_, BoxError>(Frame::data(Bytes::from(line)));
            }
            tokio::select! {
                () = tokio::time::sleep(COALESCE) => {}
                () = &mut port_left => break,
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = &mut port_left => break,
            }
        }
    };
    answer(StreamBody::new(lines).boxed_unsync(), "application/jsonl")
}

/// Waits until this process no longer listens where it does now.
async fn port_left(shared: &Shared) {
    let (mut role, mut ending) = (shared.watch_role(), shared.ending.subscribe());
    let now = role.borrow().clone();
    tokio::select! {
        _ = role.wait_for(|role| *role != now) => {}
        _ = ending.wait_for(|ending| *ending != Ending::NotYet) => {}
    }
}

fn answer(body: Body, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

// --- the follower's side ---

/// Shows the leader's status as ours, until the leader goes.
pub async fn show(shared: &Shared, mut lines: Incoming) {
    let mut buffer = Vec::new();
    while let Some(Ok(frame)) = lines.frame().await {
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

/// Tells the window that serves, if that is another one, which of the instances that are down there were found good here.
pub async fn tell_good(shared: &Shared, ids: &[&str]) {
    if !matches!(shared.role(), Role::Follower { .. }) {
        return;
    }
    let down = shared.status(wall_clock()).instances.into_iter().filter(|instance| {
        matches!(instance.health, Health::Down { .. }) && ids.contains(&instance.id.as_str())
    });
    let instances: Vec<String> = down.map(|instance| instance.id).collect();
    if !instances.is_empty() {
        let body = serde_json::to_vec(&Forgive { instances }).expect("our own messages are JSON");
        ask(shared, question(Method::POST, Uri::from_static("/-/forgive"), body.into()), TOLD).await;
    }
}

// --- either side ---

/// Asks whoever answers requests, and takes the whole answer: its head, and its body if that is JSON, else null. `None`: nobody
/// answered in time, or before our own end.
pub async fn ask(
    shared: &Shared,
    request: Request<Full<Bytes>>,
    patience: Duration,
) -> Option<(response::Parts, Value)> {
    let mut stop = shared.watch_stop();
    let asking = async {
        let mut endpoint = endpoint(shared).await?;
        let (head, body) = endpoint.ask(shared, request).await.ok()?.into_parts();
        let body = read(body).await?;
        let json = std::str::from_utf8(&body).ok().and_then(|text| serde_json::from_str(text).ok());
        Some((head, json.unwrap_or_default()))
    };
    tokio::select! {
        answer = timeout(patience, asking) => answer.ok().flatten(),
        () = stopping(&mut stop) => None,
    }
}

/// The whole of an answer; `None` if it broke off, or is larger than any.
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

    #[test]
    fn a_page_shows_ids_hashed() {
        let page = Page {
            pool: hashed("secret-pool"),
            host: hashed("secret-host"),
            pid: 7,
            status: Shared::new().status(0),
        };
        let text = serde_json::to_string(&page).unwrap();
        assert!(!text.contains("secret-"));
        assert_eq!(serde_json::from_str::<Page>(&text).unwrap().status, Shared::new().status(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_stops_coming_is_given_up() {
        let half = futures_util::stream::once(async { Ok::<_, BoxError>(Frame::data(Bytes::from("{"))) });
        let pending = futures_util::StreamExt::chain(half, futures_util::stream::pending());
        let body = StreamBody::new(Box::pin(pending));
        let asked = tokio::time::Instant::now();
        let answer = params::<RecordsParams>(body).await;
        assert!(matches!(answer, Err(Failure::SlowBody)) && asked.elapsed() == SILENCE);
    }
}
