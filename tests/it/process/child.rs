//! V16: how a sidecar ends that an editor started.

use super::*;

#[tokio::test]
async fn the_editors_exit_ends_it_with_the_right_code() {
    let fake = Fake::start().await;
    let state = state(&fake, &[A]);
    for shutdown in [true, false] {
        let mut editor = Editor::with(&state).await;
        editor.port().await;
        if shutdown {
            let answer = editor.request("shutdown", json!(null)).await;
            assert!(answer["result"].is_null() && answer.get("error").is_none(), "{answer}");
        }
        editor.notify("exit", json!(null)).await;
        let code = soon("the end", editor.child.wait()).await.unwrap().code();
        assert_eq!(code, Some(i32::from(!shutdown)));
    }
    // Whether stdin ends behind it makes no difference.
    for _ in 0..10 {
        let mut editor = Editor::with(&state).await;
        editor.notify("exit", json!(null)).await;
        let Editor { mut child, input, .. } = editor;
        drop(input);
        assert_eq!(soon("the end", child.wait()).await.unwrap().code(), Some(1));
    }
}

#[tokio::test]
async fn a_shutdown_is_answered_when_all_is_saved_and_nothing_else_is_answered_then() {
    let fake = Fake::start().await;
    let mut editor = Editor::with(&state(&fake, &[A])).await;
    let port = editor.port().await;
    assert_eq!(editor.post(port).await, 200);
    // Some clients send params.
    let answer = editor.request("shutdown", json!({})).await;
    assert!(answer["result"].is_null() && answer.get("error").is_none(), "{answer}");
    let ledger = std::fs::read_to_string(editor.folder.path().join("storage/ledger.json")).unwrap();
    assert!(ledger.contains("k1"), "{ledger}");
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());
    for method in ["aggregator/records", "aggregator/retest", "shutdown", "initialize"] {
        let answer = editor.request(method, json!({ "initializationOptions": {} })).await;
        assert_eq!(answer["error"]["code"], -32600, "{method}: {answer}");
    }
    // Without an `exit`, the end of stdin will do.
    let Editor { mut child, input, .. } = editor;
    drop(input);
    assert_eq!(soon("the end", child.wait()).await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_request_that_never_ends_holds_up_no_end() {
    let fake = Fake::start().await;
    fake.rule(Rule::new(Answer::only(Step::Hang)));
    for (end, most) in [("shutdown", 6_000), ("stdin", 3_000), ("exit", 3_000), ("TERM", 3_000)] {
        let mut editor = Editor::with(&state(&fake, &[A])).await;
        let port = editor.port().await;
        let seen = fake.seen().len();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let never = client.post(format!("http://127.0.0.1:{port}{STREAM}")).body("{}").send();
        let never = tokio::spawn(never);
        fake.wait_seen(seen + 1).await;
        let asked = Instant::now();
        match end {
            "shutdown" => {
                editor.request("shutdown", json!(null)).await;
                editor.notify("exit", json!(null)).await;
            }
            "exit" => editor.notify("exit", json!(null)).await,
            "TERM" => signal(&editor.child, "TERM"),
            _ => {}
        }
        let Editor { mut child, input, .. } = editor;
        let _open = (end != "stdin").then_some(input);
        let code = soon("the end", child.wait()).await.unwrap().code();
        assert_eq!(code, Some(i32::from(end == "exit")), "{end}");
        assert!(asked.elapsed().as_millis() < most, "{end}: {:?}", asked.elapsed());
        assert!(never.await.unwrap().is_err());
    }
}

#[tokio::test]
async fn the_end_of_stdin_and_a_signal_end_it_after_what_is_in_flight() {
    let fake = Fake::start().await;
    for end in ["stdin", "TERM", "INT"] {
        let gate = Gate::new();
        let stream = fixtures::stream();
        fake.clear();
        fake.rule(Rule::new(crate::support::half_until(&gate)));
        let mut editor = Editor::with(&state(&fake, &[A])).await;
        let port = editor.port().await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut response =
            client.post(format!("http://127.0.0.1:{port}{STREAM}")).body("{}").send().await.unwrap();
        let mut whole = soon("the first piece", response.chunk()).await.unwrap().unwrap().to_vec();
        let Editor { mut child, input, .. } = editor;
        let _open = if end == "stdin" {
            drop(input);
            None
        } else {
            signal(&child, end);
            Some(input)
        };
        gate.open();
        while let Some(chunk) = soon("the rest", response.chunk()).await.unwrap() {
            whole.extend_from_slice(&chunk);
        }
        assert_eq!(whole, stream, "{end}");
        assert_eq!(soon("the end", child.wait()).await.unwrap().code(), Some(0), "{end}");
    }
}

#[tokio::test]
async fn no_sidecar_is_left_when_its_parent_is_killed_and_stdin_stays_open() {
    let fake = Fake::start().await;
    let initialize = |options| {
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": { "capabilities": {}, "initializationOptions": options } })
    };
    for (when, message) in [
        ("before initialize", json!({ "jsonrpc": "2.0", "id": 1, "method": "aggregator/records" })),
        ("after a refused initialize", initialize(json!({ "protocol": 2 }))),
        ("after initialize", initialize(json!({ "protocol": 1, "state": state(&fake, &[A]) }))),
    ] {
        orphan(when, &message.to_string()).await;
    }
}

/// A parent starts the sidecar with a stdin that somebody else (this test) keeps open, and is killed once this message is answered.
async fn orphan(when: &str, message: &str) {
    let folder = Folder::new();
    let pipe = folder.path().join("stdin");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let script = format!("'{BINARY}' < '{}' 2> /dev/null & echo $! >&2; wait", pipe.display());
    let mut parent = Command::new("sh")
        .arg("-c")
        .arg(script)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // Opening waits for the other side to read.
    let opening = tokio::task::spawn_blocking(move || std::fs::OpenOptions::new().write(true).open(&pipe));
    let mut input = soon("a reader", opening).await.unwrap().unwrap();
    let mut id = String::new();
    soon("its id", BufReader::new(parent.stderr.take().unwrap()).read_line(&mut id)).await.unwrap();
    std::io::Write::write_all(&mut input, framed(message).as_bytes()).unwrap();
    let mut answer = String::new();
    // It knows who started it before it answers anything.
    let mut output = BufReader::new(parent.stdout.take().unwrap());
    soon("an answer", output.read_line(&mut answer)).await.unwrap();
    signal(&parent, "KILL");
    parent.wait().await.unwrap();
    let alive = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
        // Z: it ended, and nobody has asked yet.
        !stat.is_empty() && !stat.contains(") Z ")
    };
    soon(&format!("the end of the orphan {when}"), async {
        while alive() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    drop(input);
}

#[tokio::test]
async fn nothing_is_left_after_a_hundred_starts() {
    let fake = Fake::start().await;
    let state = state(&fake, &[A]);
    for round in 0..100 {
        // Some end before they were told anything, some before they listen, some at work.
        let mut editor = if round % 4 == 0 { Editor::start() } else { Editor::with(&state).await };
        if round % 2 == 1 {
            editor.port().await;
        }
        let Editor { mut child, input, .. } = editor;
        drop(input);
        assert_eq!(soon("the end", child.wait()).await.unwrap().code(), Some(0));
    }
}
