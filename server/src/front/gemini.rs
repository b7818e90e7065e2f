//! The native dialect: a request read and understood, cheap to send again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::dial::Outgoing;
use crate::failure::Failure;
use crate::gemini::path::{self, Operation, Target};
use crate::policy::{Ms, SECOND};
use crate::redact::Redactor;
use crate::sse::Kind;
use crate::upload::Upload;

/// A caller that sends nothing of its body for this long is slow on purpose, or gone.
pub const BODY_SILENCE: Duration = Duration::from_secs(60);
/// Room reserved before the first byte came, whatever `content-length` promises.
const FIRST_RESERVE: usize = 16 * 1024 * 1024;

/// A request read and understood.
pub struct Call {
    /// As it came.
    pub method: Method,
    /// What the path says.
    pub target: Target,
    /// As they came.
    pub headers: HeaderMap,
    /// Whose bucket it uses: without `models/`, and without what looks like a credential; `-` if it names none.
    pub model: Arc<str>,
    /// Whether its 2xx answers are looked at before anything goes downstream, and how; `None`: they commit on their headers.
    pub look: Option<Kind>,
    /// Names a file, a cache or another stored resource.
    pub names_resource: bool,
    /// The client's own deadline (`X-Server-Timeout`, in seconds).
    pub server_timeout: Option<Ms>,
    body: CallBody,
}

enum CallBody {
    Whole(Bytes),
    /// Taken by the only attempt there is.
    Once(Mutex<Option<Incoming>>),
}

impl Call {
    /// The body for one more attempt; `None` if it is gone.
    pub fn body(&self) -> Option<Outgoing> {
        match &self.body {
            CallBody::Whole(bytes) => Some(Outgoing::Whole(Some(bytes.clone()))),
            CallBody::Once(body) => body
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
                .map(|body| Outgoing::Stream(Upload::new(body))),
        }
    }

    /// Whether the body can be sent again.
    pub fn replayable(&self) -> bool {
        matches!(self.body, CallBody::Whole(_))
    }

    /// Whether refusals carry the content type of a stream.
    pub fn sse(&self) -> bool {
        self.target.sse
    }
}

/// Reads a request. Bodies are collected up to `max_body` bytes, but for uploads, which pass through.
pub async fn accept(
    parts: Parts,
    target: Target,
    body: Incoming,
    max_body: usize,
    redactor: &Redactor,
) -> Result<Call, Failure> {
    let body = if target.upload {
        CallBody::Once(Mutex::new(Some(body)))
    } else {
        CallBody::Whole(collect(body, max_body).await?)
    };
    let bytes = match &body {
        CallBody::Whole(bytes) => bytes.as_ref(),
        CallBody::Once(_) => &[],
    };
    let model = match &target.model {
        Some(model) => Some(model.clone()),
        None => path::model_in_body(bytes).map(|model| redactor.name(model)),
    };
    Ok(Call {
        model: model.as_deref().unwrap_or("-").into(),
        look: match target.operation {
            Operation::GenerateContent => Some(Kind::Unary),
            Operation::StreamGenerateContent if target.sse => Some(Kind::Sse),
            Operation::StreamGenerateContent => Some(Kind::JsonArray),
            Operation::Repeatable | Operation::Create => None,
        },
        names_resource: target.names_resource || path::names_resource_in_body(bytes),
        server_timeout: parts
            .headers
            .get("x-server-timeout")
            .and_then(|value| value.to_str().ok()?.trim().parse::<f64>().ok())
            .filter(|seconds| seconds.is_finite() && *seconds > 0.0)
            .map(|seconds| (seconds * SECOND as f64) as Ms),
        method: parts.method,
        headers: parts.headers,
        target,
        body,
    })
}

/// The whole body in one piece; the only copy is the one into it, and none if it came in one frame.
async fn collect<B: Body<Data = Bytes> + Unpin>(mut body: B, limit: usize) -> Result<Bytes, Failure> {
    let expected = body.size_hint().exact().unwrap_or(0);
    if expected > limit as u64 {
        return Err(Failure::BodyTooLarge(limit));
    }
    let expected = usize::try_from(expected).unwrap_or(limit);
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    loop {
        let frame = match tokio::time::timeout(BODY_SILENCE, body.frame()).await {
            Err(_) => return Err(Failure::SlowBody),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(Failure::BrokenBody),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + whole.len() + data.len() > limit {
            return Err(Failure::BodyTooLarge(limit));
        }
        if first.is_empty() && whole.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(expected.min(FIRST_RESERVE).max(first.len() + data.len()));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

#[cfg(test)]
mod tests {
    use std::io;

    use async_stream::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use tokio::time::Instant;

    use super::*;

    async fn collected(
        pieces: &'static [(u64, &'static str)],
        limit: usize,
    ) -> (Result<Bytes, Failure>, u64) {
        let body = stream! {
            for (pause, piece) in pieces {
                tokio::time::sleep(Duration::from_secs(*pause)).await;
                let bytes = Bytes::from_static(piece.as_bytes());
                yield if bytes.is_empty() { Err(io::Error::other("broke")) } else { Ok(Frame::data(bytes)) };
            }
        };
        let started = Instant::now();
        let collected = collect(StreamBody::new(Box::pin(body)), limit).await;
        (collected, started.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_pause_but_not_for_a_minute_without_a_byte() {
        let (body, took) = collected(&[(0, "ab"), (59, "c"), (59, "d"), (59, "e")], 99).await;
        assert_eq!((body, took), (Ok(Bytes::from_static(b"abcde")), 177));
        assert_eq!(collected(&[(0, "ab"), (61, "c")], 99).await, (Err(Failure::SlowBody), 60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_bounded_by_what_comes_and_one_that_breaks_off_is_none() {
        assert_eq!(collected(&[(0, "abc"), (0, "de")], 5).await.0, Ok(Bytes::from_static(b"abcde")));
        assert_eq!(collected(&[(0, "abc"), (0, "def")], 5).await.0, Err(Failure::BodyTooLarge(5)));
        assert_eq!(collected(&[(0, "abc"), (0, "")], 5).await.0, Err(Failure::BrokenBody));
    }
}
