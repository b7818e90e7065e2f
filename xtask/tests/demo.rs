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
        "ok     no key or token in ",
        "ok     the sidecar left with exit code 0 and closed the endpoint",
        "All is well.",
    ] {
        assert!(out.contains(part), "no {part:?} in {out}{errors}");
    }
    assert!(!out.contains("WRONG") && !out.contains('\u{1b}'), "{out}");
    assert!(!out.contains("no-quota-left"), "a secret shows: {out}");
}

#[tokio::test]
async fn its_second_act_shows_a_relay_that_is_killed_and_callers_who_do_not_notice() {
    let (code, out, errors) = run(demo(&["--fake"])).await;
    assert_eq!(code, Some(0), "{out}{errors}");
    let mut rest = out.as_str();
    for part in [
        "Second act: hybrid mode",
        "2 of 2 relays up",
        "key2  relay-a  200      deliver  ok",
        "key3  relay-b  200      deliver  ok",
        "relay-a is killed",
        "X-Forwarded-To: local",
        "key2  relay-a  unreachable  blameEgress",
        "key2  local    200          deliver",
        "relay-a is started again",
        "(key2 by relay-a 200 ok)",
        "ok     all 7 answers are a clean 200",
        "ok     the records name every way",
        "ok     X-Forwarded-To is the way",
        "ok     the statuses showed two relays up, then relay-a down, then two again",
        "ok     no relay showed its token",
        "ok     no key or token in ",
        "All is well.",
    ] {
        let (_, behind) = rest.split_once(part).unwrap_or_else(|| panic!("no {part:?} in {out}{errors}"));
        rest = behind;
    }
    assert!(out.contains("1 of 2 relays up (relay-a unreachable)") && !out.contains("WRONG"), "{out}");
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
    assert!(out.contains("No second act: a relay under test passes on to this machine only."), "{out}");
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
mod node {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::{Path, PathBuf};

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// The `PATH` with everything on it but Node.
    fn without_node() -> std::ffi::OsString {
        let folder = folder("without-node");
        let path = std::env::var_os("PATH").unwrap();
        for program in std::env::split_paths(&path).filter_map(|place| place.read_dir().ok()).flatten() {
            let program = program.unwrap();
            if program.file_name() != "node" {
                // The first of a name counts, as on the PATH.
                let _ = symlink(program.path(), folder.join(program.file_name()));
            }
        }
        folder.into()
    }

    async fn plays_one_act(path: std::ffi::OsString, why: &str) {
        let mut command = demo(&[]);
        command.env("PATH", path);
        let (code, out, errors) = run(command).await;
        assert_eq!(code, Some(0), "{out}{errors}");
        assert!(out.contains(why) && !out.contains("Second act"), "{out}");
        assert!(out.contains("its record: key1 skipped") && out.contains("All is well."), "{out}");
    }

    #[tokio::test]
    async fn without_node_it_plays_the_first_act_and_says_what_the_second_needs() {
        let why = "No second act: its relays need Node 20 or newer, and there is none on the PATH.";
        plays_one_act(without_node(), why).await;
    }

    #[tokio::test]
    async fn a_node_that_is_too_old_is_named() {
        let folder = folder("old-node");
        let node = folder.join("node");
        std::fs::write(&node, "#!/bin/sh\necho v18.19.0\n").unwrap();
        std::fs::set_permissions(&node, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let path = std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path))).unwrap();
        plays_one_act(path, "need Node 20 or newer, and the one on the PATH is 18.19.0.").await;
    }
}

#[cfg(unix)]
mod signals {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpStream;
    use tokio::process::{Child, ChildStdout};

    use super::*;

    /// Starts it and reads up to a line that begins like this; with the port.
    async fn run_to(arguments: &[&str], line: &str) -> (Child, BufReader<ChildStdout>, Vec<u16>) {
        let mut child = demo(arguments).stderr(Stdio::null()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut ports = Vec::new();
        let read = async {
            loop {
                let mut read = String::new();
                assert_ne!(out.read_line(&mut read).await.unwrap(), 0, "no {line:?}");
                let listens = read.starts_with("  endpoint ") || read.starts_with("  relay-");
                if let Some((_, found)) = read.split_once(" http://127.0.0.1:").filter(|_| listens) {
                    ports.extend(found.split_whitespace().next().and_then(|port| port.parse::<u16>().ok()));
                }
                if read.starts_with(line) {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("no {line:?}"));
        assert!(!ports.is_empty(), "the endpoint was told");
        (child, out, ports)
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
            let (mut child, mut out, ports) = run_to(&["--stay"], "The endpoint stays up").await;
            let mut stream = TcpStream::connect(("127.0.0.1", ports[0])).await.unwrap();
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
            assert!(rest.contains("All is well."), "{rest}");
            assert_eq!(ports.len(), 3, "an endpoint and two relays");
            for port in ports {
                assert!(is_closed(port).await, "{port}: {rest}");
            }
        }
    }

    #[tokio::test]
    async fn an_end_halfway_leaves_nothing_behind() {
        for (name, line, code) in [
            ("INT", "A streaming request", Some(130)),
            ("TERM", "A stream by relay-b", Some(130)),
            ("KILL", "A streaming request", None),
            ("KILL", "A stream by relay-b", None),
        ] {
            let (mut child, _out, ports) = run_to(&[], line).await;
            signal(&child, name).await;
            assert_eq!(ends(&mut child).await, code, "{name}");
            for port in ports {
                let gone = async {
                    while !is_closed(port).await {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                };
                tokio::time::timeout(Duration::from_secs(10), gone)
                    .await
                    .unwrap_or_else(|_| panic!("{name} at {line:?} leaves {port}"));
            }
        }
    }
}
