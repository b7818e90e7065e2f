//! K2 K5 K10 K12 S5: turns, re-tests, counts and what rests, over restarts; and that no key is seen anywhere.

use std::path::Path;
use std::time::Duration;

use fake_gemini::{Answer, Fake, Fixture, Gate, Rule, Step, fixtures};
use serde_json::{Value, json};

use crate::support::{Folder, STREAM, UNARY, World, key_state, signal, soon};

const A: &str = "AIzaSyA-first-key-of-the-pool-0123456789";
const B: &str = "AQ.second-key/of+the=pool";
const C: &str = "third key, with \"quotes\"";

#[tokio::test]
async fn three_keys_share_three_hundred_calls_evenly_and_two_share_the_rest() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B, C]).await;
    for _ in 0..300 {
        assert_eq!(world.post(UNARY).await.status, 200);
    }
    let count = |key: &str| fake.keys_seen().iter().filter(|seen| *seen == key).count();
    assert!([A, B, C].iter().all(|key| (99..=101).contains(&count(key))));
    fake.script(B, [Answer::fixture(Fixture::MinuteQuota)]);
    fake.forget();
    for _ in 0..100 {
        assert_eq!(world.post(UNARY).await.status, 200);
    }
    assert!(count(B) <= 1 && count(A).abs_diff(count(C)) <= 2, "{} {} {}", count(A), count(B), count(C));
}

#[tokio::test]
async fn a_retest_brings_a_key_back_by_a_call_that_costs_no_quota() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B]).await;
    let retest = |key: &str| {
        let body = json!({ "keyId": key }).to_string();
        world.send(world.request("POST", "/-/retest").header("x-gemini-aggregator", "t").body(body))
    };
    fake.script(A, [Answer::fixture(Fixture::LeakedKey), Answer::fixture(Fixture::LeakedKey)]);
    world.post(UNARY).await;
    let answer = retest("k1").await.json();
    assert_eq!(
        (&answer["state"]["reason"], &answer["detail"]["ok"], &answer["detail"]["rule"]),
        (&json!("leaked"), &json!(false), &json!("leaked"))
    );
    assert_eq!(fake.seen().last().unwrap().target, "/v1beta/models?pageSize=1");
    let answer = retest("k1").await.json();
    assert_eq!(
        (&answer["state"]["kind"], &answer["detail"]["ok"], &answer["detail"]["counted"]),
        (&json!("ready"), &json!(true), &json!(false))
    );
    assert_eq!(key_state(&world.status().await, "k1")["kind"], "ready");
    // A denied project still lists models; only an answer proves something, and that counts.
    fake.script(B, [Answer::fixture(Fixture::Denied)]);
    while key_state(&world.status().await, "k2")["kind"] == "ready" {
        world.post(UNARY).await;
    }
    let answer = retest("k2").await.json();
    assert_eq!((&answer["state"]["kind"], &answer["detail"]["counted"]), (&json!("ready"), &json!(true)));
    let seen = fake.seen();
    let test = seen.last().unwrap();
    assert!(test.target.ends_with(":generateContent") && test.key.as_deref() == Some(B));
    assert!(String::from_utf8_lossy(&test.body).contains("\"maxOutputTokens\":1"));
}

#[tokio::test]
async fn counts_are_kept_a_key_and_model_and_survive_a_restart_without_a_secret_on_disk() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    for path in [UNARY, STREAM, "/v1beta/models/other:generateContent"] {
        assert_eq!(world.post(path).await.status, 200);
    }
    fake.rule(Rule::new(Answer::fixture(Fixture::UnknownModel)).times(1));
    world.post(UNARY).await;
    let counted = |status: &serde_json::Value| {
        let key = &status["keys"][0];
        let model = key["models"]
            .as_array()
            .unwrap()
            .iter()
            .find(|model| model["model"] == "gemini-x")
            .cloned()
            .unwrap_or_default();
        (
            key["usedToday"].clone(),
            key["tokensToday"].clone(),
            model["requestsToday"].clone(),
            model["errorsToday"].clone(),
        )
    };
    let expected = (json!(3), json!(3 * fixtures::TOKENS), json!(2), json!(1));
    let status = world.wait_status("the counts", |status| counted(status) == expected).await;
    let model = &status["keys"][0]["models"][0];
    assert_eq!((&model["model"], &model["requestsMinute"]), (&json!("gemini-x"), &json!(3)));
    let state = world.state();
    let world = world.restart(state).await;
    world.wait_status("the counts again", |status| counted(status) == expected).await;
    let storage = world.folder.path().join("storage");
    for entry in std::fs::read_dir(storage).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains(A) && !text.contains("first-key"), "{text}");
    }
}

/// Waits until the ledger on disk is as wanted.
async fn on_disk(folder: &Path, what: &str, wanted: impl Fn(&str) -> bool) -> Value {
    soon(what, async {
        loop {
            let text = std::fs::read_to_string(folder.join("storage/ledger.json")).unwrap_or_default();
            if wanted(&text) {
                return serde_json::from_str(&text).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

/// Kills it, and starts it again on the same ledger.
async fn crash(mut world: World) -> World {
    signal(&world.child, "KILL");
    soon("the end", world.child.wait()).await.unwrap();
    let (state, folder) = (world.state(), std::mem::replace(&mut world.folder, Folder::new()));
    World::in_folder(state, folder).await
}

#[tokio::test]
async fn what_rests_for_long_survives_restarts_and_crashes() {
    let fake = Fake::start().await;
    let mut world = World::new(&fake, &[A, B, C]).await;
    // The day is over for one key, whatever the retry delay says; another one leaked.
    fake.script(A, [Answer::fixture(Fixture::DayQuotaNoDelay)]);
    fake.script(C, [Answer::fixture(Fixture::LeakedKey)]);
    for _ in 0..3 {
        assert_eq!(world.post(UNARY).await.status, 200);
    }
    let said = std::time::Instant::now();
    on_disk(world.folder.path(), "both", |text| text.contains("perDay") && text.contains("leaked")).await;
    assert!(
        said.elapsed() < Duration::from_secs(3),
        "not only with the next half minute: {:?}",
        said.elapsed()
    );
    world = crash(world).await;
    for _ in 0..5 {
        fake.forget();
        // The very first request knows it.
        assert_eq!((world.post(UNARY).await.status, fake.keys_seen()), (200, vec![B.to_owned()]));
        let state = world.state();
        world = world.restart(state).await;
    }
    let body = json!({ "keyId": "k3" }).to_string();
    let retest = world.request("POST", "/-/retest").header("x-gemini-aggregator", "t").body(body);
    assert_eq!(world.send(retest).await.json()["state"]["kind"], "ready");
    on_disk(world.folder.path(), "the end of the quarantine", |text| !text.contains("leaked")).await;
    world = crash(world).await;
    assert_eq!(key_state(&world.status().await, "k3")["kind"], "ready");
}

#[tokio::test]
async fn what_ends_while_the_process_drains_is_kept() {
    let fake = Fake::start().await;
    let mut world = World::new(&fake, &[A, B]).await;
    world.post(UNARY).await;
    let seen = fake.seen().remove(0);
    let gate = Gate::new();
    let (status, content_type, body) = Fixture::DayQuotaNoDelay.answer(&seen);
    let head = Step::Head(status, vec![("content-type".into(), content_type.into())]);
    let quota = vec![Step::Wait(gate.clone()), head, Step::Bytes(body.into()), Step::End];
    fake.rule(Rule::new(crate::support::half_until(&gate)).path_contains("stream").times(1));
    fake.rule(Rule::new(Answer::Steps(quota)).path_contains(":generateContent").times(1));
    let streaming = tokio::spawn(world.request("POST", STREAM).body("{}").send());
    fake.wait_seen(2).await;
    let waiting = tokio::spawn(world.request("POST", UNARY).body("{}").send());
    fake.wait_seen(3).await;
    signal(&world.child, "TERM");
    soon("the end of listening", async {
        while tokio::net::TcpStream::connect(("127.0.0.1", world.port)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    gate.open();
    for answer in [streaming, waiting] {
        let response = soon("the answer", answer).await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        soon("its end", response.bytes()).await.unwrap();
    }
    assert_eq!(soon("the end", world.child.wait()).await.unwrap().code(), Some(0));
    let ledger = on_disk(world.folder.path(), "the ledger", |text| !text.is_empty()).await;
    let keys = ledger["keys"].as_array().unwrap().iter();
    let models: Vec<&Value> = keys.flat_map(|key| key["models"].as_array().unwrap()).collect();
    let sum = |field: &str| models.iter().map(|model| model[field].as_u64().unwrap()).sum::<u64>();
    // One before, the stream, and the other one at its second try.
    assert_eq!((sum("requests"), sum("errors"), sum("tokens")), (3, 1, 3 * fixtures::TOKENS), "{ledger}");
    assert!(models.iter().any(|model| model["rest"]["reason"] == "perDay"), "{ledger}");
}

#[tokio::test]
async fn no_key_is_seen_in_any_log_line_page_record_or_header() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B, C]).await;
    for fixture in [
        Fixture::Suspended,
        Fixture::InvalidKey,
        Fixture::BareQuota,
        Fixture::HtmlForbidden,
        Fixture::Internal,
    ] {
        fake.rule(Rule::new(Answer::fixture(fixture)).times(2));
    }
    let mut said = String::new();
    for _ in 0..12 {
        for path in [UNARY, STREAM] {
            let answer = world.post(path).await;
            said.push_str(&format!("{:?} {}", answer.headers, answer.text()));
        }
    }
    said.push_str(&world.status().await.to_string());
    said.push_str(&format!("{:?}", world.records(20).await));
    said.push_str(&world.whole_log().await);
    for key in [A, B, C] {
        for spelling in [key.to_owned(), serde_json::to_string(key).unwrap().trim_matches('"').to_owned()] {
            assert!(!said.contains(&spelling), "{spelling}");
        }
    }
}
