//! S5 W2 W8: whatever shape a key has and however the upstream spells it, nobody sees it in a refusal, in a header, in an error
//! within a stream, in a log line of any level, in the status or in a record. And what is no error stays as it came.

use bytes::Bytes;
use fake_gemini::{Answer, Fake, Rule, Step};
use serde_json::{Value, json};

use crate::support::{self, ARRAY, Folder, STREAM, UNARY, World, soon};

const KEYS: [&str; 3] =
    ["AIzaSyA-first-key-of-the-pool-0123456789", "AQ.Ab8RN6JqvJ1234567890abcd", r#"a+b/c="d\e&<f>"#];
const CHAT: &str = "/v1beta/openai/chat/completions";
const FINISH: &str = r#"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]}"#;

/// The program at its most talkative, and all that it said to anybody.
struct Talkative {
    world: World,
    client: reqwest::Client,
    said: String,
}

impl Talkative {
    async fn new(fake: &Fake, key: &str) -> Self {
        let world = World::at_level("trace", support::state(fake, &[key]), Folder::new()).await;
        let said = world.announced.clone();
        Self { world, client: reqwest::Client::builder().no_proxy().build().unwrap(), said }
    }

    async fn post(&mut self, path: &str) -> (u16, String) {
        self.post_body(path, "{\"model\":\"gemini-x\",\"stream\":true}").await
    }

    /// What an answer says, headers and body; remembered.
    async fn post_body(&mut self, path: &str, body: &'static str) -> (u16, String) {
        let request = self.client.post(self.world.url(path)).header("x-gemini-aggregator", "test");
        soon("an answer", async {
            let mut response = request.body(body).send().await.unwrap();
            self.said.push_str(&format!("{}\n", response.status()));
            for (name, value) in response.headers() {
                self.said.push_str(&format!("{name}: {}\n", value.to_str().expect("headers are ASCII")));
            }
            let mut body = Vec::new();
            while let Ok(Some(chunk)) = response.chunk().await {
                body.extend_from_slice(&chunk);
            }
            let body = String::from_utf8(body).unwrap();
            self.said.push_str(&body);
            (response.status().as_u16(), body)
        })
        .await
    }

    /// That nothing of all this holds the key, nor do the status, the records and the log.
    async fn assert_silent(mut self, key: &str) {
        self.post("/-/records").await;
        let status = self.client.get(self.world.url("/-/status")).send().await.unwrap();
        self.said.push_str(&status.text().await.unwrap());
        let log = self.world.whole_log().await;
        self.said.push_str(&log);
        for spelling in spellings(key) {
            assert!(!self.said.contains(&spelling), "{spelling} in {}", self.said);
        }
    }
}

/// Raw, in JSON, in HTML, in a URL, and as somebody would who wants it to be seen.
fn spellings(key: &str) -> [String; 5] {
    let json = Value::from(key).to_string();
    let html = key.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let percent = key.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    let escaped = key.chars().map(|character| format!("\\u{:04x}", character as u32)).collect();
    [key.to_owned(), json[1..json.len() - 1].to_owned(), html, percent.collect(), escaped]
}

/// Google's words about this key, which no rule takes for a fault of the key.
fn fault(key: &str) -> Value {
    json!({ "code": 400, "status": "INVALID_ARGUMENT", "message": format!("Consumer 'api_key:{key}' is at fault.") })
}

/// Whatever the upstream is asked, it answers these pieces behind the head of a stream.
fn streams(fake: &Fake, kind: &str, stream: &str, size: usize) {
    let head = Step::Head(200, vec![("content-type".into(), kind.into())]);
    let pieces = stream.as_bytes().chunks(size).map(|piece| Step::Bytes(Bytes::copy_from_slice(piece)));
    let steps = std::iter::once(head).chain(pieces).chain([Step::End]);
    fake.clear();
    fake.rule(Rule::new(Answer::Steps(steps.collect())));
}

#[tokio::test]
async fn a_key_is_in_no_refusal_whatever_its_shape_and_spelling() {
    for key in KEYS {
        let fake = Fake::start().await;
        let mut world = Talkative::new(&fake, key).await;
        let [raw, _, html, percent, escaped] = spellings(key);
        let json = json!({ "error": fault(key) }).to_string();
        let refusals = [
            ("application/json", json.clone()),
            ("application/json", json.replace(&Value::from(key).to_string()[1..].replace('"', ""), &escaped)),
            ("application/json", json!({ "error": { "code": 400, "message": json } }).to_string()),
            (
                "text/html",
                format!("<p>Key <b>{html}</b></p><a href=\"/x?key={percent}&amp;y\">try again</a>"),
            ),
            ("text/plain", format!("the key {raw} at https://x/y?key={percent}")),
        ];
        for (kind, body) in refusals {
            for (status, path) in
                [(400, UNARY), (400, STREAM), (400, ARRAY), (400, CHAT), (404, "/v1beta/models")]
            {
                let headers = [
                    ("content-type", kind),
                    ("x-debug", &format!("key {raw}; {percent}")),
                    (
                        "www-authenticate",
                        &format!("Bearer realm=\"https://accounts.google.com/\", x=\"{raw}\""),
                    ),
                    ("link", &format!("<https://x/y?key={percent}>")),
                ];
                fake.clear();
                fake.rule(Rule::new(Answer::raw(status, &headers, body.clone())));
                let (answered, text) = world.post(path).await;
                assert_eq!(answered, status, "{text}");
                assert!(text.contains('…'), "the rest of it is there: {text}");
            }
            assert_eq!(world.post_body("/-/retest", "{\"keyId\":\"k1\"}").await.0, 200);
        }
        assert!(world.said.contains("Bearer realm=\"https://accounts.google.com/\""), "{}", world.said);
        world.assert_silent(key).await;
    }
}

#[tokio::test]
async fn a_key_is_in_no_error_within_an_answer_whatever_its_shape_and_framing() {
    for key in KEYS {
        let fake = Fake::start().await;
        let mut world = Talkative::new(&fake, key).await;
        let one = json!({ "error": fault(key) }).to_string();
        let late = format!("{{\"responseId\":\"r\",\"error\":{}}}", fault(key));
        let pretty = format!("{:#}", json!({ "error": fault(key) }));
        let lines = pretty.replace('\n', "\r\ndata: ");
        let plain = "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}";
        for size in [1, 11, 4096] {
            for error in [&one, &late, &lines, &format!("[{one}]")] {
                for before in [String::new(), format!("data: {plain}\r\n\r\n")] {
                    for path in [STREAM, CHAT, "/v1beta/interactions"] {
                        let stream = format!("{before}data: {error}\r\n\r\n");
                        streams(&fake, "text/event-stream", &stream, size);
                        let (_, text) = world.post(path).await;
                        assert!(text.starts_with(&before) || before.is_empty(), "{text}");
                        assert!(text.contains("is at fault"), "{stream} became {text}");
                    }
                }
            }
            // As Google appends it, and in an array.
            streams(&fake, "text/event-stream", &format!("data: {plain}\r\n\r\n{pretty}\r\n"), size);
            assert!(world.post(STREAM).await.1.contains("is at fault"));
            for error in [&one, &late, &pretty] {
                for stream in [format!("[{plain},\r\n{error}]"), format!("[{error}]"), (*error).clone()] {
                    streams(&fake, "application/json", &stream, size);
                    assert!(world.post(ARRAY).await.1.contains("is at fault"));
                }
            }
            // Whole, of a declared length.
            for error in [&one, &late, &pretty] {
                fake.clear();
                fake.rule(Rule::new(Answer::raw(
                    200,
                    &[("content-type", "application/json")],
                    (*error).clone(),
                )));
                let (status, text) = world.post(CHAT).await;
                assert!(status == 200 && text.len() == error.len() && text.contains("is at fault"), "{text}");
            }
        }
        world.assert_silent(key).await;
    }
}

#[tokio::test]
async fn what_is_no_error_stays_as_it_came_even_if_it_quotes_a_key() {
    for key in KEYS {
        let fake = Fake::start().await;
        let mut world = Talkative::new(&fake, key).await;
        let nested = json!({ "candidates": [{ "content": { "parts": [{ "functionCall": { "name": "f", "args": {
            "list": [{ "error": format!("see https://x/y?key=abcdefgh and {key}") }], "error": { "message": key } } } },
            { "text": format!("{{\"error\":{{\"message\":\"{key}\"}}}}") }] }, "finishReason": "STOP" }] });
        let array = format!("[{nested},\r\n{FINISH}]");
        let events = format!("data: {nested}\r\n\r\ndata:\r\n\r\ndata: {FINISH}\r\n\r\n");
        for size in [1, 11, 4096] {
            streams(&fake, "application/json", &array, size);
            assert_eq!(world.post(ARRAY).await.1, array);
            streams(&fake, "text/event-stream", &events, size);
            assert_eq!(world.post(STREAM).await.1, events);
        }
        let body = nested.to_string();
        fake.clear();
        fake.rule(Rule::new(Answer::raw(200, &[("content-type", "application/json")], body.clone())));
        assert_eq!(world.post(UNARY).await.1, body);
        // The headers of an answer lose it; so does an error without a code, which no rule takes for one.
        let [raw, _, _, percent, _] = spellings(key);
        let error = json!({ "error": { "message": key } }).to_string();
        let headers =
            [("content-type", "application/json"), ("x-debug", raw.as_str()), ("link", percent.as_str())];
        for (body, quotes) in [(body, true), (error, false)] {
            for path in [UNARY, CHAT] {
                fake.clear();
                fake.rule(Rule::new(Answer::raw(200, &headers, body.clone())));
                world.said.clear();
                let (status, text) = world.post(path).await;
                let quoted = text.contains(Value::from(key).to_string().trim_matches('"'));
                assert_eq!((status, quoted, text.len()), (200, quotes, body.len()), "{text}");
                let head = world.said.split('{').next().unwrap();
                assert!(!head.contains(&raw) && !head.contains(&percent), "{head}");
            }
        }
        // A stream of events may have a declared length, too.
        fake.clear();
        let stream = format!("data: {FINISH}\r\n\r\ndata: {}\r\n\r\n", json!({ "error": fault(key) }));
        fake.rule(Rule::new(Answer::raw(200, &[("content-type", "text/event-stream")], stream)));
        let text = world.post(STREAM).await.1;
        assert!(text.ends_with("\r\n\r\n") && text.contains("is at fault") && !text.contains(key), "{text}");
        assert!(!world.world.whole_log().await.contains(key));
    }
}

#[tokio::test]
async fn a_key_in_the_target_is_not_sent_and_not_shown() {
    let fake = Fake::start().await;
    let key = KEYS[0];
    let mut world = Talkative::new(&fake, key).await;
    for path in [
        format!("/v1beta/models/{key}:generateContent"),
        format!("/v1beta/models/m:generateContent&key={key}"),
        format!("/v1beta/models/m:generateContent?apikey={key}"),
    ] {
        let (status, text) = world.post(&path).await;
        assert!(status == 400 && text.contains("no key is sent in a URL"), "{path}: {text}");
    }
    assert!(fake.seen().is_empty());
    // One that nobody configured is sent, as it is none of ours, but not shown either.
    let foreign = "AIzaSyForeign-key-of-somebody-else-0123456";
    world.post(&format!("/v1beta/models/{foreign}:generateContent")).await;
    world.post(&format!("/v1beta/models/m:{foreign}")).await;
    let status = world.client.get(world.world.url("/-/status")).send().await.unwrap().text().await.unwrap();
    let log = world.world.whole_log().await;
    for shown in [log, status] {
        assert!(shown.contains("AIza…3456") && !shown.contains(foreign) && !shown.contains(key), "{shown}");
    }
}
