//! V14: the test request that needs no client. It goes over the port like a client's, through the real binary.

use std::process::Stdio;

use fake_gemini::{Answer, Fake, Fixture, Rule, Step, fixtures};
use serde_json::{Value, json};

use crate::editor::Editor;
use crate::support::{attempts, collect, key_state, soon, state, with};

const A: &str = "AIzaSyA-first-key-of-the-pool-0123456789";
const TRY: &str = "aggregator/tryRequest";

/// The records, once there are so many: one is there when its answer is over.
async fn records(editor: &mut Editor, count: usize) -> Vec<Value> {
    soon("the records", async {
        loop {
            let records = editor.request("aggregator/records", json!({})).await["result"].take();
            if let Value::Array(records) = records
                && records.len() >= count
            {
                return records;
            }
        }
    })
    .await
}

/// Status, text and error.
fn told(answer: &Value) -> (u64, Option<&str>, Option<&str>) {
    let result = &answer["result"];
    let status = result["status"].as_u64().unwrap_or_else(|| panic!("{answer}"));
    (status, result["text"].as_str(), result["error"].as_str())
}

#[tokio::test]
async fn it_goes_the_way_of_every_request_and_leaves_what_each_leaves() {
    let fake = Fake::start().await;
    let mut editor = Editor::start_with(Stdio::piped());
    let log = collect(editor.child.stderr.take().unwrap());
    let state = with(state(&fake, &[A]), json!({ "accessToken": "local-token-of-this-machine" }));
    editor.initialize(json!({ "protocol": 1, "pool": "pool", "host": "host", "state": state })).await;
    editor.port().await;
    let answer = editor.request(TRY, json!({})).await;
    assert_eq!(told(&answer), (200, Some(fixtures::TEXT), None), "{answer}");
    let seen = fake.seen();
    assert_eq!(seen[0].target, "/v1beta/models/gemini-flash-lite-latest:generateContent");
    assert_eq!((seen.len(), seen[0].key.as_deref()), (1, Some(A)));
    assert_eq!(
        (
            seen[0].header("content-type"),
            seen[0].header("x-server-timeout"),
            seen[0].header("x-gemini-aggregator")
        ),
        (Some("application/json"), Some("30"), None)
    );
    let asked: Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert_eq!(asked["generationConfig"]["maxOutputTokens"], 128);
    let records = records(&mut editor, 1).await;
    assert_eq!(
        (records.len(), &records[0]["id"], &records[0]["model"], &records[0]["end"]),
        (1, &answer["result"]["requestId"], &answer["result"]["model"], &json!("complete"))
    );
    assert_eq!(
        (attempts(&records[0]), &records[0]["attempts"][0]["egress"]),
        (vec!["k1 200 deliver ok".to_owned()], &json!("local"))
    );
    let status = editor.wait("the count", |status| status["keys"][0]["usedToday"] == 1).await;
    assert_eq!(status["keys"][0]["tokensToday"], fixtures::TOKENS);
    let id = answer["result"]["requestId"].as_str().unwrap();
    let log =
        log.until("its line", |log| log.lines().any(|line| line.contains(id) && line.contains("200"))).await;
    for secret in [A, "local-token-of-this-machine"] {
        assert!(
            !log.contains(secret) && !answer.to_string().contains(secret),
            "{secret} in {answer} or {log}"
        );
    }
}

#[tokio::test]
async fn why_a_pool_cannot_answer_is_told_in_the_words_that_a_client_gets() {
    let fake = Fake::start().await;
    let mut empty = Editor::with(&state(&fake, &[])).await;
    empty.port().await;
    let answer = empty.request(TRY, json!({})).await;
    assert_eq!(told(&answer), (503, None, Some("Service Unavailable: No available API keys.")));

    let mut editor = Editor::with(&state(&fake, &[A])).await;
    editor.port().await;
    fake.script(A, [Answer::fixture(Fixture::MinuteQuota)]);
    let first = editor.request(TRY, json!({})).await;
    let (status, _, error) = told(&first);
    assert!(status == 429 && error.is_some_and(|error| error.starts_with("You exceeded your")), "{first}");
    let resting = editor.request(TRY, json!({})).await;
    let (status, _, error) = told(&resting);
    assert!(status == 429 && error.is_some_and(|error| error.contains("flash-lite-latest")), "{resting}");
    assert_eq!(fake.seen().len(), 1, "a key that rests is not asked");
}

#[tokio::test]
async fn a_model_that_google_does_not_know_is_told_and_blames_no_key() {
    let fake = Fake::start().await;
    fake.rule(Rule::new(Answer::fixture(Fixture::UnknownModel)).model("gemini-9"));
    let mut editor = Editor::with(&state(&fake, &[A])).await;
    editor.port().await;
    let answer = editor.request(TRY, json!({ "model": "gemini-9" })).await;
    let (status, text, error) = told(&answer);
    assert_eq!((status, text, &answer["result"]["model"]), (404, None, &json!("gemini-9")));
    assert!(error.unwrap().contains("is not found for API version v1beta"), "{answer}");
    assert_eq!(told(&editor.request(TRY, json!({ "model": null })).await).0, 200);
    assert_eq!(key_state(editor.statuses.last().unwrap(), "k1")["kind"], "ready");
    for wrong in [json!({ "model": "../x" }), json!({ "model": "" }), json!({ "model": 7 }), json!([1, 2])] {
        let answer = editor.request(TRY, wrong).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
    assert_eq!(fake.seen().len(), 2, "what is no name of a model is not sent");
}

#[tokio::test]
async fn nothing_secret_and_nothing_long_comes_back() {
    let fake = Fake::start().await;
    let says = format!("{A} {}", "word ".repeat(100));
    let part =
        json!({ "candidates": [{ "content": { "parts": [{ "text": says }] }, "finishReason": "STOP" }] });
    fake.script(A, [Answer::json(200, &part), Answer::fixture(Fixture::Suspended)]);
    let mut editor = Editor::with(&state(&fake, &[A])).await;
    editor.port().await;
    let answer = editor.request(TRY, json!({})).await;
    let text = told(&answer).1.unwrap();
    assert!(text.contains("word word") && text.chars().count() == 200, "{text}");
    let refused = editor.request(TRY, json!({})).await;
    assert_eq!(told(&refused).0, 403);
    for answer in [answer, refused] {
        assert!(!answer.to_string().contains(A), "{answer}");
    }
}

#[tokio::test]
async fn a_window_that_follows_asks_the_pool_of_its_leader_and_nobody_else() {
    let (fake, own) = (Fake::start().await, Fake::start().await);
    let token = json!({ "accessToken": "local-token" });
    let mut leader = Editor::with(&with(state(&fake, &[A]), token.clone())).await;
    let port = leader.port().await;
    let following = with(with(state(&own, &[A]), token), json!({ "port": port }));
    let mut follower = Editor::with(&following).await;
    follower.wait("the leader", |status| status["role"]["kind"] == "follower").await;
    let answer = follower.request(TRY, json!({})).await;
    assert_eq!(told(&answer), (200, Some(fixtures::TEXT), None));
    assert_eq!((fake.seen().len(), own.seen().len()), (1, 0));
    assert_eq!(records(&mut leader, 1).await[0]["id"], answer["result"]["requestId"]);
    follower.wait("the leader's count", |status| status["keys"][0]["usedToday"] == 1).await;

    follower.change(&with(following, json!({ "revision": 2, "accessToken": "another-token" }))).await;
    follower.wait("the other token", |status| status["appliedRevision"] == 2).await;
    let refused = follower.request(TRY, json!({})).await;
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["message"]),
        (&json!(-32001), &json!("no answer came over the port"))
    );
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = stranger.local_addr().unwrap().port();
    let mut blocked = Editor::with(&with(state(&own, &[A]), json!({ "port": taken }))).await;
    blocked.wait("the stranger", |status| status["role"]["kind"] == "blocked").await;
    assert_eq!(blocked.request(TRY, json!({})).await["error"]["code"], -32001);
    assert_eq!((fake.seen().len(), own.seen().len()), (1, 0));
}

#[tokio::test]
async fn several_run_at_once_and_one_that_is_cancelled_hangs_up() {
    let fake = Fake::start().await;
    fake.rule(Rule::new(Answer::only(Step::Hang)).model("slow"));
    let mut editor = Editor::with(&state(&fake, &[A])).await;
    editor.port().await;
    let slow = editor.ask(TRY, json!({ "model": "slow" })).await;
    fake.wait_seen(1).await;
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(editor.ask(TRY, json!({})).await);
    }
    while !open.is_empty() {
        let message = editor.read().await;
        if let Some(at) = open.iter().position(|id| message["id"] == *id) {
            assert_eq!(told(&message).0, 200);
            open.swap_remove(at);
        }
    }
    editor.notify("$/cancelRequest", json!({ "id": slow })).await;
    assert_eq!(editor.answer(slow).await["error"]["code"], -32800);
    fake.wait_aborted(1).await;
    let left = records(&mut editor, 6).await;
    assert_eq!((&left[0]["model"], &left[0]["end"]), (&json!("slow"), &json!("left")));
}

#[tokio::test]
async fn one_that_hangs_ends_with_the_timeout_of_requests_and_keeps_nobody_from_leaving() {
    let fake = Fake::start().await;
    fake.rule(Rule::new(Answer::only(Step::Hang)));
    let state = state(&fake, &[A]);
    let mut editor = Editor::with(&with(state.clone(), json!({ "requestTimeoutMs": 1000 }))).await;
    editor.port().await;
    let answer = editor.request(TRY, json!({})).await;
    let (status, _, error) = told(&answer);
    assert!(status == 504 && error.is_some_and(|error| error.contains("1 s")), "{answer}");

    editor.change(&with(state, json!({ "revision": 2 }))).await;
    editor.wait("the longer timeout", |status| status["appliedRevision"] == 2).await;
    let hanging = editor.ask(TRY, json!({})).await;
    fake.wait_seen(2).await;
    let end = editor.ask("shutdown", Value::Null).await;
    assert_eq!(editor.answer(hanging).await["error"]["code"], -32001);
    assert!(editor.answer(end).await["result"].is_null());
    editor.notify("exit", Value::Null).await;
    assert_eq!(soon("the end", editor.child.wait()).await.unwrap().code(), Some(0));
}
