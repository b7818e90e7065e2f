//! S5 R5 R6 R9 W2–W5: relays that lie, dawdle and break. Whatever one does, the caller gets a clean answer by another way, or our
//! own words about that relay, in time; no key is blamed, and nobody else learns a secret.

mod health;
mod scene;
mod trust;
mod words;

use std::time::Duration;

use bytes::Bytes;
use fake_gemini::{Answer, Fake, Rule, Step, fixtures};
use serde_json::json;

use crate::support::{ARRAY, STREAM, UNARY};
use scene::{KEY, Manner, Raw, Scene, assert_names_the_relay, is_left, relay, said};

const JSON: (&str, &str) = ("content-type", "application/json; charset=UTF-8");
const EVENTS: (&str, &str) = ("content-type", "text/event-stream");
/// Gemini's own timeouts are three minutes; a test has less time.
const SHORT: u64 = 1_500;

const OK_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
const CHUNKED: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
const REFUSAL: &[u8] =
    b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";

fn raw(head: &str, body: impl Into<Bytes>, then: Step) -> Answer {
    Answer::Steps(vec![Step::Raw(Bytes::from(head.to_owned())), Step::Raw(body.into()), then])
}

fn flood(first: &'static [u8], again: &'static [u8]) -> Manner {
    Manner { first, again, pause: Duration::ZERO }
}

fn dribble(first: &'static [u8], again: &'static [u8]) -> Manner {
    Manner { first, again, pause: Duration::from_millis(20) }
}

// --- heads ---

#[tokio::test]
async fn a_head_that_is_none_or_never_ends_is_left_as_soon_as_that_shows() {
    let endless =
        Raw::start(flood(OK_HEAD, b"x-endless: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"))
            .await;
    is_left("endless headers", endless.url(), UNARY, "broken blameEgress broken").await;
    let early = Raw::start(flood(b"", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")).await;
    is_left("1xx without end", early.url(), UNARY, "broken blameEgress broken").await;
    let line = Raw::start(flood(b"HTTP/1.1 200 ", b"OKOKOKOKOKOKOKOKOKOKOKOKOKOKOKOKOK")).await;
    is_left("an endless status line", line.url(), STREAM, "broken blameEgress broken").await;
    let large = format!("HTTP/1.1 200 OK\r\nx-large: {}\r\n\r\n", "x".repeat(10_000_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(500));
    for (what, head) in [
        ("a head of 10 MB", &*large),
        ("500 headers", &*many),
        ("no HTTP", "SSH-2.0-OpenSSH_9.9\r\n"),
        ("HTTP/0.9", "<html>hello</html>\n"),
        ("HTTP/2 in clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("another version", "HTTP/3.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        ("no status", "HTTP/1.1 abc OK\r\ncontent-length: 0\r\n\r\n"),
        ("a status of two digits", "HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n"),
        ("a header that is none", "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"),
        ("two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!"),
        ("another protocol", "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
        (
            "a chunk that is none",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        ),
    ] {
        let relay = relay(raw(head, "", Step::Cut)).await;
        is_left(what, &relay.url(), UNARY, "broken blameEgress broken").await;
    }
}

#[tokio::test]
async fn a_head_that_dribbles_and_news_before_it_without_end_last_no_longer_than_the_request_may() {
    for (what, manner) in [
        ("dribbled headers", dribble(OK_HEAD, b"x: y\r\n")),
        ("dribbled 1xx", dribble(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
        ("silence", dribble(b"", b"\r\n")),
    ] {
        let relay = Raw::start(manner).await;
        for mode in ["hybrid", "serverless"] {
            let scene = Scene::new(mode, relay.url(), json!({ "requestTimeoutMs": SHORT })).await;
            let answer = scene.world.post(STREAM).await;
            assert_names_the_relay(what, &answer, 504, "DEADLINE_EXCEEDED");
            // A model that thinks looks the same, so nobody is blamed.
            assert_eq!(scene.attempts().await, ["k1 eu timeout return timeout"], "{what}");
            scene.assert_unharmed(what).await;
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_or_reset_before_an_answer_is_left_at_once() {
    for mode in ["hybrid", "serverless"] {
        let closing = Raw::closing().await;
        let scene = Scene::new(mode, closing.url(), json!({})).await;
        let answer = scene.world.post(UNARY).await;
        let attempts = scene.attempts().await;
        assert!(attempts.len() <= 3 && attempts[0].starts_with("k1 eu "), "{attempts:?}");
        if mode == "hybrid" {
            assert!(answer.status == 200 && scene.google.keys_seen() == [KEY], "{attempts:?}");
        } else {
            assert_names_the_relay("closed", &answer, 503, "UNAVAILABLE");
        }
        assert!(attempts.iter().any(|attempt| attempt.contains("blameEgress")), "{attempts:?}");
        scene.assert_unharmed("closed after accept").await;
    }
    for step in [Step::Cut, Step::Reset] {
        let relay = relay(Answer::only(step.clone())).await;
        is_left(&format!("{step:?}"), &relay.url(), STREAM, "hungUp blameEgress broken").await;
    }
}

// --- bodies ---

#[tokio::test]
async fn an_answer_that_breaks_before_its_content_is_left_at_once() {
    let unary = fixtures::unary();
    let length = |length: usize| {
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n")
    };
    let pause = Duration::from_millis(20);
    for (what, path, answer) in [
        ("reset before an event", STREAM, Answer::stream([Step::Pause(pause), Step::Reset])),
        (
            "cut before an event",
            STREAM,
            Answer::stream([Step::Bytes(": hi\n\n".into()), Step::Pause(pause), Step::Cut]),
        ),
        ("cut in the first event", STREAM, Answer::breaks_at(30, Step::Cut)),
        ("reset in the first event", STREAM, Answer::breaks_at(30, Step::Reset)),
        (
            "cut in the first element",
            ARRAY,
            raw(std::str::from_utf8(CHUNKED).unwrap(), "4\r\n[{\"c\r\n", Step::Cut),
        ),
        ("a length that is too large", UNARY, raw(&length(unary.len() + 10), unary.clone(), Step::Cut)),
        ("a length that is too small", UNARY, raw(&length(unary.len() - 10), unary.clone(), Step::Cut)),
        ("half of it", UNARY, raw(&length(unary.len()), unary.slice(..unary.len() / 2), Step::Reset)),
    ] {
        let relay = relay(answer).await;
        is_left(what, &relay.url(), path, "broken blameEgress broken").await;
    }
}

#[tokio::test]
async fn a_refusal_that_never_ends_is_not_waited_for() {
    for (what, manner) in [
        ("a flood", flood(REFUSAL, b"10\r\n0123456789abcdef\r\n")),
        ("a dribble", dribble(REFUSAL, b"1\r\n \r\n")),
    ] {
        let relay = Raw::start(manner).await;
        is_left(what, relay.url(), UNARY, "502 blameEgress notGemini").await;
    }
}

#[tokio::test]
async fn a_whole_answer_that_never_ends_lasts_no_longer_than_the_request_may() {
    for (what, manner) in [
        ("a dribble", dribble(CHUNKED, b"1\r\n \r\n")),
        ("a beginning", Manner { first: b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n", again: b"\r\n", pause: Duration::from_secs(60) }),
        ("a head", Manner { first: CHUNKED, again: b"\r\n", pause: Duration::from_secs(60) }),
    ] {
        let relay = Raw::start(manner).await;
        for mode in ["hybrid", "serverless"] {
            let scene = Scene::new(mode, relay.url(), json!({ "requestTimeoutMs": SHORT })).await;
            let answer = scene.world.post(UNARY).await;
            assert_names_the_relay(what, &answer, 504, "DEADLINE_EXCEEDED");
            assert_eq!(scene.attempts().await, ["k1 eu timeout return timeout"], "{what}");
            scene.assert_unharmed(what).await;
        }
    }
}

#[tokio::test]
async fn a_stream_of_comments_costs_nobody_anything_once_its_caller_leaves() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    for manner in [dribble(head, b": still here\n\n"), flood(head, b": still here\n\n")] {
        let relay = Raw::start(manner).await;
        let scene = Scene::new("hybrid", relay.url(), json!({})).await;
        // After 2 s or 64 KiB it is passed on as it comes: a relay may speak while a model thinks.
        let request = scene.world.request("POST", STREAM).body("{}").send();
        let mut response = crate::support::soon("the head", request).await.unwrap();
        let first = crate::support::soon("the comments", response.chunk()).await.unwrap().unwrap();
        assert!(first.starts_with(b": still here\n\n"), "{first:?}");
        drop(response);
        assert_eq!(scene.world.records(1).await[0]["end"], "left");
        scene.assert_unharmed("comments").await;
    }
}

#[tokio::test]
async fn a_body_framed_twice_is_one_answer_to_the_caller_and_the_next_request_gets_its_own() {
    let body = r#"{"models":[{"name":"models/one"}]}"#;
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for length in [1, body.len(), 4_000] {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        let relay = relay(raw(&head, chunk.clone(), Step::End)).await;
        let scene = Scene::new("serverless", &relay.url(), json!({})).await;
        for _ in 0..3 {
            let answer = scene.world.get("/v1beta/models").await;
            assert_eq!((answer.status, answer.text().as_str(), answer.clean), (200, body, true), "{length}");
        }
        scene.assert_unharmed("framed twice").await;
    }
}

#[tokio::test]
async fn what_stands_behind_an_answer_is_nobodys_answer() {
    let smuggled =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{\"smuggled\":1}";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let relay = relay(raw(head, smuggled, Step::End)).await;
    let scene = Scene::new("serverless", &relay.url(), json!({})).await;
    for _ in 0..4 {
        assert_eq!(scene.world.get("/v1beta/models").await.text(), "{}");
    }
    scene.assert_unharmed("smuggled").await;
}

// --- what is no answer of Google's ---

#[tokio::test]
async fn a_web_page_is_no_answer_whatever_its_status() {
    let page = "<!doctype html><title>Welcome</title>";
    for kind in [
        "text/html; charset=utf-8",
        "TEXT/HTML",
        "application/xhtml+xml",
        "application/json",
        "text/plain",
        "text/event-stream",
    ] {
        for path in [UNARY, STREAM, ARRAY] {
            let relay = relay(Answer::raw(200, &[("content-type", kind)], page)).await;
            is_left(&format!("{kind} for {path}"), &relay.url(), path, "200 blameEgress notGemini").await;
        }
    }
    let relay = relay(Answer::raw(200, &[("content-type", "text/html")], page)).await;
    let scene = Scene::new("serverless", &relay.url(), json!({})).await;
    let answer = scene.world.get("/v1beta/models").await;
    assert_names_the_relay("a list", &answer, 503, "UNAVAILABLE");
}

#[tokio::test]
async fn a_status_without_a_body_is_no_answer() {
    for status in [204, 205, 304] {
        let relay =
            relay(raw(&format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"), "", Step::End)).await;
        let scene = Scene::new("hybrid", &relay.url(), json!({})).await;
        let answer = scene.world.post(UNARY).await;
        assert_eq!((answer.status, scene.google.keys_seen().len()), (200, 1), "{status}: {}", said(&answer));
        scene.assert_unharmed("no body").await;
    }
}

#[tokio::test]
async fn nobody_is_sent_elsewhere() {
    let elsewhere = Fake::start().await;
    let shaped = json!({ "error": { "code": 302, "message": "Found", "status": "FOUND" } }).to_string();
    for status in [301, 302, 303, 307, 308] {
        for (kind, body) in
            [("text/html", "<a href=x>"), ("application/json", &*shaped), ("application/json", "")]
        {
            let to = format!("{}{UNARY}", elsewhere.url());
            let answer = Answer::raw(status, &[("content-type", kind), ("location", &to)], body.to_owned());
            let relay = relay(answer).await;
            let what = format!("{status} with {body:?}");
            is_left(&what, &relay.url(), UNARY, &format!("{status} blameEgress notGemini")).await;
            let scene = Scene::new("serverless", &relay.url(), json!({})).await;
            let answer = scene.world.get("/v1beta/files/x:download?alt=media").await;
            assert_names_the_relay(&what, &answer, 503, "UNAVAILABLE");
        }
    }
    for to in [
        "//evil.example/x",
        "https:evil.example",
        "/\\evil.example/x",
        "\thttps://evil.example",
        "http:///evil.example",
    ] {
        let relay = relay(Answer::raw(
            302,
            &[("content-type", "application/json"), ("location", to)],
            shaped.clone(),
        ))
        .await;
        is_left(to, &relay.url(), UNARY, "302 blameEgress notGemini").await;
    }
    assert_eq!(elsewhere.connections().accepted, 0);
}

#[tokio::test]
async fn a_redirect_of_googles_to_itself_is_no_fault_of_the_relays() {
    let relay = Fake::start().await;
    let scene = Scene::at_once("serverless", &relay.url(), json!({})).await;
    let to = format!("{}/download/v1beta/files/x:download?alt=media", scene.google.url());
    let shaped = json!({ "error": { "code": 302, "message": "Found", "status": "FOUND" } }).to_string();
    relay.rule(Rule::new(Answer::raw(302, &[JSON, ("location", &to)], shaped)).path_contains(":download"));
    let request =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = request.get(scene.world.url("/v1beta/files/x:download?alt=media")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()), (302, &*to));
    scene.wait_health("up").await;
}

#[tokio::test]
async fn an_encoding_that_nobody_asked_for_is_passed_on_with_an_answer_and_hides_no_refusal() {
    // The beginning of a gzip file; nobody here reads on.
    let packed: Vec<u8> = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[7; 200]].concat();
    for (path, kind) in [(UNARY, JSON), (STREAM, EVENTS)] {
        let relay = relay(Answer::raw(200, &[kind, ("content-encoding", "gzip")], packed.clone())).await;
        let scene = Scene::new("hybrid", &relay.url(), json!({})).await;
        let answer = scene.world.post(path).await;
        assert_eq!((answer.status, answer.header("content-encoding"), &answer.bytes), (200, "gzip", &packed));
        scene.assert_unharmed("packed").await;
    }
    for status in [400, 403, 429, 500, 503] {
        let relay = relay(Answer::raw(status, &[JSON, ("content-encoding", "gzip")], packed.clone())).await;
        is_left(&format!("packed {status}"), &relay.url(), UNARY, &format!("{status} blameEgress notGemini"))
            .await;
        // Not packed at all, though it says so.
        let body = json!({ "error": { "code": status, "message": format!("packed {KEY}"), "status": "X" } })
            .to_string();
        let relay = scene::relay(Answer::raw(status, &[JSON, ("content-encoding", "br")], body)).await;
        is_left(
            &format!("a lie with {status}"),
            &relay.url(),
            STREAM,
            &format!("{status} blameEgress notGemini"),
        )
        .await;
    }
}
