//! The demo as a person runs it: the real xtask, which builds and starts the real sidecar.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::process::Stdio;
use std::time::Duration;

use fake_gemini::{Answer, Fake, Fixture, Rule};
use tokio::process::Command;

/// The first run may have to build the sidecar.
const PATIENCE: Duration = Duration::from_secs(900);
const SECRETS: [&str; 2] = ["AIza-a-first-key-of-the-user-1234", "AIza-a-second-key-of-the-user-5678"];

fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .arg("demo")
        .args(arguments)
        .env_remove("GEMINI_API_KEY")
        .env_remove("GEMINI_API_KEYS")
        // What a killed demo leaves there goes with the next `cargo clean`.
        .env("TMPDIR", env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Exit code, stdout, stderr.
async fn run(mut command: Command) -> (Option<i32>, String, String) {
    let ended = tokio::time::timeout(PATIENCE, command.output()).await.expect("the demo ends").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ended.status.code(), text(ended.stdout), text(ended.stderr))
}

#[tokio::test]
async fn it_shows_a_stream_through_a_failing_pool_and_why() {
    let (code, out, errors) = run(demo(&[])).await;
    assert_eq!(code, Some(0), "{out}{errors}");
    for part in [
        "Building the sidecar",
        "3 ready | idle",
        "  | Each of these words",
        "key1  local   429      coolBucket  perDay",
        "key2  local   503      blameModel  overloaded",
        "key2  local   200      deliver     ok",
        "1 in flight (key2)",
        "2 ready, 1 cooling (key1 perDay",
        "key1  -       skipped  -        perDay",
        "key3  local   200      deliver  ok",
        "ok     no key in ",
        "ok     the sidecar left with exit code 0 and closed the endpoint",
        "All is well.",
    ] {
        assert!(out.contains(part), "no {part:?} in {out}{errors}");
    }
    assert!(!out.contains("WRONG") && !out.contains('\u{1b}'), "{out}");
    assert!(!out.contains("no-quota-left"), "a secret shows: {out}");
}

#[tokio::test]
async fn a_wrong_flag_gives_the_usage_and_help_all_of_it() {
    for arguments in [&["--sty"][..], &["now"], &["--model"], &["--upstream", "http://127.0.0.1:1"]] {
        let (code, out, errors) = run(demo(arguments)).await;
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(errors.contains("usage: cargo xtask demo [--stay]"), "{errors}");
    }
    let (code, out, _) = run(demo(&["--help"])).await;
    assert!(code == Some(0) && out.contains("GEMINI_API_KEYS") && out.contains("--stay"), "{out}");
}

#[tokio::test]
async fn keys_of_the_environment_go_to_the_upstream_and_do_not_show() {
    let fake = Fake::start().await;
    let mut command = demo(&["--upstream", &fake.url(), "--model", "gemini-x"]);
    command.env("GEMINI_API_KEYS", SECRETS.join(","));
    let (code, out, errors) = run(command).await;
    assert_eq!(code, Some(0), "{out}{errors}");
    assert!(out.contains("2 keys of yours") && out.contains("/models/gemini-x:generateContent"), "{out}");
    assert_eq!(fake.keys_seen(), SECRETS);
    assert!(SECRETS.iter().all(|secret| !out.contains(secret) && !errors.contains(secret)), "{out}{errors}");
}

#[tokio::test]
async fn a_refusal_is_shown_in_googles_words_and_ends_badly() {
    let fake = Fake::start().await;
    fake.rule(Rule::new(Answer::fixture(Fixture::InvalidKey)));
    let mut command = demo(&["--upstream", &fake.url()]);
    command.env("GEMINI_API_KEY", SECRETS[0]);
    let (code, out, errors) = run(command).await;
    assert_eq!(code, Some(1), "{out}{errors}");
    for part in [
        "Refused: 400 INVALID_ARGUMENT",
        "API key not valid. Please pass a valid API key.",
        "https://aistudio.google.com/apikey",
        "1 quarantined (key1 rejected)",
        "WRONG  the streaming request brought text",
        "Not all is well.",
    ] {
        assert!(out.contains(part), "no {part:?} in {out}{errors}");
    }
}

#[tokio::test]
async fn an_upstream_that_cannot_be_used_is_named() {
    let mut command = demo(&["--upstream", "http://gateway.example"]);
    command.env("GEMINI_API_KEY", SECRETS[0]);
    let (code, out, errors) = run(command).await;
    assert_eq!(code, Some(1), "{out}{errors}");
    assert!(errors.contains("upstreamUrl"), "{errors}");
}

#[cfg(unix)]
mod signals {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpStream;
    use tokio::process::{Child, ChildStdout};

    use super::*;

    /// Starts it and reads up to a line that begins like this; with the port.
    async fn run_to(arguments: &[&str], line: &str) -> (Child, BufReader<ChildStdout>, u16) {
        let mut child = demo(arguments).stderr(Stdio::null()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut port = None;
        let read = async {
            loop {
                let mut read = String::new();
                assert_ne!(out.read_line(&mut read).await.unwrap(), 0, "no {line:?}");
                if let Some(found) = read.strip_prefix("  endpoint http://127.0.0.1:") {
                    port = found.trim().parse().ok();
                }
                if read.starts_with(line) {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("no {line:?}"));
        (child, out, port.expect("the endpoint was told"))
    }

    async fn signal(child: &Child, name: &str) {
        let id = child.id().expect("it runs").to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().await.unwrap().success());
    }

    async fn ends(child: &mut Child) -> Option<i32> {
        tokio::time::timeout(Duration::from_secs(60), child.wait()).await.expect("it ends").unwrap().code()
    }

    async fn is_closed(port: u16) -> bool {
        TcpStream::connect(("127.0.0.1", port)).await.is_err()
    }

    #[tokio::test]
    async fn the_endpoint_stays_until_a_signal_and_is_taken_down_cleanly() {
        for name in ["INT", "TERM", "HUP"] {
            let (mut child, mut out, port) = run_to(&["--stay"], "The endpoint stays up").await;
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let request = "POST /v1beta/models/gemini-y:generateContent HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            let mut line = String::new();
            while !line.contains("gemini-y generateContent: 200") {
                line.clear();
                let read = tokio::time::timeout(Duration::from_secs(60), out.read_line(&mut line)).await;
                assert_ne!(read.expect("the request is shown").unwrap(), 0);
            }
            signal(&child, name).await;
            let mut rest = String::new();
            out.read_to_string(&mut rest).await.unwrap();
            assert_eq!(ends(&mut child).await, Some(0), "{rest}");
            assert!(rest.contains("All is well.") && is_closed(port).await, "{rest}");
        }
    }

    #[tokio::test]
    async fn an_end_halfway_leaves_nothing_behind() {
        for (name, code) in [("INT", Some(130)), ("TERM", Some(130)), ("KILL", None)] {
            let (mut child, _out, port) = run_to(&[], "A streaming request").await;
            signal(&child, name).await;
            assert_eq!(ends(&mut child).await, code, "{name}");
            let gone = async {
                while !is_closed(port).await {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), gone)
                .await
                .unwrap_or_else(|_| panic!("{name} leaves it"));
        }
    }
}
