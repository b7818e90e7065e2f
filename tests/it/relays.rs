//! R1 R2 R6 R7 R9, W9: which way a request leaves, by the real relay worker and by relays of other people.

mod health;

use fake_gemini::{Answer, Fake, Fixture, Gate, Rule, State, Step, fixtures};
use serde_json::{Value, json};

use crate::support::{STREAM, UNARY, World, attempts, half_until, key_state, signal, state, with};
use crate::worker::{TOKEN, Worker};

const A: &str = "secret-key-a";
const B: &str = "secret-key-b";

/// These instances in this mode.
fn by(fake: &Fake, secrets: &[&str], mode: &str, instances: &[Value]) -> Value {
    with(state(fake, secrets), json!({ "mode": mode, "instances": instances }))
}

/// A state with each key bound.
fn bound(mut state: Value, bindings: &[Value]) -> Value {
    for (at, binding) in bindings.iter().enumerate() {
        state["keys"][at]["binding"] = binding.clone();
    }
    state
}

fn to(instance: &str) -> Value {
    json!({ "kind": "instance", "id": instance })
}

async fn active(world: &World, count: u32) -> Value {
    world.wait_status(&format!("{count} active instances"), |status| status["activeInstances"] == count).await
}

async fn apply(world: &World, state: Value) {
    world.folder.write("state.json", &state.to_string());
    signal(&world.child, "HUP");
    let revision = state["revision"].clone();
    world.wait_status("the new state", move |status| status["appliedRevision"] == revision).await;
}

fn health<'a>(status: &'a Value, id: &str) -> &'a Value {
    let instances = status["instances"].as_array().unwrap();
    &instances.iter().find(|instance| instance["id"] == id).unwrap()["health"]
}

/// A relay of somebody else: whatever stands behind `/health`, and good answers.
async fn other_relay(health: Answer) -> Fake {
    let relay = Fake::start().await;
    relay.rule(Rule::new(health).path_contains("/health"));
    relay
}

fn calls(fake: &Fake) -> usize {
    fake.seen().iter().filter(|seen| seen.target.contains("Content")).count()
}

#[tokio::test]
async fn each_mode_takes_the_ways_it_permits_and_the_answer_names_them() {
    let fake = Fake::start().await;
    let worker = Worker::start(&fake, TOKEN).await;
    let world = World::from(by(&fake, &[A], "hybrid", &[worker.instance("r1")])).await;
    active(&world, 1).await;
    let answer = world.post(STREAM).await;
    assert_eq!((answer.status, &answer.bytes[..]), (200, &fixtures::stream()[..]));
    assert_eq!((answer.header("x-forwarded-to"), answer.header("x-attempts")), ("r1", "1"));
    assert!(answer.header("x-serverless-response-time").parse::<u64>().is_ok(), "whole milliseconds");
    for (revision, mode, way) in [(2, "local", "local"), (3, "serverless", "r1")] {
        apply(&world, with(world.state(), json!({ "revision": revision, "mode": mode }))).await;
        let answer = world.post(UNARY).await;
        assert_eq!((answer.status, answer.header("x-forwarded-to")), (200, way), "{mode}");
        assert_eq!(answer.header("x-serverless-response-time").is_empty(), way == "local");
    }
    let record = &world.records(3).await[0];
    assert_eq!(record["attempts"][0]["egress"], "r1");
}

#[tokio::test]
async fn a_key_leaves_by_the_relay_it_is_bound_to_and_the_others_take_turns() {
    let fake = Fake::start().await;
    let (one, two) = (Worker::start(&fake, TOKEN).await, Worker::start(&fake, TOKEN).await);
    let state = by(&fake, &[A, B], "serverless", &[one.instance("r1"), two.instance("r2")]);
    let mut two = two;
    let world = World::from(bound(state, &[to("r2"), Value::Null])).await;
    active(&world, 2).await;
    let mut ways = Vec::new();
    for _ in 0..6 {
        world.post(UNARY).await;
    }
    for record in world.records(6).await {
        let attempt = &record["attempts"][0];
        ways.push((
            attempt["key"].as_str().unwrap().to_owned(),
            attempt["egress"].as_str().unwrap().to_owned(),
        ));
    }
    let of = |key: &str| ways.iter().filter(|(k, _)| k == key).map(|(_, way)| &**way).collect::<Vec<_>>();
    assert_eq!(of("k1"), ["r2", "r2", "r2"]);
    // The one that has rested longest.
    assert_eq!(of("k2"), ["r1", "r1", "r1"]);
    // Without its relay the key takes no part in serverless; in hybrid it goes straight.
    two.kill().await;
    for _ in 0..4 {
        assert_eq!(world.post(UNARY).await.status, 200);
    }
    let answer = world.post(UNARY).await;
    assert_eq!((answer.status, answer.header("x-forwarded-to")), (200, "r1"));
    let status = active(&world, 1).await;
    assert_eq!(health(&status, "r2")["kind"], "down");
    let hybrid =
        bound(with(world.state(), json!({ "revision": 2, "mode": "hybrid" })), &[to("r2"), to("r2")]);
    apply(&world, hybrid).await;
    assert_eq!(world.post(UNARY).await.header("x-forwarded-to"), "local");
}

#[tokio::test]
async fn keys_that_are_bound_to_nothing_take_the_instances_in_turn() {
    let fake = Fake::start().await;
    let relays =
        [other_relay(Answer::raw(200, &[], "OK")).await, other_relay(Answer::raw(200, &[], "OK")).await];
    let instances = [0, 1].map(|at| json!({ "id": format!("r{at}"), "url": relays[at].url() }));
    let world = World::from(by(&fake, &[A], "serverless", &instances)).await;
    active(&world, 2).await;
    let mut ways = Vec::new();
    for _ in 0..6 {
        ways.push(world.post(UNARY).await.header("x-forwarded-to").to_owned());
    }
    assert_eq!(ways, ["r0", "r1", "r0", "r1", "r0", "r1"]);
}

#[tokio::test]
async fn a_relay_that_refuses_resets_or_fails_is_left_with_the_same_key_and_the_client_sees_nothing() {
    for (name, answer, outcome) in [
        ("reset", Answer::only(Step::Reset), "hungUp"),
        ("its own 502", Answer::raw(502, &[("x-relay-error", "1")], "{}"), "502"),
        ("a page with 503", Answer::raw(503, &[("content-type", "text/html")], "<html>busy"), "503"),
    ] {
        let (fake, relay) = (Fake::start().await, other_relay(Answer::raw(200, &[], "OK")).await);
        relay.rule(Rule::new(answer).path_contains("Content"));
        let world =
            World::from(by(&fake, &[A, B], "hybrid", &[json!({ "id": "r1", "url": relay.url() })])).await;
        active(&world, 1).await;
        let answer = world.post(UNARY).await;
        assert_eq!((answer.status, answer.header("x-forwarded-to")), (200, "local"), "{name}");
        let record = &world.records(1).await[0];
        let tried: Vec<_> = record["attempts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|attempt| {
                [&attempt["key"], &attempt["egress"], &attempt["outcome"]].map(|text| text.as_str().unwrap())
            })
            .collect();
        assert_eq!(tried, [["k1", "r1", outcome], ["k1", "local", "200"]], "{name}");
        let status = active(&world, 0).await;
        assert_eq!(health(&status, "r1")["kind"], "down", "{name}");
        assert_eq!(key_state(&status, "k1")["kind"], "ready", "{name}");
        assert_eq!(fake.keys_seen(), [A], "{name}");
    }
}

#[tokio::test]
async fn a_hung_relay_is_told_while_the_request_waits_and_the_answer_comes_by_another_way() {
    let fake = Fake::start().await;
    let worker = Worker::start(&fake, TOKEN).await;
    let world = World::from(by(&fake, &[A], "hybrid", &[worker.instance("r1")])).await;
    active(&world, 1).await;
    let gate = Gate::new();
    fake.rule(Rule::new(Answer::behind(&gate, Answer::pieces(200))).path_contains("Content").times(1));
    let asking = world.post(STREAM);
    let stopping = async {
        fake.wait("the request", |seen| seen.iter().any(|seen| seen.target.contains("Content"))).await;
        signal(&worker.child, "STOP");
    };
    let (answer, ()) = tokio::join!(asking, stopping);
    assert_eq!((answer.status, &answer.bytes[..]), (200, &fixtures::stream()[..]));
    assert_eq!((answer.header("x-forwarded-to"), answer.header("x-attempts")), ("local", "2"));
    let record = &world.records(1).await[0];
    assert_eq!(attempts(record), ["k1 hung blameEgress hung", "k1 200 deliver ok"]);
    let status = active(&world, 0).await;
    assert_eq!(health(&status, "r1")["reason"], "hung");
    assert_eq!(key_state(&status, "k1")["kind"], "ready");
    signal(&worker.child, "CONT");
    gate.open();
}

#[tokio::test]
async fn a_model_that_thinks_is_not_taken_for_a_dead_relay() {
    let relay = other_relay(Answer::raw(200, &[], "OK")).await;
    let world =
        World::from(by(&relay, &[A], "serverless", &[json!({ "id": "r1", "url": relay.url() })])).await;
    active(&world, 1).await;
    let gate = Gate::new();
    relay.rule(Rule::new(Answer::behind(&gate, Answer::pieces(200))).path_contains("Content"));
    let asking = world.post(STREAM);
    let thinking = async {
        // At the start, and twice while the request waits.
        relay
            .wait("three questions", |seen| seen.iter().filter(|seen| seen.target == "/health").count() >= 3)
            .await;
        gate.open();
    };
    let (answer, ()) = tokio::join!(asking, thinking);
    assert_eq!((answer.status, answer.header("x-attempts")), (200, "1"));
    assert_eq!(calls(&relay), 1);
}

#[tokio::test]
async fn a_create_is_never_given_up_for_its_relay_but_others_learn_of_it() {
    let relay = other_relay(Answer::raw(200, &[], "OK")).await;
    let world =
        World::from(by(&relay, &[A], "serverless", &[json!({ "id": "r1", "url": relay.url() })])).await;
    active(&world, 1).await;
    let gate = Gate::new();
    relay.clear();
    relay.rule(Rule::new(Answer::only(Step::Hang)).path_contains("/health"));
    let created = Answer::json(200, &json!({ "name": "cachedContents/1" }));
    relay.rule(Rule::new(Answer::behind(&gate, created)).path_contains("cachedContents"));
    let telling = async {
        active(&world, 0).await;
        gate.open();
    };
    let (created, ()) = tokio::join!(world.post("/v1beta/cachedContents"), telling);
    assert_eq!((created.status, created.header("x-attempts")), (200, "1"));
}

#[tokio::test]
async fn a_request_whose_relay_hangs_and_that_has_no_other_way_says_which() {
    let relay = other_relay(Answer::raw(200, &[], "OK")).await;
    let world =
        World::from(by(&relay, &[A], "serverless", &[json!({ "id": "r1", "url": relay.url() })])).await;
    active(&world, 1).await;
    relay.clear();
    relay.rule(Rule::new(Answer::only(Step::Hang)));
    let answer = world.post(UNARY).await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.message(),
        "The relay r1 stopped answering while the request waited for it. Check the relay."
    );
}

#[tokio::test]
async fn what_google_says_of_a_place_counts_against_the_relay_there_and_never_against_the_key() {
    for fixture in [Fixture::Location, Fixture::HtmlForbidden] {
        let (fake, far) = (Fake::start().await, Fake::start().await);
        far.rule(Rule::new(Answer::fixture(fixture)).path_contains("Content"));
        let worker = Worker::start(&far, TOKEN).await;
        let world = World::from(by(&fake, &[A], "hybrid", &[worker.instance("r1")])).await;
        active(&world, 1).await;
        let answer = world.post(UNARY).await;
        assert_eq!((answer.status, answer.header("x-forwarded-to")), (200, "local"), "{fixture:?}");
        let status = active(&world, 0).await;
        assert_eq!(key_state(&status, "k1")["kind"], "ready");
        let down = health(&status, "r1");
        let rests = down["nextTryMs"].as_u64().unwrap() - down["sinceMs"].as_u64().unwrap();
        let reason = if fixture == Fixture::Location { "location" } else { "unauthorized" };
        assert_eq!((down["reason"].as_str().unwrap(), rests), (reason, 1_800_000));
        // Its good health changes nothing.
        assert_eq!(world.post(UNARY).await.header("x-forwarded-to"), "local");
        assert_eq!(calls(&far), 1);
    }
}

#[tokio::test]
async fn a_request_without_another_way_tries_a_relay_that_is_down() {
    let fake = Fake::start().await;
    let relay = other_relay(Answer::raw(200, &[], "OK")).await;
    relay.rule(Rule::new(Answer::only(Step::Reset)).path_contains("Content").times(2));
    let world =
        World::from(by(&fake, &[A], "serverless", &[json!({ "id": "r1", "url": relay.url() })])).await;
    active(&world, 1).await;
    for _ in 0..2 {
        let answer = world.post(UNARY).await;
        assert_eq!(answer.status, 503);
        assert!(answer.message().contains("r1"), "{}", answer.message());
    }
    let answer = world.post(UNARY).await;
    assert_eq!((answer.status, answer.header("x-forwarded-to")), (200, "r1"));
    active(&world, 1).await;
    assert!(fake.seen().is_empty(), "never straight");
}
