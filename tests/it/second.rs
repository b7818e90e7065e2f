//! R2 R5 R8: what a second try by a relay keeps, and who may try a relay that is down.

use fake_gemini::{Answer, Fake, Fixture, Gate, Rule, Step, fixtures};
use serde_json::{Value, json};

use crate::support::{UNARY, World, key_state, signal, state, with};

const A: &str = "secret-key-a";
const B: &str = "secret-key-b";

/// These instances in this mode.
fn by(fake: &Fake, secrets: &[&str], mode: &str, instances: &[Value]) -> Value {
    with(state(fake, secrets), json!({ "mode": mode, "instances": instances }))
}

/// A relay that passes everything on, and says that it is well.
async fn relay() -> Fake {
    let relay = Fake::start().await;
    relay.rule(Rule::new(Answer::raw(200, &[], "OK")).path_contains("/health"));
    relay
}

fn instance(id: &str, relay: &Fake) -> Value {
    json!({ "id": id, "url": relay.url() })
}

async fn active(world: &World, count: u32) -> Value {
    world.wait_status(&format!("{count} active instances"), |status| status["activeInstances"] == count).await
}

/// The attempts of the last request, as `key egress outcome`.
async fn ways(world: &World, requests: usize) -> Vec<String> {
    let record = &world.records(requests).await[0];
    let word = |attempt: &Value, name: &str| attempt[name].as_str().unwrap().to_owned();
    let attempts = record["attempts"].as_array().unwrap().iter();
    attempts.map(|one| ["key", "egress", "outcome"].map(|name| word(one, name)).join(" ")).collect()
}

/// A relay that is down for its requests while nobody has heard of its health: `/health` hangs from the second time on.
async fn down() -> (Fake, World) {
    let relay = Fake::start().await;
    relay.rule(Rule::new(Answer::raw(200, &[], "OK")).path_contains("/health").times(1));
    relay.rule(Rule::new(Answer::only(Step::Hang)).path_contains("/health"));
    relay.rule(Rule::new(Answer::only(Step::Reset)).path_contains("Content").times(1));
    let world = World::from(by(&relay, &[A, B], "serverless", &[instance("r1", &relay)])).await;
    active(&world, 1).await;
    assert_eq!(world.post(UNARY).await.status, 503);
    active(&world, 0).await;
    (relay, world)
}

#[tokio::test]
async fn a_call_that_google_fails_is_tried_again_with_the_same_key_by_the_same_relay() {
    let (one, two) = (relay().await, relay().await);
    for relay in [&one, &two] {
        relay.rule(Rule::new(Answer::fixture(Fixture::Internal)).path_contains("Content").times(1));
    }
    let instances = [instance("r1", &one), instance("r2", &two)];
    let world = World::from(by(&one, &[A, B], "serverless", &instances)).await;
    active(&world, 2).await;
    assert_eq!(world.post(UNARY).await.status, 200);
    assert_eq!(ways(&world, 1).await, ["k1 r1 500", "k1 r1 200"]);
}

#[tokio::test]
async fn a_call_that_google_fails_is_tried_again_with_the_same_key_while_a_relay_is_down() {
    let fake = Fake::start().await;
    fake.rule(Rule::new(Answer::fixture(Fixture::Internal)).path_contains("Content").times(1));
    let gone = json!({ "id": "r1", "url": "http://127.0.0.1:9" });
    let world = World::from(by(&fake, &[A, B], "hybrid", &[gone])).await;
    world.wait_status("it down", |status| status["instances"][0]["health"]["kind"] == "down").await;
    assert_eq!(world.post(UNARY).await.status, 200);
    assert_eq!(ways(&world, 1).await, ["k1 local 500", "k1 local 200"]);
}

#[tokio::test]
async fn a_relay_that_was_down_is_up_once_google_has_spoken_by_it_whatever_it_said() {
    let (relay, world) = down().await;
    relay.rule(Rule::new(Answer::fixture(Fixture::Internal)).path_contains("Content").times(1));
    assert_eq!(world.post(UNARY).await.status, 200);
    let (relay, world) = down().await;
    relay.rule(Rule::new(Answer::fixture(Fixture::QuotingBadRequest)).path_contains("Content").times(1));
    assert_eq!(world.post(UNARY).await.status, 400);
    assert_eq!(world.post(UNARY).await.status, 200);
}

#[tokio::test]
async fn a_caller_that_leaves_while_its_request_tries_a_relay_that_is_down_leaves_it_to_others() {
    let (relay, world) = down().await;
    let gate = Gate::new();
    relay.rule(Rule::new(Answer::behind(&gate, Answer::pieces(200))).path_contains("Content").times(1));
    let waiting = tokio::spawn(world.request("POST", UNARY).body("{}").send());
    relay
        .wait("the request", |seen| seen.iter().filter(|seen| seen.target.contains("Content")).count() == 2)
        .await;
    waiting.abort();
    relay.wait_aborted(1).await;
    world
        .wait_status("nothing in flight", |status| {
            status["keys"].as_array().unwrap().iter().all(|key| key["inFlight"] == 0)
        })
        .await;
    assert_eq!(world.post(UNARY).await.status, 200);
}

#[tokio::test]
async fn what_a_request_meets_by_the_former_token_is_not_held_against_the_one_in_its_place() {
    let relay = Fake::start().await;
    let ours = |auth: &str| {
        Answer::json(
            200,
            &json!({ "status": "ok", "relay": "gemini-aggregator", "protocol": 1, "auth": auth }),
        )
    };
    relay.rule(Rule::new(ours("ok")).path_contains("/health"));
    let gate = Gate::new();
    let refused = Answer::raw(401, &[("x-relay-error", "1")], "{}");
    relay.rule(Rule::new(Answer::behind(&gate, refused)).path_contains("Content").times(1));
    let with_token = |token: &str| json!({ "id": "r1", "url": relay.url(), "token": token });
    let world =
        World::from(by(&relay, &[A], "serverless", &[with_token("the-former-token-of-the-relay")])).await;
    active(&world, 1).await;
    let waiting = tokio::spawn(world.request("POST", UNARY).body("{}").send());
    relay.wait("the request", |seen| seen.iter().any(|seen| seen.target.contains("Content"))).await;
    let next = with(
        world.state(),
        json!({ "revision": 2, "instances": [with_token("the-present-token-of-the-relay")] }),
    );
    world.folder.write("state.json", &next.to_string());
    signal(&world.child, "HUP");
    world.wait_status("the new state", |status| status["appliedRevision"] == 2).await;
    active(&world, 1).await;
    gate.open();
    waiting.await.unwrap().unwrap();
    let status = world.status().await;
    assert_eq!(status["instances"][0]["health"]["kind"], "up");
    assert_eq!(key_state(&status, "k1")["kind"], "ready");
    assert_eq!(world.post(UNARY).await.bytes, fixtures::unary());
}

#[tokio::test]
async fn a_relay_without_a_health_path_that_answers_is_not_dead_though_google_is_slow() {
    let relay = Fake::start().await;
    relay.rule(Rule::new(Answer::raw(404, &[], "")).path_contains("/health"));
    let world = World::from(by(&relay, &[A], "serverless", &[instance("r1", &relay)])).await;
    active(&world, 1).await;
    let gate = Gate::new();
    let good = Answer::raw(200, &[("content-type", "application/json")], fixtures::unary());
    relay.rule(Rule::new(Answer::behind(&gate, good)).path_contains("models"));
    let asking = world.post(UNARY);
    let thinking = async {
        // The first is that of the start; each of the others finds Google as slow as the request does.
        let asked =
            |seen: &[fake_gemini::Seen]| seen.iter().filter(|seen| seen.target.contains("pageSize")).count();
        relay.wait("three questions", |seen| asked(seen) >= 3).await;
        gate.open();
    };
    let (answer, ()) = tokio::join!(asking, thinking);
    assert_eq!((answer.status, answer.header("x-attempts")), (200, "1"));
}

#[tokio::test]
async fn another_network_proxy_is_another_address_for_a_key_that_was_refused_by_its_own() {
    let fake = Fake::start().await;
    let info = json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_IP_ADDRESS_BLOCKED",
        "domain": "googleapis.com" });
    let refusal = json!({ "error": { "code": 403, "message": "blocked", "status": "PERMISSION_DENIED", "details": [info] } });
    fake.rule(Rule::new(Answer::json(403, &refusal)).path_contains("Content").times(1));
    let world = World::from(by(&fake, &[A], "local", &[])).await;
    assert_eq!(world.post(UNARY).await.status, 403);
    let status = world.status().await;
    assert_eq!(key_state(&status, "k1")["kind"], "quarantined");
    // Loopback is exempt from it, so the call still arrives.
    let proxy = json!({ "kind": "url", "url": "http://127.0.0.1:9" });
    let next = with(world.state(), json!({ "revision": 2, "proxy": proxy }));
    world.folder.write("state.json", &next.to_string());
    signal(&world.child, "HUP");
    let status = world.wait_status("the new state", |status| status["appliedRevision"] == 2).await;
    assert_eq!(key_state(&status, "k1")["kind"], "ready");
    assert_eq!(world.post(UNARY).await.status, 200);
}
