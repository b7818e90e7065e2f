//! The first bytes of an answer, held until they show what it is: content, an error, a finish without content. And refusals,
//! read as far as is safe.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Body;
use serde::de::IgnoredAny;
use tokio::time::Instant;

use crate::attempt::{Closed, Open, Reply};
use crate::dial::Incoming;
use crate::gemini::error::{self, ApiError};
use crate::sse::{Kind, Look, Looker};

/// Held before the commit point at most.
const HOLD_BYTES: usize = 64 * 1024;
/// Events without content that are held at most.
const HOLD_EVENTS: usize = 3;
/// From the first byte of the answer.
const HOLD_TIME: Duration = Duration::from_secs(2);
/// A whole answer up to this size is looked at before it goes out.
const UNARY_BYTES: usize = 1024 * 1024;
/// An error body is read for so long and so far.
const ERROR_TIME: Duration = Duration::from_secs(5);
const ERROR_BYTES: usize = 64 * 1024;

/// Holds a 2xx answer until it shows what it is.
pub async fn hold(
    status: StatusCode,
    headers: HeaderMap,
    mut body: Incoming,
    kind: Kind,
    deadline: Instant,
) -> Reply {
    let (mut held, mut looker) = (Held::default(), Looker::new(kind));
    let (empty, ended) = match first(&mut body, &mut held, &mut looker, deadline).await {
        First::Open { empty, ended } => (empty, ended),
        First::Error(error, json) => return Reply::Closed(in_band(status, headers, json, error)),
        First::TimedOut => return Reply::TimedOut,
        First::Broken => return Reply::Broken,
    };
    let rest = (!ended).then_some(body);
    let tap = looker.into_tap();
    Reply::Open(Open { status, headers, held: held.take(), rest, look: Some(kind), tap, empty })
}

/// What the first bytes of an answer turned out to be.
#[derive(Debug, PartialEq, Eq)]
enum First {
    /// May go out.
    Open {
        /// It finished without content.
        empty: bool,
        /// There is nothing behind what is held.
        ended: bool,
    },
    /// An error within a 200, and its JSON.
    Error(ApiError, Bytes),
    /// No first byte in time, or not the whole of one object.
    TimedOut,
    /// The connection broke, or what it said did.
    Broken,
}

async fn first<B: Body<Data = Bytes> + Unpin>(
    body: &mut B,
    held: &mut Held,
    looker: &mut Looker,
    deadline: Instant,
) -> First {
    let kind = looker.kind();
    let open = |empty, ended| First::Open { empty, ended };
    let limit = if kind == Kind::Unary { UNARY_BYTES } else { HOLD_BYTES };
    let mut until = deadline;
    loop {
        let frame = match tokio::time::timeout_at(until, body.frame()).await {
            // The beginning of one object is of no use to anybody.
            Err(_) if held.is_empty() || kind == Kind::Unary => return First::TimedOut,
            Err(_) => return open(false, false),
            Ok(frame) => frame,
        };
        let ended = match frame {
            None => true,
            Some(Err(_)) => return First::Broken,
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                if held.is_empty() {
                    let soon = Instant::now() + HOLD_TIME;
                    until = if kind == Kind::Unary { until.max(soon) } else { soon };
                }
                held.push(data);
                false
            }
        };
        if kind == Kind::Unary && !ended {
            if held.len() > limit {
                return open(false, false);
            }
            continue;
        }
        match looker.look(held.bytes(), ended) {
            Look::Content => return open(false, ended),
            Look::Empty => return open(true, ended),
            Look::Error(error, json) => return First::Error(error, json),
            Look::Cut => return First::Broken,
            Look::NeedMore if held.len() > limit || looker.events() >= HOLD_EVENTS => {
                return open(false, false);
            }
            Look::NeedMore => {}
        }
    }
}

/// Bytes held back; no copy while they came in one frame.
#[derive(Default)]
struct Held {
    first: Bytes,
    more: BytesMut,
}

impl Held {
    fn push(&mut self, data: Bytes) {
        if self.first.is_empty() && self.more.is_empty() {
            self.first = data;
            return;
        }
        if self.more.is_empty() {
            self.more.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.more.extend_from_slice(&data);
    }

    fn bytes(&self) -> &[u8] {
        if self.more.is_empty() { &self.first } else { &self.more }
    }

    fn len(&self) -> usize {
        self.bytes().len()
    }

    fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    fn take(&mut self) -> Bytes {
        if self.more.is_empty() { std::mem::take(&mut self.first) } else { self.more.split().freeze() }
    }
}

/// The error that began a 200 answer, as the status it stands for.
fn in_band(status: StatusCode, headers: HeaderMap, body: Bytes, error: ApiError) -> Closed {
    let code =
        error.code.and_then(|code| StatusCode::from_u16(code).ok()).filter(|code| code.as_u16() >= 400);
    let status = code.unwrap_or(if status.is_success() { StatusCode::INTERNAL_SERVER_ERROR } else { status });
    let body = body.slice_ref(unwrapped(&body));
    Closed { status, headers, body, error: Some(error), readable: true, relay_error: None, within_200: true }
}

/// Without an array around it, which native clients cannot read (`gemini-wire.md` 5.6).
fn unwrapped(json: &[u8]) -> &[u8] {
    let Some(inner) = json.trim_ascii_start().strip_prefix(b"[") else { return json };
    let inner = inner.trim_ascii_start();
    let mut values = serde_json::Deserializer::from_slice(inner).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => &inner[..values.byte_offset()],
        _ => json,
    }
}

/// What no answer of the Gemini API begins with, though its head passes for one: a relay's page, or a word of its own.
pub fn is_foreign(open: &Open) -> bool {
    let begins = open.held.trim_ascii_start().first();
    match open.look {
        Some(Kind::Unary | Kind::JsonArray) => begins.is_some_and(|byte| !matches!(byte, b'{' | b'[')),
        _ => begins == Some(&b'<'),
    }
}

/// About a refusal, what its head does not say.
#[derive(Debug, Clone, Copy)]
pub struct Refused {
    /// It came through a relay.
    pub relayed: bool,
    /// It answers HEAD, so it cannot have a body.
    pub bodiless: bool,
    /// It leads to another host, where Google sends nobody.
    pub astray: bool,
}

/// A refusal with as much of its body as is safe to read.
pub async fn refusal(status: StatusCode, headers: HeaderMap, mut body: Incoming, about: Refused) -> Closed {
    let encoded = headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
    let (whole, body) = read(&mut body).await;
    let relay_error = headers
        .get("x-relay-error")
        .filter(|_| about.relayed)
        .map(|value| value.to_str().unwrap_or("?").to_owned());
    Closed {
        error: match error::parse(&body) {
            // Nobody but the status can say what it is.
            None if about.bodiless && !about.relayed => Some(ApiError::default()),
            parsed => parsed.filter(|_| !encoded && !about.astray),
        },
        readable: whole && !encoded,
        status,
        headers,
        body,
        relay_error,
        within_200: false,
    }
}

/// What came of an error body, and whether it is all there.
async fn read<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> (bool, Bytes) {
    let mut held = Held::default();
    let reading = async {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            if let Ok(data) = frame.into_data() {
                held.push(data);
            }
            if held.len() > ERROR_BYTES {
                return false;
            }
        }
        true
    };
    let whole = tokio::time::timeout(ERROR_TIME, reading).await.unwrap_or(false);
    (whole, held.take())
}

#[cfg(test)]
mod tests {
    use std::io;

    use async_stream::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    const NOTHING: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]}}]}\r\n\r\n";
    const CONTENT: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\r\n\r\n";

    /// Sends these pieces after these pauses, then waits for so many seconds and ends.
    fn upstream(pieces: Vec<(u64, String)>, then: u64) -> impl Body<Data = Bytes> + Unpin {
        let pieces = stream! {
            for (pause, piece) in pieces {
                tokio::time::sleep(Duration::from_secs(pause)).await;
                yield Ok::<_, io::Error>(Frame::data(Bytes::from(piece)));
            }
            tokio::time::sleep(Duration::from_secs(then)).await;
        };
        StreamBody::new(Box::pin(pieces))
    }

    /// What the answer is taken for, after how many seconds, with how many bytes held.
    async fn held(kind: Kind, pieces: &[(u64, &str)], then: u64) -> (First, u64, usize) {
        let pieces = pieces.iter().map(|(pause, piece)| (*pause, (*piece).to_owned())).collect();
        let (mut body, mut held, started) = (upstream(pieces, then), Held::default(), Instant::now());
        let deadline = started + Duration::from_secs(180);
        let first = first(&mut body, &mut held, &mut Looker::new(kind), deadline).await;
        (first, started.elapsed().as_secs(), held.len())
    }

    const OPEN: First = First::Open { empty: false, ended: false };

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_held_for_two_seconds_three_events_or_64_kib_whichever_is_first() {
        assert_eq!(held(Kind::Sse, &[(100, CONTENT)], 9).await, (OPEN, 100, CONTENT.len()), "not at all");
        assert_eq!(held(Kind::Sse, &[(100, NOTHING)], 9).await, (OPEN, 102, NOTHING.len()));
        let three = [(0, NOTHING), (0, NOTHING), (1, NOTHING)];
        assert_eq!(held(Kind::Sse, &three, 9).await, (OPEN, 1, 3 * NOTHING.len()));
        let long = format!("data: {{\"x\":\"{}", "y".repeat(HOLD_BYTES));
        assert_eq!(held(Kind::Sse, &[(0, &long)], 9).await, (OPEN, 0, long.len()));
        assert_eq!(held(Kind::JsonArray, &[(0, "[{}")], 9).await, (OPEN, 2, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_byte_it_timed_out_and_with_an_end_and_no_byte_it_is_empty() {
        for kind in [Kind::Sse, Kind::JsonArray, Kind::Unary] {
            assert_eq!(held(kind, &[], 500).await, (First::TimedOut, 180, 0));
            assert_eq!(held(kind, &[(1, "\r\n")], 0).await.0, First::Open { empty: true, ended: true });
            assert_eq!(held(kind, &[], 0).await.0, First::Open { empty: true, ended: true });
        }
        for (kind, cut) in [
            (Kind::Sse, "data: {\"candidates\":[{\"cont"),
            (Kind::JsonArray, "[{\"candidates\":[{}"),
            (Kind::Unary, "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a"),
        ] {
            assert_eq!(held(kind, &[(1, cut)], 0).await.0, First::Broken, "{cut}");
        }
        // Comments are no events.
        let (first, after, _) = held(Kind::Sse, &[(0, ": a\n\n: b\n\n: c\n\n"), (1, CONTENT)], 0).await;
        assert_eq!((first, after), (OPEN, 1));
        // The beginning of one object is no answer, but it has as much time as any other to become one.
        assert_eq!(held(Kind::Unary, &[(1, "{"), (1, "}")], 500).await.1, 180);
        assert_eq!(held(Kind::Unary, &[(1, "{")], 500).await.0, First::TimedOut);
        assert_eq!(held(Kind::Unary, &[(179, "{")], 500).await.1, 181);
        // One object is read to its end, as far as it is small.
        let (first, after, _) = held(Kind::Unary, &[(1, "{\"candidates\":"), (60, "[]}")], 0).await;
        assert_eq!((first, after), (First::Open { empty: true, ended: true }, 61));
        let large = "x".repeat(UNARY_BYTES + 1);
        assert_eq!(held(Kind::Unary, &[(1, &large)], 9).await.0, OPEN);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_body_is_read_for_five_seconds_and_64_kib() {
        let read_from = async |pieces: Vec<(u64, String)>, then| {
            let started = Instant::now();
            let (whole, bytes) = read(&mut upstream(pieces, then)).await;
            (whole, bytes.len(), started.elapsed().as_secs())
        };
        assert_eq!(read_from(vec![(0, "{}".into()), (4, "ab".into())], 0).await, (true, 4, 4));
        assert_eq!(read_from(vec![(0, "{}".into()), (9, "ab".into())], 0).await, (false, 2, 5));
        let long = vec![(0, "x".repeat(ERROR_BYTES)), (0, "y".into()), (0, "z".into())];
        assert_eq!(read_from(long, 99).await, (false, ERROR_BYTES + 1, 0));
    }

    #[test]
    fn an_error_within_an_array_goes_out_without_it() {
        assert_eq!(unwrapped(b" [ {\"error\": {\"code\": 503}} ]"), b"{\"error\": {\"code\": 503}}");
        assert_eq!(unwrapped(b"{\"error\": []}"), b"{\"error\": []}");
        assert_eq!(unwrapped(b"[{"), b"[{");
    }

    #[test]
    fn held_bytes_come_back_as_they_were_pushed() {
        let mut held = Held::default();
        for piece in ["a", "bc", "", "def"] {
            held.push(Bytes::from_static(piece.as_bytes()));
        }
        assert_eq!((held.len(), held.take()), (6, Bytes::from_static(b"abcdef")));
    }
}
