//! A request of our own, over the port and with nothing but what a client has: guard, pool, verdicts, record and log line are those
//! of every request. A window that follows asks its leader's port. It counts against the quota like any other.

use std::time::Duration;

use aggregator_protocol::{TryRequestAnswer, TryRequestParams};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Uri};
use serde_json::Value;
use tokio::time::Instant;

use crate::answer::REQUEST_ID;
use crate::aside::SMALLEST_MODEL;
use crate::shared::Shared;
use crate::windows;

/// Seconds for an answer to begin, as the endpoint is told; it then says itself that it was too late.
const PATIENCE: HeaderValue = HeaderValue::from_static("30");
/// For all of it.
const LONGEST: Duration = Duration::from_secs(35);
/// A short answer, and some thinking before it, which counts as well.
const BODY: &[u8] = br#"{"contents":[{"role":"user","parts":[{"text":"Answer with the word OK."}]}],"generationConfig":{"maxOutputTokens":128}}"#;
/// Characters of what the model says that are told.
const TEXT: usize = 200;
/// Characters of an error that are told.
const ERROR: usize = 300;

/// Where this model is asked; `None`: it is no name of one.
pub fn target(params: TryRequestParams) -> Option<(String, Uri)> {
    let model = params.model.unwrap_or_else(|| SMALLEST_MODEL.to_owned());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let uri = Uri::try_from(format!("/v1beta/models/{model}:generateContent")).ok()?;
    (!model.is_empty() && model.bytes().all(plain)).then_some((model, uri))
}

/// Sends it; `None`: no answer came. Dropped, it hangs up.
pub async fn try_request(shared: &Shared, model: String, uri: Uri) -> Option<TryRequestAnswer> {
    let mut request = windows::question(Method::POST, uri, Bytes::from_static(BODY));
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.headers_mut().insert("x-server-timeout", PATIENCE);
    let started = Instant::now();
    let (head, json) = windows::ask(shared, request, LONGEST).await?;
    let redactor = &shared.live().redactor;
    let shown = |text: &str, most| redactor.text(text).chars().take(most).collect();
    Some(TryRequestAnswer {
        request_id: head.headers.get(REQUEST_ID)?.to_str().ok()?.to_owned(),
        model: redactor.name(model),
        status: head.status.as_u16(),
        ms: started.elapsed().as_millis() as u64,
        text: said(&json).map(|text| shown(&text, TEXT)),
        error: json["error"]["message"].as_str().map(|text| shown(text, ERROR)),
    })
}

/// The text of an answer, without what the model thought.
fn said(json: &Value) -> Option<String> {
    let parts = json["candidates"][0]["content"]["parts"].as_array()?;
    let texts = parts.iter().filter(|part| part["thought"] != true).filter_map(|part| part["text"].as_str());
    Some(texts.collect::<String>()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_is_asked_by_its_plain_name_or_not_at_all() {
        let of = |model: Option<&str>| target(TryRequestParams { model: model.map(str::to_owned) });
        let (model, uri) = of(None).unwrap();
        assert_eq!(uri.to_string(), format!("/v1beta/models/{model}:generateContent"));
        assert_eq!(of(Some("gemini-2.5_x")).unwrap().0, "gemini-2.5_x");
        for wrong in ["", "models/x", "../x", "x?key=y", "x#", "x y", "ä", "x:countTokens"] {
            assert_eq!(of(Some(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn what_a_model_says_is_its_texts_without_its_thoughts() {
        let says = |parts: Value| said(&json!({ "candidates": [{ "content": { "parts": parts } }] }));
        assert_eq!(
            says(json!([{ "text": "hm", "thought": true }, { "text": "O" }, { "text": "K" }])),
            Some("OK".into())
        );
        for silent in [json!([]), json!([{ "text": "" }]), json!([{ "functionCall": {} }]), json!(null)] {
            assert_eq!(says(silent), None);
        }
        assert_eq!(said(&Value::Null), None);
    }
}
