//! W2 W4 W5: bytes as they come, callers that leave, streams that break off.

use std::time::Duration;

use bytes::Bytes;
use fake_gemini::{Answer, Fake, Fixture, Gate, Rule, Step, fixtures};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{ARRAY, STREAM, UNARY, World, key_state, soon};

const A: &str = "secret-key-a";
const B: &str = "secret-key-b";

fn content(text: &str) -> String {
    json!({ "candidates": [{ "content": { "parts": [{ "text": text }], "role": "model" } }] }).to_string()
}

const FINISH: &str = r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"totalTokenCount":4}}"#;

#[tokio::test]
async fn streams_are_the_same_bytes_whatever_their_framing_and_pieces() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    let big = content(&"x".repeat(1_000_000));
    let streams = [
        format!("data: {}\r\n\r\ndata: {FINISH}\r\n\r\n", content("a")),
        format!("data: {}\n\ndata: {FINISH}\n\n", content("a")),
        format!(": hello\r\n\r\nevent: x\nid: 1\ndata:{}\n\n: bye\n\ndata: {FINISH}\n\n", content("ä漢")),
        format!("data: {}\ndata: {}\n\ndata: {FINISH}\r\n\r\n", &content("a")[..20], &content("a")[20..]),
        format!("data: {big}\r\n\r\ndata: {FINISH}\r\n\r\n"),
        format!("data: {}\r\n\r\ndata: {FINISH}", content("no end of line")),
    ];
    for stream in &streams {
        for size in [1, 3, 7, 4096, usize::MAX] {
            if stream.len() / size > 3_000 {
                continue;
            }
            let pieces = stream.as_bytes().chunks(size.min(stream.len()));
            let steps = pieces.map(|piece| Step::Bytes(Bytes::copy_from_slice(piece))).chain([Step::End]);
            fake.rule(Rule::new(Answer::stream(steps.collect::<Vec<_>>())).times(1));
            let answer = world.post(STREAM).await;
            assert!(answer.clean && answer.bytes == stream.as_bytes(), "pieces of {size} of {:.60}", stream);
        }
    }
}

#[tokio::test]
async fn a_json_array_stream_is_the_same_bytes() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    let answer = world.post(ARRAY).await;
    assert!(answer.clean);
    assert_eq!(answer.bytes, fixtures::array().concat());
    assert_eq!(world.records(1).await[0]["tokens"], fixtures::TOKENS);
}

#[tokio::test]
async fn each_event_is_with_the_client_before_the_next_is_sent() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    let gates: Vec<Gate> = (0..3).map(|_| Gate::new()).collect();
    let event = |text: &str| Step::Bytes(format!("data: {}\r\n\r\n", content(text)).into());
    let mut steps = vec![event("0")];
    for (at, gate) in gates.iter().enumerate() {
        steps.extend([Step::Wait(gate.clone()), event(&(at + 1).to_string())]);
    }
    steps.extend([Step::Bytes(format!("data: {FINISH}\r\n\r\n").into()), Step::End]);
    fake.rule(Rule::new(Answer::stream(steps)));
    let mut response = world.request("POST", STREAM).body("{}").send().await.unwrap();
    for (at, gate) in gates.iter().enumerate() {
        let chunk = soon("an event", response.chunk()).await.unwrap().unwrap();
        assert_eq!(chunk, format!("data: {}\r\n\r\n", content(&at.to_string())));
        gate.open();
    }
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_request_upstream_and_no_key_is_blamed() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    let event = Step::Bytes(format!("data: {}\r\n\r\n", content("a")).into());
    let cases = [
        ("before headers", STREAM, Answer::only(Step::Hang)),
        ("before headers, unary", UNARY, Answer::only(Step::Hang)),
        ("in mid-stream", STREAM, Answer::stream([event, Step::Hang])),
    ];
    for (at, (when, path, answer)) in cases.into_iter().enumerate() {
        fake.rule(Rule::new(answer).times(1));
        let mut caller = world.connect().await;
        let request = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{{}}");
        caller.write_all(request.as_bytes()).await.unwrap();
        fake.wait_seen(at + 1).await;
        if when == "in mid-stream" {
            let mut first = [0; 16];
            soon("the first bytes", caller.read_exact(&mut first)).await.unwrap();
        }
        let left = std::time::Instant::now();
        drop(caller);
        fake.wait_aborted(at + 1).await;
        // A benchmark measures how fast; here only that nothing waits for a timer of seconds.
        assert!(left.elapsed() < Duration::from_secs(5), "{when}");
        let status = world.wait_status("an idle key", |status| status["keys"][0]["inFlight"] == 0).await;
        assert_eq!(key_state(&status, "k1")["kind"], "ready", "{when}");
        let record = &world.records(at + 1).await[0];
        assert_eq!(record["end"], "left", "{when}");
    }
    assert_eq!(world.records(3).await[1]["attempts"][0]["outcome"], "left");
}

#[tokio::test]
async fn a_caller_that_leaves_during_a_retry_ends_that_too() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B]).await;
    fake.rule(Rule::new(Answer::fixture(Fixture::MinuteQuota)).times(1));
    fake.rule(Rule::new(Answer::only(Step::Hang)));
    let mut caller = world.connect().await;
    let request = format!("POST {STREAM} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{{}}");
    caller.write_all(request.as_bytes()).await.unwrap();
    fake.wait_seen(2).await;
    drop(caller);
    fake.wait_aborted(1).await;
    let idle = |status: &Value| status["keys"].as_array().unwrap().iter().all(|key| key["inFlight"] == 0);
    let status = world.wait_status("idle keys", idle).await;
    assert_eq!(key_state(&status, "k2")["kind"], "ready");
}

/// The error at the end of a stream: a raw line, then the same as an event.
fn both_halves(text: &str) -> (Value, Value) {
    let (before, event) = text.trim_end().rsplit_once("\r\n\r\ndata: ").unwrap();
    let raw = before.rsplit_once("\r\n\r\n").map_or(before, |(_, raw)| raw);
    (serde_json::from_str(raw).unwrap(), serde_json::from_str(event).unwrap())
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_in_both_halves_of_an_error_written_apart() {
    let first = format!("data: {}\r\n\r\n", content("a"));
    for (how, steps) in [
        ("reset", vec![Step::Pause(Duration::from_millis(30)), Step::Reset]),
        ("cut", vec![Step::Pause(Duration::from_millis(30)), Step::Cut]),
        ("ended without a finish", vec![Step::End]),
        (
            "cut in an event",
            vec![Step::Bytes("data: {\"candi".into()), Step::Pause(Duration::from_millis(30)), Step::Cut],
        ),
    ] {
        let fake = Fake::start().await;
        let world = World::new(&fake, &[A]).await;
        let steps = std::iter::once(Step::Bytes(first.clone().into())).chain(steps);
        fake.rule(Rule::new(Answer::stream(steps.collect::<Vec<_>>())));
        let mut response = world.request("POST", STREAM).body("{}").send().await.unwrap();
        let mut chunks = Vec::new();
        while let Some(chunk) = soon("the end", response.chunk()).await.unwrap() {
            chunks.push(String::from_utf8(chunk.to_vec()).unwrap());
        }
        let text = chunks.concat();
        assert!(text.starts_with(&first), "{how}");
        let (raw, event) = both_halves(&text);
        assert_eq!((&raw, &raw["error"]["code"]), (&event, &json!(503)), "{how}");
        let last = chunks.last().unwrap();
        assert!(
            last.starts_with("data: {\"error\""),
            "{how}: the second half came in a read of its own, not {last:?}"
        );
        let record = &world.records(1).await[0];
        assert_eq!(record["end"], "broken", "{how}");
        assert_eq!(key_state(&world.status().await, "k1")["kind"], "ready", "{how}");
    }
}

#[tokio::test]
async fn a_json_array_that_breaks_off_is_closed_with_an_error_and_does_not_end_cleanly() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    for (tail, closes) in [("", true), (",\r\n", true), (",\r\n{\"candi", false)] {
        let body = format!("[{}{tail}", content("a"));
        let steps = [Step::Bytes(body.clone().into()), Step::Pause(Duration::from_millis(30)), Step::Cut];
        fake.rule(Rule::new(Answer::stream(steps)).times(1));
        let answer = world.post(ARRAY).await;
        assert!(!answer.clean, "after {tail:?}");
        assert!(answer.text().starts_with(&body));
        if closes {
            let array = answer.json();
            assert_eq!(array[1]["error"]["status"], "UNAVAILABLE", "after {tail:?}");
        }
    }
}

#[tokio::test]
async fn an_error_within_a_stream_loses_the_key_it_quotes_and_all_else_stays() {
    let key = "AIzaSyA234567890123456789012345678901xyz";
    let fake = Fake::start().await;
    let world = World::new(&fake, &[key]).await;
    let quote = content(&format!("you said {key}"));
    let error =
        format!(r#"{{"error":{{"code":403,"message":"Consumer 'api_key:{key}' has been suspended."}}}}"#);
    for size in [1, 5, 1000] {
        let stream = format!("data: {quote}\r\n\r\n{error}\r\n");
        let pieces = stream.as_bytes().chunks(size).map(|piece| Step::Bytes(Bytes::copy_from_slice(piece)));
        fake.rule(Rule::new(Answer::stream(pieces.chain([Step::End]).collect::<Vec<_>>())).times(1));
        let text = world.post(STREAM).await.text();
        assert!(text.starts_with(&format!("data: {quote}\r\n\r\n")), "2xx bytes stay untouched");
        assert!(!text[quote.len() + 8..].contains(key), "{text}");
        assert!(text.contains("Consumer 'api_key:AIza…1xyz'"));
        both_halves(&text);
    }
}

#[tokio::test]
async fn a_finish_in_the_middle_ends_nothing() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    let stop = r#"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]}"#;
    let stream = format!("data: {stop}\r\n\r\ndata: {}\r\n\r\ndata: {FINISH}\r\n\r\n", content("more"));
    fake.rule(Rule::new(Answer::stream([Step::Bytes(stream.clone().into()), Step::End])));
    assert_eq!(world.post(STREAM).await.text(), stream);
}

#[tokio::test]
async fn a_thinking_model_may_be_silent_before_and_between() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    let (before, between) = (Gate::new(), Gate::new());
    let steps = vec![
        Step::Wait(before.clone()),
        Step::Head(200, vec![("content-type".into(), "text/event-stream".into())]),
        Step::Bytes(format!("data: {}\r\n\r\n", content("a")).into()),
        Step::Wait(between.clone()),
        Step::Bytes(format!("data: {FINISH}\r\n\r\n").into()),
        Step::End,
    ];
    fake.rule(Rule::new(Answer::Steps(steps)));
    let (answer, ()) = tokio::join!(world.post(STREAM), async {
        fake.wait_seen(1).await;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        before.open();
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        between.open();
    });
    assert!(answer.clean && answer.text().ends_with(&format!("data: {FINISH}\r\n\r\n")));
}

#[tokio::test]
async fn a_declared_length_does_not_hide_that_a_stream_is_unfinished() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    let event = format!("data: {}\r\n\r\n", content("a"));
    let array = format!("[{}", content("a"));
    for (path, sent) in [(STREAM, event), (ARRAY, array)] {
        let headers = [("content-type", "text/event-stream")];
        fake.rule(Rule::new(Answer::raw(200, &headers, sent.clone())).times(1));
        let answer = world.post(path).await;
        let text = answer.text();
        assert!(text.starts_with(&sent) && text.contains("\"error\""), "{text}");
        assert_eq!(answer.clean, path == STREAM, "an array must not end cleanly");
    }
    let records = world.records(2).await;
    assert!(records.iter().all(|record| record["end"] == "broken"), "{records:?}");
}

#[tokio::test]
async fn a_caller_that_leaves_between_two_attempts_or_while_it_waits_for_the_pool_is_gone() {
    let leave_after = async |world: &World, seen: usize, fake: &Fake| {
        let mut caller = world.connect().await;
        let request = format!("POST {UNARY} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{{}}");
        caller.write_all(request.as_bytes()).await.unwrap();
        fake.wait_finished(seen).await;
        drop(caller);
        let record = &world.records(1).await[0];
        assert_eq!((&record["end"], &record["status"]), (&json!("left"), &Value::Null));
        world.wait_status("an idle key", |status| status["keys"][0]["inFlight"] == 0).await;
    };
    // The pause before the same key is tried again is at least 200 ms.
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    fake.rule(Rule::new(Answer::fixture(Fixture::Overloaded)).times(1));
    leave_after(&world, 1, &fake).await;
    assert_eq!(fake.seen().len(), 1);
    assert_eq!(world.post(UNARY).await.status, 200);
    assert_eq!(fake.seen().len(), 2, "nobody else asked meanwhile");

    let fake = Fake::start().await;
    let state =
        crate::support::with(crate::support::state(&fake, &[A]), json!({ "maxQueueWaitMs": 600_000 }));
    let world = World::from(state).await;
    fake.script(A, [Answer::fixture(Fixture::MinuteQuota)]);
    leave_after(&world, 1, &fake).await;
    assert_eq!(world.get("/v1beta/models").await.status, 200);
    assert_eq!(fake.seen().len(), 2);
}
