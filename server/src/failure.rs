//! Every end without an upstream answer, and its wording: one table, [`Failure::words`].
//!
//! The shape is Google's: status, `{"error":{code,message,status,details}}`, pretty-printed, and on `alt=sse` requests the
//! content type `text/event-stream`, because clients parse around exactly that (`gemini-wire.md` 5.6).

use std::sync::Arc;

use aggregator_protocol::Reason;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use crate::policy::route::NoRoute;
use crate::policy::{MINUTE, Ms, SECOND};
use crate::proxy::Body;

/// An error whose text holds no secret.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An end without an upstream answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No `Host` header, or several, or one that is not a host.
    BadHost,
    /// The headers and the path are larger than 64 KiB together.
    HeadTooLarge,
    /// `Host`, or an absolute target, names another machine.
    ForeignHost,
    /// A browser page that is not on the allow list calls.
    ForeignOrigin,
    /// The local access token is missing or wrong.
    WrongToken,
    /// The path holds dot segments, or bytes that have no place in a path.
    BadPath,
    /// CONNECT, or a target that is no path.
    NoTarget,
    /// TRACE.
    NoTrace,
    /// The path or the query holds a key of the pool.
    KeyInTarget,
    /// Larger than this many bytes.
    BodyTooLarge(usize),
    /// The caller stopped sending its body.
    SlowBody,
    /// The caller's body broke off or was malformed.
    BrokenBody,
    /// `upstream`, `proxy` or `tls` cannot be used: which.
    Settings(&'static str),
    /// No route at the first turn.
    NoRoute {
        /// Why.
        why: NoRoute,
        /// For which model.
        model: Arc<str>,
        /// As of when.
        now: Ms,
    },
    /// No connection by this egress.
    Unreachable(String),
    /// The network proxy on the way wants other credentials.
    ProxyCredentials(String),
    /// The connection broke before an answer.
    Broken(String),
    /// No connection by this egress within 10 s.
    SlowConnection(String),
    /// No first byte in time.
    TimedOut {
        /// By which way.
        egress: String,
        /// How long was waited.
        after: Ms,
        /// As long as the client asked for; else as the setting says.
        own: bool,
    },
    /// This relay answered neither the request nor the question how it is.
    Hung(String),
    /// Something that is not the Gemini API answered behind this relay, with this status.
    Relay(String, u16),
    /// The upstream's error body was too long or encoded; its status.
    Unreadable(u16),
    /// The stream was cut by the upstream.
    Cut,
    /// The stream ended without a finish reason.
    Unfinished,
    /// The stream was silent for this long.
    Idle(Ms),
    /// One of our own pages was asked without the header that a web page cannot send.
    NotByName,
    /// A path of our own that does not exist.
    NoSuchPage,
    /// A key id that is not in the pool.
    UnknownKey,
}

impl Failure {
    /// HTTP status, Google's status and the sentence.
    fn words(&self) -> (u16, &'static str, String) {
        match self {
            Self::BadHost => (400, "INVALID_ARGUMENT", "The request needs exactly one valid Host header.".into()),
            Self::HeadTooLarge => (431, "INVALID_ARGUMENT", "The request's headers and its target are larger than 64 KiB together.".into()),
            Self::ForeignHost => (
                403,
                "PERMISSION_DENIED",
                "Gemini Aggregator only answers requests for this machine. Use http://127.0.0.1 or localhost, or add the name to allowedHosts.".into(),
            ),
            Self::ForeignOrigin => (
                403,
                "PERMISSION_DENIED",
                "Gemini Aggregator refuses requests from this web page. Add its origin to allowedOrigins to let it in.".into(),
            ),
            Self::WrongToken => (
                401,
                "UNAUTHENTICATED",
                "The local access token of Gemini Aggregator is missing or wrong. Set it as the API key of your client; it is not a Gemini API key.".into(),
            ),
            Self::BadPath => (400, "INVALID_ARGUMENT", "The path holds dot segments or characters that have no place in it.".into()),
            Self::NoTarget => (400, "INVALID_ARGUMENT", "Gemini Aggregator answers requests for a path of the Gemini API; it is no general proxy.".into()),
            Self::KeyInTarget => (
                400,
                "INVALID_ARGUMENT",
                "The path or the query holds a key of the pool, and no key is sent in a URL. Clients send theirs in a header, or as ?key=.".into(),
            ),
            Self::NoTrace => (405, "UNIMPLEMENTED", "Gemini Aggregator does not pass TRACE on.".into()),
            Self::BodyTooLarge(limit) => (
                413,
                "INVALID_ARGUMENT",
                format!("The request body is larger than {limit} bytes (setting maxBodyBytes)."),
            ),
            Self::SlowBody => (408, "DEADLINE_EXCEEDED", "The request body stopped coming for 60 s.".into()),
            Self::BrokenBody => (400, "INVALID_ARGUMENT", "The request body broke off or is malformed.".into()),
            Self::Settings(which) => (503, "UNAVAILABLE", format!("The setting {which} of Gemini Aggregator cannot be used; nothing was sent. Correct it and try again.")),
            Self::NoRoute { why, model, now } => no_route(why, model, *now),
            Self::Unreachable(egress) => (503, "UNAVAILABLE", format!("No connection to {} could be made{}.", whom(egress), how(egress))),
            Self::ProxyCredentials(egress) => (
                503,
                "UNAVAILABLE",
                format!("The network proxy asks for a user name and a password, or does not accept those of its URL; nothing was sent ({}). Correct them where the proxy is set.", by(egress)),
            ),
            Self::Broken(egress) => (503, "UNAVAILABLE", format!("The connection to {} broke before it answered{}.", whom(egress), how(egress))),
            Self::SlowConnection(egress) => (503, "UNAVAILABLE", format!("No connection to {} was made within 10 s{}.", whom(egress), how(egress))),
            Self::TimedOut { egress, after, own } => {
                let whose = if *own { "the client's own X-Server-Timeout" } else { "setting requestTimeout" };
                let seconds = after.div_ceil(SECOND);
                (504, "DEADLINE_EXCEEDED", format!("The Gemini API did not answer within {seconds} s ({}; {whose}).", by(egress)))
            }
            Self::Hung(instance) => (
                503,
                "UNAVAILABLE",
                format!("The relay {instance} stopped answering while the request waited for it. Check the relay."),
            ),
            Self::Relay(instance, status) => (
                503,
                "UNAVAILABLE",
                format!("The relay {instance} answered {status} by itself; that is no answer of the Gemini API. Check the relay."),
            ),
            Self::Unreadable(status) => (*status, google_status(*status), format!("The Gemini API answered {status} with a body that cannot be shown safely.")),
            Self::Cut => (503, "UNAVAILABLE", "The answer was cut off by the upstream before it was complete.".into()),
            Self::Unfinished => (503, "UNAVAILABLE", "The upstream ended the answer without a finish reason; it is incomplete.".into()),
            Self::Idle(after) => (504, "DEADLINE_EXCEEDED", format!("The upstream sent nothing for {} s in the middle of the answer.", after / SECOND)),
            Self::NotByName => (
                403,
                "PERMISSION_DENIED",
                "This page wants the header x-gemini-aggregator, with any value, so that no web page can ask for it.".into(),
            ),
            Self::NoSuchPage => (404, "NOT_FOUND", "Gemini Aggregator has no such page.".into()),
            Self::UnknownKey => (404, "NOT_FOUND", "There is no key with this id.".into()),
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.words().0).expect("every status in the table is one")
    }

    /// Google's envelope around the sentence.
    pub fn json(&self) -> Value {
        let (code, status, message) = self.words();
        let mut error = json!({ "code": code, "message": message, "status": status });
        if let Some((until, reason, model, now)) = self.recovery()
            && code == 429
        {
            error["details"] = details(until, reason, model, now);
        }
        json!({ "error": error })
    }

    /// The same for an OpenAI client: an object, never an array, which its SDK cannot take (`gemini-wire.md` 5.5).
    pub fn openai_json(&self) -> Value {
        openai_error(&self.json())
    }

    /// The whole answer.
    pub fn response(&self, sse: bool) -> Response<Body> {
        let text = serde_json::to_vec_pretty(&self.json()).expect("a value without foreign keys");
        let mut response = Response::new(whole(text.into()));
        *response.status_mut() = self.status();
        response.headers_mut().insert(CONTENT_TYPE, content_type(sse));
        if let Some((until, _, _, now)) = self.recovery() {
            response.headers_mut().insert(RETRY_AFTER, retry_after(until, now));
        }
        response
    }

    /// When it may work again: time, reason, model, now.
    fn recovery(&self) -> Option<(Ms, Reason, &str, Ms)> {
        match self {
            Self::NoRoute { why: NoRoute::Cooling { until, reason }, model, now } => {
                Some((*until, *reason, model, *now))
            }
            Self::NoRoute { why: NoRoute::ModelResting { until, .. }, model, now } => {
                Some((*until, Reason::Bare429, model, *now))
            }
            _ => None,
        }
    }
}

/// Who is at the other end of a connection.
fn whom(egress: &str) -> String {
    if egress == "local" { "the Gemini API".into() } else { format!("the relay {egress}") }
}

fn how(egress: &str) -> &'static str {
    if egress == "local" { " (direct connection)" } else { "" }
}

fn by(egress: &str) -> String {
    if egress == "local" { "direct connection".into() } else { format!("by the relay {egress}") }
}

fn no_route(why: &NoRoute, model: &str, now: Ms) -> (u16, &'static str, String) {
    match why {
        NoRoute::NoKeys => (503, "UNAVAILABLE", "Service Unavailable: No available API keys.".into()),
        NoRoute::AllQuarantined(keys) => {
            let named: Vec<String> =
                keys.iter().map(|(id, reason)| format!("{id} ({})", words_of(*reason))).collect();
            (
                503,
                "UNAVAILABLE",
                format!("No API key of the pool can be used: {}. Fix or re-test them.", named.join(", ")),
            )
        }
        NoRoute::Cooling { until, reason } => {
            let seconds = until.saturating_sub(now).div_ceil(SECOND);
            let text = format!(
                "Every API key of the pool rests for {model} ({}). Please retry in {seconds}s.",
                words_of(*reason)
            );
            (429, "RESOURCE_EXHAUSTED", text)
        }
        NoRoute::ModelResting { until, quota } => {
            let seconds = until.saturating_sub(now).div_ceil(SECOND);
            if *quota {
                (
                    429,
                    "RESOURCE_EXHAUSTED",
                    format!("{model} answers every key of the pool with 429. Please retry in {seconds}s."),
                )
            } else {
                (
                    503,
                    "UNAVAILABLE",
                    format!(
                        "{model} is overloaded on every project that was asked. Please retry in {seconds}s."
                    ),
                )
            }
        }
        NoRoute::NoRelay { configured: 0 } => {
            (503, "UNAVAILABLE", "The mode wants relays and none is configured and switched on.".into())
        }
        NoRoute::NoRelay { .. } => {
            (503, "UNAVAILABLE", "The mode wants relays and none that a key may use is up.".into())
        }
        NoRoute::Exhausted => (503, "UNAVAILABLE", "No way is left to send this request.".into()),
    }
}

/// A reason in English.
pub fn words_of(reason: Reason) -> &'static str {
    match reason {
        Reason::PerMinute => "per-minute quota",
        Reason::PerDay => "daily quota",
        Reason::NotEntitled => "model not in this tier",
        Reason::Bare429 => "too many requests",
        Reason::Rejected => "not accepted by Google",
        Reason::Leaked => "reported as leaked",
        Reason::Suspended => "suspended",
        Reason::ServiceDisabled => "API not enabled",
        Reason::Billing => "billing",
        Reason::SpendCap => "spending cap",
        Reason::Denied => "project denied access",
        Reason::Restricted => "key restrictions",
    }
}

/// QuotaFailure and RetryInfo, so that clients that read them wait, or stop for today (`gemini-wire.md` 8.8).
fn details(until: Ms, reason: Reason, model: &str, now: Ms) -> Value {
    /// Gemini CLI stops by itself when it must wait longer than this; the quota id then has to say why.
    const LONG: Ms = 5 * MINUTE;
    let wait = until.saturating_sub(now);
    let daily = reason == Reason::PerDay || wait > LONG;
    let quota = if daily {
        "GenerateRequestsPerDayPerProjectPerModel"
    } else {
        "GenerateRequestsPerMinutePerProjectPerModel"
    };
    json!([
        { "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
            "quotaId": quota,
            // The real limit is not known here; without a value, clients read that the model is not in this tier at all.
            "quotaValue": "1",
            "quotaDimensions": { "location": "global", "model": model },
        }] },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{}s", wait.div_ceil(SECOND)) },
    ])
}

/// Whole seconds from now, rounded up, at least one.
pub fn retry_after(until: Ms, now: Ms) -> HeaderValue {
    HeaderValue::from(until.saturating_sub(now).div_ceil(SECOND).max(1))
}

/// As Google answers: refused `alt=sse` requests carry the stream's type (`gemini-wire.md` 3.9).
pub fn content_type(sse: bool) -> HeaderValue {
    HeaderValue::from_static(if sse { "text/event-stream" } else { "application/json; charset=UTF-8" })
}

/// Google's name for a status.
pub fn google_status(status: u16) -> &'static str {
    match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 | 402 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ if status < 500 => "FAILED_PRECONDITION",
        _ => "INTERNAL",
    }
}

/// Google's envelope as OpenAI's clients read it.
pub fn openai_error(envelope: &Value) -> Value {
    let error = &envelope["error"];
    let code = error["code"].as_u64().unwrap_or(500);
    let kind = match code {
        429 => "rate_limit_error",
        400..500 => "invalid_request_error",
        _ => "server_error",
    };
    json!({ "error": { "message": error["message"], "type": kind, "param": null, "code": error["status"] } })
}

/// A body that is all there.
pub fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
