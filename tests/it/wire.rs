//! What the two ends of stdio may do to each other: bytes that are no message, a client that does not read, secrets left in
//! memory. Against the real binary.

use std::process::Stdio;
use std::time::{Duration, Instant};

use fake_gemini::{Answer, Fake, Rule, Step};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::editor::{Editor, framed};
use crate::support::{soon, state, with};

#[tokio::test]
async fn retests_that_hang_hold_up_neither_a_state_nor_the_shutdown() {
    let fake = Fake::start().await;
    fake.rule(Rule::new(Answer::only(Step::Hang)));
    let first = state(&fake, &["secret-key-a"]);
    let mut editor = Editor::with(&first).await;
    editor.port().await;
    let mut asked = Vec::new();
    for _ in 0..50 {
        asked.push(editor.ask("aggregator/retest", json!({ "keyId": "k1" })).await);
    }
    fake.wait_seen(asked.len()).await;
    editor.change(&with(first, json!({ "revision": 2 }))).await;
    editor.wait("the new state", |status| status["appliedRevision"] == 2).await;
    let shutdown = editor.ask("shutdown", json!(null)).await;
    let mut rules = Vec::new();
    while rules.len() < asked.len() + 1 {
        let message = editor.read().await;
        if message["id"] == shutdown {
            assert!(message["result"].is_null() && message.get("error").is_none(), "{message}");
            rules.push(json!("shutdown"));
        } else if asked.iter().any(|id| message["id"] == *id) {
            rules.push(message["result"]["detail"]["rule"].clone());
        }
    }
    assert_eq!(rules.iter().filter(|rule| **rule == "stopped").count(), asked.len());
    editor.notify("exit", json!(null)).await;
    assert_eq!(soon("the end", editor.child.wait()).await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn more_requests_than_anybody_needs_are_refused_but_a_shutdown_never_is() {
    let fake = Fake::start().await;
    fake.rule(Rule::new(Answer::only(Step::Hang)));
    let mut editor = Editor::with(&state(&fake, &["secret-key-a"])).await;
    editor.port().await;
    for _ in 0..256 {
        editor.ask("aggregator/retest", json!({ "keyId": "k1" })).await;
    }
    let refused = editor.request("aggregator/records", json!({})).await;
    assert_eq!(refused["error"]["message"], "too many requests are in flight", "{refused}");
    assert!(editor.request("shutdown", json!(null)).await.get("result").is_some());
}

#[tokio::test]
async fn broken_framing_costs_its_own_message_and_no_other() {
    let fake = Fake::start().await;
    let first = state(&fake, &["secret-key-a"]);
    let mut editor = Editor::with(&first).await;
    let port = editor.port().await;
    let body = json!({ "jsonrpc": "2.0", "method": "aggregator/unknown", "params": {} }).to_string();
    let long = |length: usize| format!("Content-Length: {length}\r\n\r\n");
    for (what, bytes, errors) in [
        ("a word", format!("Content-Length: many\r\n\r\n{body}"), &[-32700][..]),
        ("negative", format!("Content-Length: -5\r\n\r\n{body}"), &[-32700]),
        ("70 MB", format!("{}{}", long(70_000_000), " ".repeat(70_000_000)), &[-32600]),
        ("beyond numbers", format!("Content-Length: 99999999999999999999\r\n\r\n{body}"), &[-32600]),
        ("too short", format!("{}{body}", long(body.len() - 9)), &[-32700, -32700]),
        // The message behind it is swallowed in part, and lost; the one after that is not.
        ("too long", format!("{}{body}{}", long(body.len() + 3), framed(&body)), &[-32700, -32700]),
        ("stray bytes", "hello world".into(), &[-32700]),
        ("stray lines", "hello\r\n\r\nworld\r\n".into(), &[-32700]),
        ("no empty line", format!("Content-Length: 9\r\n{body}"), &[-32700]),
        ("nothing", long(0), &[-32700]),
    ] {
        editor.send_bytes(bytes.as_bytes()).await;
        assert_eq!(editor.errors().await, errors, "{what}");
    }
    editor.change(&with(first, json!({ "revision": 2 }))).await;
    editor.wait("the new state", |status| status["appliedRevision"] == 2).await;
    assert_eq!(editor.post(port).await, 200);
}

#[tokio::test]
async fn what_is_no_message_is_answered_as_json_rpc_wants_it_and_ends_nothing() {
    let fake = Fake::start().await;
    let first = state(&fake, &["secret-key-a"]);
    let mut editor = Editor::with(&first).await;
    let port = editor.port().await;
    let deep = "[".repeat(300) + &"]".repeat(300);
    for (body, code, id) in [
        ("{ broken}".to_owned(), -32700, json!(null)),
        ("{\"jsonrpc\":\"2.0\",\"method\":".into(), -32700, json!(null)),
        ("[]".into(), -32600, json!(null)),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"shutdown"}]"#.into(), -32600, json!(null)),
        (r#"["2.0","exit"]"#.into(), -32600, json!(null)),
        (r#"{"a":1}"#.into(), -32600, json!(null)),
        (r#"{"jsonrpc":"1.0","id":700,"method":"m"}"#.into(), -32600, json!(700)),
        (r#"{"jsonrpc":"2.0","id":701,"method":"m","params":"x"}"#.into(), -32600, json!(701)),
        (r#"{"jsonrpc":"2.0","id":702}"#.into(), -32600, json!(702)),
        (r#"{"jsonrpc":"2.0","id":18446744073709551615,"method":"m"}"#.into(), -32600, json!(null)),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#.into(), -32600, json!(null)),
        (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#.into(), -32600, json!(null)),
        (format!(r#"{{"jsonrpc":"2.0","id":703,"method":"m","params":{deep}}}"#), -32602, json!(703)),
        (format!(r#"{{"jsonrpc":"2.0","id":704,"method":"m","x":{deep}}}"#), -32601, json!(704)),
    ] {
        editor.send_bytes(framed(&body).as_bytes()).await;
        let answer = editor.read().await;
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), &id), "{body}: {answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|said| said.len() > 8), "{answer}");
    }
    let latin = b"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"x\":\"\xff\"}";
    editor.send_bytes(&[format!("Content-Length: {}\r\n\r\n", latin.len()).as_bytes(), latin].concat()).await;
    assert_eq!(editor.errors().await, [-32700]);
    // Answers to requests that were never sent, and notifications of anything, are nobody's business.
    for ignored in [
        json!({ "jsonrpc": "2.0", "id": 3, "result": null }),
        json!({ "jsonrpc": "2.0", "id": "x", "error": { "code": 1, "message": "m" } }),
        json!({ "jsonrpc": "2.0", "method": "$/anything", "params": [] }),
        json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": 99 } }),
        json!({ "jsonrpc": "2.0", "method": "initialize", "params": {} }),
    ] {
        editor.send(&ignored).await;
    }
    assert_eq!(editor.errors().await, [0; 0]);
    editor.change(&with(first, json!({ "revision": 2 }))).await;
    editor.wait("the new state", |status| status["appliedRevision"] == 2).await;
    assert_eq!(editor.post(port).await, 200);
}

/// Has answered to so many requests for records, and nobody has read one of them, that stdout is full.
async fn with_a_full_stdout(fake: &Fake) -> (Editor, u16, Value) {
    let first = state(fake, &["secret-key-a"]);
    let mut editor = Editor::with(&first).await;
    let port = editor.port().await;
    for _ in 0..60 {
        assert_eq!(editor.post(port).await, 200);
    }
    let records = editor.request("aggregator/records", json!({})).await.to_string();
    for _ in 0..20 {
        editor.ask("aggregator/records", json!({})).await;
    }
    assert!(20 * records.len() > 4 * 64 * 1024, "more than a pipe holds: {}", records.len());
    (editor, port, first)
}

#[tokio::test]
async fn an_unread_stdout_keeps_neither_states_nor_the_end_waiting() {
    let fake = Fake::start().await;
    let (mut editor, port, first) = with_a_full_stdout(&fake).await;
    for revision in 2..=300 {
        editor.change(&with(first.clone(), json!({ "revision": revision }))).await;
    }
    editor.change(&with(first, json!({ "revision": 301, "keys": [] }))).await;
    soon("the end of the key", async {
        while editor.post(port).await == 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let Editor { mut child, input, output: _unread, .. } = editor;
    let asked = Instant::now();
    drop(input);
    assert_eq!(soon("the end", child.wait()).await.unwrap().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn one_who_reads_again_finds_every_answer_and_one_status() {
    let fake = Fake::start().await;
    let (mut editor, port, first) = with_a_full_stdout(&fake).await;
    let before = editor.statuses.len();
    for revision in 2..=11 {
        editor.change(&with(first.clone(), json!({ "revision": revision }))).await;
        // Longer than statuses are apart.
        tokio::time::sleep(Duration::from_millis(260)).await;
        assert_eq!(editor.post(port).await, 200);
    }
    let id = editor.ask("aggregator/records", json!({ "limit": 1 })).await;
    editor.answer(id).await;
    assert!(editor.statuses.len() <= before + 1, "{} statuses piled up", editor.statuses.len() - before);
    editor.wait("the last", |status| status["appliedRevision"] == 11).await;
}

#[tokio::test]
async fn it_leaves_when_stdout_is_closed() {
    let fake = Fake::start().await;
    let first = state(&fake, &["secret-key-a"]);
    let mut editor = Editor::with(&first).await;
    editor.port().await;
    // The next status cannot be written.
    editor.change(&with(first, json!({ "revision": 2 }))).await;
    let Editor { mut child, input: _open, output, .. } = editor;
    drop(output);
    assert_eq!(soon("the end", child.wait()).await.unwrap().code(), Some(1));
}

#[tokio::test]
async fn it_leaves_when_more_waits_unread_than_anybody_will_read() {
    let fake = Fake::start().await;
    let (mut editor, _, _) = with_a_full_stdout(&fake).await;
    let request = json!({ "jsonrpc": "2.0", "id": "again", "method": "aggregator/records", "params": {} });
    let many = framed(request.to_string()).repeat(100);
    // 32 MiB of answers.
    soon("no more reading", async { while editor.input.write_all(many.as_bytes()).await.is_ok() {} }).await;
    assert_eq!(soon("the end", editor.child.wait()).await.unwrap().code(), Some(1));
}

#[tokio::test]
async fn a_closed_stderr_is_survived() {
    let fake = Fake::start().await;
    let first = state(&fake, &["secret-key-a"]);
    let mut editor = Editor::start_with(Stdio::piped());
    drop(editor.child.stderr.take());
    editor.initialize(json!({ "protocol": 1, "state": first })).await;
    let port = editor.port().await;
    editor.send_bytes(b"something to log").await;
    assert_eq!(editor.errors().await, [-32700]);
    assert_eq!(editor.post(port).await, 200);
    let Editor { mut child, input, .. } = editor;
    drop(input);
    assert_eq!(soon("the end", child.wait()).await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_client_that_says_initialized_again_gets_each_status_once() {
    let fake = Fake::start().await;
    let first = state(&fake, &["secret-key-a"]);
    let mut editor = Editor::with(&first).await;
    for _ in 0..5 {
        editor.notify("initialized", json!({})).await;
    }
    editor.port().await;
    for revision in 2..=3 {
        editor.change(&with(first.clone(), json!({ "revision": revision }))).await;
        editor.wait("the state", |status| status["appliedRevision"] == revision).await;
    }
    // What a second speaker says comes within the time that statuses are apart.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(editor.errors().await, [0; 0]);
    for pair in editor.statuses.windows(2) {
        assert_ne!(pair[0], pair[1]);
    }
}

/// How often a text stands in the memory of a process.
#[cfg(target_os = "linux")]
fn copies(process: u32, text: &str) -> usize {
    use std::os::unix::fs::FileExt;
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = std::fs::File::open(format!("/proc/{process}/mem")).unwrap();
    let mut found = 0;
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let address = |digits: &str| u64::from_str_radix(digits, 16).unwrap();
        let mut bytes = vec![0; (address(to) - address(from)).try_into().unwrap()];
        // A part that cannot be read holds nothing.
        if memory.read_exact_at(&mut bytes, address(from)).is_ok() {
            found += memchr::memmem::find_iter(&bytes, text).count();
        }
    }
    found
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_secret_that_was_taken_out_is_nowhere_in_memory() {
    let fake = Fake::start().await;
    let secret = |name: &str| format!("AIzaSy-{name}-{}-0123456789abcdef", std::process::id());
    let names = [
        "first",
        "later",
        "token",
        "relay",
        "header",
        "proxy",
        "rejected",
        "refused",
        "stray",
        "cut",
        "candidate",
        "tested",
    ];
    let none = with(state(&fake, &[]), json!({ "revision": 100 }));
    let full = |revision: u64, key: &str| {
        json!({ "revision": revision, "port": 0, "upstream": fake.url(), "accessToken": secret("token"),
            "proxy": { "kind": "url", "url": format!("http://me:{}@127.0.0.1:9", secret("proxy")) },
            "keys": [{ "id": "k1", "label": "a label", "secret": secret(key) }],
            "instances": [{ "id": "r1", "url": "https://relay.example", "token": secret("relay"),
                "headers": { "x-own": secret("header") } }] })
    };
    let mut editor = Editor::start();
    let process = editor.child.id().unwrap();
    let other = editor.initialize(json!({ "protocol": 2, "state": full(1, "refused") })).await;
    assert!(other.get("error").is_some());
    let options = json!({ "protocol": 1, "pool": "p", "host": "h", "state": full(1, "first") });
    editor.initialize(options).await;
    for revision in 2..=11 {
        editor.change(&full(revision, if revision < 6 { "first" } else { "later" })).await;
        editor.wait("the state", |status| status["appliedRevision"] == revision).await;
    }
    editor.change(&with(full(12, "rejected"), json!({ "mode": "sideways" }))).await;
    editor.wait("the rejection", |status| status["rejectedRevision"] == 12).await;
    editor.send_bytes(format!("no header in front of {}", secret("stray")).as_bytes()).await;
    assert_eq!(editor.errors().await, [-32700]);
    let state = json!({ "jsonrpc": "2.0", "method": "aggregator/didChangeState", "params": full(13, "cut") });
    let text = state.to_string();
    editor.send_bytes(format!("Content-Length: {}\r\n\r\n{text}", text.len() - 200).as_bytes()).await;
    assert_eq!(editor.errors().await, [-32700, -32700]);
    let held: Vec<(&str, usize)> = names.map(|name| (name, copies(process, &secret(name)))).to_vec();
    // Configuration and pool may hold two that came with different states, and the proxy's password stands beside its URL.
    let live = ["later", "token", "relay", "header", "proxy"];
    for (name, count) in held {
        assert!(if live.contains(&name) { (1..=3).contains(&count) } else { count == 0 }, "{name}: {count}");
    }
    // Nothing of a candidate goes out where nobody answers.
    editor.change(&with(none.clone(), json!({ "revision": 99, "upstream": "http://127.0.0.1:9" }))).await;
    let candidates = [
        json!({ "key": { "secret": secret("candidate") } }),
        json!({ "key": { "secret": secret("candidate"), "binding": 7 } }),
        json!({ "instance": { "id": "new", "url": "http://127.0.0.1:9", "token": secret("tested"),
            "headers": { "x-own": secret("tested") } } }),
    ];
    for candidate in candidates {
        editor.request("aggregator/diagnose", json!({ "candidate": candidate })).await;
    }
    editor.change(&none).await;
    editor.wait("the end of the keys", |status| status["appliedRevision"] == 100).await;
    // The answer shows that it is done with what came before.
    assert_eq!(editor.errors().await, [0; 0]);
    let left: Vec<(&str, usize)> = names.map(|name| (name, copies(process, &secret(name)))).to_vec();
    assert!(left.iter().all(|(_, count)| *count == 0), "{left:?}");
}
