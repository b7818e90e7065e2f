//! The editor's side, against the real binary: order, bad params, bursts, a client that does not read.

use std::process::Stdio;

use fake_gemini::Fake;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::editor::{Editor, framed};
use crate::support::{BINARY, UNARY, collect, soon, state, with};

#[tokio::test]
async fn a_state_is_served_from_the_first_moment_and_a_newer_one_replaces_it() {
    let fake = Fake::start().await;
    let first = state(&fake, &["secret-key-a"]);
    let mut editor = Editor::with(&first).await;
    let port = editor.port().await;
    assert_eq!(editor.post(port).await, 200);
    editor
        .change(&with(first, json!({ "revision": 2, "keys": [{ "id": "k2", "secret": "secret-key-b" }] })))
        .await;
    editor.wait("the new state", |status| status["appliedRevision"] == 2).await;
    assert_eq!(editor.post(port).await, 200);
    assert_eq!(fake.keys_seen(), ["secret-key-a", "secret-key-b"]);
    let records = editor.request("aggregator/records", json!({ "limit": 1 })).await;
    assert_eq!(
        (records["result"].as_array().unwrap().len(), &records["result"][0]["attempts"][0]["key"]),
        (1, &json!("k2"))
    );
    let retest = editor.request("aggregator/retest", json!({ "keyId": "k2" })).await;
    assert_eq!(retest["result"]["state"]["kind"], "ready");
}

#[tokio::test]
async fn an_older_state_changes_nothing() {
    let fake = Fake::start().await;
    let newer = with(state(&fake, &["secret-key-a"]), json!({ "revision": 5 }));
    let mut editor = Editor::with(&newer).await;
    let port = editor.port().await;
    editor.change(&with(newer.clone(), json!({ "revision": 4, "keys": [] }))).await;
    editor.change(&with(newer.clone(), json!({ "keys": [] }))).await;
    editor.request("aggregator/records", json!({})).await;
    assert_eq!(editor.post(port).await, 200, "the keys are still there");
    assert!(editor.statuses.iter().all(|status| status["appliedRevision"] == 5));
}

#[tokio::test]
async fn what_cannot_be_decoded_is_named_and_the_last_good_state_stays() {
    let fake = Fake::start().await;
    let good = state(&fake, &["secret-key-a"]);
    let mut editor = Editor::with(&good).await;
    let port = editor.port().await;
    let mut next = 1;
    for (revision, wrong) in [
        (json!(2), Some(with(good.clone(), json!({ "revision": 2, "keys": "many" })))),
        (json!(null), Some(json!([1, 2, 3]))),
        // An array that would do for a struct.
        (json!(null), Some(json!([900]))),
        (json!(3), Some(with(good.clone(), json!({ "revision": 3, "mode": "sideways" })))),
        (json!(null), Some(json!({ "revision": -1 }))),
        (json!(0), Some(with(good.clone(), json!({ "revision": 0, "keys": [] })))),
        (json!(4), Some(json!({ "revision": 4, "keys": [{ "id": "k1" }] }))),
        (json!(null), Some(json!({}))),
        (json!(null), Some(json!(null))),
        (json!(null), Some(json!(7))),
        (json!(null), Some(json!("nothing"))),
        (json!(null), None),
    ] {
        let mut notification = json!({ "jsonrpc": "2.0", "method": "aggregator/didChangeState" });
        if let Some(wrong) = &wrong {
            notification["params"] = wrong.clone();
        }
        editor.send(&notification).await;
        let named =
            |status: &Value| status["rejectedRevision"] == revision && codes(status).contains(&"undecodable");
        let status = editor.wait("the rejection", named).await;
        assert_eq!(status["appliedRevision"], next);
        assert_eq!(editor.post(port).await, 200);
        // Another revision than the last one that was rejected, so that the next rejection is seen.
        next += 100;
        editor.change(&json!({ "revision": "x" })).await;
        editor.change(&json!({ "revision": 9_999, "keys": 1 })).await;
        editor.change(&with(good.clone(), json!({ "revision": next }))).await;
        editor
            .wait("a good state again", |status| {
                status["appliedRevision"] == next
                    && status["rejectedRevision"] == 9_999
                    && status["problems"] == json!([])
            })
            .await;
    }
}

#[tokio::test]
async fn a_first_state_that_cannot_be_used_is_named_and_the_next_one_counts() {
    let fake = Fake::start().await;
    let good = state(&fake, &["secret-key-a"]);
    for (revision, options) in [
        (json!(null), json!({ "protocol": 1 })),
        (json!(null), json!({ "protocol": 1, "state": null })),
        (json!(null), json!({ "protocol": 1, "state": [1] })),
        (json!(5), json!({ "protocol": 1, "state": { "revision": 5, "keys": "many" } })),
        (json!(0), json!({ "protocol": 1, "state": with(good.clone(), json!({ "revision": 0 })) })),
    ] {
        let mut editor = Editor::start();
        let answer = editor.initialize(options).await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "gemini-aggregator", "{answer}");
        let status = editor.wait("the rejection", |status| codes(status).contains(&"undecodable")).await;
        assert_eq!((&status["appliedRevision"], &status["rejectedRevision"]), (&json!(0), &revision));
        editor.change(&good).await;
        editor
            .wait("the good state", |status| {
                status["appliedRevision"] == 1 && status["problems"] == json!([])
            })
            .await;
        let port = editor.port().await;
        assert_eq!(editor.post(port).await, 200);
    }
}

fn codes(status: &Value) -> Vec<&str> {
    let problems = status["problems"].as_array().unwrap();
    problems.iter().map(|problem| problem["code"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn values_out_of_range_are_named_and_the_rest_applies() {
    let fake = Fake::start().await;
    let first = state(&fake, &["secret-key-a"]);
    let mut editor = Editor::with(&first).await;
    let port = editor.port().await;
    let key = |id: &str, secret: &str| json!({ "id": id, "secret": secret });
    let bound =
        json!({ "id": "k3", "secret": "secret-key-c", "binding": { "kind": "instance", "id": "nowhere" } });
    let bad = json!({ "revision": 2, "port": 70000, "requestTimeoutMs": -5,
        "keys": [key("k1", "secret-key-a"), key("k1", "secret-key-b"), key("k2", ""), bound] });
    editor.change(&with(first, bad)).await;
    let status = editor.wait("the problems", |status| status["appliedRevision"] == 2).await;
    let codes = codes(&status);
    for code in ["portRange", "timeoutRange", "duplicateId", "emptySecret", "unknownInstance"] {
        assert!(codes.contains(&code), "{code} in {codes:?}");
    }
    assert_eq!(status["keys"].as_array().unwrap().len(), 2);
    assert_eq!((editor.post(port).await, &status["role"]["port"]), (200, &json!(port)), "the old port stays");
}

#[tokio::test]
async fn wrong_requests_are_answered_with_errors_and_nothing_breaks() {
    let fake = Fake::start().await;
    let mut editor = Editor::start();
    let early = editor.request("aggregator/records", json!({})).await;
    assert!(early["error"]["code"].is_i64(), "before initialize: {early}");
    let other = editor.initialize(json!({ "protocol": 2 })).await;
    assert!(other["error"]["message"].as_str().unwrap().contains("protocol"), "{other}");
    let state = state(&fake, &["secret-key-a"]);
    assert!(
        editor
            .initialize(json!({ "protocol": 1, "pool": "p", "host": "h", "state": state }))
            .await
            .get("result")
            .is_some()
    );
    let port = editor.port().await;
    let unknown = editor.request("aggregator/retest", json!({ "keyId": "nobody" })).await;
    assert!(unknown["error"]["message"].as_str().unwrap().contains("no key"));
    for (method, params) in [
        ("aggregator/retest", json!({ "keyId": 7 })),
        ("aggregator/retest", json!([])),
        ("aggregator/records", json!({ "limit": "all" })),
        ("aggregator/unknown", json!({})),
        ("textDocument/hover", json!({ "nonsense": true })),
        ("initialize", json!({ "capabilities": {} })),
    ] {
        let answer = editor.request(method, params).await;
        assert!(answer["error"]["code"].is_i64(), "{method}: {answer}");
    }
    let stated = editor.request("aggregator/didChangeState", json!({ "revision": 9 })).await;
    assert_eq!(stated["error"]["code"], -32600, "a state is a notification");
    editor.send_bytes(b"Content-Length: 9\r\n\r\n{ broken}").await;
    editor.notify("aggregator/unknown", json!({})).await;
    editor.notify("aggregator/retest", json!({ "keyId": "k1" })).await;
    assert_eq!(editor.errors().await, [-32700], "a notification is never answered");
    assert_eq!(editor.post(port).await, 200);
    assert_eq!(editor.statuses.last().unwrap()["appliedRevision"], 1);
}

#[tokio::test]
async fn a_burst_of_states_ends_in_the_last_one_and_few_statuses() {
    let fake = Fake::start().await;
    let first = state(&fake, &["secret-key-a"]);
    let mut editor = Editor::with(&first).await;
    editor.port().await;
    let before = editor.statuses.len();
    for revision in 2..=301 {
        editor.change(&with(first.clone(), json!({ "revision": revision }))).await;
    }
    editor.wait("the last", |status| status["appliedRevision"] == 301).await;
    assert!(editor.statuses.len() - before < 100, "{} statuses", editor.statuses.len() - before);
}

#[tokio::test]
async fn the_level_of_the_log_can_be_changed_while_it_runs() {
    let fake = Fake::start().await;
    let mut editor = Editor::start_at("info", Stdio::piped());
    let log = collect(editor.child.stderr.take().unwrap());
    let options =
        json!({ "protocol": 1, "pool": "p", "host": "h", "state": state(&fake, &["secret-key-a"]) });
    editor.initialize(options).await;
    let port = editor.port().await;
    // An attempt is judged before the line of its request is written.
    let mut attempts = Vec::new();
    for (level, requests) in [("info", 1), ("debug", 2), ("loud", 3), ("trace", 4), ("info", 5)] {
        editor.notify("aggregator/didChangeLogLevel", json!({ "level": level })).await;
        // Answered behind the notification.
        editor.request("aggregator/records", json!({ "limit": 1 })).await;
        assert_eq!(editor.post(port).await, 200);
        let all = |text: &str| text.matches(" INFO request ").count() == requests;
        let lines = log.until("the line of the request", all).await;
        attempts.push(lines.matches("DEBUG attempt ").count());
    }
    assert_eq!(attempts, [0, 1, 2, 3, 3]);
    assert!(log.text().contains("params that cannot be decoded"));
}

#[tokio::test]
async fn a_client_that_reads_neither_stdout_nor_stderr_stalls_nothing() {
    let fake = Fake::start().await;
    let first = state(&fake, &["secret-key-a"]);
    let mut child = Command::new(BINARY)
        .env("GEMINI_AGGREGATOR_LOG", "trace")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // The pipes are held open and never read.
    let (_output, _errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let mut input = child.stdin.take().unwrap();
    let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = probe.local_addr().unwrap().port();
    drop(probe);
    let mut send = async |message: Value| {
        soon("a reader", input.write_all(framed(message.to_string()).as_bytes())).await.unwrap();
    };
    let options = json!({ "protocol": 1, "pool": "p", "host": "h", "state": with(first.clone(), json!({ "port": port })) });
    send(json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "capabilities": {}, "initializationOptions": options } })).await;
    send(json!({ "jsonrpc": "2.0", "method": "initialized", "params": {} })).await;
    let many: Vec<Value> = (0..300)
        .map(|at| json!({ "id": format!("key-{at}"), "secret": format!("secret-number-{at}") }))
        .collect();
    for revision in 2..=301 {
        let state = with(first.clone(), json!({ "revision": revision, "port": port, "keys": many }));
        send(json!({ "jsonrpc": "2.0", "method": "aggregator/didChangeState", "params": state })).await;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    soon("three hundred answers", async {
        let mut good = 0;
        while good < 300 {
            let request = client.post(format!("http://127.0.0.1:{port}{UNARY}")).body("{}");
            match request.send().await {
                Ok(response) => good += usize::from(response.status() == 200),
                // The listener is not there yet; asking at once again would only keep it from coming.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            }
        }
    })
    .await;
    drop(input);
    soon("the end", child.wait()).await.unwrap();
}

#[tokio::test]
async fn a_ca_file_that_cannot_be_read_is_a_problem_until_it_is_taken_back() {
    let fake = Fake::start().await;
    let first = with(state(&fake, &["secret-key-a"]), json!({ "tls": { "caFile": "nowhere.pem" } }));
    let mut editor = Editor::with(&first).await;
    editor.wait("the problem", |status| status["problems"][0]["code"] == "caFile").await;
    editor.change(&with(first, json!({ "revision": 2, "tls": {} }))).await;
    editor
        .wait("no problem", |status| status["appliedRevision"] == 2 && status["problems"] == json!([]))
        .await;
}
