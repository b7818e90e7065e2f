//! V16 and T1: how the process starts and ends.

mod child;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use fake_gemini::{Answer, Fake, Gate, Rule, Step, fixtures};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::editor::{Editor, framed};
use crate::support::{BINARY, Folder, STREAM, World, chmod, signal, soon, state, with};

const A: &str = "secret-key-a";

async fn run(arguments: &[&str], keys: Option<&str>) -> Output {
    let mut command = Command::new(BINARY);
    command.args(arguments).env_remove("GEMINI_API_KEYS").stdin(Stdio::null()).kill_on_drop(true);
    if let Some(keys) = keys {
        command.env("GEMINI_API_KEYS", keys);
    }
    soon("the end", command.output()).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn refused(file: &Path, more: &[&str]) -> String {
    let output = run(&[&["serve", "--state", file.to_str().unwrap()], more].concat(), None).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(output.stdout.is_empty());
    let errors = text(&output.stderr);
    assert!(!errors.contains("SECRET") && !errors.contains("panic"), "{errors}");
    errors.lines().last().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn version_help_and_usage() {
    assert_eq!(
        text(&run(&["--version"], None).await.stdout),
        format!("gemini-aggregator {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert!(text(&run(&["--help"], None).await.stdout).contains("serve --state FILE"));
    for wrong in
        [&["serve"][..], &["what"], &["serve", "--port"], &["serve", "--port", "x"], &["--version", "x"]]
    {
        let output = run(wrong, None).await;
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(text(&output.stderr).starts_with("usage: "), "{wrong:?}");
    }
    for keys in ["", " ", ",", " , ,"] {
        let output = run(&["serve"], Some(keys)).await;
        assert_eq!(output.status.code(), Some(2), "{keys:?}");
        assert!(text(&output.stderr).starts_with("usage: "), "{keys:?}");
    }
    #[cfg(unix)]
    for place in [&["serve", "--state"][..], &[]] {
        let mut command = Command::new(BINARY);
        command.args(place).arg(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff"));
        let output = soon("the end", command.stdin(Stdio::null()).output()).await.unwrap();
        assert_eq!(output.status.code(), Some(2), "{place:?}");
        assert!(text(&output.stderr).starts_with("usage: "), "{place:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_served_is_one_clear_line_and_no_value_of_the_state() {
    let folder = Folder::new();
    let missing = folder.path().join("missing.json");
    assert!(refused(&missing, &[]).await.contains("cannot be read"));
    let fake = Fake::start().await;
    let good = state(&fake, &["SECRET-key-a"]);
    let file = |state: &serde_json::Value| folder.write("state.json", &state.to_string());
    let open = file(&good);
    chmod(&open, 0o644);
    assert!(refused(&open, &[]).await.contains("chmod 600"), "others can read it");
    for (more, sentence) in [
        (json!({ "port": 70000 }), "port must be"),
        (json!({ "requestTimeoutMs": -1 }), "requestTimeoutMs must be"),
        (json!({ "maxAttempts": 99 }), "maxAttempts must be"),
        (json!({ "maxQueueWaitMs": -1 }), "maxQueueWaitMs must be"),
        (json!({ "heartbeatSeconds": 1 }), "heartbeatSeconds must be"),
        (json!({ "maxBodyBytes": 1 }), "maxBodyBytes must be"),
        (json!({ "upstream": "http://SECRET.example" }), "upstream must be"),
        (json!({ "proxy": { "kind": "url", "url": "gopher://SECRET" } }), "proxy must be"),
        (json!({ "tls": { "caFile": "/nowhere.pem" } }), "tls.caFile"),
        (json!({ "keys": "SECRET" }), "is not a valid state: keys: invalid type, expected a sequence"),
        (json!({ "port": "SECRET" }), "is not a valid state: port: invalid type, expected i64"),
        (
            json!({ "mode": "no, expected SECRET" }),
            "is not a valid state: mode: unknown variant, expected one of `local`",
        ),
        (json!({ "keys": [{ "id": "SECRET" }] }), "is not a valid state: keys[0]: missing field `secret`"),
        (json!({ "modelMap": { "SECRET": 1 } }), "is not a valid state: modelMap.…: invalid type"),
    ] {
        let said = refused(&file(&with(good.clone(), more.clone())), &[]).await;
        assert!(said.contains(sentence), "{more}: {said}");
    }
    assert!(refused(folder.path(), &[]).await.ends_with(" is no file"));
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(refused(&pipe, &[]).await.ends_with(" is no file"));
    let broken = folder.write("broken.json", "{ \"keys\": [\"SECRET\" ");
    assert!(refused(&broken, &[]).await.contains("no JSON at line 1"));
}

#[tokio::test]
async fn a_busy_port_is_told_with_who_has_it() {
    let fake = Fake::start().await;
    let folder = Folder::new();
    let file = folder.write("state.json", &state(&fake, &[A]).to_string());
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port().to_string();
    assert!(refused(&file, &["--port", &port]).await.contains("taken by another program"));
    let world = World::new(&fake, &[A]).await;
    let port = world.port.to_string();
    assert!(refused(&file, &["--port", &port]).await.contains("taken by another Gemini Aggregator"));
}

#[tokio::test]
async fn keys_of_the_environment_are_served_on_one_line_and_other_problems_only_warn() {
    let mut child = Command::new(BINARY)
        .args(["serve", "--port", "0"])
        .env("GEMINI_API_KEYS", "key-one-x, key-two-x,key-one-x")
        .env("XDG_STATE_HOME", Folder::new().path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let errors = crate::support::collect(child.stderr.take().unwrap());
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    soon("the endpoint", out.read_line(&mut line)).await.unwrap();
    assert!(line.starts_with(&format!(
        "Gemini Aggregator {} listens on http://127.0.0.1:",
        env!("CARGO_PKG_VERSION")
    )));
    signal(&child, "TERM");
    assert_eq!(soon("the end", child.wait()).await.unwrap().code(), Some(0));
    let mut more = String::new();
    soon("nothing more", out.read_line(&mut more)).await.unwrap();
    assert_eq!(more, "");
    let errors = errors.with("duplicateSecret").await;
    assert!(errors.contains("duplicateSecret") && !errors.contains("key-one"), "{errors}");
}

#[tokio::test]
async fn a_signal_drains_what_is_in_flight_and_a_second_one_does_not_wait() {
    let fake = Fake::start().await;
    let gate = Gate::new();
    let stream = fixtures::stream();
    fake.rule(Rule::new(crate::support::half_until(&gate)));
    let mut world = World::new(&fake, &[A]).await;
    let mut response = world.request("POST", STREAM).body("{}").send().await.unwrap();
    let first = soon("the first piece", response.chunk()).await.unwrap().unwrap();
    signal(&world.child, "TERM");
    // No new connection is taken once the port is gone.
    soon("the end of listening", async {
        while tokio::net::TcpStream::connect(("127.0.0.1", world.port)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    gate.open();
    let mut whole = first.to_vec();
    while let Some(chunk) = soon("the rest", response.chunk()).await.unwrap() {
        whole.extend_from_slice(&chunk);
    }
    assert_eq!(whole, stream);
    assert_eq!(soon("the end", world.child.wait()).await.unwrap().code(), Some(0));

    fake.clear();
    fake.rule(Rule::new(Answer::only(Step::Hang)));
    let mut world = World::new(&fake, &[A]).await;
    let waiting = world.request("POST", STREAM).body("{}").send();
    let seen = fake.seen().len();
    tokio::spawn(waiting);
    fake.wait_seen(seen + 1).await;
    signal(&world.child, "INT");
    soon("the end of listening", async {
        while tokio::net::TcpStream::connect(("127.0.0.1", world.port)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    signal(&world.child, "INT");
    assert_eq!(soon("the end at once", world.child.wait()).await.unwrap().code(), Some(130));
}

#[tokio::test]
async fn half_a_head_is_no_request_in_flight() {
    let fake = Fake::start().await;
    let mut world = World::new(&fake, &[A]).await;
    let mut half = world.connect().await;
    half.write_all(b"GET /v1beta/models HTTP/1.1\r\nhost: loc").await.unwrap();
    // Behind it, so it was accepted.
    assert_eq!(world.post(STREAM).await.status, 200);
    let asked = std::time::Instant::now();
    signal(&world.child, "TERM");
    assert_eq!(soon("the end", world.child.wait()).await.unwrap().code(), Some(0));
    assert!(asked.elapsed() < std::time::Duration::from_secs(8), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_connection_that_waits_is_served_though_the_end_has_come() {
    let fake = Fake::start().await;
    let mut served = 0;
    for _ in 0..10 {
        let mut world = World::new(&fake, &[A]).await;
        let mut fresh = world.connect().await;
        signal(&world.child, "TERM");
        fresh.write_all(b"GET /v1beta/models HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        let _ = soon("an answer", fresh.read_to_string(&mut answer)).await;
        let good = answer.starts_with("HTTP/1.1 200") && answer.contains("\r\nconnection: close\r\n");
        served += usize::from(good);
        assert_eq!(soon("the end", world.child.wait()).await.unwrap().code(), Some(0));
    }
    // It has 200 ms for its request; on a machine that is busy with something else it may come later.
    assert!(served >= 8, "{served} of 10");
}

#[tokio::test]
async fn problems_that_come_up_are_logged_once() {
    let fake = Fake::start().await;
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("storage")).unwrap();
    let lock = std::fs::File::create(folder.path().join("storage/ledger.lock")).unwrap();
    lock.lock().unwrap();
    let stranger = std::net::TcpListener::bind("[::1]:0");
    let port = stranger.as_ref().map_or(0, |stranger| stranger.local_addr().unwrap().port());
    let world = World::in_folder(with(state(&fake, &[A]), json!({ "port": port })), folder).await;
    let codes = if stranger.is_ok() { &["ledgerBusy", "ipv6Taken"][..] } else { &["ledgerBusy"] };
    for code in codes {
        world.log_with(code).await;
    }
    world.folder.write("state.json", &with(world.state(), json!({ "keys": [] })).to_string());
    signal(&world.child, "HUP");
    world.log_with("noKeys").await;
    for code in codes {
        assert_eq!(world.log().matches(code).count(), 1, "{}", world.log());
    }
}

#[tokio::test]
async fn many_states_with_the_same_trust_cost_no_thread_each() {
    let tasks = |id: u32| std::fs::read_dir(format!("/proc/{id}/task")).map(Iterator::count);
    let fake = Fake::start().await;
    let first = with(state(&fake, &[A]), json!({ "upstream": "https://127.0.0.1:9" }));
    let mut editor = Editor::with(&first).await;
    editor.port().await;
    for revision in 2..=300 {
        editor.change(&with(first.clone(), json!({ "revision": revision }))).await;
    }
    editor.wait("the last", |status| status["appliedRevision"] == 300).await;
    let Ok(tasks) = tasks(editor.child.id().unwrap()) else { return };
    assert!(tasks < 20, "{tasks} threads");
}

#[tokio::test]
async fn a_port_that_changes_on_sighup_is_served_and_one_during_the_drain_changes_nothing() {
    let fake = Fake::start().await;
    let gate = Gate::new();
    let stream = fixtures::stream();
    fake.rule(Rule::new(crate::support::half_until(&gate)).times(1));
    let mut world = World::new(&fake, &[A]).await;
    let old = world.port;
    let mut response = world.request("POST", STREAM).body("{}").send().await.unwrap();
    let mut whole = soon("the first piece", response.chunk()).await.unwrap().unwrap().to_vec();
    let new = crate::windows::free_port();
    world.folder.write("state.json", &with(world.state(), json!({ "port": new })).to_string());
    signal(&world.child, "HUP");
    world.log_with(&format!("port={new}")).await;
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", old)).await.is_err(), "the old one is gone");
    world.port = new;
    assert_eq!(world.post(STREAM).await.status, 200);
    // The last key goes; its stream goes on.
    world.folder.write("state.json", &with(world.state(), json!({ "port": new, "keys": [] })).to_string());
    signal(&world.child, "HUP");
    world.wait_status("no keys", |status| status["keys"] == json!([])).await;
    assert_eq!(world.post(STREAM).await.status, 503);
    signal(&world.child, "TERM");
    soon("the end of listening", async {
        while tokio::net::TcpStream::connect(("127.0.0.1", new)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.folder.write("state.json", &world.state().to_string());
    signal(&world.child, "HUP");
    gate.open();
    while let Some(chunk) = soon("the rest", response.chunk()).await.unwrap() {
        whole.extend_from_slice(&chunk);
    }
    assert_eq!(whole, stream);
    assert_eq!(soon("the end", world.child.wait()).await.unwrap().code(), Some(0));
    let reads = || world.log().matches("state read again").count();
    world.log_until("what was logged", |text| text.matches("state read again").count() >= 2).await;
    assert_eq!(reads(), 2, "not while it drains");
}

#[tokio::test]
async fn the_state_is_read_again_on_sighup_and_a_bad_one_changes_nothing() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    world.folder.write("state.json", "{ broken");
    signal(&world.child, "HUP");
    soon("the warning", async {
        while !world.log().contains("the last state stays") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(world.post(STREAM).await.status, 200);
    world.folder.write("state.json", &with(world.state(), json!({ "keys": [] })).to_string());
    signal(&world.child, "HUP");
    world.wait_status("no keys", |status| status["keys"] == json!([])).await;
    assert_eq!(world.post(STREAM).await.status, 503);
}
