//! W1 S9: bodies that pass through as they come.

use std::time::Duration;

use fake_gemini::{Answer, Fake, Rule};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{World, soon, state, with};

const A: &str = "secret-key-a";
const UPLOAD: &str = "/upload/v1beta/files?upload_id=1";

async fn open(world: &World, framing: &str) -> tokio::net::TcpStream {
    let mut caller = world.connect().await;
    let head = format!("POST {UPLOAD} HTTP/1.1\r\nhost: localhost\r\n{framing}\r\n\r\n");
    caller.write_all(head.as_bytes()).await.unwrap();
    caller
}

async fn status(caller: &mut tokio::net::TcpStream) -> String {
    let mut answer = [0; 12];
    soon("an answer", caller.read_exact(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer[9..]).into_owned()
}

#[tokio::test]
async fn an_upload_goes_on_as_it_comes_and_may_take_longer_than_an_answer() {
    let fake = Fake::start().await;
    let world = World::from(with(state(&fake, &[A]), json!({ "requestTimeoutMs": 1000 }))).await;
    fake.rule(Rule::new(Answer::json(200, &json!({ "ok": true }))));
    for framing in ["content-length: 4", "transfer-encoding: chunked"] {
        fake.forget();
        let mut caller = open(&world, framing).await;
        for piece in ["a", "b", "c", "d"] {
            let chunk = if framing.starts_with('t') { format!("1\r\n{piece}\r\n") } else { piece.to_owned() };
            caller.write_all(chunk.as_bytes()).await.unwrap();
            // All four together take longer than `requestTimeoutMs`.
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        if framing.starts_with('t') {
            caller.write_all(b"0\r\n\r\n").await.unwrap();
        }
        assert_eq!(status(&mut caller).await, "200", "{framing}");
        assert_eq!(&fake.seen()[0].body[..], b"abcd");
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_the_callers_fault() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    let mut caller = open(&world, "transfer-encoding: chunked").await;
    caller.write_all(b"1\r\na\r\nno chunk\r\n").await.unwrap();
    assert_eq!(status(&mut caller).await, "400");
    let status = world.wait_status("an idle key", |status| status["keys"][0]["inFlight"] == 0).await;
    assert_eq!(status["keys"][0]["models"][0]["errorsToday"], json!(0), "{status}");
    assert_eq!(world.records(1).await[0]["attempts"][0]["rule"], "caller");
}
