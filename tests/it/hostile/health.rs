//! Lies in `/health`, and answers to it that are no answers.

use std::time::Duration;

use fake_gemini::{Answer, Fake, Rule, Step};
use serde_json::json;

use super::scene::{KEY, Manner, Scene, TOKEN, WELL, assert_names_the_relay, assert_silent, relay};
use crate::support::UNARY;

const JSON: (&str, &str) = ("content-type", "application/json");

/// A relay that works, and says this of itself.
async fn says(health: Answer) -> Fake {
    let relay = Fake::start().await;
    relay.rule(Rule::new(health).path_contains("/health"));
    relay
}

#[tokio::test]
async fn a_relay_that_says_it_is_well_and_refuses_everything_stays_down() {
    let relay = relay(Answer::raw(403, &[("content-type", "text/html")], "<html>blocked")).await;
    let scene = Scene::new("serverless", &relay.url(), json!({})).await;
    assert_names_the_relay("the first", &scene.world.post(UNARY).await, 503, "UNAVAILABLE");
    let health = scene.wait_health("down").await;
    assert_eq!(health["reason"], "unauthorized", "{health}");
    let answer = scene.world.post(UNARY).await;
    assert_eq!(answer.status, 503);
    let asked = relay.seen().iter().filter(|seen| seen.target == UNARY).count();
    assert_eq!(asked, 1, "the second was not sent");
    scene.assert_unharmed("a lie").await;
}

#[tokio::test]
async fn a_relay_that_will_not_say_that_the_token_is_right_is_not_used() {
    for (auth, reason) in [("required", "unauthorized"), ("unset", "unauthorized")] {
        let relay =
            says(Answer::raw(200, &[JSON], WELL.replace("\"ok\",\"ver", &format!("\"{auth}\",\"ver")))).await;
        let scene = Scene::at_once("serverless", &relay.url(), json!({})).await;
        assert_eq!(scene.wait_health("down").await["reason"], reason, "{auth}");
        let status = scene.world.status().await;
        assert_eq!(
            (&status["problems"][0]["code"], &status["problems"][0]["subject"]),
            (&json!("instanceToken"), &json!("eu"))
        );
        assert_eq!(scene.world.post(UNARY).await.status, 503);
        assert!(relay.seen().iter().all(|seen| seen.key.is_none()), "no key goes there");
        scene.assert_unharmed(auth).await;
    }
}

#[tokio::test]
async fn what_a_relay_says_of_itself_shows_no_secret() {
    // As long as what is shown of it may be.
    for (secret, field) in [(KEY, "version"), (TOKEN, "version"), (KEY, "runtime"), (TOKEN, "region")] {
        let text =
            format!(r#"{{"relay":"gemini-aggregator","protocol":1,"auth":"ok","{field}":"{secret}"}}"#);
        let relay = says(Answer::raw(200, &[JSON], text)).await;
        let scene = Scene::new("hybrid", &relay.url(), json!({})).await;
        assert_eq!(scene.world.post(UNARY).await.status, 200);
        scene.assert_unharmed(field).await;
    }
}

#[tokio::test]
async fn an_answer_about_health_is_not_read_to_its_end_if_it_has_none() {
    let large = Answer::Steps(vec![
        Step::Head(200, vec![("content-type".into(), "application/json".into())]),
        Step::Bytes(vec![b' '; 64 * 1024 * 1024].into()),
        Step::Hang,
    ]);
    let relay = says(large).await;
    let scene = Scene::new("hybrid", &relay.url(), json!({})).await;
    assert_eq!(scene.world.post(UNARY).await.status, 200);
    scene.assert_unharmed("a large one").await;

    let head = Step::Head(200, vec![("content-type".into(), "application/json".into())]);
    let dribble = [Step::Bytes(" ".into()), Step::Pause(Duration::from_millis(400))];
    let endless = std::iter::once(head).chain(std::iter::repeat_n(dribble, 100).flatten());
    let relay = says(Answer::Steps(endless.collect())).await;
    let scene = Scene::at_once("hybrid", &relay.url(), json!({})).await;
    assert_eq!(scene.wait_health("down").await["reason"], "hung");
    assert_eq!(scene.world.post(UNARY).await.header("x-forwarded-to"), "local");
    scene.assert_unharmed("a slow one").await;
}

#[tokio::test]
async fn a_page_or_a_redirect_in_place_of_health_leads_nowhere() {
    let elsewhere = Fake::start().await;
    let to = format!("{}/health", elsewhere.url());
    for health in [
        Answer::raw(200, &[("content-type", "text/html")], "<html>"),
        Answer::raw(200, &[JSON], "<html>"),
        Answer::raw(302, &[("location", &to)], ""),
        Answer::raw(308, &[("location", &to), JSON], WELL),
    ] {
        let relay = says(health).await;
        // It works all the same: asked by a call to Gemini.
        let scene = Scene::new("serverless", &relay.url(), json!({})).await;
        assert_eq!(scene.world.post(UNARY).await.status, 200);
        scene.assert_unharmed("a page").await;
    }
    let answer = Answer::raw(302, &[("location", &to)], "");
    let relay = Fake::start().await;
    relay.rule(Rule::new(answer));
    let scene = Scene::at_once("serverless", &relay.url(), json!({})).await;
    scene.wait_health("down").await;
    let answer = scene.world.post(UNARY).await;
    assert_eq!(answer.status, 503);
    assert!(answer.message().ends_with("none that a key may use is up."), "{answer:?}");
    assert_eq!(elsewhere.connections().accepted, 0);
    scene.assert_unharmed("a redirect").await;
}

#[tokio::test]
async fn a_relay_that_dies_while_a_request_waits_for_it_is_left() {
    let relay = Fake::start().await;
    relay.rule(Rule::new(Answer::raw(200, &[JSON], WELL)).path_contains("/health").times(1));
    relay.rule(Rule::new(Answer::only(Step::Hang)));
    let scene = Scene::new("hybrid", &relay.url(), json!({ "requestTimeoutMs": 60_000 })).await;
    let answer = scene.world.post(UNARY).await;
    assert_eq!((answer.status, answer.header("x-forwarded-to")), (200, "local"));
    assert_eq!(scene.attempts().await, ["k1 eu hung blameEgress hung", "k1 local 200 deliver ok"]);
    assert_silent("a dead one", &scene.log().await);
    scene.assert_unharmed("a dead one").await;
}

#[tokio::test]
async fn heads_without_end_are_no_health() {
    const ENDLESS: Manner = Manner {
        first: b"HTTP/1.1 200 OK\r\n",
        again: b"x: yyyyyyyyyyyyyyyyyyyyyyyy\r\n",
        pause: Duration::ZERO,
    };
    let relay = super::Raw::always(ENDLESS).await;
    let scene = Scene::at_once("hybrid", relay.url(), json!({})).await;
    assert_eq!(scene.wait_health("down").await["reason"], "unreachable");
    assert_eq!(scene.world.post(UNARY).await.header("x-forwarded-to"), "local");
    scene.assert_unharmed("an endless head").await;
}
