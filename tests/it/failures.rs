//! R3 R4 R5 R10 R11 R12 R13, K3–K9, K11: which failures are repeated, on which key, and what they cost.

mod time;

use fake_gemini::{Answer, Fake, Fixture, Gate, Rule, Step, fixtures};
use serde_json::json;

use crate::support::{ARRAY, STREAM, UNARY, World, attempts, key_state, state, with};

const A: &str = "secret-key-a";
const B: &str = "secret-key-b";
const C: &str = "secret-key-c";

#[tokio::test]
async fn a_quota_failure_goes_on_with_the_next_key_and_the_client_sees_one_clean_answer() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B]).await;
    fake.script(A, [Answer::fixture(Fixture::MinuteQuota)]);
    let body = "{\"contents\":[{\"parts\":[{\"text\":\"h\u{e4}\"}]}]}";
    let answer = world.send(world.request("POST", STREAM).body(body)).await;
    assert_eq!((answer.status, answer.bytes.as_slice()), (200, &fixtures::stream()[..]));
    assert_eq!(answer.header("x-attempts"), "2");
    let seen = fake.wait_seen(2).await;
    assert_eq!(fake.keys_seen(), [A, B]);
    assert!(seen.iter().all(|seen| seen.body == body), "the same bytes both times");
    let record = &world.records(1).await[0];
    assert_eq!(attempts(record), ["k1 429 coolBucket perMinute", "k2 200 deliver ok"]);
    assert_eq!(record["end"], "complete");
    assert_eq!(record["tokens"], fixtures::TOKENS);
}

#[tokio::test]
async fn a_cooling_bucket_is_skipped_for_its_model_only_and_edits_elsewhere_do_not_wake_it() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    fake.script(A, [Answer::fixture(Fixture::MinuteQuota)]);
    assert_eq!(world.post(UNARY).await.status, 429);
    assert_eq!(world.post(UNARY).await.status, 429);
    assert_eq!(fake.seen().len(), 1, "the second was not sent");
    assert_eq!(world.post("/v1beta/models/other:generateContent").await.status, 200);
    let status = world.status().await;
    let state = key_state(&status, "k1");
    assert_eq!(
        (&state["kind"], &state["models"][0]["model"], &state["models"][0]["reason"]),
        (&json!("coolingDown"), &json!("gemini-x"), &json!("perMinute"))
    );
    // Another key, another mode: what was learnt stays.
    let next = with(
        world.state(),
        json!({ "mode": "hybrid", "keys": [{ "id": "k1", "secret": A }, { "id": "k9", "secret": B }] }),
    );
    world.folder.write("state.json", &next.to_string());
    crate::support::signal(&world.child, "HUP");
    let status =
        world.wait_status("the second key", |status| status["keys"].as_array().unwrap().len() == 2).await;
    assert_eq!(key_state(&status, "k1")["kind"], "coolingDown");
    assert_eq!((world.post(UNARY).await.status, fake.keys_seen().pop().as_deref()), (200, Some(B)));
}

#[tokio::test]
async fn a_dry_pool_answers_429_with_the_earliest_recovery_of_this_model() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B]).await;
    for key in [A, B] {
        fake.script(key, [Answer::fixture(Fixture::MinuteQuota)]);
    }
    let first = world.post(UNARY).await;
    assert_eq!(first.status, 429);
    assert!(first.message().starts_with("You exceeded"), "the last answer of Google's speaks");
    let wait: u64 = first.header("retry-after").parse().unwrap();
    assert!((36..=38).contains(&wait), "{wait}");
    let second = world.post(UNARY).await;
    let error = &second.json()["error"];
    assert_eq!((second.status, &error["status"]), (429, &json!("RESOURCE_EXHAUSTED")));
    assert_eq!(error["details"][1]["retryDelay"], format!("{}s", second.header("retry-after")));
    assert!(error["details"][0]["violations"][0]["quotaId"].as_str().unwrap().contains("PerMinute"));
    assert_eq!(fake.seen().len(), 2);
    let record = &world.records(2).await[0];
    assert_eq!(record["skipped"][0]["rule"], "perMinute");
    assert!(record["skipped"][0]["untilMs"].as_u64().unwrap() > record["startedMs"].as_u64().unwrap());
}

#[tokio::test]
async fn a_daily_limit_lasts_until_midnight_pacific_and_survives_a_restart() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    fake.script(A, [Answer::fixture(Fixture::DayQuotaNoDelay)]);
    assert_eq!(world.post(UNARY).await.status, 429);
    let until = |status: &serde_json::Value| key_state(status, "k1")["models"][0]["untilMs"].as_u64();
    let before = until(&world.status().await).unwrap();
    let at =
        gemini_aggregator::policy::cooldown::next_pacific_midnight(gemini_aggregator::shared::wall_clock());
    assert_eq!(before, at);
    let next = world.state();
    let world = world.restart(next).await;
    assert_eq!(until(&world.wait_status("the ledger", |status| until(status).is_some()).await), Some(before));
    let dry = world.post(UNARY).await;
    assert_eq!(dry.status, 429);
    assert!(
        dry.json()["error"]["details"][0]["violations"][0]["quotaId"].as_str().unwrap().contains("PerDay")
    );
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_request_error_is_passed_on_unchanged_and_costs_no_key_anything() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B]).await;
    for fixture in
        [Fixture::QuotingBadRequest, Fixture::UnknownModel, Fixture::ForeignFile, Fixture::ForeignCache]
    {
        fake.clear();
        fake.forget();
        fake.rule(Rule::new(Answer::fixture(fixture)));
        let answer = world.post(UNARY).await;
        let seen = fake.wait_seen(1).await;
        let (status, content_type, body) = fixture.answer(&seen[0]);
        assert_eq!(
            (answer.status, answer.bytes, answer.headers["content-type"].to_str().unwrap()),
            (status, body, content_type)
        );
        assert_eq!(fake.seen().len(), 1, "{fixture:?}");
    }
    let status = world.status().await;
    for key in ["k1", "k2"] {
        assert_eq!(key_state(&status, key)["kind"], "ready");
    }
}

#[tokio::test]
async fn bad_keys_are_taken_out_with_their_reason_and_the_rest_serves() {
    for (fixture, reason) in [
        (Fixture::InvalidKey, "rejected"),
        (Fixture::InvalidKeyArray, "rejected"),
        (Fixture::ExpiredKey, "rejected"),
        (Fixture::LeakedKey, "leaked"),
        (Fixture::Suspended, "suspended"),
        (Fixture::ServiceDisabled, "serviceDisabled"),
        (Fixture::SpendingCap, "spendCap"),
        (Fixture::CreditsDepleted, "billing"),
        (Fixture::Denied, "denied"),
    ] {
        let fake = Fake::start().await;
        let world = World::new(&fake, &[A, B]).await;
        fake.script(A, [Answer::fixture(fixture)]);
        assert_eq!(world.post(UNARY).await.status, 200, "{fixture:?}");
        let status = world.status().await;
        let state = key_state(&status, "k1");
        assert_eq!(
            (state["kind"].as_str(), state["reason"].as_str()),
            (Some("quarantined"), Some(reason)),
            "{fixture:?}"
        );
        world.post(UNARY).await;
        assert_eq!(fake.keys_seen(), [A, B, B], "{fixture:?}");
    }
}

#[tokio::test]
async fn a_pool_out_of_service_says_why() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B]).await;
    fake.script(A, [Answer::fixture(Fixture::LeakedKey)]);
    fake.script(B, [Answer::fixture(Fixture::Denied)]);
    assert_eq!(world.post(UNARY).await.status, 403, "the last answer of Google's speaks first");
    let answer = world.post(UNARY).await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.message(),
        "No API key of the pool can be used: k1 (reported as leaked), k2 (project denied access). Fix or re-test them."
    );
    let none = World::new(&fake, &[]).await.post(UNARY).await;
    assert_eq!((none.status, none.message().as_str()), (503, "Service Unavailable: No available API keys."));
}

#[tokio::test]
async fn when_every_key_is_called_invalid_within_a_minute_none_is_taken_out() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B, C]).await;
    fake.rule(Rule::new(Answer::fixture(Fixture::InvalidKey)).times(3));
    assert_eq!(world.post(UNARY).await.status, 400);
    let status = world.status().await;
    assert_eq!(status["problems"][0]["code"], "allKeysInvalid");
    for key in ["k1", "k2", "k3"] {
        assert_eq!(key_state(&status, key)["kind"], "ready", "{key}");
    }
    assert_eq!(world.post(UNARY).await.status, 200);
    assert_eq!(world.status().await["problems"], json!([]));
}

#[tokio::test]
async fn a_bare_429_of_every_project_rests_the_model_and_not_the_keys() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B, C]).await;
    fake.rule(Rule::new(Answer::fixture(Fixture::BareQuota)).model("gemini-x"));
    assert_eq!(world.post(UNARY).await.status, 429);
    let answer = world.post(UNARY).await;
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert_eq!(answer.status, 429);
    assert!((28..=30).contains(&wait), "{wait}");
    assert_eq!(fake.seen().len(), 3);
    let status = world.status().await;
    for key in ["k1", "k2", "k3"] {
        assert_eq!(key_state(&status, key)["kind"], "ready", "{status}");
    }
    assert_eq!(world.post("/v1beta/models/other:generateContent").await.status, 200);
}

#[tokio::test]
async fn keys_of_one_project_share_a_cooldown_once_it_is_learnt() {
    let fake = Fake::start().await;
    let world = World::from(with(state(&fake, &[A, B, C]), json!({ "keys": [
        { "id": "k1", "secret": A, "project": "projects/7" }, { "id": "k2", "secret": B, "project": "projects/7" }, { "id": "k3", "secret": C },
    ] }))).await;
    fake.script(A, [Answer::fixture(Fixture::MinuteQuota)]);
    assert_eq!(world.post(UNARY).await.status, 200);
    assert_eq!(fake.keys_seen(), [A, C], "the other key of the project was not tried");
    // Learnt from Google: both errors name projects/123.
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B, C]).await;
    fake.script(A, [Answer::fixture(Fixture::ServiceDisabled)]);
    fake.script(B, [Answer::fixture(Fixture::ServiceDisabled)]);
    assert_eq!(world.post(UNARY).await.status, 200);
    let status = world.status().await;
    let projects: Vec<_> =
        status["keys"].as_array().unwrap().iter().map(|key| key["project"].clone()).collect();
    assert_eq!(projects, [json!("projects/123"), json!("projects/123"), json!(null)]);
    let retest = |key: &str| {
        let body = json!({ "keyId": key }).to_string();
        world.send(world.request("POST", "/-/retest").header("x-gemini-aggregator", "t").body(body))
    };
    retest("k1").await;
    fake.forget();
    fake.script(A, [Answer::fixture(Fixture::MinuteQuota)]);
    fake.script(B, [Answer::fixture(Fixture::MinuteQuota)]);
    while world.post(UNARY).await.status == 200 && !fake.keys_seen().iter().any(|key| key == A || key == B) {}
    let asked = fake.keys_seen().into_iter().filter(|key| key == A || key == B).count();
    let status = world.status().await;
    assert_eq!(asked, 1, "the other key of the project was not tried");
    assert_eq!(key_state(&status, "k1")["kind"], "coolingDown");
    assert_eq!(key_state(&status, "k1")["kind"], key_state(&status, "k2")["kind"]);
}

#[tokio::test]
async fn an_overloaded_model_is_asked_three_times_at_most_and_no_key_cools() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B, C]).await;
    fake.rule(Rule::new(Answer::fixture(Fixture::Overloaded)).times(3));
    let answer = world.post(UNARY).await;
    assert_eq!(
        (answer.status, answer.message().as_str()),
        (503, "The model is overloaded. Please try again later.")
    );
    assert_eq!(fake.keys_seen(), [A, A, B], "once more on the same key, then another");
    let status = world.status().await;
    assert!(["k1", "k2", "k3"].iter().all(|key| key_state(&status, key)["kind"] == "ready"));
    assert_eq!(world.post(UNARY).await.status, 200);
}

#[tokio::test]
async fn a_reset_before_the_first_byte_is_repeated_on_the_same_key() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B]).await;
    for step in [Step::Reset, Step::Cut] {
        fake.forget();
        fake.rule(Rule::new(Answer::only(step)).times(1));
        assert_eq!(world.post(STREAM).await.bytes, fixtures::stream());
        let keys = fake.keys_seen();
        assert_eq!((keys.len(), &keys[0]), (2, &keys[1]));
    }
}

#[tokio::test]
async fn creates_are_repeated_only_if_nothing_was_done() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B]).await;
    fake.rule(Rule::new(Answer::only(Step::Reset)).times(1));
    assert_eq!(world.post("/v1beta/cachedContents").await.status, 503);
    assert_eq!(fake.seen().len(), 1, "it may have been created");
    fake.forget();
    fake.rule(Rule::new(Answer::fixture(Fixture::MinuteQuota)).times(1));
    fake.rule(
        Rule::new(Answer::json(200, &json!({ "name": "cachedContents/x" }))).path_contains("cachedContents"),
    );
    assert_eq!(world.post("/v1beta/cachedContents").await.status, 200);
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn an_error_that_begins_a_stream_is_treated_as_its_status() {
    for path in [STREAM, ARRAY] {
        let fake = Fake::start().await;
        let world = World::new(&fake, &[A, B]).await;
        let error = json!({ "error": { "code": 429, "message": "Please retry in 20s.", "status": "RESOURCE_EXHAUSTED" } });
        let sse = [Step::Bytes(format!("data: {error}\r\n\r\n").into()), Step::End];
        let array = [Step::Bytes(format!("[{error}]").into()), Step::End];
        fake.rule(Rule::new(Answer::stream(if path == STREAM { sse } else { array })).key(A));
        assert_eq!(world.post(path).await.status, 200);
        assert_eq!(key_state(&world.status().await, "k1")["models"][0]["reason"], "perMinute");
        fake.rule(Rule::new(Answer::fixture(Fixture::Denied)).key(B));
        let only = World::new(&fake, &[A]).await;
        let answer = only.post(path).await;
        assert_eq!((answer.status, answer.json()), (429, error));
        assert_eq!(
            answer.header("content-type"),
            if path == STREAM { "text/event-stream" } else { "application/json; charset=UTF-8" }
        );
    }
}

#[tokio::test]
async fn an_answer_without_content_is_tried_once_elsewhere_then_passed_on_as_it_came() {
    let empty =
        json!({ "candidates": [{ "content": { "parts": [{ "text": "" }] }, "finishReason": "STOP" }] });
    let malformed = json!({ "candidates": [{ "finishReason": "MALFORMED_FUNCTION_CALL" }] });
    for event in [&empty, &malformed] {
        let fake = Fake::start().await;
        let world = World::new(&fake, &[A, B]).await;
        fake.script(A, [Answer::events(std::slice::from_ref(event)), Answer::json(200, event)]);
        assert_eq!(world.post(STREAM).await.bytes, fixtures::stream());
        assert_eq!(fake.keys_seen(), [A, B]);
        assert_eq!(world.post(UNARY).await.bytes, fixtures::unary());
        fake.clear();
        fake.rule(Rule::new(Answer::events(std::slice::from_ref(event))));
        assert_eq!(world.post(STREAM).await.text(), format!("data: {event}\r\n\r\n"));
        assert_eq!(fake.seen().len(), 6);
        let off = World::from(with(state(&fake, &[A, B]), json!({ "retryEmptyAnswers": false }))).await;
        assert_eq!((off.post(STREAM).await.status, fake.seen().len()), (200, 7));
    }
}

#[tokio::test]
async fn a_safety_block_and_an_empty_text_with_a_signature_pass_at_once() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B]).await;
    for event in [
        json!({ "promptFeedback": { "blockReason": "SAFETY" } }),
        json!({ "candidates": [{ "finishReason": "SAFETY" }] }),
        json!({ "candidates": [{ "content": { "parts": [{ "text": "", "thoughtSignature": "abc" }] }, "finishReason": "STOP" }] }),
    ] {
        fake.forget();
        fake.rule(Rule::new(Answer::events(std::slice::from_ref(&event))).times(1));
        assert_eq!(world.post(STREAM).await.text(), format!("data: {event}\r\n\r\n"));
        assert_eq!(fake.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_model_that_only_the_body_names_has_its_own_bucket() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    fake.rule(Rule::new(Answer::fixture(Fixture::MinuteQuota)).path_contains("interactions"));
    let create = |model: &str| {
        let body = json!({ "model": format!("models/{model}"), "input": "hi" }).to_string();
        world.send(world.request("POST", "/v1beta/interactions").body(body))
    };
    assert_eq!(create("gemini-x").await.status, 429);
    assert_eq!(world.get("/v1beta/models").await.status, 200);
    assert_eq!(create("gemini-y").await.status, 429);
    assert_eq!(fake.seen().len(), 3, "another model was asked for");
    assert_eq!(create("gemini-x").await.status, 429);
    assert_eq!(fake.seen().len(), 3, "this one rests");
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_says_nothing_before_any_content_is_tried_again() {
    let stream = |text: &str, last: Step| Answer::stream([Step::Bytes(text.to_owned().into()), last]);
    for (path, answer, keys) in [
        (STREAM, stream("data: {\"candidates\":[{\"cont", Step::End), [A, A]),
        (STREAM, Answer::stream([Step::End]), [A, B]),
        (UNARY, Answer::raw(200, &[("content-type", "application/json")], "{\"candidates\":[{\"con"), [A, A]),
        (UNARY, Answer::raw(200, &[("content-type", "application/json")], ""), [A, B]),
    ] {
        let fake = Fake::start().await;
        let world = World::new(&fake, &[A, B]).await;
        fake.rule(Rule::new(answer).times(1));
        assert_eq!(world.post(path).await.status, 200);
        assert_eq!(fake.keys_seen(), keys, "{path}");
    }
}

#[tokio::test]
async fn our_own_429_is_read_by_another_of_our_kind_as_what_it_is() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    fake.script(A, [Answer::fixture(Fixture::MinuteQuota)]);
    assert_eq!(world.post(UNARY).await.status, 429);
    let own = world.post(UNARY).await;
    let error = gemini_aggregator::gemini::error::parse(&own.bytes).unwrap();
    assert!(!error.limit_zero && error.retry_delay.is_some_and(|delay| delay > 30_000), "{error:?}");
}
