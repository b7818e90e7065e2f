//! The fake does what its script says, byte for byte.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::io::ErrorKind;

use fake_gemini::{Answer, Fake, Fixture, Gate, Rule, State, Step, fixtures};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const STREAM: &str = "/v1beta/models/m:streamGenerateContent?alt=sse";

async fn send(fake: &Fake, target: &str, headers: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(fake.address()).await.unwrap();
    let request =
        format!("POST {target} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads up to this ending, or until nothing more comes.
async fn read_to(stream: &mut TcpStream, ending: &[u8]) -> (Vec<u8>, Option<ErrorKind>) {
    let mut read = Vec::new();
    loop {
        match stream.read_buf(&mut read).await {
            Ok(0) => return (read, None),
            Ok(_) if read.ends_with(ending) => return (read, None),
            Ok(_) => {}
            Err(error) => return (read, Some(error.kind())),
        }
    }
}

fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
        body.extend_from_slice(&rest[at + 2..at + 2 + size]);
        rest = &rest[at + 4 + size..];
    }
    body
}

fn body_of(answer: &[u8]) -> &[u8] {
    let at = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    &answer[at + 4..]
}

#[tokio::test]
async fn without_a_rule_the_answer_is_a_good_one_and_the_connection_stays() {
    let fake = Fake::start().await;
    let mut stream = send(&fake, STREAM, "x-goog-api-key: k1\r\n", "{}").await;
    let (answer, _) = read_to(&mut stream, b"0\r\n\r\n").await;
    assert_eq!(dechunk(body_of(&answer)), fixtures::stream());
    stream.write_all(b"GET /v1beta/models HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let seen = fake.wait_finished(2).await;
    assert_eq!((seen[0].connection, seen[1].connection), (1, 1));
    assert_eq!(fake.connections().accepted, 1);
}

#[tokio::test]
async fn rules_count_down_in_order_and_by_key() {
    let fake = Fake::start().await;
    fake.script("k1", [Answer::fixture(Fixture::MinuteQuota), Answer::fixture(Fixture::Overloaded)]);
    fake.rule(Rule::new(Answer::fixture(Fixture::Location)).model("other"));
    let mut statuses = Vec::new();
    for (key, target) in [
        ("k1", STREAM),
        ("k2", STREAM),
        ("k1", STREAM),
        ("k1", STREAM),
        ("k2", "/v1beta/models/other:generateContent"),
    ] {
        let mut stream =
            send(&fake, target, &format!("x-goog-api-key: {key}\r\nconnection: close\r\n"), "").await;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        statuses.push(String::from_utf8_lossy(&head[9..]).into_owned());
    }
    assert_eq!(statuses, ["429", "200", "503", "200", "400"]);
}

#[tokio::test]
async fn pieces_resets_and_cuts_are_what_they_say() {
    let fake = Fake::start().await;
    fake.script("bytes", [Answer::pieces(1)]);
    fake.script("reset", [Answer::breaks_at(40, Step::Reset)]);
    fake.script("cut", [Answer::breaks_at(40, Step::Cut)]);
    let (answer, _) =
        read_to(&mut send(&fake, STREAM, "x-goog-api-key: bytes\r\n", "").await, b"0\r\n\r\n").await;
    assert_eq!(dechunk(body_of(&answer)), fixtures::stream());
    let (_, error) = read_to(&mut send(&fake, STREAM, "x-goog-api-key: reset\r\n", "").await, b"never").await;
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
    let (answer, error) =
        read_to(&mut send(&fake, STREAM, "x-goog-api-key: cut\r\n", "").await, b"never").await;
    assert_eq!((error, answer.ends_with(b"0\r\n\r\n")), (None, false));
    assert!(answer.windows(40).any(|window| window == &fixtures::stream()[..40]));
}

#[tokio::test]
async fn who_leaves_is_noticed_in_a_hang_and_before_a_gate() {
    let fake = Fake::start().await;
    let gate = Gate::new();
    fake.script("hang", [Answer::only(Step::Hang)]);
    fake.script("gate", [Answer::behind(&gate, Answer::json(200, &serde_json::json!({})))]);
    let hangs = send(&fake, STREAM, "x-goog-api-key: hang\r\n", "").await;
    let mut waits = send(&fake, STREAM, "x-goog-api-key: gate\r\n", "").await;
    fake.wait_seen(2).await;
    drop(hangs);
    fake.wait_aborted(1).await;
    gate.open();
    let (answer, _) = read_to(&mut waits, b"{}").await;
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    assert_eq!(fake.wait_finished(1).await.iter().filter(|seen| seen.state == State::Aborted).count(), 1);
}

#[tokio::test]
async fn every_credential_and_byte_of_a_request_is_kept() {
    let fake = Fake::start().await;
    let headers = "X-Goog-Api-Key: a\r\nAuthorization: Bearer b\r\ncookie: c=d\r\n";
    drop(send(&fake, "/v1beta/x?key=q&a=%2F", headers, "body").await);
    let seen = &fake.wait_seen(1).await[0];
    let places: Vec<&str> = seen.credentials.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, ["x-goog-api-key", "authorization", "cookie", "?key"]);
    assert_eq!(
        (seen.key.as_deref(), seen.target.as_str(), &seen.body[..]),
        (Some("a"), "/v1beta/x?key=q&a=%2F", &b"body"[..])
    );
}

#[tokio::test]
async fn only_known_keys_are_served_once_they_are_named() {
    let fake = Fake::start().await;
    fake.knows(["good"]);
    let mut bad = send(&fake, STREAM, "x-goog-api-key: bad\r\n", "").await;
    let mut head = [0; 12];
    bad.read_exact(&mut head).await.unwrap();
    assert!(head.ends_with(b"400"));
}

#[tokio::test]
async fn it_can_be_driven_from_outside() {
    let fake = Fake::start().await;
    let rules = r#"[{"key":"k","times":1,"fixture":"Denied"},{"key":"k","status":418,"body":{"a":1}}]"#;
    let (answer, _) = read_to(&mut send(&fake, "/__fake/rules", "", rules).await, b"{}").await;
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    for status in ["403", "418"] {
        let mut stream = send(&fake, "/v1beta/models/m:generateContent", "x-goog-api-key: k\r\n", "").await;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        assert!(head.ends_with(status.as_bytes()));
    }
    let mut stream = TcpStream::connect(fake.address()).await.unwrap();
    stream.write_all(b"GET /__fake/seen HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let (answer, _) = read_to(&mut stream, b"]").await;
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(body_of(&answer)).unwrap().as_array().unwrap().len(),
        2
    );
}
