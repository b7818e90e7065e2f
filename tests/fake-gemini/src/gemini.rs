//! Good answers, in the shape that a request asks for.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::fixtures::{self, Fixture};
use crate::script::{Answer, Step};
use crate::seen::Seen;

pub(crate) fn good_answer(seen: &Seen, pace: Duration) -> Vec<Step> {
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    let json = |value: Value| {
        whole("application/json; charset=UTF-8", serde_json::to_vec_pretty(&value).unwrap_or_default())
    };
    if path.ends_with(":generateContent") {
        return whole("application/json; charset=UTF-8", fixtures::unary());
    }
    if path.ends_with(":streamGenerateContent") {
        let sse = query.split('&').any(|pair| pair == "alt=sse");
        let pieces = if sse {
            fixtures::events().iter().map(|event| Bytes::from(format!("data: {event}\r\n\r\n"))).collect()
        } else {
            fixtures::array()
        };
        let content_type = if sse { "text/event-stream" } else { "application/json; charset=UTF-8" };
        let mut steps = vec![Step::Head(200, vec![("content-type".into(), content_type.into())])];
        for piece in pieces {
            steps.push(Step::Bytes(piece));
            if !pace.is_zero() {
                steps.push(Step::Pause(pace));
            }
        }
        steps.push(Step::End);
        return steps;
    }
    if path.ends_with(":countTokens") {
        return json(json!({ "totalTokens": 3 }));
    }
    if path.ends_with(":embedContent") {
        return json(json!({ "embedding": { "values": [0.25, -0.5] } }));
    }
    let model = |name: &str| json!({ "name": format!("models/{name}"), "displayName": name, "inputTokenLimit": 1_048_576 });
    match path.rsplit_once("/models") {
        Some((_, "")) => json(json!({ "models": [model("gemini-3.6-flash"), model("gemini-3-pro")] })),
        Some((_, name)) if !name.contains(':') => json(model(name.trim_start_matches('/'))),
        _ if path.contains("/__fake_echo") => whole("application/octet-stream", seen.body.clone()),
        _ => {
            let (status, content_type, body) = Fixture::UnknownModel.answer(seen);
            match Answer::raw(status, &[("content-type", content_type)], body) {
                Answer::Steps(steps) => steps,
                Answer::Fixture(_) => Vec::new(),
            }
        }
    }
}

fn whole(content_type: &str, body: impl Into<Bytes>) -> Vec<Step> {
    match Answer::raw(200, &[("content-type", content_type), ("server-timing", "gfet4t7; dur=9")], body) {
        Answer::Steps(steps) => steps,
        Answer::Fixture(_) => Vec::new(),
    }
}
