//! One try on one route: build, send, wait for the first content. Nothing has gone downstream when it returns, and dropping
//! it ends the request upstream.
//!
//! Answers of `:generateContent` and `:streamGenerateContent` are held, byte for byte, until the first event that carries
//! content, an error or a finish (at most [`HOLD_BYTES`], [`HOLD_EVENTS`] or [`HOLD_TIME`]). Everything else commits on its
//! headers.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, HeaderName, HeaderValue};
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::IgnoredAny;
use tokio::time::Instant;

use crate::dial::{Clients, DialError, SendError};
use crate::front::gemini::Call;
use crate::gemini::error::{self, ApiError};
use crate::gemini::path::Target;
use crate::headers;
use crate::policy::base::Base;
use crate::policy::config::Config;
use crate::policy::route::{Egress, Route};
use crate::policy::verdict::Outcome;
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

/// What an attempt brought.
pub enum Reply {
    /// An answer that may be delivered.
    Open(Open),
    /// A refusal, read whole.
    Closed(Closed),
    /// No connection: nothing was sent.
    Unreachable,
    /// No first byte in time.
    TimedOut,
    /// The connection, or the answer, broke before any content.
    Broken,
    /// Nothing can be sent with these settings: which.
    Settings(&'static str),
}

/// An answer that may be delivered.
pub struct Open {
    /// 2xx or 3xx.
    pub status: StatusCode,
    /// As they came.
    pub headers: HeaderMap,
    /// First bytes, held back until now.
    pub held: Bytes,
    /// What is still to come; `None`: `held` is all.
    pub rest: Option<Incoming>,
    /// How the bytes are followed; `None`: not at all.
    pub look: Option<Kind>,
    /// It finished without content.
    pub empty: bool,
}

/// A refusal, read whole.
pub struct Closed {
    /// HTTP status, or `error.code` of an error within a 200.
    pub status: StatusCode,
    /// As they came.
    pub headers: HeaderMap,
    /// As it came, or the JSON of the error within a 200.
    pub body: Bytes,
    /// What it says; `None`: not Google's envelope.
    pub error: Option<ApiError>,
    /// False if the body is encoded, too long, or did not come in time: it cannot be scrubbed.
    pub readable: bool,
    /// The relay's `x-relay-error`.
    pub relay_error: Option<String>,
    /// It began a 200 answer.
    pub within_200: bool,
}

impl Reply {
    /// The facts a verdict is made of.
    pub fn outcome(&self) -> Outcome<'_> {
        match self {
            Self::Open(Open { empty: false, .. }) => Outcome::Content,
            Self::Open(_) => Outcome::Empty,
            Self::Closed(Closed { relay_error: Some(code), status, .. }) => {
                Outcome::RelayError { status: status.as_u16(), code }
            }
            Self::Closed(Closed { error: Some(error), status, .. }) => {
                Outcome::Refused { status: status.as_u16(), error }
            }
            Self::Closed(Closed { status, .. }) => Outcome::Foreign { status: status.as_u16() },
            Self::Unreachable | Self::Settings(_) => Outcome::Unreachable,
            Self::TimedOut => Outcome::TimedOut,
            Self::Broken => Outcome::Broken,
        }
    }

    /// As a record names it.
    pub fn name(&self) -> String {
        match self {
            Self::Open(Open { empty: false, status, .. }) => status.as_str().to_owned(),
            Self::Open(_) => "empty".into(),
            Self::Closed(closed) => closed.status.as_str().to_owned(),
            Self::Unreachable => "unreachable".into(),
            Self::Settings(_) => "settings".into(),
            Self::TimedOut => "timeout".into(),
            Self::Broken => "broken".into(),
        }
    }

    /// The project that the error names (`projects/123`).
    pub fn project(&self) -> Option<&str> {
        match self {
            Self::Closed(Closed { error: Some(error), .. }) => error.project.as_deref(),
            _ => None,
        }
    }

    /// Whether the request could have reached the model.
    pub fn reached(&self) -> bool {
        !matches!(self, Self::Unreachable | Self::Settings(_))
    }
}

/// One try, over by `deadline` at the latest unless its first byte has come.
pub async fn send(
    clients: &Clients,
    config: &Config,
    call: &Call,
    route: &Route,
    deadline: Instant,
) -> Reply {
    let request = match build(config, call, route, deadline) {
        Ok(request) => request,
        Err(which) => return Reply::Settings(which),
    };
    let response = match tokio::time::timeout_at(deadline, clients.send(&route.egress, request)).await {
        Err(_) => return Reply::TimedOut,
        Ok(Err(SendError::Connect(error))) => {
            tracing::debug!(egress = route.egress.name(), error = %chain(&*error), "no connection");
            return Reply::Unreachable;
        }
        Ok(Err(SendError::Broken(error))) => {
            tracing::debug!(egress = route.egress.name(), error = %chain(&*error), "connection broke");
            return Reply::Broken;
        }
        Ok(Err(SendError::Settings(DialError::Proxy))) => return Reply::Settings("proxy"),
        Ok(Err(SendError::Settings(DialError::CaFile(_)))) => return Reply::Settings("tls.caFile"),
        Ok(Err(SendError::Settings(DialError::Trust(_)))) => return Reply::Settings("tls"),
        Ok(Ok(response)) => response,
    };
    let (head, body) = response.into_parts();
    if head.status.as_u16() >= 400 {
        return Reply::Closed(
            refusal(head.status, head.headers, body, matches!(route.egress, Egress::Relay(_))).await,
        );
    }
    let encoded = head.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
    match call.look {
        Some(kind) if head.status.is_success() && !encoded => {
            hold(head.status, head.headers, body, kind, deadline).await
        }
        _ => Reply::Open(Open {
            status: head.status,
            headers: head.headers,
            held: Bytes::new(),
            rest: Some(body),
            look: None,
            empty: false,
        }),
    }
}

/// The request as this route wants it: one credential, the path verbatim, no trace of the caller.
fn build(
    config: &Config,
    call: &Call,
    route: &Route,
    deadline: Instant,
) -> Result<Request<crate::dial::Outgoing>, &'static str> {
    let (base, relay) = match &route.egress {
        Egress::Direct => (config.upstream.as_ref().ok_or("upstream")?, None),
        Egress::Relay(id) => {
            let instance =
                config.instances.iter().find(|instance| instance.id == *id).ok_or("serverlessInstances")?;
            (&instance.base, Some(instance))
        }
    };
    let body = call.body().ok_or("upload")?;
    let mut request = Request::new(body);
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = uri(base, call)?;
    let mut sent = headers::to_upstream(&call.headers, &route.secret, call.target.openai);
    if call.server_timeout.is_some() {
        let left = deadline.saturating_duration_since(Instant::now()).as_secs().max(1);
        sent.insert(HeaderName::from_static("x-server-timeout"), HeaderValue::from(left));
    }
    if let Some(instance) = relay {
        if let Some(token) = &instance.token {
            sent.insert(HeaderName::from_static("x-relay-token"), sensitive(token.expose())?);
        }
        for (name, value) in &instance.headers {
            let name = HeaderName::try_from(name.as_str()).map_err(|_| "serverlessInstances")?;
            sent.insert(name, sensitive(value.expose())?);
        }
    }
    *request.headers_mut() = sent;
    Ok(request)
}

fn sensitive(value: &str) -> Result<HeaderValue, &'static str> {
    let mut value = HeaderValue::from_str(value).map_err(|_| "serverlessInstances")?;
    value.set_sensitive(true);
    Ok(value)
}

fn uri(base: &Base, call: &Call) -> Result<Uri, &'static str> {
    let scheme = if base.https { "https" } else { "http" };
    let Target { path, query, .. } = &call.target;
    let mut text =
        String::with_capacity(16 + base.authority.len() + path.len() + query.as_ref().map_or(0, String::len));
    text.push_str(scheme);
    text.push_str("://");
    text.push_str(&base.authority);
    text.push_str(&base.prefix);
    text.push_str(path);
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    Uri::try_from(text).map_err(|_| "upstream")
}

/// Holds a 2xx answer until it shows what it is.
async fn hold(
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
async fn refusal(status: StatusCode, headers: HeaderMap, mut body: Incoming, relayed: bool) -> Closed {
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

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
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
