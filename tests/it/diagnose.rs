//! V8: diagnoses over stdio, of ways that are good and of ways with one thing wrong; and that nothing secret is told.

mod ways;

use std::process::Stdio;

use fake_gemini::{Answer, Fake, Fixture, Rule, Step};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::editor::Editor;
use crate::support::{Folder, collect, soon, state, with};
use crate::tls::upstream::{Authority, Door};
use crate::worker::{TOKEN, Worker};

const A: &str = "secret-key-a";

/// Each check as `subject code: ok` or `subject code: fault`, and its rule.
fn told(answer: &Value) -> Vec<String> {
    let checks = answer["result"]["checks"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    checks
        .iter()
        .map(|check| {
            let detail = &check["detail"];
            let (subject, code, rule) =
                (text(&check["subject"]), text(&check["code"]), text(&detail["rule"]));
            let fault = text(&detail["fault"]);
            let ok = if check["ok"] == true { "ok" } else { "" };
            let words = [ok, &fault, &rule].into_iter().filter(|word| !word.is_empty());
            format!("{subject} {code}: {}", words.collect::<Vec<_>>().join(" "))
        })
        .collect()
}

fn check<'a>(answer: &'a Value, code: &str) -> &'a Value {
    let checks = answer["result"]["checks"].as_array().unwrap_or_else(|| panic!("{answer}"));
    checks.iter().find(|check| check["code"] == code).unwrap_or_else(|| panic!("no {code} in {answer}"))
}

/// What is told of an instance that is in no state, behind its TCP connection.
async fn relay(editor: &mut Editor, instance: Value) -> (Vec<String>, Value) {
    let instance = with(json!({ "id": "new" }), instance);
    let answer =
        editor.request("aggregator/diagnose", json!({ "candidate": { "instance": instance } })).await;
    let told = told(&answer);
    assert_eq!(told[0], "new tcp: ok", "{answer}");
    (told[1..].to_vec(), answer)
}

fn serverless(fake: &Fake) -> Value {
    with(state(fake, &[A]), json!({ "mode": "serverless" }))
}

// --- the direct way ---

#[tokio::test]
async fn a_good_direct_way_is_told_with_its_facts() {
    let fake = Fake::start().await;
    let mut editor = Editor::with(&state(&fake, &[A])).await;
    let answer = editor.request("aggregator/diagnose", Value::Null).await;
    assert_eq!(told(&answer), ["local tcp: ok", "local reach: ok", "local key: ok ok"]);
    let tcp = &check(&answer, "tcp")["detail"];
    assert_eq!(tcp, &json!({ "host": fake.address().to_string(), "addresses": ["127.0.0.1"] }));
    assert_eq!(check(&answer, "reach")["detail"], json!({ "status": 200 }));
    assert_eq!(check(&answer, "key")["detail"], json!({ "status": 200, "key": "k1", "rule": "ok" }));
    assert!(check(&answer, "reach")["latencyMs"].is_u64() && check(&answer, "key")["latencyMs"].is_null());
    let seen = fake.seen();
    assert_eq!((seen.len(), &*seen[0].target), (1, "/v1beta/models?pageSize=1"));
    assert_eq!(seen[0].credentials, [("x-goog-api-key".to_owned(), A.to_owned())]);
}

#[tokio::test]
async fn what_google_says_of_a_key_is_told_and_changes_nothing() {
    let fake = Fake::start().await;
    let mut editor = Editor::with(&state(&fake, &[A])).await;
    let port = editor.port().await;
    for (fixture, told_of_key) in [
        (Fixture::InvalidKey, "local key: keyRefused invalidKey"),
        (Fixture::LeakedKey, "local key: keyRefused leaked"),
        (Fixture::BareQuota, "local key: ok bare429"),
        (Fixture::Overloaded, "local key: serverError overloaded"),
    ] {
        fake.clear();
        fake.rule(Rule::new(Answer::fixture(fixture)));
        let answer = editor.request("aggregator/diagnose", json!({ "subject": "k1" })).await;
        assert_eq!(told(&answer), ["local tcp: ok", "local reach: ok", told_of_key], "{fixture:?}");
        assert!(check(&answer, "key")["detail"]["message"].is_string(), "{answer}");
    }
    fake.clear();
    fake.rule(Rule::new(Answer::fixture(Fixture::Location)).times(1));
    let answer = editor.request("aggregator/diagnose", json!({ "subject": "local" })).await;
    assert_eq!(told(&answer), ["local tcp: ok", "local reach: location location"]);
    // Google's sentence names the key that it was sent; whoever reads the answer does not see it.
    fake.rule(Rule::new(Answer::fixture(Fixture::Suspended)).times(1));
    let answer = editor.request("aggregator/diagnose", json!({ "subject": "local" })).await;
    let message = check(&answer, "key")["detail"]["message"].as_str().unwrap();
    assert!(message.contains("has been suspended") && !message.contains(A), "{message}");
    assert_eq!(editor.post(port).await, 200);
    assert_eq!(editor.statuses.last().unwrap()["keys"][0]["state"]["kind"], "ready");
}

#[tokio::test]
async fn a_host_that_is_not_there_is_told_at_the_step_at_which_it_shows() {
    let fake = Fake::start().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = free.local_addr().unwrap();
    drop(free);
    let mut editor = Editor::with(&state(&fake, &[A])).await;
    for (url, checks, host) in [
        ("https://nobody.invalid".to_owned(), "new dns: unknownHost", "nobody.invalid".to_owned()),
        (format!("http://{refused}/prefix"), "new tcp: refused", refused.to_string()),
    ] {
        let instance = json!({ "id": "new", "url": url });
        let answer =
            editor.request("aggregator/diagnose", json!({ "candidate": { "instance": instance } })).await;
        assert_eq!(
            (told(&answer), &answer["result"]["checks"][0]["detail"]["host"]),
            (vec![checks.to_owned()], &json!(host))
        );
    }
    let gone = with(state(&fake, &[A]), json!({ "revision": 2, "upstream": "http://example.com" }));
    editor.change(&gone).await;
    let answer = editor.request("aggregator/diagnose", json!({})).await;
    assert_eq!(told(&answer), ["local dns: settings upstreamUrl"]);
}

// --- limits, cancelling ---

#[tokio::test]
async fn a_host_that_accepts_and_says_nothing_is_told_as_that() {
    let fake = Fake::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut editor = Editor::with(&serverless(&fake)).await;
    let url = format!("http://{}", silent.local_addr().unwrap());
    let (told_of, _) = relay(&mut editor, json!({ "url": url })).await;
    assert_eq!(told_of, ["new relayHealth: timedOut"]);
}

#[tokio::test]
async fn a_diagnosis_that_is_cancelled_is_answered_once_and_gives_its_connections_up() {
    let fake = Fake::start().await;
    fake.rule(Rule::new(Answer::only(Step::Hang)));
    let mut editor = Editor::with(&state(&fake, &[A])).await;
    let id = editor.ask("aggregator/diagnose", json!({ "subject": "k1" })).await;
    fake.wait_seen(1).await;
    // One that is in flight has its id to itself.
    editor.send(&json!({ "jsonrpc": "2.0", "id": id, "method": "aggregator/diagnose" })).await;
    assert_eq!(editor.answer(id).await["error"]["code"], -32600);
    editor.notify("$/cancelRequest", json!({ "id": "another" })).await;
    editor.notify("$/cancelRequest", json!({ "id": id })).await;
    let answer = editor.answer(id).await;
    assert_eq!(answer["error"]["code"], -32800, "{answer}");
    fake.wait_aborted(1).await;
    // Over is over.
    editor.notify("$/cancelRequest", json!({ "id": id })).await;
    fake.clear();
    let next = editor.request("aggregator/diagnose", json!({})).await;
    assert_eq!(told(&next).last().unwrap(), "local key: ok ok");
}

#[tokio::test]
async fn a_diagnosis_keeps_nobody_from_leaving() {
    let fake = Fake::start().await;
    fake.rule(Rule::new(Answer::only(Step::Hang)));
    let mut editor = Editor::with(&state(&fake, &[A])).await;
    let id = editor.ask("aggregator/diagnose", json!({})).await;
    fake.wait_seen(1).await;
    let end = editor.ask("shutdown", Value::Null).await;
    assert_eq!(editor.answer(id).await["error"]["code"], -32800);
    assert!(editor.answer(end).await["result"].is_null());
    let late = editor.request("aggregator/diagnose", json!({})).await;
    assert_eq!(late["error"]["code"], -32600);
    editor.notify("exit", Value::Null).await;
    assert_eq!(soon("the end", editor.child.wait()).await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn ten_diagnoses_at_once_are_all_answered() {
    let fake = Fake::start().await;
    let mut editor = Editor::with(&state(&fake, &[A])).await;
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(editor.ask("aggregator/diagnose", json!({})).await);
    }
    while !open.is_empty() {
        let answer = editor.read().await;
        if let Some(at) = open.iter().position(|id| answer["id"] == *id) {
            open.swap_remove(at);
            assert_eq!(told(&answer), ["local tcp: ok", "local reach: ok", "local key: ok ok"]);
        }
    }
}

#[tokio::test]
async fn a_window_that_follows_another_diagnoses_by_itself() {
    let (fake, own) = (Fake::start().await, Fake::start().await);
    let mut leader = Editor::with(&state(&fake, &[A])).await;
    let port = leader.port().await;
    let mut follower = Editor::with(&with(state(&own, &[A]), json!({ "port": port }))).await;
    follower.wait("the leader", |status| status["role"]["kind"] == "follower").await;
    let answer = follower.request("aggregator/diagnose", json!({})).await;
    assert_eq!(told(&answer).last().unwrap(), "local key: ok ok");
    assert_eq!((own.keys_seen(), fake.seen()), (vec![A.to_owned()], vec![]));
}

#[tokio::test]
async fn a_diagnosis_of_nothing_is_refused() {
    let fake = Fake::start().await;
    let mut editor = Editor::start();
    let early = editor.request("aggregator/diagnose", json!({})).await;
    assert_eq!(early["error"]["code"], -32002, "{early}");
    editor.initialize(json!({ "protocol": 1, "pool": "p", "host": "h", "state": state(&fake, &[A]) })).await;
    for (params, code) in [
        (json!({ "subject": "nobody" }), -32001),
        (json!({ "subject": 7 }), -32602),
        (json!({ "candidate": { "key": { "secret": 7 } } }), -32602),
        (json!({ "candidate": { "relay": {} } }), -32602),
        (json!({ "candidate": { "instance": { "id": "x" } } }), -32602),
        (json!([]), -32602),
        (json!("k1"), -32600),
    ] {
        let answer = editor.request("aggregator/diagnose", params.clone()).await;
        assert_eq!(answer["error"]["code"], code, "{params}: {answer}");
    }
    editor.notify("aggregator/diagnose", json!({})).await;
    assert_eq!(editor.errors().await, [0; 0]);
    assert_eq!(fake.seen(), []);
}

// --- secrets ---

#[tokio::test]
async fn a_candidate_key_is_tested_and_nothing_secret_is_told_to_anybody() {
    let fake = Fake::start().await;
    // Those of candidates look like nothing: only who knows them can hide them.
    let secret = |name: &str| match name {
        "new" | "relay" | "header" => format!("plain {name} words"),
        _ => format!("AIzaSy-{name}-0123456789abcdefghijk"),
    };
    let names = ["pool", "new", "relay", "header", "password", "pasted"];
    let mut editor = Editor::start_with(Stdio::piped());
    let log = collect(editor.child.stderr.take().unwrap());
    let full = json!({ "revision": 1, "port": 0, "upstream": fake.url(), "mode": "hybrid",
        "proxy": { "kind": "url", "url": format!("http://me:{}@127.0.0.1:9", secret("password")) },
        "keys": [{ "id": "k1", "secret": secret("pool") }] });
    editor.initialize(json!({ "protocol": 1, "pool": "p", "host": "h", "state": full })).await;
    // Somebody who repeats all that he is told.
    let echo = |secret: &str| {
        let message = format!("API key not valid. Please pass a valid API key. {secret}");
        Answer::json(
            400,
            &json!({ "error": { "code": 400, "status": "INVALID_ARGUMENT", "message": message,
            "details": [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID" }] } }),
        )
    };
    for name in names {
        fake.rule(Rule::new(echo(&secret(name))).key(&secret(name)));
    }
    let health = json!({ "relay": "gemini-aggregator", "protocol": 1, "auth": "ok", "version": secret("relay"), "region": secret("header") });
    fake.rule(Rule::new(Answer::json(200, &health)).path_contains("/health"));
    let instance = json!({ "id": "new", "url": fake.url(), "token": secret("relay"), "headers": { "x-own": secret("header") } });
    let bad_url = json!({ "id": "new", "url": format!("https://me:{}@relay.example", secret("pasted")) });
    let mut said = String::new();
    for (params, last) in [
        (json!({}), "local key: keyRefused invalidKey"),
        (json!({ "candidate": { "key": { "secret": secret("new") } } }), "local key: keyRefused invalidKey"),
        (json!({ "candidate": { "instance": instance } }), "new key: keyRefused invalidKey"),
        (json!({ "candidate": { "instance": bad_url } }), "new dns: settings instanceUrl"),
        (json!({ "subject": secret("new") }), ""),
        (json!({ "candidate": { "key": { "secret": secret("new"), "binding": 7 } } }), ""),
    ] {
        let answer = editor.request("aggregator/diagnose", params).await;
        if !last.is_empty() {
            assert_eq!(told(&answer).last().unwrap(), last, "{answer}");
        }
        said.push_str(&answer.to_string());
    }
    assert_eq!(fake.keys_seen().iter().filter(|key| **key == secret("new")).count(), 1);
    assert!(said.contains("AIza…hijk"), "Google's sentences are told: {said}");
    editor.send_bytes(b"the last line").await;
    assert_eq!(editor.errors().await, [-32700]);
    said.push_str(&log.with("no JSON-RPC").await);
    assert!(said.contains("diagnosed"), "{said}");
    for name in names {
        assert!(!said.contains(&secret(name)), "{name} in {said}");
    }
    assert_eq!(editor.wait("a status", |_| true).await["keys"][0]["state"]["kind"], "ready");
}
