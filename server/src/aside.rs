//! What is asked beside the request path, and looks only at the answer's status and a little of its body: a relay's health, and
//! whether Gemini takes a key by a way out. Never follows a redirect, never waits longer than its caller lets it.

use std::time::Duration;

use aggregator_protocol::{DownReason, Fault, Secret};

use crate::dial::{Clients, probe};
use crate::gemini::error::{self, ApiError};
use crate::headers::sensitive;
use crate::policy::base::Base;
use crate::policy::config::Instance;
use crate::policy::health::{self, Reading};
use crate::policy::outcome::{Circumstances, Outcome};
use crate::policy::route::Egress;
use crate::policy::verdict::{Verdict, judge};

/// Read of an answer at most.
const LARGEST: usize = 256 * 1024;
/// A small model that every tier has.
pub const SMALLEST_MODEL: &str = "gemini-flash-lite-latest";

/// An answer, read as far as is of use.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Content type; empty if there is none.
    pub content_type: String,
    /// At most [`LARGEST`] bytes, and one read.
    pub body: Vec<u8>,
    /// A relay says that it failed itself.
    pub relay_error: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// Our own settings do not let anything out.
    Settings,
    /// It did not come in time.
    TimedOut,
    /// No connection, or one that broke; what reqwest says, without the URL.
    Failed(reqwest::Error),
}

impl Unanswered {
    /// What it says of the relay that was asked; `None`: nothing.
    pub fn down(&self) -> Option<DownReason> {
        match self {
            Self::Settings => None,
            Self::TimedOut => Some(DownReason::Hung),
            Self::Failed(_) => Some(DownReason::Unreachable),
        }
    }

    /// What is wrong, in one word.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Settings => Fault::Settings,
            Self::TimedOut => Fault::TimedOut,
            Self::Failed(error) => probe::fault(error).unwrap_or(Fault::Broken),
        }
    }
}

/// Asks an instance for its `/health`.
pub async fn health(
    clients: &Clients,
    instance: &Instance,
    patience: Duration,
) -> Result<(Reading, Answer), Unanswered> {
    let egress = Egress::Relay(instance.id.clone());
    let client = clients.aside(&egress).map_err(|_| Unanswered::Settings)?;
    let request = client.get(format!("{}/health", instance.base.url()));
    let answer = answer(with_headers(request, instance)?, patience).await?;
    let reading = health::read(answer.status, &answer.content_type, &answer.body, instance.token.is_some());
    Ok((reading, answer))
}

/// The way to ask by.
#[derive(Debug, Clone, Copy)]
pub enum Way<'a> {
    /// Straight to this upstream; `None`: the one that is configured cannot be used.
    Direct(Option<&'a Base>),
    /// By this instance.
    Relay(&'a Instance),
}

/// What to ask Gemini, to see whether it takes a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// The list of models: costs no quota.
    Models,
    /// An answer of one token: counts, and proves more (`gemini-wire.md` 3.4).
    OneToken,
}

/// Asks Gemini by a way out. Without a key it is only asked whether it is there.
pub async fn gemini(
    clients: &Clients,
    way: Way<'_>,
    key: Option<&Secret>,
    question: Question,
    patience: Duration,
) -> Result<Answer, Unanswered> {
    let (egress, base) = match way {
        Way::Direct(upstream) => (Egress::Direct, upstream.ok_or(Unanswered::Settings)?),
        Way::Relay(instance) => (Egress::Relay(instance.id.clone()), &instance.base),
    };
    let client = clients.aside(&egress).map_err(|_| Unanswered::Settings)?;
    let mut request = match question {
        Question::Models => client.get(format!("{}/v1beta/models?pageSize=1", base.url())),
        Question::OneToken => {
            let body = serde_json::json!({ "contents": [{ "role": "user", "parts": [{ "text": "." }] }],
                "generationConfig": { "maxOutputTokens": 1 } });
            let path = format!("/v1beta/models/{SMALLEST_MODEL}:generateContent");
            client.post(format!("{}{path}", base.url())).json(&body)
        }
    };
    if let Some(key) = key {
        request = request.header("x-goog-api-key", sensitive(key).ok_or(Unanswered::Settings)?);
    }
    if let Way::Relay(instance) = way {
        request = with_headers(request, instance)?;
    }
    answer(request, patience).await
}

/// What Gemini's answer means for the key and the way out.
pub fn verdict(answer: &Answer, error: Option<&ApiError>, relayed: bool) -> Verdict {
    let json = answer.body.trim_ascii_start().starts_with(b"{");
    let status = answer.status;
    let outcome = match error {
        _ if relayed && answer.relay_error => Outcome::RelayError { status, code: "" },
        Some(error) if status >= 400 => Outcome::Refused { status, error },
        _ if status < 300 && json => Outcome::Content,
        // A page of somebody in between.
        _ => Outcome::Foreign { status },
    };
    let at = Circumstances {
        relayed,
        repeatable: true,
        names_resource: false,
        tries_on_route: 1,
        reached: 1,
        unclear_rotated: false,
        empty_retried: true,
        retry_empty: false,
    };
    judge(&outcome, &at)
}

/// The error that an answer is, if it is one of Google's.
pub fn error(answer: &Answer) -> Option<ApiError> {
    if answer.relay_error { None } else { error::parse(&answer.body) }
}

/// What an instance wants beside the request itself.
fn with_headers(
    mut request: reqwest::RequestBuilder,
    instance: &Instance,
) -> Result<reqwest::RequestBuilder, Unanswered> {
    for (name, value) in &instance.headers {
        request = request.header(name, sensitive(value).ok_or(Unanswered::Settings)?);
    }
    if let Some(token) = &instance.token {
        request = request.header("x-relay-token", sensitive(token).ok_or(Unanswered::Settings)?);
    }
    Ok(request)
}

async fn answer(request: reqwest::RequestBuilder, patience: Duration) -> Result<Answer, Unanswered> {
    let answering = async {
        let mut response = request.send().await?;
        let status = response.status().as_u16();
        let content_type = response.headers().get(http::header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let relay_error = response.headers().contains_key("x-relay-error");
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST {
                break;
            }
        }
        Ok(Answer { status, content_type, body, relay_error })
    };
    match tokio::time::timeout(patience, answering).await {
        Err(_) => Err(Unanswered::TimedOut),
        Ok(answered) => answered.map_err(|error: reqwest::Error| match error.is_timeout() {
            true => Unanswered::TimedOut,
            false => Unanswered::Failed(error.without_url()),
        }),
    }
}
