//! What the fake answers, step by step.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;

use crate::fixtures::{self, Fixture};
use crate::seen::Seen;

/// All rules, and what happens without one.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) rules: Vec<Rule>,
    pub(crate) keys: Option<Vec<String>>,
    pub(crate) pace: Duration,
}

impl Script {
    /// The steps for a request.
    pub(crate) fn steps(&mut self, seen: &Seen) -> Vec<Step> {
        if let Some(rule) = self.rules.iter_mut().find(|rule| rule.fits(seen)) {
            if let Some(left) = &mut rule.left {
                *left -= 1;
            }
            return rule.answer.steps(seen);
        }
        let known = |keys: &Vec<String>| seen.key.as_ref().is_some_and(|key| keys.contains(key));
        if !self.keys.as_ref().is_none_or(known) {
            return Answer::fixture(Fixture::InvalidKey).steps(seen);
        }
        crate::gemini::good_answer(seen, self.pace)
    }
}

/// Which requests get which answer. As JSON (for the program's `--script` and `/__fake/rules`):
/// `{"key": "k1", "model": "m", "path": "part of it", "times": 1, "fixture": "MinuteQuota"}` or, in place of `fixture`,
/// `{"status": 503, "body": {…}}`.
#[derive(Debug, Clone)]
pub struct Rule {
    key: Option<String>,
    model: Option<String>,
    path: Option<String>,
    left: Option<usize>,
    answer: Answer,
}

impl Rule {
    /// For every request, always.
    pub fn new(answer: Answer) -> Self {
        Self { key: None, model: None, path: None, left: None, answer }
    }

    /// Only with this key.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Only for this model.
    #[must_use]
    pub fn model(mut self, model: &str) -> Self {
        self.model = Some(model.to_owned());
        self
    }

    /// Only for targets that contain this.
    #[must_use]
    pub fn path_contains(mut self, part: &str) -> Self {
        self.path = Some(part.to_owned());
        self
    }

    /// Only so many times.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.left = Some(times);
        self
    }

    fn fits(&self, seen: &Seen) -> bool {
        self.left != Some(0)
            && self.key.as_ref().is_none_or(|key| seen.key.as_ref() == Some(key))
            && self.model.as_ref().is_none_or(|model| seen.target.contains(&format!("models/{model}:")))
            && self.path.as_ref().is_none_or(|part| seen.target.contains(part.as_str()))
    }
}

/// A rule as JSON.
#[derive(Deserialize)]
pub(crate) struct RuleJson {
    key: Option<String>,
    model: Option<String>,
    path: Option<String>,
    times: Option<usize>,
    fixture: Option<Fixture>,
    status: Option<u16>,
    body: Option<Value>,
}

impl From<RuleJson> for Rule {
    fn from(json: RuleJson) -> Self {
        let answer = match json.fixture {
            Some(fixture) => Answer::fixture(fixture),
            None => Answer::json(json.status.unwrap_or(200), &json.body.unwrap_or_default()),
        };
        Self { key: json.key, model: json.model, path: json.path, left: json.times, answer }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// One of the fixtures, in the shape that the request asks for.
    Fixture(Fixture),
    /// These steps.
    Steps(Vec<Step>),
}

/// A step of an answer.
#[derive(Debug, Clone)]
pub enum Step {
    /// Status and headers; the body that follows is chunked unless there is a `content-length`.
    Head(u16, Vec<(String, String)>),
    /// A piece of the body, in one chunk.
    Bytes(Bytes),
    /// Bytes as they are, without framing.
    Raw(Bytes),
    /// Time passes.
    Pause(Duration),
    /// Until the test opens the gate.
    Wait(Gate),
    /// Nothing more, ever, until the other side closes.
    Hang,
    /// The connection is reset.
    Reset,
    /// The connection is closed without the end of the body.
    Cut,
    /// The body is over; the connection stays.
    End,
}

/// Something a test opens when it is time.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// Closed.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn passed(&self) {
        let mut open = self.0.subscribe();
        // The sender is alive: it is in `self`.
        let _ = open.wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

const SSE: &str = "text/event-stream";
const JSON: &str = "application/json; charset=UTF-8";

impl Answer {
    /// One of the fixtures.
    pub fn fixture(fixture: Fixture) -> Self {
        Self::Fixture(fixture)
    }

    /// Any status, headers and body, whole.
    pub fn raw(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let mut head: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        head.push(("content-length".into(), body.len().to_string()));
        Self::Steps(vec![Step::Head(status, head), Step::Bytes(body), Step::End])
    }

    /// A JSON body, whole.
    pub fn json(status: u16, body: &Value) -> Self {
        let text = serde_json::to_string_pretty(body).expect("a value is JSON");
        Self::raw(status, &[("content-type", JSON)], text)
    }

    /// These steps behind the head of a stream.
    pub fn stream(steps: impl IntoIterator<Item = Step>) -> Self {
        let head = Step::Head(200, vec![("content-type".into(), SSE.into())]);
        Self::Steps(std::iter::once(head).chain(steps).collect())
    }

    /// The good stream in pieces of so many bytes.
    pub fn pieces(size: usize) -> Self {
        let stream = fixtures::stream();
        let pieces = stream.chunks(size).map(|piece| Step::Bytes(Bytes::copy_from_slice(piece)));
        Self::stream(pieces.chain([Step::End]).collect::<Vec<_>>())
    }

    /// The good stream up to this byte, then this step.
    pub fn breaks_at(byte: usize, with: Step) -> Self {
        Self::stream([
            Step::Bytes(fixtures::stream().slice(..byte)),
            Step::Pause(Duration::from_millis(20)),
            with,
        ])
    }

    /// These events, each as `data:` with CRLF, then the end.
    pub fn events(events: &[Value]) -> Self {
        let steps = events.iter().map(|event| Step::Bytes(Bytes::from(format!("data: {event}\r\n\r\n"))));
        Self::stream(steps.chain([Step::End]).collect::<Vec<_>>())
    }

    /// Nothing at all, then this step: `Hang`, `Reset`, `Cut`.
    pub fn only(step: Step) -> Self {
        Self::Steps(vec![step])
    }

    /// This answer once the gate is open; before, not even headers.
    pub fn behind(gate: &Gate, answer: Self) -> Self {
        match answer {
            Self::Fixture(_) => panic!("only steps can wait; use Answer::json"),
            Self::Steps(steps) => {
                Self::Steps(std::iter::once(Step::Wait(gate.clone())).chain(steps).collect())
            }
        }
    }

    fn steps(&self, seen: &Seen) -> Vec<Step> {
        match self {
            Self::Steps(steps) => steps.clone(),
            Self::Fixture(fixture) => {
                let (status, content_type, body) = fixture.answer(seen);
                let sse = seen.target.contains("alt=sse") && content_type == JSON;
                let head = vec![
                    ("content-type".to_owned(), if sse { SSE.to_owned() } else { content_type.to_owned() }),
                    ("content-length".to_owned(), body.len().to_string()),
                ];
                vec![Step::Head(status, head), Step::Bytes(body.into()), Step::End]
            }
        }
    }
}
