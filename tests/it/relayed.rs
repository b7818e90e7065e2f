//! S4 S5 W2–W5 through the real relay: what arrives at Gemini, what comes back, and what breaks on the way.

use std::time::Duration;

use bytes::Bytes;
use fake_gemini::{Answer, Fake, Gate, Rule, Seen, Step, fixtures};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{ARRAY, Folder, STREAM, UNARY, World, half_until, key_state, soon, state, with};
use crate::worker::Worker;

const KEY: &str = "AIzaSyA-first-key-of-the-pool-0123456789";
const TOKEN: &str = "token-of-the-relay-0123456789-abcdef";
const CHAT: &str = "/v1beta/openai/chat/completions";
const UPLOAD: &str = "/upload/v1beta/files?uploadType=media";

/// Gemini, a relay before it, and the program that knows no other way.
struct Chain {
    google: Fake,
    worker: Worker,
    world: World,
}

impl Chain {
    async fn new() -> Self {
        let google = Fake::start().await;
        let worker = Worker::start(&google, TOKEN).await;
        let instances = json!([{ "id": "eu", "url": worker.url(), "token": TOKEN }]);
        let state = with(state(&google, &[KEY]), json!({ "mode": "serverless", "instances": instances }));
        let world = World::at_level("trace", state, Folder::new()).await;
        let chain = Self { google, worker, world };
        chain.wait_up().await;
        chain
    }

    async fn wait_up(&self) {
        let up = |status: &Value| status["instances"][0]["health"]["kind"] == "up";
        self.world.wait_status("the relay", up).await;
    }

    /// That no key is in use, or blamed, and that nothing that was said holds a secret.
    async fn assert_unharmed(&self, what: &str) {
        let idle = |status: &Value| status["keys"][0]["inFlight"] == 0;
        let status = self.world.wait_status("an idle key", idle).await;
        assert_eq!(key_state(&status, "k1")["kind"], "ready", "{what}: {status}");
        assert_eq!(status["instances"][0]["health"]["kind"], "up", "{what}: {status}");
        let log = self.world.whole_log().await;
        for said in [status.to_string(), log] {
            assert!(!said.contains(KEY) && !said.contains(TOKEN), "{what}: {said}");
        }
    }
}

/// Bytes without any pattern.
fn noise(length: usize) -> Vec<u8> {
    let mut runner = TestRunner::deterministic();
    proptest::collection::vec(proptest::num::u8::ANY, length).new_tree(&mut runner).unwrap().current()
}

fn content(text: &str) -> String {
    json!({ "candidates": [{ "content": { "parts": [{ "text": text }], "role": "model" } }] }).to_string()
}

const FINISH: &str = r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"totalTokenCount":4}}"#;

// --- what arrives ---

/// Whether this is what Gemini may see of anybody: one credential in this header, and no trace of the caller or the relay.
fn assert_clean(seen: &Seen, place: &str, key: &str) {
    assert_eq!(seen.credentials, [(place.to_owned(), key.to_owned())], "{seen:?}");
    let names = "x-relay-token x-forwarded-for x-forwarded-host x-forwarded-proto x-real-ip forwarded via \
        cookie origin referer x-gemini-aggregator x-mine cf-connecting-ip x-gemini-api-privileged-user-id";
    for name in names.split_whitespace() {
        assert_eq!(seen.header(name), None, "{name} in {seen:?}");
    }
    assert!(!seen.header("user-agent").unwrap_or_default().contains("curl"), "{seen:?}");
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    let all = format!("{} {:?}", seen.target, seen.headers);
    assert!(!all.contains(TOKEN) && !all.contains("mine"), "{all}");
}

#[tokio::test]
async fn whatever_credentials_come_in_one_goes_up_in_a_header_and_the_token_stays_with_the_relay() {
    let chain = Chain::new().await;
    for (path, place, key) in [
        (UNARY, "x-goog-api-key", KEY.to_owned()),
        (STREAM, "x-goog-api-key", KEY.to_owned()),
        ("/v1beta/models", "x-goog-api-key", KEY.to_owned()),
        (CHAT, "authorization", format!("Bearer {KEY}")),
    ] {
        for mix in 0..16 {
            chain.google.forget();
            let gap = if path.contains('?') { '&' } else { '?' };
            let query = if mix & 1 == 0 { String::new() } else { format!("{gap}key=mine&x=1") };
            let mut request = chain
                .world
                .request(if path.ends_with("models") { "GET" } else { "POST" }, &format!("{path}{query}"));
            for (bit, name, value) in
                [(2, "x-goog-api-key", "mine"), (4, "authorization", "Bearer mine"), (8, "x-api-key", "mine")]
            {
                if mix & bit != 0 {
                    request = request.header(name, value);
                }
            }
            for (name, value) in [
                ("user-agent", "curl/8.0 mine"),
                ("cookie", "a=mine"),
                ("referer", "http://localhost/mine"),
                ("via", "1.1 mine"),
                ("x-forwarded-for", "192.0.2.1"),
                ("x-forwarded-host", "mine"),
                ("x-real-ip", "192.0.2.1"),
                ("forwarded", "for=192.0.2.1"),
                ("x-relay-token", "mine"),
                ("x-gemini-aggregator", "mine"),
                ("x-mine", "mine"),
                ("cf-connecting-ip", "192.0.2.1"),
                ("accept-encoding", "gzip, br"),
                ("x-gemini-api-privileged-user-id", "mine"),
            ] {
                request = request.header(name, value);
            }
            // The path may not exist for the fake; that it arrives is enough.
            chain.world.send(request.body("{\"model\":\"gemini-x\"}")).await;
            assert_clean(&chain.google.wait_seen(1).await[0], place, &key);
        }
    }
    chain.assert_unharmed("credentials").await;
}

#[tokio::test]
async fn an_error_that_quotes_the_key_or_the_token_loses_both_on_its_way_back() {
    let chain = Chain::new().await;
    let error = json!({ "error": { "code": 400, "message": format!("Consumer 'api_key:{KEY}' by {TOKEN} is at fault."), "status": "INVALID_ARGUMENT" } });
    let event = format!("data: {}\r\n\r\ndata: {error}\r\n\r\n", content("a"));
    let events = ("content-type", "text/event-stream");
    let quoting = format!("{KEY}; {TOKEN}");
    for (path, answer) in [
        (UNARY, Answer::json(400, &error)),
        (STREAM, Answer::json(400, &error)),
        (CHAT, Answer::json(400, &error)),
        (STREAM, Answer::raw(200, &[events], event.clone())),
        (STREAM, Answer::raw(200, &[events, ("x-goog-debug", &quoting), ("etag", &quoting)], event)),
        (
            ARRAY,
            Answer::raw(
                200,
                &[("content-type", "application/json")],
                format!("[{},\r\n{error}]", content("a")),
            ),
        ),
    ] {
        chain.google.clear();
        chain.google.rule(Rule::new(answer));
        let answer = chain.world.post(path).await;
        let all = format!("{:?} {}", answer.headers, answer.text());
        assert!(all.contains("is at fault") && !all.contains(KEY) && !all.contains(TOKEN), "{path}: {all}");
    }
    chain.google.clear();
    chain.assert_unharmed("errors").await;
}

// --- bytes ---

#[tokio::test]
async fn streams_are_the_same_bytes_whatever_their_framing_and_pieces() {
    let chain = Chain::new().await;
    let big = content(&"x".repeat(1_000_000));
    let streams = [
        format!("data: {}\r\n\r\ndata: {FINISH}\r\n\r\n", content("a\u{e4}\u{6f22}")),
        format!(": hello\r\n\r\nevent: x\nid: 1\ndata:{}\n\n: bye\n\ndata: {FINISH}\n\n", content("a")),
        format!("data: {big}\r\n\r\ndata: {FINISH}\r\n\r\n"),
    ];
    for stream in &streams {
        for size in [1, 7, 65_536] {
            if stream.len() / size > 3_000 {
                continue;
            }
            let pieces =
                stream.as_bytes().chunks(size).map(|piece| Step::Bytes(Bytes::copy_from_slice(piece)));
            chain
                .google
                .rule(Rule::new(Answer::stream(pieces.chain([Step::End]).collect::<Vec<_>>())).times(1));
            let answer = chain.world.post(STREAM).await;
            assert!(answer.clean && answer.bytes == stream.as_bytes(), "pieces of {size} of {stream:.60}");
        }
    }
    let array = chain.world.post(ARRAY).await;
    assert!(array.clean && array.bytes == fixtures::array().concat());
    chain.assert_unharmed("streams").await;
}

#[tokio::test]
async fn each_event_is_with_the_caller_before_the_next_is_sent() {
    let chain = Chain::new().await;
    let gate = Gate::new();
    chain.google.rule(Rule::new(half_until(&gate)));
    let mut response = chain.world.request("POST", STREAM).body("{}").send().await.unwrap();
    assert_eq!(
        soon("the beginning", response.chunk()).await.unwrap().unwrap(),
        fixtures::stream().slice(..50)
    );
    gate.open();
    let mut rest = Vec::new();
    while let Some(chunk) = soon("the rest", response.chunk()).await.unwrap() {
        rest.extend_from_slice(&chunk);
    }
    assert_eq!(rest, fixtures::stream()[50..]);
}

#[tokio::test]
async fn bodies_of_two_megabytes_are_the_same_bytes_both_ways() {
    let chain = Chain::new().await;
    let (up, down) = (noise(2_000_000), noise(2_000_001));
    for encoding in [None, Some("gzip")] {
        let mut headers = vec![("content-type", "application/octet-stream")];
        headers.extend(encoding.map(|encoding| ("content-encoding", encoding)));
        chain.google.clear();
        chain.google.forget();
        chain.google.rule(Rule::new(Answer::raw(200, &headers, down.clone())));
        let mut request = chain.world.request("POST", "/v1beta/models/gemini-x:predict");
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        let answer = chain.world.send(request.body(up.clone())).await;
        assert_eq!((answer.status, answer.header("content-encoding")), (200, encoding.unwrap_or_default()));
        assert_eq!(answer.header("content-length"), down.len().to_string());
        assert!(answer.clean && answer.bytes == down, "down");
        let seen = &chain.google.wait_seen(1).await[0];
        assert!(seen.body == up, "up");
        assert_eq!(seen.header("content-encoding"), encoding);
    }
    chain.google.clear();
    chain.assert_unharmed("bodies").await;
}

#[tokio::test]
async fn an_upload_of_twenty_megabytes_arrives_as_it_was_sent() {
    let chain = Chain::new().await;
    chain.google.rule(
        Rule::new(Answer::json(200, &json!({ "file": { "name": "files/x" } }))).path_contains("/upload/"),
    );
    let body = noise(1 << 20).repeat(20);
    for framing in [format!("content-length: {}", body.len()), "transfer-encoding: chunked".into()] {
        chain.google.forget();
        let mut caller = chain.world.connect().await;
        let head = format!(
            "POST {UPLOAD} HTTP/1.1\r\nhost: localhost\r\ncontent-type: video/mp4\r\nx-goog-upload-protocol: raw\r\n{framing}\r\n\r\n"
        );
        caller.write_all(head.as_bytes()).await.unwrap();
        for piece in body.chunks(100_000) {
            let sent = async {
                if framing.starts_with('t') {
                    caller.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await.unwrap();
                    caller.write_all(piece).await.unwrap();
                    caller.write_all(b"\r\n").await.unwrap();
                } else {
                    caller.write_all(piece).await.unwrap();
                }
            };
            soon("room for more", sent).await;
        }
        if framing.starts_with('t') {
            caller.write_all(b"0\r\n\r\n").await.unwrap();
        }
        let mut answer = [0; 12];
        soon("an answer", caller.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer[9..], b"200", "{framing}");
        let seen = &chain.google.wait_seen(1).await[0];
        assert!(seen.body == body && seen.target == UPLOAD, "{framing}: {} bytes", seen.body.len());
        assert_clean(seen, "x-goog-api-key", KEY);
        assert_eq!(seen.header("x-goog-upload-protocol"), Some("raw"));
    }
    chain.assert_unharmed("upload").await;
}

#[tokio::test]
async fn openais_routes_pass_in_their_own_dialect() {
    let chain = Chain::new().await;
    let chunk = json!({ "choices": [{ "delta": { "content": "a" }, "finish_reason": "stop", "index": 0 }] });
    let stream = format!("data: {chunk}\n\ndata: [DONE]\n\n");
    chain.google.rule(Rule::new(Answer::stream([Step::Bytes(stream.clone().into()), Step::End])));
    let answer = chain
        .world
        .send(chain.world.request("POST", CHAT).body("{\"model\":\"gemini-x\",\"stream\":true}"))
        .await;
    assert!(answer.clean && answer.text() == stream, "{answer:?}");
    assert_eq!(answer.header("x-forwarded-to"), "eu");
    assert_clean(&chain.google.wait_seen(1).await[0], "authorization", &format!("Bearer {KEY}"));
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_request_at_gemini_and_no_key_is_blamed() {
    let chain = Chain::new().await;
    let event = Step::Bytes(format!("data: {}\r\n\r\n", content("a")).into());
    let mut at = 0;
    for (when, path, answer) in [
        ("before headers", STREAM, Answer::only(Step::Hang)),
        ("before headers, unary", UNARY, Answer::only(Step::Hang)),
        ("in mid-stream", STREAM, Answer::stream([event, Step::Hang])),
    ] {
        at += 1;
        chain.google.rule(Rule::new(answer).times(1));
        let mut caller = chain.world.connect().await;
        let request = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{{}}");
        caller.write_all(request.as_bytes()).await.unwrap();
        chain.google.wait(when, |seen| seen.iter().filter(|seen| seen.method == "POST").count() == at).await;
        if when == "in mid-stream" {
            let mut first = [0; 16];
            soon("the first bytes", caller.read_exact(&mut first)).await.unwrap();
        }
        drop(caller);
        chain.google.wait_aborted(at).await;
        assert_eq!(chain.world.records(at).await[0]["end"], "left", "{when}");
    }
    chain.assert_unharmed("left").await;
}

#[tokio::test]
async fn a_stream_that_breaks_off_at_gemini_never_looks_whole() {
    let chain = Chain::new().await;
    let first = format!("data: {}\r\n\r\n", content("a"));
    let pause = Duration::from_millis(20);
    for (path, sent, step) in [
        (STREAM, &*first, Step::Cut),
        (STREAM, &*first, Step::Reset),
        (STREAM, &*first, Step::End),
        (ARRAY, "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}", Step::Cut),
        (ARRAY, "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}", Step::End),
        (CHAT, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"index\":0}]}\n\n", Step::Reset),
    ] {
        chain.google.rule(
            Rule::new(Answer::stream([
                Step::Bytes(sent.to_owned().into()),
                Step::Pause(pause),
                step.clone(),
            ]))
            .times(1),
        );
        let request = chain.world.request("POST", path).body("{\"model\":\"gemini-x\",\"stream\":true}");
        let answer = chain.world.send(request).await;
        let text = answer.text();
        assert!(
            text.starts_with(sent) && text.contains("\"error\"") && !text.contains("[DONE]"),
            "{path} {step:?}: {text}"
        );
        assert_eq!(answer.clean, path != ARRAY, "{path} {step:?}: an array must not end cleanly");
        assert_eq!(chain.world.records(1).await[0]["end"], "broken", "{path} {step:?}");
    }
    chain.assert_unharmed("broken").await;
}

#[tokio::test]
async fn a_whole_answer_that_breaks_off_is_no_answer() {
    let chain = Chain::new().await;
    let unary = fixtures::unary();
    let head = Step::Head(
        200,
        vec![
            ("content-type".into(), "application/json".into()),
            ("content-length".into(), unary.len().to_string()),
        ],
    );
    chain
        .google
        .rule(Rule::new(Answer::Steps(vec![head, Step::Bytes(unary.slice(..100)), Step::Cut])).times(1));
    let answer = chain.world.post(UNARY).await;
    assert_eq!((answer.status, &answer.json()["error"]["status"]), (503, &json!("UNAVAILABLE")));
    assert_eq!(chain.world.records(1).await[0]["attempts"][0]["rule"], "broken");
    // Whose fault it was cannot be told; its health says that it is well.
    chain.wait_up().await;
    chain.assert_unharmed("cut").await;
}

#[tokio::test]
async fn a_relay_that_is_killed_in_mid_stream_is_a_failure_and_no_end() {
    let mut chain = Chain::new().await;
    let gate = Gate::new();
    chain.google.rule(Rule::new(half_until(&gate)));
    let mut response = chain.world.request("POST", STREAM).body("{}").send().await.unwrap();
    soon("the beginning", response.chunk()).await.unwrap().unwrap();
    chain.worker.kill().await;
    let mut rest = Vec::new();
    while let Some(chunk) = soon("the rest", response.chunk()).await.unwrap() {
        rest.extend_from_slice(&chunk);
    }
    assert!(String::from_utf8_lossy(&rest).contains("\"error\""), "{rest:?}");
    let answer = chain.world.post(UNARY).await;
    assert_eq!((answer.status, &answer.json()["error"]["status"]), (503, &json!("UNAVAILABLE")));
    let status = chain
        .world
        .wait_status("the news", |status| status["instances"][0]["health"]["kind"] == "down")
        .await;
    assert_eq!(key_state(&status, "k1")["kind"], "ready");
    gate.open();
}
