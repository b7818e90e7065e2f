//! R8, S8: what is known of each relay, how it is found out, and what is named as wrong with it.

use super::*;
use crate::editor::Editor;

#[tokio::test]
async fn a_relay_that_goes_and_comes_back_is_in_the_status_without_a_request() {
    let fake = Fake::start().await;
    let mut worker = Worker::start(&fake, TOKEN).await;
    let port = worker.port();
    let world = World::from(by(&fake, &[A], "hybrid", &[worker.instance("r1")])).await;
    let status = active(&world, 1).await;
    let up = health(&status, "r1");
    assert_eq!((&up["kind"], &up["version"], &up["legacy"]), (&json!("up"), &json!("2.0.0"), &json!(false)));
    worker.kill().await;
    assert_eq!(world.post(UNARY).await.header("x-forwarded-to"), "local");
    let status = active(&world, 0).await;
    assert_eq!(health(&status, "r1")["reason"], "unreachable");
    let _again = Worker::start_on(port, &fake, TOKEN).await;
    active(&world, 1).await;
    assert_eq!(world.post(UNARY).await.header("x-forwarded-to"), "r1");
}

#[tokio::test]
async fn an_instance_that_is_added_is_asked_at_once_and_one_that_is_switched_off_is_not() {
    let fake = Fake::start().await;
    let (one, two) = (Worker::start(&fake, TOKEN).await, other_relay(Answer::raw(200, &[], "OK")).await);
    let world = World::from(by(&fake, &[A], "serverless", &[])).await;
    assert_eq!(world.post(UNARY).await.status, 503);
    let off = json!({ "id": "off", "url": two.url(), "enabled": false });
    apply(&world, with(world.state(), json!({ "revision": 2, "instances": [one.instance("r1"), off] })))
        .await;
    let status = active(&world, 1).await;
    assert_eq!(health(&status, "off")["kind"], "unknown");
    assert_eq!(world.post(UNARY).await.header("x-forwarded-to"), "r1");
    assert!(two.seen().is_empty(), "nobody asked it");
}

#[tokio::test]
async fn a_relay_that_dies_in_the_middle_of_an_answer_is_asked_at_once() {
    let fake = Fake::start().await;
    let mut worker = Worker::start(&fake, TOKEN).await;
    let world = World::from(by(&fake, &[A], "hybrid", &[worker.instance("r1")])).await;
    active(&world, 1).await;
    let gate = Gate::new();
    fake.rule(Rule::new(half_until(&gate)).path_contains("Content"));
    let mut answer = world.request("POST", STREAM).body("{}").send().await.unwrap();
    answer.chunk().await.unwrap();
    worker.kill().await;
    let mut rest = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        rest.extend_from_slice(&chunk);
    }
    assert!(String::from_utf8_lossy(&rest).contains("UNAVAILABLE"), "the client is told");
    active(&world, 0).await;
    gate.open();
}

#[tokio::test]
async fn relays_of_other_people_work_unmodified() {
    let fake = Fake::start().await;
    let legacy = other_relay(Answer::raw(200, &[("content-type", "text/plain")], "OK")).await;
    let without = other_relay(Answer::json(404, &json!({ "message": "no such page" }))).await;
    let page = other_relay(Answer::raw(200, &[("content-type", "text/html")], "<html>welcome")).await;
    let prefixed = format!("{}/v1/account/gateway/google-ai-studio/", page.url());
    let world = World::from(by(
        &fake,
        &[A],
        "serverless",
        &[
            json!({ "id": "legacy", "url": legacy.url() }),
            json!({ "id": "without", "url": without.url() }),
            json!({ "id": "page", "url": prefixed, "headers": { "cf-aig-authorization": "Bearer gateway-secret" } }),
        ],
    ))
    .await;
    let status = active(&world, 3).await;
    assert_eq!(health(&status, "legacy")["legacy"], true);
    assert_eq!(
        (&health(&status, "without")["version"], &health(&status, "page")["legacy"]),
        (&Value::Null, &json!(false))
    );
    // One call that costs nothing, with a key of the pool, not counted.
    let seen = without.seen();
    let asked: Vec<_> = seen.iter().map(|seen| (&*seen.target, seen.key.as_deref())).collect();
    assert_eq!(asked, [("/health", None), ("/v1beta/models?pageSize=1", Some(A))]);
    assert_eq!(status["keys"][0]["usedToday"], 0);
    for _ in 0..3 {
        assert_eq!(world.post(UNARY).await.status, 200);
    }
    let seen = page.wait_seen(3).await;
    let call = seen.last().unwrap();
    assert_eq!(call.target, format!("/v1/account/gateway/google-ai-studio{UNARY}"));
    assert_eq!(call.header("cf-aig-authorization"), Some("Bearer gateway-secret"));
    assert!(seen.iter().all(|seen| !seen.target.contains("//")), "one slash");
}

#[tokio::test]
async fn in_local_mode_a_relay_is_asked_for_its_health_and_sees_no_key() {
    let fake = Fake::start().await;
    let relay = other_relay(Answer::raw(404, &[], "")).await;
    let world = World::from(by(&fake, &[A], "local", &[json!({ "id": "r1", "url": relay.url() })])).await;
    relay.wait_finished(1).await;
    assert_eq!(world.post(UNARY).await.status, 200);
    assert!(relay.seen().iter().all(|seen| seen.target == "/health" && seen.credentials.is_empty()));
    let status = world.status().await;
    assert_eq!((&status["activeInstances"], &health(&status, "r1")["kind"]), (&json!(0), &json!("unknown")));
    // Once keys may leave by it, they are used to ask.
    apply(&world, with(world.state(), json!({ "revision": 2, "mode": "hybrid" }))).await;
    active(&world, 1).await;
}

#[tokio::test]
async fn a_token_that_a_relay_does_not_take_is_named_until_it_does() {
    let fake = Fake::start().await;
    let worker = Worker::start(&fake, TOKEN).await;
    let closed = Worker::start(&fake, "").await;
    let wrong = with(worker.instance("r1"), json!({ "token": "another-token-of-some-length" }));
    let none = json!({ "id": "r2", "url": worker.url() });
    let world = World::from(by(&fake, &[A], "hybrid", &[wrong, none, closed.instance("r3")])).await;
    let named = |status: &Value| {
        let problems = status["problems"].as_array().unwrap().iter();
        problems.filter(|problem| problem["code"] == "instanceToken").count() == 3
    };
    let status = world.wait_status("three problems", named).await;
    for id in ["r1", "r2", "r3"] {
        assert_eq!(health(&status, id)["reason"], "unauthorized", "{id}");
    }
    assert_eq!(world.post(UNARY).await.header("x-forwarded-to"), "local");
    let right = [worker.instance("r1"), worker.instance("r2")];
    apply(&world, with(world.state(), json!({ "revision": 2, "instances": right }))).await;
    let status = active(&world, 2).await;
    assert_eq!(status["problems"], json!([]));
    let log = world.whole_log().await;
    assert!(!log.contains(TOKEN) && !log.contains("another-token-of-some-length"));
}

#[tokio::test]
async fn a_relay_whose_token_changed_fails_one_request_and_is_named() {
    let fake = Fake::start().await;
    let relay = Fake::start().await;
    let ours = |auth: &str| {
        Answer::json(
            200,
            &json!({ "status": "ok", "relay": "gemini-aggregator", "protocol": 1, "auth": auth }),
        )
    };
    relay.rule(Rule::new(ours("ok")).path_contains("/health").times(1));
    relay.rule(Rule::new(ours("required")).path_contains("/health"));
    relay.rule(Rule::new(Answer::raw(401, &[("x-relay-error", "1")], "{}")).path_contains("Content"));
    let instance = json!({ "id": "r1", "url": relay.url(), "token": TOKEN });
    let world = World::from(by(&fake, &[A], "hybrid", &[instance])).await;
    active(&world, 1).await;
    let answer = world.post(UNARY).await;
    assert_eq!(
        (answer.status, answer.header("x-forwarded-to"), answer.header("x-attempts")),
        (200, "local", "2")
    );
    world.wait_status("the problem", |status| status["problems"][0]["code"] == "instanceToken").await;
    assert!(relay.seen().iter().all(|seen| seen.state != State::Aborted));
}

#[tokio::test]
async fn a_platform_that_was_shut_down_and_urls_that_no_relay_has_are_named() {
    let fake = Fake::start().await;
    let world = World::from(by(
        &fake,
        &[A],
        "hybrid",
        &[
            json!({ "id": "old", "url": "https://mine.deno.dev" }),
            json!({ "id": "plain", "url": "http://relay.example" }),
            json!({ "id": "cloud", "url": "https://169.254.169.254/v1beta" }),
            json!({ "id": "user", "url": "https://me@relay.example" }),
        ],
    ))
    .await;
    let status = world.status().await;
    let named: Vec<_> = status["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| {
            format!("{} {}", problem["code"].as_str().unwrap(), problem["subject"].as_str().unwrap_or("-"))
        })
        .collect();
    assert_eq!(
        named,
        [
            "instanceRetired old",
            "instanceUrl plain",
            "instanceUrl cloud",
            "instanceUrl user",
            "noInstances -"
        ]
    );
    assert_eq!(world.post(UNARY).await.header("x-forwarded-to"), "local");
}

#[tokio::test]
async fn a_relay_that_a_window_that_follows_finds_good_is_used_again_by_the_one_that_serves() {
    let fake = Fake::start().await;
    let relay = other_relay(Answer::raw(200, &[("content-type", "text/plain")], "OK")).await;
    let state = by(&fake, &[A], "hybrid", &[json!({ "id": "r1", "url": relay.url() })]);
    let mut leader = Editor::with(&state).await;
    let port = leader.port().await;
    leader.wait("a relay that is up", |status| status["activeInstances"] == 1).await;
    let mut follower = Editor::with(&with(state, json!({ "port": port }))).await;
    // Its health does not heal this.
    let page = Answer::raw(403, &[("content-type", "text/html")], "<html>not from here");
    relay.rule(Rule::new(page).path_contains(":generateContent").times(1));
    leader.request("aggregator/tryRequest", json!({})).await;
    let refuses = |status: &Value| health(status, "r1")["kind"] == "down";
    leader.wait("a relay that refuses", refuses).await;
    follower.wait("the same", refuses).await;
    let answer = follower.request("aggregator/diagnose", json!({ "subject": "r1" })).await;
    let checks = answer["result"]["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["ok"] == true), "{answer}");
    leader.wait("a relay that is up again", |status| status["activeInstances"] == 1).await;
}
