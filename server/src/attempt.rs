//! One try on one route: build, send, wait for the first content. Nothing has gone downstream when it returns, and dropping
//! it ends the request upstream.
//!
//! Answers of `:generateContent` and `:streamGenerateContent` are held, byte for byte, until the first event that carries
//! content, an error or a finish (see [`crate::hold`]). Everything else commits on its
//! headers.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use tokio::time::Instant;

use crate::dial::{self, Clients, Incoming, NoConnection, Outgoing, SendError};
use crate::failure::Failure;
use crate::front::gemini::Call;
use crate::gemini::error::ApiError;
use crate::gemini::path::Target;
use crate::headers;
use crate::hold;
use crate::live::Live;
use crate::policy::SECOND;
use crate::policy::base::Base;
use crate::policy::config::Config;
use crate::policy::outcome::Outcome;
use crate::policy::route::{Egress, Route};
use crate::redact::Redactor;
use crate::sse::{Kind, Tap};

/// What an attempt brought.
pub enum Reply {
    /// An answer that may be delivered.
    Open(Open),
    /// A refusal, read whole.
    Closed(Closed),
    /// No connection: nothing was sent.
    Unreachable(NoConnection),
    /// The other end did not touch the request.
    NotTaken,
    /// An HTTP/1.1 connection ended before a byte of an answer.
    HungUp,
    /// No first byte in time.
    TimedOut,
    /// The relay turned out to be dead while its answer was awaited.
    Hung,
    /// The connection, or the answer, broke before any content.
    Broken,
    /// Nothing can be sent with these settings: which.
    Settings(&'static str),
    /// The caller did not send its body to the end.
    Caller(Failure),
}

/// An answer that may be delivered.
pub struct Open {
    /// 2xx, or 304.
    pub status: StatusCode,
    /// As they came.
    pub headers: HeaderMap,
    /// First bytes, held back until now.
    pub held: Bytes,
    /// What is still to come; `None`: `held` is all.
    pub rest: Option<Incoming>,
    /// How the bytes are followed; `None`: not at all.
    pub look: Option<Kind>,
    /// `held` was followed already.
    pub tap: Option<Tap>,
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
            Self::Unreachable(_) => Outcome::Unreachable,
            Self::NotTaken => Outcome::NotTaken,
            Self::HungUp => Outcome::HungUp,
            Self::Settings(_) => Outcome::Settings,
            Self::Caller(_) => Outcome::Caller,
            Self::TimedOut => Outcome::TimedOut,
            Self::Hung => Outcome::Hung,
            Self::Broken => Outcome::Broken,
        }
    }

    /// As a record names it.
    pub fn name(&self) -> String {
        match self {
            Self::Open(Open { empty: false, status, .. }) => status.as_str().to_owned(),
            Self::Open(_) => "empty".into(),
            Self::Closed(closed) => closed.status.as_str().to_owned(),
            Self::Unreachable(_) => "unreachable".into(),
            Self::NotTaken => "notTaken".into(),
            Self::HungUp => "hungUp".into(),
            Self::Settings(_) => "settings".into(),
            Self::Caller(_) => "caller".into(),
            Self::TimedOut => "timeout".into(),
            Self::Hung => "hung".into(),
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

    /// Whether it was answered with 2xx; `None`: nobody could say anything of this key.
    pub fn answered(&self) -> Option<bool> {
        match self {
            Self::Open(open) => open.status.is_success().then_some(true),
            Self::Closed(_) | Self::TimedOut | Self::Broken => Some(false),
            Self::Unreachable(_)
            | Self::Hung
            | Self::NotTaken
            | Self::HungUp
            | Self::Settings(_)
            | Self::Caller(_) => None,
        }
    }

    /// Whether the request could have reached the model: a refusal for quota, key or content did not.
    pub fn reached(&self) -> bool {
        match self {
            Self::Open(_) | Self::TimedOut | Self::Hung | Self::Broken | Self::HungUp => true,
            Self::Closed(closed) => closed.status.as_u16() >= 499,
            Self::Unreachable(_) | Self::NotTaken | Self::Settings(_) | Self::Caller(_) => false,
        }
    }
}

/// One try, over by `deadline` at the latest unless its first byte has come. Where it may be sent again it is given up when
/// `dies` comes back, because the relay is dead (R7); that is found out in any case.
pub async fn send(
    live: &Live,
    call: &Call,
    route: &Route,
    deadline: Instant,
    dies: impl Future<Output = ()>,
) -> Reply {
    let again = call.replayable() && call.target.operation.repeatable();
    let dies = async {
        dies.await;
        // Whoever asked for something that may have been done waits for what comes; the others know of the relay now.
        if !again {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        reply = one_try(live, call, route, deadline) => reply,
        () = dies => Reply::Hung,
    }
}

async fn one_try(live: &Live, call: &Call, route: &Route, deadline: Instant) -> Reply {
    let request = match build(&live.config, call, route, deadline) {
        Ok(request) => request,
        Err(which) => return Reply::Settings(which),
    };
    let sent = match wait(&live.clients, route, request, deadline).await {
        Ok(sent) => sent,
        Err(failure) => return Reply::Caller(failure),
    };
    let response = match sent {
        None => return Reply::TimedOut,
        Some(Err(SendError::Connect(error))) => {
            log("no connection", &*error, route, &live.redactor);
            return Reply::Unreachable(dial::no_connection(&*error));
        }
        Some(Err(SendError::NotTaken(error))) => {
            log("not taken", &*error, route, &live.redactor);
            return Reply::NotTaken;
        }
        Some(Err(SendError::HungUp(error))) => {
            log("hung up", &*error, route, &live.redactor);
            return Reply::HungUp;
        }
        Some(Err(SendError::Broken(error))) => {
            log("connection broke", &*error, route, &live.redactor);
            return Reply::Broken;
        }
        Some(Err(SendError::Settings(error))) => return Reply::Settings(error.setting()),
        Some(Ok(response)) => response,
    };
    let (head, body) = response.into_parts();
    let relayed = matches!(route.egress, Egress::Relay(_));
    if head.status.is_informational() {
        // Another protocol, which nobody asked for.
        return Reply::Broken;
    }
    if is_refusal(head.status, call) || relayed && is_page(&head.headers, call) {
        let astray = relayed && head.status.is_redirection() && leads_astray(&head.headers, &live.config);
        let refused = hold::Refused { relayed, bodiless: call.method == Method::HEAD, astray };
        return Reply::Closed(hold::refusal(head.status, head.headers, body, refused).await);
    }
    let look = kind(call, head.status, &head.headers);
    match look {
        Some(kind) if kind.is_held() => {
            match hold::hold(head.status, head.headers, body, kind, deadline).await {
                Reply::Open(open) if relayed && hold::is_foreign(&open) => Reply::Closed(unread(open)),
                reply => reply,
            }
        }
        _ => Reply::Open(Open {
            status: head.status,
            headers: head.headers,
            held: Bytes::new(),
            rest: Some(body),
            look,
            tap: None,
            empty: false,
        }),
    }
}

/// The answer's head, if it comes by `deadline`; an upload has as much time from its end on.
async fn wait(
    clients: &Clients,
    route: &Route,
    request: Request<Outgoing>,
    deadline: Instant,
) -> Result<Option<Result<Response<Incoming>, SendError>>, Failure> {
    let upload = match request.body() {
        Outgoing::Stream(upload) => Some(upload.watch()),
        Outgoing::Whole(_) => None,
    };
    let sending = clients.send(&route.egress, request);
    match upload {
        None => Ok(tokio::time::timeout_at(deadline, sending).await.ok()),
        Some(upload) => upload.patiently(deadline.saturating_duration_since(Instant::now()), sending).await,
    }
}

/// Redirects too: what they say may hold a key, and their bodies are envelopes like those of errors (`gemini-wire.md` 1.4). And
/// whatever is not 200, where a model was asked.
fn is_refusal(status: StatusCode, call: &Call) -> bool {
    status.as_u16() >= 400
        || status.is_redirection() && status != StatusCode::NOT_MODIFIED
        || call.look.is_some() && status != StatusCode::OK
}

/// Whether a redirect leads away from the upstream. Callers would follow it, with what they take for their key.
fn leads_astray(headers: &HeaderMap, config: &Config) -> bool {
    let home = |to: &HeaderValue| {
        to.to_str().is_ok_and(|to| config.upstream.as_ref().is_some_and(|upstream| upstream.holds(to)))
    };
    !headers.get_all(LOCATION).iter().all(home)
}

/// What is no answer of the Gemini API, as the refusal that it is.
fn unread(open: Open) -> Closed {
    let Open { status, headers, held: body, .. } = open;
    Closed { status, headers, body, error: None, readable: false, relay_error: None, within_200: true }
}

/// A web page with a good status: the relay's platform, or somebody in between. Gemini sends none but as a file.
fn is_page(headers: &HeaderMap, call: &Call) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let html = content_type.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"text/html"));
    html && !call.target.path.starts_with("/download/")
}

/// How an answer is followed: as the request says, else as its content type does; `None`: not at all.
fn kind(call: &Call, status: StatusCode, headers: &HeaderMap) -> Option<Kind> {
    if !status.is_success() || headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return None;
    }
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let is = |name: &[u8]| {
        content_type.len() >= name.len() && content_type[..name.len()].eq_ignore_ascii_case(name)
    };
    // Only what may be sent twice is worth holding.
    let chat = call.target.openai && call.target.operation.repeatable();
    call.look.or_else(|| match (is(b"text/event-stream"), call.target.openai) {
        (true, true) if chat => Some(Kind::OpenAi),
        (true, _) => Some(Kind::Events),
        (false, true) if is(b"application/json") => Some(Kind::OpenAiUnary),
        (false, _) => None,
    })
}

/// The request as this route wants it: one credential, the path verbatim, no trace of the caller.
fn build(
    config: &Config,
    call: &Call,
    route: &Route,
    deadline: Instant,
) -> Result<Request<Outgoing>, &'static str> {
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
        let left = deadline.saturating_duration_since(Instant::now()).as_millis() as u64;
        let left = left.div_ceil(SECOND).max(1);
        sent.insert(HeaderName::from_static("x-server-timeout"), HeaderValue::from(left));
    }
    if let Some(instance) = relay {
        let sensitive = |value| headers::sensitive(value).ok_or("serverlessInstances");
        if let Some(token) = &instance.token {
            sent.insert(HeaderName::from_static("x-relay-token"), sensitive(token)?);
        }
        for (name, value) in &instance.headers {
            let name = HeaderName::try_from(name.as_str()).map_err(|_| "serverlessInstances")?;
            sent.insert(name, sensitive(value)?);
        }
    }
    *request.headers_mut() = sent;
    Ok(request)
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

/// What the other end said may be in it.
fn log(what: &'static str, error: &(dyn std::error::Error + 'static), route: &Route, redactor: &Redactor) {
    tracing::debug!(egress = route.egress.name(), error = redactor.text(&chain(error)), "{what}");
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
