//! What the fake Gemini answers: the model's name says it. Words and bytes only, no sockets.
//!
//! | model | answer |
//! |---|---|
//! | `answer-2048` | an answer of 2,048 bytes |
//! | `slow-500` | a small answer, 500 ms after the request is in |
//! | `events-20-5` | a stream of 20 events, 5 ms apart; the first at once |
//! | `faulty-7` | what [`Fault::roll`] says, else a small answer or, if asked for one, a short stream; the number only tells models apart |

use std::time::Duration;

use serde_json::{Value, json};

/// Keys that begin with this are no keys.
pub const INVALID: &str = "invalid";
/// The quota of keys that begin with this is used up for the day.
pub const SPENT: &str = "spent";
/// Stands before the time an event was sent at.
pub const STAMP: &[u8] = b"sent ";
/// Size of small answers.
pub const SMALL: usize = 2_048;
/// The stream of a faulty model.
pub const SHORT: Say = Say::Events { count: 4, every: Duration::from_millis(5) };
/// One attempt in so many is hit.
const FAULTY: u64 = 10;

/// What a model answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// So many bytes, after a while.
    Answer { bytes: usize, after: Duration },
    /// A stream.
    Events { count: usize, every: Duration },
    /// An answer or a stream, unless a fault comes.
    Faulty { stream: bool },
    /// That it is well: a relay is asked for that.
    Health,
}

impl Say {
    /// What the model of a request target answers.
    pub fn of(target: &str) -> Option<Self> {
        if target == "/health" {
            return Some(Self::Health);
        }
        let (model, verb) = target.split_once("/models/")?.1.split_once(':')?;
        let (name, figures) = model.split_once('-')?;
        let mut figures = figures.split('-').map(|figure| figure.parse::<u64>().ok());
        let mut next = || figures.next().flatten();
        Some(match name {
            "answer" => Self::Answer { bytes: next()? as usize, after: Duration::ZERO },
            "slow" => Self::Answer { bytes: SMALL, after: Duration::from_millis(next()?) },
            "events" => Self::Events { count: next()? as usize, every: Duration::from_millis(next()?) },
            "faulty" => Self::Faulty { stream: verb.starts_with("stream") },
            _ => return None,
        })
    }
}

/// A good answer of this size, head and all.
pub fn answer(bytes: usize) -> Vec<u8> {
    let of = |text: &str| {
        json!({
            "candidates": [{
                "content": { "parts": [{ "text": text }], "role": "model" }, "finishReason": "STOP", "index": 0,
            }],
            "usageMetadata": usage(),
            "modelVersion": "gemini-bench",
            "responseId": "5gVbaPnLBtOXnsEPq8WxkAo",
        })
        .to_string()
    };
    let frame = of("").len();
    whole("200 OK", &of(&"x".repeat(bytes.saturating_sub(frame))))
}

/// An answer in one piece.
fn whole(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json; charset=UTF-8\r\nvary: Origin\r\nvary: X-Origin\r\n\
         server: scaffolding on HTTPServer2\r\nx-content-type-options: nosniff\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// What the original's relay says of itself.
pub fn health() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nOK".to_vec()
}

fn usage() -> Value {
    json!({ "promptTokenCount": 11, "candidatesTokenCount": 46, "totalTokenCount": 57 })
}

// --- streams ---

/// The head of a stream.
pub const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nvary: Origin\r\n\
    server: scaffolding on HTTPServer2\r\nx-content-type-options: nosniff\r\ntransfer-encoding: chunked\r\n\r\n";

/// One event in a chunk of its own, with the time it is sent at; the last one ends the stream.
pub fn event(at: u64, last: bool) -> String {
    let finish = if last { r#""finishReason": "STOP","# } else { "" };
    let usage = usage();
    let event = format!(
        "data: {{\"candidates\": [{{\"content\": {{\"parts\": [{{\"text\": \"sent {at:020} and some words of an answer as they \
         come\"}}],\"role\": \"model\"}},{finish}\"index\": 0}}],\"usageMetadata\": {usage},\"modelVersion\": \
         \"gemini-bench\",\"responseId\": \"5gVbaPnLBtOXnsEPq8WxkAo\"}}\r\n\r\n"
    );
    let end = if last { "0\r\n\r\n" } else { "" };
    format!("{:x}\r\n{event}\r\n{end}", event.len())
}

/// When this event was sent.
pub fn sent_at(event: &[u8]) -> Option<u64> {
    let at = event.windows(STAMP.len()).position(|window| window == STAMP)? + STAMP.len();
    std::str::from_utf8(event.get(at..at + 20)?).ok()?.parse().ok()
}

// --- faults ---

/// What goes wrong before the first byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Google says why; an answer in one piece.
    Refusal(Vec<u8>),
    /// The connection is reset.
    Reset,
}

impl Fault {
    /// What happens to the `turn`th attempt: the same each time the benchmark runs. A bad key always fails; of the others one
    /// attempt in ten, in equal shares by an overloaded model, a reset, and a minute's quota that is over in less than a
    /// second.
    pub fn roll(key: &str, turn: u64) -> Option<Self> {
        if key.starts_with(INVALID) {
            let reason = json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
                "domain": "googleapis.com", "metadata": { "service": "generativelanguage.googleapis.com" } });
            return Some(refusal(
                "400 Bad Request",
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.",
                &[reason],
            ));
        }
        if key.starts_with(SPENT) {
            let quota = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier");
            return Some(refusal(
                "429 Too Many Requests",
                "RESOURCE_EXHAUSTED",
                "You exceeded your current quota.",
                &[quota],
            ));
        }
        let dice = scattered(turn);
        if !dice.is_multiple_of(FAULTY) {
            return None;
        }
        Some(match (dice >> 16) % 3 {
            0 => refusal(
                "503 Service Unavailable",
                "UNAVAILABLE",
                "The model is overloaded. Please try again later.",
                &[],
            ),
            1 => Self::Reset,
            _ => {
                let delay = format!("0.{:03}s", (dice >> 32) % 1_000);
                let retry =
                    json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay });
                let quota = quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier");
                refusal(
                    "429 Too Many Requests",
                    "RESOURCE_EXHAUSTED",
                    &format!("You exceeded your current quota. Please retry in {delay}."),
                    &[quota, retry],
                )
            }
        })
    }
}

fn quota(id: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests", "quotaId": id,
        "quotaDimensions": { "location": "global", "model": "gemini-bench" }, "quotaValue": "10",
    }] })
}

fn refusal(status: &str, word: &str, message: &str, details: &[Value]) -> Fault {
    let code: u16 = status.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(500);
    let error = json!({ "error": { "code": code, "message": message, "status": word, "details": details } });
    Fault::Refusal(whole(status, &error.to_string()))
}

/// What a relay does in place of passing a call on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayFault {
    /// Nobody listens.
    Refused,
    /// The connection is reset once the request is in.
    Reset,
    /// The relay, or its platform, answers by itself.
    Own(Vec<u8>),
}

impl RelayFault {
    /// What happens to the `turn`th attempt: one in ten fails. Of ten faults three are a refused connection, three a reset, three
    /// the relay's 502, and one its platform's 429, which is rare because it puts a relay out for five minutes.
    pub fn roll(turn: u64) -> Option<Self> {
        // Other dice than Google's.
        let dice = scattered(turn ^ u64::MAX);
        dice.is_multiple_of(FAULTY).then(|| match (dice >> 16) % 10 {
            0..=2 => Self::Refused,
            3..=5 => Self::Reset,
            6..=8 => Self::bad_gateway(),
            _ => Self::Own(own("429 Too Many Requests", "", "error code: 1015")),
        })
    }

    /// What our own worker answers where it cannot reach Google.
    pub fn bad_gateway() -> Self {
        let error = json!({ "code": 502, "message": "The relay could not reach the Gemini API.", "status": "UNAVAILABLE" });
        let head = "content-type: application/json; charset=utf-8\r\nx-relay: 1\r\nx-relay-error: 1\r\n";
        Self::Own(own("502 Bad Gateway", head, &json!({ "error": error }).to_string()))
    }
}

fn own(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A number that looks random, always the same for the same turn (splitmix64).
fn scattered(turn: u64) -> u64 {
    let mut mixed = turn.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_says_what_it_answers() {
        let of = |model: &str| Say::of(&format!("/v1beta/models/{model}:generateContent"));
        assert_eq!(of("answer-20480"), Some(Say::Answer { bytes: 20_480, after: Duration::ZERO }));
        assert_eq!(of("events-20-5"), Some(Say::Events { count: 20, every: Duration::from_millis(5) }));
        assert_eq!(of("faulty-7"), Some(Say::Faulty { stream: false }));
        assert_eq!([of("answer-x"), of("other-1"), of("answer"), Say::of("/v1beta/models")], [None; 4]);
    }

    #[test]
    fn an_answer_is_as_large_as_was_asked_for() {
        let text = String::from_utf8(answer(20_480)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(body.len() == 20_480 && head.contains("content-length: 20480"), "{head}");
        assert!(serde_json::from_str::<Value>(body).is_ok());
    }

    #[test]
    fn an_event_tells_when_it_was_sent() {
        let event = event(1_768_519_200_000_000_000, true);
        assert_eq!(sent_at(event.as_bytes()), Some(1_768_519_200_000_000_000));
        let json = event.split_once("data: ").unwrap().1.split_once("\r\n\r\n").unwrap().0;
        let json: Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["candidates"][0]["finishReason"], "STOP");
        assert_eq!(sent_at(b"data: {}"), None);
    }

    #[test]
    fn one_attempt_in_ten_fails_in_three_ways() {
        let faults: Vec<Fault> = (0..30_000).filter_map(|turn| Fault::roll("good", turn)).collect();
        let resets = faults.iter().filter(|fault| **fault == Fault::Reset).count();
        assert!((2_800..3_200).contains(&faults.len()), "{}", faults.len());
        assert!((900..1_100).contains(&resets), "{resets}");
        assert!(matches!(Fault::roll("invalid-1", 1), Some(Fault::Refusal(_))));
    }

    #[test]
    fn one_attempt_in_ten_fails_at_a_relay_in_four_ways() {
        let faults: Vec<RelayFault> = (0..30_000).filter_map(RelayFault::roll).collect();
        let count = |wanted: RelayFault| faults.iter().filter(|fault| **fault == wanted).count();
        assert!((2_800..3_200).contains(&faults.len()), "{}", faults.len());
        for fault in [RelayFault::Refused, RelayFault::Reset, RelayFault::bad_gateway()] {
            assert!((800..1_000).contains(&count(fault.clone())), "{fault:?}");
        }
    }
}
