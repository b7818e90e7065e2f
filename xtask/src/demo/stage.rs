//! The fake Gemini as the demo sets it up: three keys, one out of quota, one that fails once, one fine. For the second act
//! nobody fails any more, and one stream waits in its midst for what goes on around it.

use std::time::Duration;

use bytes::Bytes;
use fake_gemini::{Answer, Fake, Fixture, Gate, Rule, Step};
use serde_json::json;

/// Key id, secret, and what is wrong with it.
pub const KEYS: [(&str, &str, &str); 3] = [
    ("key1", "fake-P3qW8nZr-no-quota-left-Vx5t", "out of quota for today"),
    ("key2", "fake-Yb6KdM2c-stumbles-once-7Hsg", "fails once with 503, then works"),
    ("key3", "fake-Ru9LfT4j-in-good-order-Qe1a", "works"),
];

/// The relays of the second act, and the key that is bound to the first of them.
pub const RELAYS: [&str; 2] = ["relay-a", "relay-b"];
pub const BOUND: &str = KEYS[1].0;

/// Between two words of the stream.
pub const PACE: Duration = Duration::from_millis(45);

const TEXT: &str = "Each of these words left the fake Gemini as an event of its own. The first key had no quota left and the \
    second one stumbled, but nothing of that reached you: the answer began when a key could give it. Since then every byte has \
    come through as it was sent, \u{e4}, \u{6f22}\u{5b57} and \"quotes\" too.";

const SHORT: &str = "Each of these words came by one more hand, and none of them was held back there.";
/// Up to the gate, and behind it.
const LONG: [&str; 2] = [
    "This stream comes by relay-b. While you read it, relay-a is killed, a request that was to go by it arrives all the same, and \
     relay-a is started again.\n",
    "All of that is over now, and not a byte of this stream knows of it.",
];
const STREAMS: &str = ":streamGenerateContent?alt=sse";

/// Starts it.
pub async fn set() -> Fake {
    let fake = Fake::start().await;
    let [(_, exhausted, _), (_, stumbling, _), _] = KEYS;
    fake.knows(KEYS.map(|(_, secret, _)| secret));
    fake.rule(Rule::new(Answer::fixture(Fixture::DayQuota)).key(exhausted));
    fake.rule(Rule::new(Answer::fixture(Fixture::Overloaded)).key(stumbling).times(1));
    fake.rule(Rule::new(paced(events(TEXT), None)).path_contains(STREAMS));
    fake
}

/// Sets it for the second act: the third stream is the long one, which waits for the gate; all others are short.
pub fn set_again(fake: &Fake) -> Gate {
    let gate = Gate::new();
    let short = || Rule::new(paced(events(SHORT), None)).path_contains(STREAMS);
    fake.clear();
    fake.rule(Rule::new(Answer::fixture(Fixture::DayQuota)).key(KEYS[0].1));
    fake.rule(short().times(2));
    fake.rule(Rule::new(paced(events(&LONG.concat()), Some(&gate))).path_contains(STREAMS).times(1));
    fake.rule(short());
    gate
}

/// An event after the other; the one that ends a line is followed by the gate.
fn paced(events: Vec<Bytes>, gate: Option<&Gate>) -> Answer {
    let line_ends = |event: &Bytes| event.windows(3).any(|window| window == b"\\n\"");
    let steps = events.into_iter().flat_map(|event| {
        let wait = gate.filter(|_| line_ends(&event)).map(|gate| Step::Wait(gate.clone()));
        [Step::Bytes(event), Step::Pause(PACE)].into_iter().chain(wait)
    });
    Answer::stream(steps.chain([Step::End]).collect::<Vec<_>>())
}

/// The stream that it sends, every byte.
pub fn stream() -> Vec<u8> {
    events(TEXT).concat()
}

/// The short stream of the second act.
pub fn short() -> Vec<u8> {
    events(SHORT).concat()
}

/// The long one.
pub fn long() -> Vec<u8> {
    events(&LONG.concat()).concat()
}

/// How many events that is.
pub fn words() -> usize {
    TEXT.split_inclusive(' ').count()
}

fn events(text: &str) -> Vec<Bytes> {
    let event = |value: serde_json::Value| Bytes::from(format!("data: {value}\r\n\r\n"));
    let usage = |answer: usize| json!({ "promptTokenCount": 6, "candidatesTokenCount": answer, "totalTokenCount": 6 + answer });
    let words = text.split_inclusive([' ', '\n']);
    let count = words.clone().count();
    let spoken = words.enumerate().map(|(at, word)| {
        let content = json!({ "parts": [{ "text": word }], "role": "model" });
        event(json!({ "candidates": [{ "content": content, "index": 0 }], "usageMetadata": usage(at + 1) }))
    });
    let finish =
        json!({ "candidates": [{ "finishReason": "STOP", "index": 0 }], "usageMetadata": usage(count) });
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

    #[test]
    fn the_long_stream_waits_once_in_its_midst() {
        let gate = Gate::new();
        let waits = |text: &str| {
            let Answer::Steps(steps) = paced(events(text), Some(&gate)) else { panic!("steps") };
            steps.iter().filter(|step| matches!(step, Step::Wait(_))).count()
        };
        assert_eq!((waits(&LONG.concat()), waits(SHORT)), (1, 0));
    }
}
