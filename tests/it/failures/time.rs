//! R10 R11, K9: how long a request waits, how often it is tried, and whose time that is.

use super::*;

#[tokio::test]
async fn a_request_waits_for_the_pool_if_it_may() {
    let fake = Fake::start().await;
    let quota = |delay: &str| {
        Answer::json(
            429,
            &json!({ "error": { "code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED",
        "details": [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay }] } }),
        )
    };
    let world = World::from(with(state(&fake, &[A]), json!({ "maxQueueWaitMs": 5000 }))).await;
    fake.script(A, [quota("0.2s")]);
    let (first, second) = tokio::join!(world.post(UNARY), async {
        world.wait_status("the rest", |status| key_state(status, "k1")["kind"] == "coolingDown").await;
        world.post(UNARY).await
    });
    assert_eq!((first.status, second.status), (200, 200), "the one that emptied the pool waits too");
    let waited = world.records(2).await.into_iter().filter(|record| record["waitedMs"].as_u64() > Some(0));
    assert!(waited.clone().count() == 2, "the record says so");
    assert!(waited.into_iter().any(|record| record["skipped"][0]["rule"] == "perMinute"), "and why");
    assert_eq!(fake.seen().len(), 3, "the second was not sent before the rest was over");
    fake.script(A, [quota("60s")]);
    assert_eq!(world.post(UNARY).await.status, 429, "a minute does not fit");
}

#[tokio::test]
async fn attempts_are_bounded_by_the_setting_and_the_deadline() {
    let fake = Fake::start().await;
    let world = World::from(with(state(&fake, &[A, B, C]), json!({ "maxAttempts": 2 }))).await;
    fake.rule(Rule::new(Answer::fixture(Fixture::MinuteQuota)));
    assert_eq!(world.post(UNARY).await.status, 429);
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn the_first_byte_is_awaited_so_long_and_the_clients_own_deadline_counts() {
    let fake = Fake::start().await;
    let world = World::from(with(state(&fake, &[A, B]), json!({ "requestTimeoutMs": 60_000 }))).await;
    fake.rule(Rule::new(Answer::only(Step::Hang)));
    let answer = world.send(world.request("POST", STREAM).header("x-server-timeout", "1").body("{}")).await;
    assert_eq!((answer.status, &answer.json()["error"]["status"]), (504, &json!("DEADLINE_EXCEEDED")));
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert!(answer.message().contains("within 1 s") && answer.message().contains("the client's own"));
    fake.wait_aborted(1).await;
    assert_eq!(key_state(&world.status().await, "k1")["kind"], "ready", "a slow model is nobody's fault");
    assert_eq!(fake.seen()[0].header("x-server-timeout"), Some("1"));
    let short = World::from(with(state(&fake, &[A]), json!({ "requestTimeoutMs": 1000 }))).await;
    let answer = short.post(UNARY).await;
    assert_eq!(answer.status, 504);
    assert!(answer.message().contains("setting requestTimeout"), "{}", answer.message());
}

#[tokio::test]
async fn the_clients_deadline_is_lowered_on_a_retry() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B]).await;
    let gate = Gate::new();
    let late = Answer::behind(
        &gate,
        Answer::json(503, &json!({ "error": { "code": 503, "message": "m", "status": "UNAVAILABLE" } })),
    );
    fake.rule(Rule::new(late).times(1));
    let request = world.request("POST", UNARY).header("x-server-timeout", "30").body("{}");
    let (answer, ()) = tokio::join!(world.send(request), async {
        fake.wait_seen(1).await;
        // Time has to pass for there to be less of it.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        gate.open();
    });
    assert_eq!(answer.status, 200);
    let left: Vec<u32> =
        fake.seen().iter().map(|seen| seen.header("x-server-timeout").unwrap().parse().unwrap()).collect();
    assert!(left[0] == 30 || left[0] == 29, "{left:?}");
    assert!(left[1] < left[0], "{left:?}");
}

#[tokio::test]
async fn refusals_for_quota_do_not_use_up_the_calls_that_may_reach_the_model() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B, C]).await;
    fake.script(A, [Answer::fixture(Fixture::MinuteQuota)]);
    fake.script(B, [Answer::fixture(Fixture::MinuteQuota)]);
    fake.script(C, [Answer::fixture(Fixture::Overloaded)]);
    assert_eq!(world.post(UNARY).await.status, 200);
    assert_eq!(fake.keys_seen(), [A, B, C, C]);
}

#[tokio::test]
async fn a_retry_that_would_come_too_late_is_not_made_and_the_last_answer_speaks() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    let gate = Gate::new();
    let body = json!({ "error": { "code": 503, "message": "overloaded", "status": "UNAVAILABLE" } });
    fake.rule(Rule::new(Answer::behind(&gate, Answer::json(503, &body))));
    let request = world.request("POST", UNARY).header("x-server-timeout", "1").body("{}");
    let (answer, ()) = tokio::join!(world.send(request), async {
        fake.wait_seen(1).await;
        // Less is left than the shortest pause before another try.
        tokio::time::sleep(std::time::Duration::from_millis(850)).await;
        gate.open();
    });
    assert_eq!(
        (answer.status, answer.message().as_str(), answer.header("x-attempts")),
        (503, "overloaded", "1")
    );
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn the_time_a_caller_takes_to_send_its_body_is_its_own() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let fake = Fake::start().await;
    let world = World::from(with(state(&fake, &[A]), json!({ "requestTimeoutMs": 1000 }))).await;
    let mut caller = world.connect().await;
    let head = format!("POST {UNARY} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{{");
    caller.write_all(head.as_bytes()).await.unwrap();
    // Longer than the request may take.
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    caller.write_all(b"}").await.unwrap();
    let mut answer = [0; 12];
    crate::support::soon("an answer", caller.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer[9..], b"200");
}
