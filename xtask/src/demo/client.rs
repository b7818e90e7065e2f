//! A plain HTTP client, as any program on this machine would be one, and what it makes of an answer.

use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// Longer than the sidecar lets a request take before its first byte, and then some.
const PATIENCE: Duration = Duration::from_secs(300);

/// An answer, read to its end.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    /// `X-Request-ID`: names the decision record.
    pub id: String,
    /// `X-Forwarded-To`: by which way it came.
    pub way: String,
    /// Status line and headers, as text.
    pub head: String,
    pub body: Vec<u8>,
    /// The model's words in it.
    pub text: String,
    /// When the first of them was there, and when the last byte was.
    pub first: Option<Duration>,
    pub whole: Duration,
}

/// Sends a prompt; `tell` is called with each piece of the model's text as it comes.
pub async fn ask(port: u16, path: &str, prompt: &str, tell: impl FnMut(&str)) -> anyhow::Result<Answer> {
    tokio::time::timeout(PATIENCE, post(port, path, prompt, tell)).await.context("the answer did not come")?
}

async fn post(port: u16, path: &str, prompt: &str, mut tell: impl FnMut(&str)) -> anyhow::Result<Answer> {
    let started = Instant::now();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.context("cannot connect to the endpoint")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.context("no connection")?;
    // Ends with the last handle on it, which is ours.
    tokio::spawn(connection);
    let body = json!({ "contents": [{ "role": "user", "parts": [{ "text": prompt }] }] }).to_string();
    let request = Request::post(path)
        .header("host", format!("127.0.0.1:{port}"))
        .header("content-type", "application/json")
        // What clients must fill in; the sidecar puts a key of its pool in its place.
        .header("x-goog-api-key", "anything")
        .body(Full::new(Bytes::from(body)))
        .context("the request is none")?;
    let response = sender.send_request(request).await.context("the endpoint did not answer")?;
    let header =
        |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut answer = Answer {
        status: response.status().as_u16(),
        id: header("x-request-id").to_owned(),
        way: header("x-forwarded-to").to_owned(),
        head: format!("{:?} {:?}", response.status(), response.headers()),
        ..Answer::default()
    };
    let mut texts = match header("content-type").starts_with("text/event-stream") {
        true => Texts::Events(Vec::new()),
        false => Texts::Whole,
    };
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame.context("the answer broke off")?.into_data() else { continue };
        answer.body.extend_from_slice(&bytes);
        for text in texts.of(&bytes) {
            answer.first.get_or_insert(started.elapsed());
            answer.text.push_str(&text);
            tell(&text);
        }
    }
    if let Texts::Whole = texts
        && let Some(text) = text_of(&answer.body)
    {
        answer.first = Some(started.elapsed());
        tell(&text);
        answer.text = text;
    }
    answer.whole = started.elapsed();
    Ok(answer)
}

/// Nobody listens there any more.
pub async fn is_closed(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).await.is_err()
}

/// Finds the model's words in an answer.
enum Texts {
    /// Events; what came of the one that is not over.
    Events(Vec<u8>),
    /// One JSON object.
    Whole,
}

impl Texts {
    /// The words of the events that end in these bytes.
    fn of(&mut self, bytes: &[u8]) -> Vec<String> {
        let Self::Events(line) = self else { return Vec::new() };
        let mut found = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                line.push(*byte);
                continue;
            }
            found.extend(line.strip_prefix(b"data:").and_then(text_of));
            line.clear();
        }
        found
    }
}

/// The words of one `GenerateContentResponse`; `None` if it has none. Thoughts are not the answer.
fn text_of(json: &[u8]) -> Option<String> {
    let response: Value = serde_json::from_slice(json).ok()?;
    let parts = response["candidates"][0]["content"]["parts"].as_array()?;
    let spoken = parts.iter().filter(|part| part["thought"] != true);
    let text: String = spoken.filter_map(|part| part["text"].as_str()).collect();
    (!text.is_empty()).then_some(text)
}

/// What an error in Google's shape says: its status and its sentence.
pub fn error_of(body: &[u8]) -> Option<(String, String)> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let error = value.get("error").or_else(|| value[0].get("error"))?;
    Some((error["status"].as_str()?.to_owned(), error["message"].as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_with_the_event_that_ends() {
        let stream = fake_gemini::fixtures::stream();
        for size in [1, 7, 100, stream.len()] {
            let mut texts = Texts::Events(Vec::new());
            let pieces: Vec<String> = stream.chunks(size).flat_map(|bytes| texts.of(bytes)).collect();
            assert_eq!((pieces.len(), pieces.concat().as_str()), (3, fake_gemini::fixtures::TEXT));
        }
        let mut texts = Texts::Events(Vec::new());
        assert!(texts.of(b": comment\n\ndata: {\"error\":{}}\n\ndata: broken\n\n").is_empty());
    }

    #[test]
    fn thoughts_are_not_the_answer() {
        let parts = json!([{ "text": "hm", "thought": true }, { "text": "yes" }, { "text": "!" }]);
        let response = json!({ "candidates": [{ "content": { "parts": parts } }] }).to_string();
        assert_eq!(text_of(response.as_bytes()).as_deref(), Some("yes!"));
        assert_eq!(text_of(b"{\"candidates\":[{\"finishReason\":\"STOP\"}]}"), None);
    }

    #[test]
    fn an_error_is_read_in_both_of_googles_shapes() {
        let error = r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"no"}}"#;
        for body in [error.to_owned(), format!("[{error}]")] {
            assert_eq!(error_of(body.as_bytes()), Some(("INVALID_ARGUMENT".into(), "no".into())), "{body}");
        }
        assert_eq!(error_of(b"<html>"), None);
    }
}
