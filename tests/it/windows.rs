//! V15: several windows, one port. Two real processes.

use fake_gemini::Fake;
use serde_json::{Value, json};

use crate::editor::Editor;
use crate::support::{World, soon, state, with};

const A: &str = "secret-key-a";

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn kind(status: &Value) -> &str {
    status["role"]["kind"].as_str().unwrap()
}

#[tokio::test]
async fn the_second_window_follows_shows_the_same_and_takes_over_when_the_first_is_killed() {
    let fake = Fake::start().await;
    let port = free_port();
    let shared = with(state(&fake, &[A]), json!({ "port": port, "accessToken": "local-token" }));
    let mut first = Editor::with(&shared).await;
    first.port().await;
    let mut second = Editor::with(&with(shared.clone(), json!({ "revision": 7 }))).await;
    let status = second.wait("the follower", |status| kind(status) == "follower").await;
    assert_eq!(status["role"]["leader"]["pid"], first.child.id().unwrap());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = || {
        client
            .post(format!("http://127.0.0.1:{port}{}", crate::support::UNARY))
            .header("x-goog-api-key", "local-token")
            .body("{}")
            .send()
    };
    assert_eq!(post().await.unwrap().status(), 200);
    let status = second.wait("the leader's counts", |status| status["keys"][0]["usedToday"] == 1).await;
    assert_eq!(
        (&status["appliedRevision"], kind(&status)),
        (&json!(7), "follower"),
        "its own revision and role"
    );
    let records = second.request("aggregator/records", json!({})).await;
    assert_eq!(records["result"][0]["attempts"][0]["key"], "k1", "the leader's records");
    let retest = second.request("aggregator/retest", json!({ "keyId": "k1" })).await;
    assert_eq!(retest["result"]["state"]["kind"], "ready");
    assert!(second.request("aggregator/retest", json!({ "keyId": "nobody" })).await["error"].is_object());
    let killed = std::time::Instant::now();
    first.child.start_kill().unwrap();
    second.wait("the new leader", |status| kind(status) == "leader").await;
    // Measured in milliseconds elsewhere; here only that no retry timer of seconds was waited for twice.
    assert!(killed.elapsed() < std::time::Duration::from_secs(5));
    assert_eq!(post().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_window_that_ends_hands_over_without_a_gap_for_new_requests() {
    let fake = Fake::start().await;
    let port = free_port();
    let shared = with(state(&fake, &[A]), json!({ "port": port }));
    let mut first = Editor::with(&shared).await;
    first.port().await;
    let mut second = Editor::with(&shared).await;
    second.wait("the follower", |status| kind(status) == "follower").await;
    first.request("shutdown", json!(null)).await;
    first.notify("exit", json!(null)).await;
    second.wait("the new leader", |status| kind(status) == "leader").await;
    assert_eq!(second.post(port).await, 200);
}

#[tokio::test]
async fn strangers_and_other_pools_on_the_port_are_told_apart() {
    let fake = Fake::start().await;
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port();
    let mut editor = Editor::with(&with(state(&fake, &[A]), json!({ "port": port }))).await;
    let status = editor.wait("the problem", |status| kind(status) == "blocked").await;
    assert_eq!(
        (&status["role"]["by"], &status["problems"][0]["code"]),
        (&json!("portTaken"), &json!("portTaken"))
    );
    drop(stranger);
    editor.wait("the port", |status| kind(status) == "leader" && status["problems"] == json!([])).await;
    for (pool, host, by) in [("other", "host", "portOtherPool"), ("pool", "elsewhere", "portForwarded")] {
        let mut other = Editor::start();
        let state = with(state(&fake, &[A]), json!({ "port": port }));
        other.initialize(json!({ "protocol": 1, "pool": pool, "host": host, "state": state })).await;
        let status = other.wait("the problem", |status| kind(status) == "blocked").await;
        assert_eq!((&status["role"]["by"], &status["problems"][0]["code"]), (&json!(by), &json!(by)));
    }
    let serve = World::new(&fake, &[A]).await;
    let mut beside = Editor::with(&with(state(&fake, &[A]), json!({ "port": serve.port }))).await;
    let status = beside.wait("the problem", |status| kind(status) == "blocked").await;
    assert_eq!(status["role"]["by"], "portOtherPool", "nobody follows a `serve`");
}

#[tokio::test]
async fn a_new_port_is_served_at_once_and_streams_on_the_old_one_go_on() {
    let fake = Fake::start().await;
    let first = with(state(&fake, &[A]), json!({ "port": free_port() }));
    let mut editor = Editor::with(&first).await;
    let old = editor.port().await;
    let gate = fake_gemini::Gate::new();
    let stream = fake_gemini::fixtures::stream();
    let slow = [
        fake_gemini::Step::Bytes(stream.slice(..50)),
        fake_gemini::Step::Wait(gate.clone()),
        fake_gemini::Step::Bytes(stream.slice(50..)),
        fake_gemini::Step::End,
    ];
    fake.rule(fake_gemini::Rule::new(fake_gemini::Answer::stream(slow)).times(1));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{old}{}", crate::support::STREAM);
    let mut response = client.post(url).body("{}").send().await.unwrap();
    let mut whole = soon("the first piece", response.chunk()).await.unwrap().unwrap().to_vec();
    let new = free_port();
    editor.change(&with(first, json!({ "revision": 2, "port": new }))).await;
    editor.wait("the new port", |status| status["role"]["port"] == new).await;
    assert_eq!(editor.post(new).await, 200);
    gate.open();
    while let Some(chunk) = soon("the rest", response.chunk()).await.unwrap() {
        whole.extend_from_slice(&chunk);
    }
    assert_eq!(whole, stream);
}

#[tokio::test]
async fn a_new_port_that_is_taken_is_told_and_the_old_one_goes_on() {
    let fake = Fake::start().await;
    let first = with(state(&fake, &[A]), json!({ "port": free_port() }));
    let mut editor = Editor::with(&first).await;
    let old = editor.port().await;
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let new = stranger.local_addr().unwrap().port();
    editor.change(&with(first, json!({ "revision": 2, "port": new }))).await;
    let status = editor.wait("the problem", |status| status["problems"][0]["code"] == "portTaken").await;
    assert_eq!(
        (kind(&status), &status["role"]["port"], &status["problems"][0]["subject"]),
        ("leader", &json!(old), &json!(new.to_string()))
    );
    assert_eq!(editor.post(old).await, 200);
    drop(stranger);
    let status = editor.wait("the new port", |status| status["role"]["port"] == new).await;
    assert_eq!((kind(&status), &status["problems"]), ("leader", &json!([])));
    assert_eq!(editor.post(new).await, 200);
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", old)).await.is_err(), "the old one is gone");
}
