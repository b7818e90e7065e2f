//! R3 R5 W2 W4 W5 by TLS and HTTP/2, as Google speaks: whom we trust, many requests on one connection, and the ways in which
//! such a connection refuses, resets and goes away.

mod gone;
pub mod upstream;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fake_gemini::{Answer, Fake, Rule, Step, fixtures};
use h2::Reason;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::{Folder, STREAM, UNARY, World, attempts, key_state, soon, with};
use upstream::{Authority, Door, Exchange, Manner, Upstream};

const A: &str = "secret-key-a";
const B: &str = "secret-key-b";
const CREATE: &str = "/v1beta/cachedContents";
const UPLOAD: &str = "/upload/v1beta/files?upload_id=1";
const FINISH: &str = "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\r\n\r\n";

fn content(text: &str) -> String {
    let event = json!({ "candidates": [{ "content": { "parts": [{ "text": text }], "role": "model" } }] });
    format!("data: {event}\r\n\r\n")
}

/// A good answer to anything.
fn good() -> Value {
    json!({ "name": "x", "candidates": [{ "content": { "parts": [{ "text": "a" }] }, "finishReason": "STOP" }] })
}

/// In front of this URL with these keys, trusting this authority beside the system's.
async fn world(url: &str, secrets: &[&str], authority: &Authority) -> World {
    let folder = Folder::new();
    let tls = json!({ "caFile": folder.write("authority.pem", &authority.pem) });
    World::in_folder(with(state(url, secrets), json!({ "tls": tls })), folder).await
}

fn state(url: &str, secrets: &[&str]) -> Value {
    let key = |(at, secret): (usize, &&str)| json!({ "id": format!("k{}", at + 1), "secret": secret });
    let keys: Vec<Value> = secrets.iter().enumerate().map(key).collect();
    json!({ "revision": 1, "port": 0, "upstream": url, "keys": keys })
}

/// Posts by a connection of its own, which the test reads as it likes.
async fn calls(mut caller: TcpStream, path: &str) -> TcpStream {
    let request = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{{}}");
    caller.write_all(request.as_bytes()).await.unwrap();
    caller
}

async fn read_some(caller: &mut TcpStream) {
    let mut first = [0; 16];
    soon("the first bytes", caller.read_exact(&mut first)).await.unwrap();
}

fn errors_today(status: &Value) -> u64 {
    let models = status["keys"].as_array().unwrap().iter().flat_map(|key| key["models"].as_array().unwrap());
    models.map(|model| model["errorsToday"].as_u64().unwrap()).sum()
}

// --- trust ---

#[tokio::test]
async fn an_upstream_of_the_users_own_authority_is_spoken_to_in_http_2_with_one_credential() {
    let authority = Authority::new();
    let mut upstream = Upstream::start(&authority).await;
    let world = world(&upstream.url(), &[A], &authority).await;
    let request = world
        .request("POST", &format!("{STREAM}&key=mine"))
        .header("authorization", "Bearer mine")
        .header("x-goog-api-key", "mine")
        .header("connection", "keep-alive, x-mine")
        .header("x-mine", "1")
        .header("te", "gzip")
        .body("{\"contents\":[]}");
    let posted = tokio::spawn(request.send());
    let exchange = upstream.next().await;
    let head = exchange.head.clone();
    assert_eq!((head.version, &exchange.body[..]), (http::Version::HTTP_2, &b"{\"contents\":[]}"[..]));
    assert_eq!(head.uri.to_string(), format!("{}{STREAM}", upstream.url()));
    for gone in ["authorization", "connection", "keep-alive", "transfer-encoding", "te", "upgrade", "x-mine"]
    {
        assert!(!head.headers.contains_key(gone), "{:?}", head.headers);
    }
    assert_eq!(head.headers.get_all("x-goog-api-key").iter().collect::<Vec<_>>(), [A]);
    let events = [content("a"), content("\u{6f22}"), ": a comment\n\n".into(), FINISH.into()];
    let mut open = exchange.opens();
    open.sends(&events[0]);
    let mut response = soon("the head", posted).await.unwrap().unwrap();
    for (at, event) in events.iter().enumerate() {
        if at > 0 {
            open.sends(event);
        }
        let chunk = soon("an event before the next is sent", response.chunk()).await.unwrap();
        assert_eq!(chunk.unwrap(), event.as_bytes());
    }
    open.ends();
    assert_eq!(soon("the end", response.chunk()).await.unwrap(), None);
    assert_eq!(world.records(1).await[0]["end"], "complete");
}

#[tokio::test]
async fn nothing_is_sent_to_an_upstream_that_cannot_be_trusted_unless_the_user_wants_it() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mut upstream = Upstream::start(&authority).await;
    let other = Upstream::start_as(&authority, "other.example", []).await;
    for (url, trusted) in [(upstream.url(), &stranger), (other.url(), &authority)] {
        let world = world(&url, &[A, B], trusted).await;
        let answer = world.post(CREATE).await;
        assert_eq!(answer.status, 503);
        assert!(answer.message().starts_with("No connection to the Gemini API could be made"), "{answer:?}");
        let record = &world.records(1).await[0];
        assert!(attempts(record).iter().all(|attempt| attempt.contains("unreachable")), "{record}");
        assert_eq!(key_state(&world.status().await, "k1")["kind"], "ready");
    }
    assert!(upstream.accepted() > 0 && upstream.is_idle() && other.accepted() > 0 && other.is_idle());
    // Not checked, for Direct …
    let lax = with(state(&upstream.url(), &[A]), json!({ "tls": { "strict": false } }));
    let world = World::from(lax.clone()).await;
    let (answer, ()) = tokio::join!(world.post(UNARY), async { upstream.next().await.answers(&good()) });
    assert_eq!(answer.json(), good());
    // … but always for a relay.
    let instances = json!([{ "id": "eu", "url": upstream.url(), "token": "t" }]);
    let world = World::from(with(lax, json!({ "mode": "serverless", "instances": instances }))).await;
    assert_eq!(world.post(UNARY).await.status, 503);
    assert_eq!(world.records(1).await[0]["attempts"][0]["outcome"], "unreachable");
    assert!(upstream.is_idle());
}

#[tokio::test]
async fn an_upstream_that_only_speaks_http_1_1_by_tls_serves_as_well() {
    let authority = Authority::new();
    let fake = Fake::start().await;
    let door = Door::start(&authority, fake.address()).await;
    let world = world(&door.url(), &[A], &authority).await;
    let pieces = fixtures::stream();
    fake.rule(Rule::new(Answer::pieces(7)).times(1));
    assert_eq!(world.post(STREAM).await.bytes, pieces);
    assert_eq!(world.post(UNARY).await.bytes, fixtures::unary());
    let large = vec![b'x'; 2_000_000];
    world.send(world.request("POST", UPLOAD).body(large.clone())).await;
    let seen = fake.wait_finished(3).await;
    assert_eq!(seen[2].body, large);
    assert!(seen.iter().all(|seen| seen.credentials.len() == 1 && seen.connection == 1), "{seen:?}");
    assert_eq!(seen[0].header("host"), Some(&door.url()["https://".len()..]));
    for step in [Step::Cut, Step::Reset] {
        fake.rule(Rule::new(Answer::only(step)).times(1));
        assert_eq!(world.post(UNARY).await.status, 200);
        assert_eq!(attempts(&world.records(1).await[0]), ["k1 hungUp retry hungUp", "k1 200 deliver ok"]);
    }
    assert_eq!(fake.connections().accepted, 3);
}

// --- one connection, many requests ---

#[tokio::test]
async fn a_caller_that_leaves_resets_its_own_stream_and_no_other() {
    let authority = Authority::new();
    let mut upstream = Upstream::start(&authority).await;
    let world = world(&upstream.url(), &[A], &authority).await;
    let mut staying = calls(world.connect().await, STREAM).await;
    let mut stays = upstream.next().await.opens();
    stays.sends(&content("a"));
    read_some(&mut staying).await;
    for mid_stream in [false, true] {
        let mut leaving = calls(world.connect().await, STREAM).await;
        let mut exchange = upstream.next().await;
        assert_eq!(exchange.connection, 1);
        let (reason, took) = if mid_stream {
            let mut open = exchange.opens();
            open.sends(&content("a"));
            read_some(&mut leaving).await;
            let left = Instant::now();
            drop(leaving);
            (open.left().await, left.elapsed())
        } else {
            let left = Instant::now();
            drop(leaving);
            (exchange.left().await, left.elapsed())
        };
        assert_eq!(reason, Reason::CANCEL, "in mid-stream: {mid_stream}");
        // A benchmark measures how fast; here only that nothing waits for a timer of seconds.
        assert!(took < Duration::from_secs(5), "in mid-stream: {mid_stream}");
    }
    stays.sends(FINISH);
    stays.ends();
    let mut rest = Vec::new();
    while !rest.ends_with(b"\r\n0\r\n\r\n") {
        assert!(soon("the rest", staying.read_buf(&mut rest)).await.unwrap() > 0);
    }
    let (answer, connection) = tokio::join!(world.post(UNARY), async {
        let exchange = upstream.next().await;
        let connection = exchange.connection;
        exchange.answers(&good());
        connection
    });
    assert_eq!((answer.status, connection), (200, 1), "the connection lives on");
    assert_eq!(key_state(&world.status().await, "k1")["kind"], "ready");
}

#[tokio::test]
async fn a_stream_that_is_reset_ends_in_both_halves_of_an_error() {
    let authority = Authority::new();
    let mut upstream = Upstream::start(&authority).await;
    let world = world(&upstream.url(), &[A], &authority).await;
    // Behind the commit point even a refusal proves nothing.
    for reason in [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::REFUSED_STREAM] {
        let posted = tokio::spawn(world.request("POST", STREAM).body("{}").send());
        let mut open = upstream.next().await.opens();
        open.sends(&content("a"));
        let mut response = soon("the head", posted).await.unwrap().unwrap();
        assert_eq!(soon("an event", response.chunk()).await.unwrap().unwrap(), content("a").as_bytes());
        open.resets(reason);
        let mut halves = Vec::new();
        while let Some(half) = soon("the end", response.chunk()).await.unwrap() {
            halves.push(String::from_utf8(half.to_vec()).unwrap());
        }
        assert_eq!(halves.len(), 2, "{reason}: {halves:?}");
        let raw: Value = serde_json::from_str(&halves[0]).unwrap();
        assert_eq!((&raw["error"]["code"], halves[1].trim()), (&json!(503), &*format!("data: {raw}")));
        assert_eq!(world.records(1).await[0]["end"], "broken", "{reason}");
    }
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test]
async fn callers_that_do_not_read_stop_nobody_else() {
    const WINDOW: usize = 1024 * 1024;
    let authority = Authority::new();
    let mut upstream = Upstream::start(&authority).await;
    let world = world(&upstream.url(), &[A, B], &authority).await;
    let block = Bytes::from(content(&"x".repeat(65_000)));
    let (mut stalled, mut floods, mut counts) = (Vec::new(), JoinSet::new(), Vec::new());
    for _ in 0..8 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(([127, 0, 0, 1], world.port).into()).await.unwrap();
        stalled.push(calls(stream, STREAM).await);
        let (sent, count) = watch::channel(0);
        floods.spawn(upstream.next().await.opens().floods(block.clone(), sent));
        counts.push(count);
    }
    for count in &mut counts {
        soon("a full window", count.wait_for(|sent| *sent > WINDOW)).await.unwrap();
    }
    let large = json!({ "candidates": good()["candidates"], "x": "y".repeat(300_000) });
    for _ in 0..5 {
        let (answer, ()) = tokio::join!(world.post(UNARY), async { upstream.next().await.answers(&large) });
        assert!(answer.clean && answer.json() == large);
    }
    assert_eq!(upstream.accepted(), 1);
    drop(stalled);
    soon("the end of the floods", async { while floods.join_next().await.is_some() {} }).await;
}

#[tokio::test]
async fn a_large_request_goes_out_whole_however_small_the_windows_of_the_upstream_are() {
    let authority = Authority::new();
    let mut upstream = Upstream::start(&authority).await;
    let world = world(&upstream.url(), &[A], &authority).await;
    let large: Vec<u8> = (0..2_000_000_u32).map(|at| (at % 251) as u8).collect();
    for path in [UNARY, UPLOAD] {
        let request = world.request("POST", path).body(large.clone());
        let (answer, body) = tokio::join!(world.send(request), async {
            let exchange = upstream.next().await;
            let body = exchange.body.clone();
            exchange.answers(&good());
            body
        });
        assert_eq!(answer.status, 200);
        assert!(body == large, "{path}: {} bytes", body.len());
    }
}

#[tokio::test]
async fn more_requests_than_one_connection_carries_go_by_a_second_one() {
    let authority = Authority::new();
    let mut upstream = Upstream::start(&authority).await;
    let world = world(&upstream.url(), &[A, B], &authority).await;
    for wave in 1..=2 {
        let mut posted = JoinSet::new();
        for _ in 0..150 {
            posted.spawn(world.request("POST", UNARY).body("{}").send());
        }
        // None is answered before all are there.
        let mut exchanges: Vec<Exchange> = Vec::new();
        let mut load = BTreeMap::<usize, usize>::new();
        while exchanges.len() < 150 {
            let exchange = upstream.next().await;
            *load.entry(exchange.connection).or_default() += 1;
            exchanges.push(exchange);
        }
        assert!(load.values().all(|load| *load <= 100), "{load:?}");
        // In a burst more connections are begun than are kept.
        assert!(wave == 1 || load.len() == 2, "{load:?}");
        exchanges.into_iter().for_each(|exchange| exchange.answers(&good()));
        while let Some(response) = soon("an answer", posted.join_next()).await {
            assert_eq!(response.unwrap().unwrap().status(), 200);
        }
    }
}
