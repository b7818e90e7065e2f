//! The fake Gemini as the demo sets it up: three keys, one out of quota, one that fails once, one fine.

use std::time::Duration;

use bytes::Bytes;
use fake_gemini::{Answer, Fake, Fixture, Rule, Step};
use serde_json::json;

/// Key id, secret, and what is wrong with it.
pub const KEYS: [(&str, &str, &str); 3] = [
    ("key1", "fake-P3qW8nZr-no-quota-left-Vx5t", "out of quota for today"),
    ("key2", "fake-Yb6KdM2c-stumbles-once-7Hsg", "fails once with 503, then works"),
    ("key3", "fake-Ru9LfT4j-in-good-order-Qe1a", "works"),
];

/// Between two words of the stream.
pub const PACE: Duration = Duration::from_millis(45);

const TEXT: &str = "Each of these words left the fake Gemini as an event of its own. The first key had no quota left and the \
    second one stumbled, but nothing of that reached you: the answer began when a key could give it. Since then every byte has \
    come through as it was sent, \u{e4}, \u{6f22}\u{5b57} and \"quotes\" too.";

/// Starts it.
pub async fn set() -> Fake {
    let fake = Fake::start().await;
    let [(_, exhausted, _), (_, stumbling, _), _] = KEYS;
    fake.knows(KEYS.map(|(_, secret, _)| secret));
    fake.rule(Rule::new(Answer::fixture(Fixture::DayQuota)).key(exhausted));
    fake.rule(Rule::new(Answer::fixture(Fixture::Overloaded)).key(stumbling).times(1));
    let steps = events().into_iter().flat_map(|event| [Step::Bytes(event), Step::Pause(PACE)]);
    let stream = Answer::stream(steps.chain([Step::End]).collect::<Vec<_>>());
    fake.rule(Rule::new(stream).path_contains(":streamGenerateContent?alt=sse"));
    fake
}

/// The stream that it sends, every byte.
pub fn stream() -> Vec<u8> {
    events().concat()
}

/// How many events that is.
pub fn words() -> usize {
    TEXT.split_inclusive(' ').count()
}

fn events() -> Vec<Bytes> {
    let event = |value: serde_json::Value| Bytes::from(format!("data: {value}\r\n\r\n"));
    let usage = |answer: usize| json!({ "promptTokenCount": 6, "candidatesTokenCount": answer, "totalTokenCount": 6 + answer });
    let spoken = TEXT.split_inclusive(' ').enumerate().map(|(at, word)| {
        let content = json!({ "parts": [{ "text": word }], "role": "model" });
        event(json!({ "candidates": [{ "content": content, "index": 0 }], "usageMetadata": usage(at + 1) }))
    });
    let finish =
        json!({ "candidates": [{ "finishReason": "STOP", "index": 0 }], "usageMetadata": usage(words()) });
    spoken.chain([event(finish)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_holds_the_text_word_by_word() {
        let stream = String::from_utf8(stream()).unwrap();
        let events: Vec<&str> = stream.split_terminator("\r\n\r\n").collect();
        assert_eq!(events.len(), words() + 1);
        let text = |event: &&str| {
            let value: serde_json::Value =
                serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
            value["candidates"][0]["content"]["parts"][0]["text"].as_str().map(str::to_owned)
        };
        assert_eq!(events.iter().filter_map(text).collect::<String>(), TEXT);
    }
}
