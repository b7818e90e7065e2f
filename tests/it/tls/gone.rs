//! R3 R5: connections that refuse, go away or hang up.

use super::*;

// --- a connection that refuses, goes away, hangs up ---

#[tokio::test]
async fn a_refused_stream_is_sent_again_at_once_even_if_it_creates_something() {
    let authority = Authority::new();
    let mut upstream = Upstream::start(&authority).await;
    let world = world(&upstream.url(), &[A, B], &authority).await;
    for path in [CREATE, UNARY, STREAM] {
        let (answer, keys) = tokio::join!(world.post(path), async {
            let refused = upstream.next().await;
            let first = refused.head.headers["x-goog-api-key"].clone();
            refused.resets(Reason::REFUSED_STREAM);
            let again = upstream.next().await;
            let second = again.head.headers["x-goog-api-key"].clone();
            again.answers(&good());
            [first, second]
        });
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(keys[0], keys[1], "{path}");
        let record = &world.records(1).await[0];
        let rules: Vec<_> = attempts(record)
            .into_iter()
            .map(|attempt| attempt.split_once(' ').unwrap().1.to_owned())
            .collect();
        assert_eq!(rules, ["notTaken retry notTaken", "200 deliver ok"], "{path}");
    }
    assert_eq!(upstream.accepted(), 1);
    // Five times: then it is the answer. What is not held cannot be sent again.
    for (path, attempts) in [(UNARY, 5), (UPLOAD, 1)] {
        let (answer, ()) = tokio::join!(world.post(path), async {
            for _ in 0..attempts {
                upstream.next().await.resets(Reason::REFUSED_STREAM);
            }
        });
        assert_eq!((answer.status, answer.header("x-attempts")), (503, &*attempts.to_string()), "{path}");
    }
    let status = world.status().await;
    assert_eq!(errors_today(&status), 0, "{status}");
    assert!(["k1", "k2"].iter().all(|key| key_state(&status, key)["kind"] == "ready"));
}

#[tokio::test]
async fn any_other_reset_before_the_answer_proves_nothing() {
    let authority = Authority::new();
    let mut upstream = Upstream::start(&authority).await;
    let world = world(&upstream.url(), &[A, B], &authority).await;
    let (answer, ()) =
        tokio::join!(world.post(CREATE), async { upstream.next().await.resets(Reason::INTERNAL_ERROR) });
    assert_eq!((answer.status, answer.header("x-attempts")), (503, "1"));
    assert!(upstream.is_idle());
    assert_eq!(world.records(1).await[0]["attempts"][0]["rule"], "broken");
}

#[tokio::test]
async fn a_request_that_a_goaway_does_not_vouch_for_is_sent_again_by_a_new_connection() {
    let authority = Authority::new();
    for reason in [Reason::NO_ERROR, Reason::ENHANCE_YOUR_CALM] {
        for path in [CREATE, UNARY] {
            let mut upstream = Upstream::start_as(&authority, "localhost", [Manner::Leaves(reason)]).await;
            let world = world(&upstream.url(), &[A], &authority).await;
            let (answer, connection) = tokio::join!(world.post(path), async {
                let exchange = upstream.next().await;
                let connection = exchange.connection;
                exchange.answers(&good());
                connection
            });
            assert_eq!((answer.status, connection), (200, 2), "{path} {reason}");
            let record = &world.records(1).await[0];
            assert_eq!(
                attempts(record),
                ["k1 notTaken retry notTaken", "k1 200 deliver ok"],
                "{path} {reason}"
            );
            let status = world.status().await;
            assert_eq!((errors_today(&status), &key_state(&status, "k1")["kind"]), (0, &json!("ready")));
        }
    }
}

#[tokio::test]
async fn a_connection_that_goes_away_in_good_order_finishes_its_answers_and_takes_no_new_request() {
    let authority = Authority::new();
    let mut upstream = Upstream::start(&authority).await;
    let world = world(&upstream.url(), &[A], &authority).await;
    let posted = tokio::spawn(world.request("POST", STREAM).body("{}").send());
    let mut open = upstream.next().await.opens();
    open.sends(&content("a"));
    let mut response = soon("the head", posted).await.unwrap().unwrap();
    upstream.goes_away();
    // Whether or not the news is there yet: nothing is lost, and no attempt is spent.
    for _ in 0..3 {
        let (answer, ()) = tokio::join!(world.post(CREATE), async { upstream.next().await.answers(&good()) });
        assert_eq!((answer.status, answer.header("x-attempts")), (200, "1"));
    }
    open.sends(FINISH);
    open.ends();
    let mut bytes = Vec::new();
    while let Some(chunk) = soon("the rest", response.chunk()).await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    assert_eq!(String::from_utf8(bytes).unwrap(), content("a") + FINISH);
    let (_, connection) = tokio::join!(world.post(UNARY), async {
        let exchange = upstream.next().await;
        let connection = exchange.connection;
        exchange.answers(&good());
        connection
    });
    assert_eq!((connection, upstream.accepted()), (2, 2));
    assert_eq!(errors_today(&world.status().await), 0);
}

#[tokio::test]
async fn a_kept_http_1_1_connection_that_is_closed_under_a_request_costs_a_repeatable_one_nothing() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B]).await;
    assert_eq!(world.get("/v1beta/models").await.status, 200);
    for step in [Step::Cut, Step::Reset] {
        fake.rule(Rule::new(Answer::only(step)).times(1));
        assert_eq!(world.post(UNARY).await.status, 200);
        let record = &world.records(1).await[0];
        let key = record["attempts"][0]["key"].as_str().unwrap();
        assert_eq!(attempts(record), [format!("{key} hungUp retry hungUp"), format!("{key} 200 deliver ok")]);
    }
    assert_eq!(errors_today(&world.status().await), 0);
    // Nobody but the upstream knows whether this one was read.
    fake.forget();
    fake.rule(Rule::new(Answer::only(Step::Cut)).times(1));
    assert_eq!(world.post(CREATE).await.status, 503);
    assert_eq!(fake.seen().len(), 1);
}
