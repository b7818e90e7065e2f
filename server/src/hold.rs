//! The first bytes of an answer, held until they show what it is: content, an error, a finish without content. And refusals,
//! read as far as is safe.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::IgnoredAny;
use tokio::time::Instant;

use crate::attempt::{Closed, Open, Reply};
use crate::gemini::error::{self, ApiError};
use crate::sse::{self, Kind, Look};

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
    let limit = if kind == Kind::Unary { UNARY_BYTES } else { HOLD_BYTES };
    let mut until = deadline;
    let mut held = Held::default();
    let open = |headers, held: Bytes, rest, empty| {
        Reply::Open(Open { status, headers, held, rest, look: Some(kind), empty })
    };
    loop {
        let frame = match tokio::time::timeout_at(until, body.frame()).await {
            Err(_) if held.is_empty() => return Reply::TimedOut,
            Err(_) => return open(headers, held.take(), Some(body), false),
            Ok(frame) => frame,
        };
        let ended = match frame {
            None => true,
            Some(Err(_)) => return Reply::Broken,
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                if held.is_empty() && kind != Kind::Unary {
                    until = Instant::now() + HOLD_TIME;
                }
                held.push(data);
                false
            }
        };
        if ended && held.bytes().iter().all(u8::is_ascii_whitespace) {
            return Reply::Broken;
        }
        if kind == Kind::Unary && !ended {
            if held.len() > limit {
                return open(headers, held.take(), Some(body), false);
            }
            continue;
        }
        match sse::look(held.bytes(), ended, kind) {
            Look::Content => return open(headers, held.take(), (!ended).then_some(body), false),
            Look::Empty => return open(headers, held.take(), (!ended).then_some(body), true),
            Look::Error(error) => return Reply::Closed(in_band(status, headers, held.bytes(), error)),
            Look::NeedMore if held.len() > limit || events(held.bytes()) >= HOLD_EVENTS => {
                return open(headers, held.take(), Some(body), false);
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

fn events(held: &[u8]) -> usize {
    let ends = |end: &[u8]| held.windows(end.len()).filter(|window| *window == end).count();
    ends(b"\r\n\r\n").max(ends(b"\n\n"))
}

/// The error that began a 200 answer, as the status it stands for.
fn in_band(status: StatusCode, headers: HeaderMap, held: &[u8], error: ApiError) -> Closed {
    let code =
        error.code.and_then(|code| StatusCode::from_u16(code).ok()).filter(|code| code.as_u16() >= 400);
    let body = error_json(held).map_or_else(|| Bytes::copy_from_slice(held), Bytes::copy_from_slice);
    let status = code.unwrap_or(if status.is_success() { StatusCode::INTERNAL_SERVER_ERROR } else { status });
    Closed { status, headers, body, error: Some(error), readable: true, relay_error: None, within_200: true }
}

/// The first JSON object with an `error` in it, wherever it stands: behind `data:`, in an array, or alone.
fn error_json(held: &[u8]) -> Option<&[u8]> {
    let mut rest = held;
    loop {
        let start = rest.iter().position(|byte| *byte == b'{')?;
        rest = &rest[start..];
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        let (value, behind) = rest.split_at(values.byte_offset());
        if error::parse(value).is_some() {
            return Some(value);
        }
        rest = behind;
    }
}

/// A refusal with as much of its body as is safe to read.
pub async fn refusal(status: StatusCode, headers: HeaderMap, mut body: Incoming, relayed: bool) -> Closed {
    let encoded = headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
    let mut held = Held::default();
    let read = async {
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
    let whole = tokio::time::timeout(ERROR_TIME, read).await.unwrap_or(false);
    let body = held.take();
    let relay_error = headers
        .get("x-relay-error")
        .filter(|_| relayed)
        .map(|value| value.to_str().unwrap_or("?").to_owned());
    Closed {
        error: if encoded { None } else { error::parse(&body) },
        readable: whole && !encoded,
        status,
        headers,
        body,
        relay_error,
        within_200: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_within_a_200_is_cut_out_verbatim_whatever_stands_around_it() {
        let error = r#"{"error": {"code": 503,  "message": "overloaded", "status": "UNAVAILABLE"}}"#;
        for held in [
            format!("data: {error}\r\n\r\n"),
            format!("data: {{\"usageMetadata\":{{}}}}\r\n\r\ndata: {error}\r\n\r\n"),
            format!("[{error}]"),
            format!("{error}\n"),
        ] {
            assert_eq!(error_json(held.as_bytes()), Some(error.as_bytes()), "{held}");
        }
        assert_eq!(error_json(b"data: {\"candidates\":[]}\r\n\r\n"), None);
        assert_eq!(error_json(b"data: {\"error\": {"), None);
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
