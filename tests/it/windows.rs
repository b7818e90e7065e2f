//! V15: several windows, one port. Real processes, each a window.

mod port;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fake_gemini::{Answer, Fake, Fixture, Gate, Rule, fixtures};
use ring::{digest, hmac};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::editor::Editor;
use crate::support::{Folder, STREAM, UNARY, World, half_until, key_state, signal, soon, state, with};

const A: &str = "secret-key-a";
const B: &str = "secret-key-b";

/// A port that nobody uses. The system hands none out of this range by itself, so no other test's port 0 becomes it meanwhile.
pub fn free_port() -> u16 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let first = 10_000 + std::process::id() as usize % 200 * 100;
    let mut ports = std::iter::repeat_with(|| (first + NEXT.fetch_add(1, Ordering::Relaxed) % 100) as u16);
    ports.find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

fn kind(status: &Value) -> &str {
    status["role"]["kind"].as_str().unwrap()
}

fn problems(status: &Value) -> Vec<&str> {
    let problems = status["problems"].as_array().unwrap().iter();
    problems.map(|problem| problem["code"].as_str().unwrap()).collect()
}

/// A window whose ledger lies here, as all windows of an editor have it.
async fn window(state: &Value, storage: &Path) -> Editor {
    let mut editor = Editor::start();
    let options =
        json!({ "protocol": 1, "storageDir": storage, "pool": "pool", "host": "host", "state": state });
    editor.initialize(options).await;
    editor
}

/// One window that leads, and one that follows it.
async fn two_windows(state: &Value, storage: &Path) -> (Editor, Editor, u16) {
    let mut first = window(state, storage).await;
    let port = first.port().await;
    let mut second = window(&with(state.clone(), json!({ "port": port })), storage).await;
    second.wait("the follower", |status| kind(status) == "follower").await;
    (first, second, port)
}

/// Calls over a connection of its own.
async fn call(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let head = format!(
        "POST {UNARY} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).chars().take(12).collect())
}

/// Waits until somebody answers there again.
async fn answered(port: u16) {
    soon("an answer", async {
        while call(port).await.ok().as_deref() != Some("HTTP/1.1 200") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_second_window_follows_shows_the_same_and_takes_over_within_a_second() {
    let fake = Fake::start().await;
    let shared = with(state(&fake, &[A]), json!({ "accessToken": "local-token" }));
    let mut first = Editor::with(&shared).await;
    let port = first.port().await;
    let mut second = Editor::with(&with(shared.clone(), json!({ "revision": 7, "port": port }))).await;
    let status = second.wait("the follower", |status| kind(status) == "follower").await;
    assert_eq!(status["role"]["leader"]["pid"], first.child.id().unwrap());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = || {
        client
            .post(format!("http://127.0.0.1:{port}{UNARY}"))
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
    // A record is there once its answer is over, which may be after it was counted.
    let mut records = json!({ "result": [] });
    while records["result"] == json!([]) {
        records = second.request("aggregator/records", json!({})).await;
    }
    assert_eq!(records["result"][0]["attempts"][0]["key"], "k1", "the leader's records: {records}");
    assert_eq!(records["result"].as_array().unwrap().len(), 1, "who holds a port is asked without a record");
    let retest = second.request("aggregator/retest", json!({ "keyId": "k1" })).await;
    assert_eq!(retest["result"]["state"]["kind"], "ready");
    assert!(second.request("aggregator/retest", json!({ "keyId": "nobody" })).await["error"].is_object());
    first.child.start_kill().unwrap();
    second.wait("the new leader", |status| kind(status) == "leader").await;
    assert_eq!(post().await.unwrap().status(), 200);
}

#[tokio::test]
async fn only_the_window_that_leads_asks_relays_for_their_health_and_the_others_show_what_it_knows() {
    let (fake, relay, folder) = (Fake::start().await, Fake::start().await, Folder::new());
    relay.rule(Rule::new(Answer::raw(200, &[], "OK")).path_contains("/health"));
    let instance = json!({ "id": "r1", "url": relay.url() });
    let state = with(state(&fake, &[A]), json!({ "mode": "hybrid", "instances": [instance] }));
    let mut first = window(&state, folder.path()).await;
    let port = first.port().await;
    first.wait("a relay that is up", |status| status["activeInstances"] == 1).await;
    let mut second = window(&with(state, json!({ "port": port })), folder.path()).await;
    let follows = |status: &Value| kind(status) == "follower" && status["activeInstances"] == 1;
    second.wait("what the leader knows", follows).await;
    let asked = || relay.seen().iter().filter(|seen| seen.target == "/health").count();
    // A diagnosis asks in any case. By its answer, whoever asks of itself would have done so.
    second.request("aggregator/diagnose", json!({ "subject": "r1" })).await;
    assert_eq!(asked(), 2);
    first.child.kill().await.unwrap();
    second.wait("its own", |status| kind(status) == "leader" && status["activeInstances"] == 1).await;
    assert_eq!(asked(), 3);
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a figure, for runs with --nocapture")]
async fn a_killed_leader_is_replaced_within_a_second() {
    let fake = Fake::start().await;
    let folder = Folder::new();
    // Usually 20 ms; a machine that is busy with something else gets two more chances.
    let mut took = Vec::new();
    while took.len() < 3 && took.iter().all(|took| *took > Duration::from_secs(1)) {
        let (mut first, _second, port) = two_windows(&state(&fake, &[A]), folder.path()).await;
        answered(port).await;
        let killed = Instant::now();
        first.child.start_kill().unwrap();
        soon("the end", first.child.wait()).await.unwrap();
        answered(port).await;
        took.push(killed.elapsed());
    }
    eprintln!("taken over after {took:?}");
    assert!(took.iter().any(|took| *took <= Duration::from_secs(1)), "{took:?}");
}

/// What callers met while the port went from one window to another.
#[derive(Default)]
struct Met {
    good: AtomicUsize,
    refused: Mutex<Vec<Instant>>,
    broken: Mutex<Vec<String>>,
    over: AtomicBool,
}

async fn keep_calling(port: u16, met: Arc<Met>) {
    while !met.over.load(Ordering::Relaxed) {
        match call(port).await {
            Ok(answer) if answer == "HTTP/1.1 200" => {
                met.good.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                met.refused.lock().unwrap().push(Instant::now());
                tokio::task::yield_now().await;
            }
            other => met.broken.lock().unwrap().push(format!("{other:?}")),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stderr, reason = "a figure, for runs with --nocapture")]
async fn a_window_that_ends_hands_over_and_callers_hardly_notice() {
    let fake = Fake::start().await;
    let folder = Folder::new();
    let mut gaps = Vec::new();
    while gaps.len() < 3 && gaps.iter().all(|gap| *gap > Duration::from_millis(100)) {
        let (mut first, mut second, port) = two_windows(&state(&fake, &[A]), folder.path()).await;
        let met = Arc::new(Met::default());
        let callers: Vec<_> = (0..4).map(|_| tokio::spawn(keep_calling(port, met.clone()))).collect();
        let so_many_more = async |more: usize| {
            let before = met.good.load(Ordering::Relaxed);
            soon("answers", async {
                while met.good.load(Ordering::Relaxed) < before + more {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
            .await;
        };
        so_many_more(40).await;
        first.request("shutdown", json!(null)).await;
        first.notify("exit", json!(null)).await;
        assert_eq!(soon("the end", first.child.wait()).await.unwrap().code(), Some(0));
        second.wait("the new leader", |status| kind(status) == "leader").await;
        so_many_more(40).await;
        met.over.store(true, Ordering::Relaxed);
        for caller in callers {
            soon("the end of a caller", caller).await.unwrap();
        }
        let (refused, broken) = (met.refused.lock().unwrap(), met.broken.lock().unwrap());
        let gap = refused
            .iter()
            .max()
            .zip(refused.iter().min())
            .map_or(Duration::ZERO, |(last, first)| *last - *first);
        eprintln!("refused {} in {gap:?}, broken {broken:?}", refused.len());
        // A connection that is made between the last accept and the close is lost: microseconds, at most one a caller.
        assert!(broken.len() <= 2, "{broken:?}");
        assert!(second.statuses.iter().all(|status| problems(status).is_empty()));
        gaps.push(gap);
    }
    assert!(gaps.iter().any(|gap| *gap <= Duration::from_millis(100)), "nobody listened for {gaps:?}");
}

#[tokio::test]
async fn who_takes_over_knows_what_rests_at_once_and_what_the_former_leader_counted_at_the_end() {
    let fake = Fake::start().await;
    let folder = Folder::new();
    let (mut first, mut second, port) = two_windows(&state(&fake, &[A, B]), folder.path()).await;
    fake.script(A, [Answer::fixture(Fixture::DayQuotaNoDelay)]);
    for _ in 0..2 {
        assert_eq!(first.post(port).await, 200);
    }
    second.wait("the cooldown", |status| key_state(status, "k1")["kind"] == "coolingDown").await;
    let gate = Gate::new();
    fake.rule(Rule::new(half_until(&gate)).times(1));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{port}{STREAM}");
    let mut stream = client.post(url).body("{}").send().await.unwrap();
    soon("the first piece", stream.chunk()).await.unwrap();
    fake.forget();
    first.send(&json!({ "jsonrpc": "2.0", "id": 99, "method": "shutdown" })).await;
    // The former leader drains, and so holds the ledger still.
    answered(port).await;
    assert_eq!(fake.keys_seen(), [B], "the key that rests is not tried");
    second.wait("the new leader", |status| kind(status) == "leader").await;
    gate.open();
    while soon("the rest", stream.chunk()).await.unwrap().is_some() {}
    let used = |status: &Value| status["keys"][1]["usedToday"].as_u64().unwrap();
    second.wait("all counts", |status| kind(status) == "leader" && used(status) == 4).await;
    assert!(second.statuses.iter().all(|status| problems(status).is_empty()), "no problem on the way");
}

#[tokio::test]
async fn the_ledger_goes_to_who_leads_and_nothing_is_counted_twice() {
    let fake = Fake::start().await;
    let folder = Folder::new();
    let desired = state(&fake, &[A]);
    let mut first = window(&desired, folder.path()).await;
    let mut second = window(&desired, folder.path()).await;
    let (old, new) = (first.port().await, second.port().await);
    assert_eq!((first.post(old).await, second.post(new).await), (200, 200));
    // Both lead, on ports of their own: the ledger is the first one's.
    second.wait("the problem", |status| problems(status) == ["ledgerBusy"]).await;
    first.change(&with(desired.clone(), json!({ "revision": 2, "port": new }))).await;
    first.wait("the follower", |status| kind(status) == "follower").await;
    let used = |status: &Value| status["keys"][0]["usedToday"].as_u64().unwrap();
    second.wait("the ledger", |status| problems(status).is_empty() && used(status) == 2).await;
    assert_eq!(second.post(new).await, 200);
    second.request("shutdown", json!(null)).await;
    second.notify("exit", json!(null)).await;
    let status = first.wait("the leader", |status| kind(status) == "leader" && used(status) > 0).await;
    assert_eq!((used(&status), problems(&status)), (3, vec![]));
}

#[tokio::test]
async fn a_new_leader_serves_nothing_before_it_knows_the_ledger() {
    let fake = Fake::start().await;
    let folder = Folder::new();
    let desired = with(state(&fake, &[A, B]), json!({ "port": free_port() }));
    fake.script(A, [Answer::fixture(Fixture::DayQuotaNoDelay)]);
    let mut window_ = window(&desired, folder.path()).await;
    let port = window_.port().await;
    for _ in 0..2 {
        assert_eq!(window_.post(port).await, 200);
    }
    for _ in 0..5 {
        let Editor { mut child, input, .. } = window_;
        drop(input);
        soon("the end", child.wait()).await.unwrap();
        fake.forget();
        let calling = tokio::spawn(answered(port));
        window_ = window(&desired, folder.path()).await;
        soon("an answer", calling).await.unwrap();
        assert_eq!(fake.keys_seen(), [B], "the key that rests is not tried");
    }
}

#[tokio::test]
async fn of_two_followers_one_takes_over_and_the_other_follows_it() {
    let fake = Fake::start().await;
    let folder = Folder::new();
    let (mut first, mut second, port) = two_windows(&state(&fake, &[A]), folder.path()).await;
    let mut third = window(&with(state(&fake, &[A]), json!({ "port": port })), folder.path()).await;
    third.wait("the follower", |status| kind(status) == "follower").await;
    let former = json!(first.child.id().unwrap());
    first.child.start_kill().unwrap();
    soon("the end", first.child.wait()).await.unwrap();
    let settled = |status: &Value| {
        kind(status) == "leader" || (kind(status) == "follower" && status["role"]["leader"]["pid"] != former)
    };
    let (one, other) = (second.wait("its role", settled).await, third.wait("its role", settled).await);
    let (leader, follower, id) = if kind(&one) == "leader" {
        (&one, &other, second.child.id())
    } else {
        (&other, &one, third.child.id())
    };
    assert_eq!((kind(leader), kind(follower)), ("leader", "follower"));
    assert_eq!(follower["role"]["leader"]["pid"], id.unwrap());
    answered(port).await;
}

#[tokio::test]
async fn a_leader_that_is_stopped_is_a_stranger_until_it_goes_on() {
    let fake = Fake::start().await;
    let mut first = Editor::with(&state(&fake, &[A])).await;
    let port = first.port().await;
    signal(&first.child, "STOP");
    let began = Instant::now();
    let mut second = Editor::with(&with(state(&fake, &[A]), json!({ "port": port }))).await;
    let status = second.wait("the problem", |status| kind(status) == "blocked").await;
    assert_eq!((&status["role"]["by"], problems(&status)), (&json!("portTaken"), vec!["portTaken"]));
    assert!(began.elapsed() >= Duration::from_secs(1), "it had its time to tell who it is");
    signal(&first.child, "CONT");
    let status = second.wait("the follower", |status| kind(status) == "follower").await;
    assert_eq!((&status["role"]["leader"]["pid"], problems(&status)), (&json!(first.child.id()), vec![]));
}

#[tokio::test]
async fn a_window_whose_token_is_still_another_follows_and_shows_more_once_it_is_the_same() {
    let fake = Fake::start().await;
    let first_state = with(state(&fake, &[A]), json!({ "accessToken": "new-token" }));
    let mut first = Editor::with(&first_state).await;
    let port = first.port().await;
    let second_state = with(first_state, json!({ "port": port, "accessToken": "former-token" }));
    let mut second = Editor::with(&second_state).await;
    second.wait("the follower", |status| kind(status) == "follower").await;
    let records = second.request("aggregator/records", json!({})).await;
    assert!(records["error"].is_object(), "{records}");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{port}{UNARY}");
    let post = client.post(url).header("x-goog-api-key", "new-token").body("{}");
    assert_eq!(post.send().await.unwrap().status(), 200);
    second.change(&with(second_state, json!({ "revision": 2, "accessToken": "new-token" }))).await;
    second.wait("the leader's counts", |status| status["keys"][0]["usedToday"] == 1).await;
    assert!(second.statuses.iter().all(|status| problems(status).is_empty()), "no problem on the way");
}

#[tokio::test]
async fn a_follower_sees_the_end_of_a_cooldown_though_nothing_happens() {
    let fake = Fake::start().await;
    let folder = Folder::new();
    let (first, mut second, port) = two_windows(&state(&fake, &[A]), folder.path()).await;
    let quota = json!({ "error": { "code": 429, "status": "RESOURCE_EXHAUSTED", "message": "quota", "details": [
        { "@type": "type.googleapis.com/google.rpc.QuotaFailure",
          "violations": [{ "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaValue": "10" }] },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s" },
    ] } });
    fake.script(A, [Answer::json(429, &quota)]);
    assert_eq!(first.post(port).await, 429);
    second.wait("the cooldown", |status| key_state(status, "k1")["kind"] == "coolingDown").await;
    second.wait("its end", |status| key_state(status, "k1")["kind"] == "ready").await;
}
