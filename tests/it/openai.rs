//! S5 R10 W5 W6 on the OpenAI-compatible routes, which pass through in their own dialect.

use fake_gemini::{Answer, Fake, Fixture, Rule, Step};
use serde_json::{Value, json};

use crate::support::{World, attempts, key_state};

const A: &str = "AIzaSyA-first-key-of-the-pool-0123456789";
const B: &str = "AIzaSyB-second-key-of-the-pool-012345678";
const CHAT: &str = "/v1beta/openai/chat/completions";
const DONE: &str = "data: [DONE]\n\n";

fn chunk(text: &str, finish: Option<&str>) -> String {
    let chunk = json!({ "choices": [{ "delta": { "content": text }, "finish_reason": finish, "index": 0 }],
        "usage": { "total_tokens": 7 } });
    format!("data: {chunk}\n\n")
}

fn suspended(key: &str) -> Value {
    json!({ "error": { "code": 403, "message": format!("Permission denied: Consumer 'api_key:{key}' has been suspended."),
        "status": "PERMISSION_DENIED" } })
}

fn stream(text: impl Into<String>, last: Step) -> Rule {
    Rule::new(Answer::stream([Step::Bytes(text.into().into()), last]))
}

async fn ask(world: &World) -> crate::support::Answer {
    world.send(world.request("POST", CHAT).body("{\"model\":\"gemini-x\",\"stream\":true}")).await
}

#[tokio::test]
async fn a_whole_stream_is_the_same_bytes_and_its_record_says_what_it_was() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    // Either end will do: the reason to stop, or the mark.
    for text in [
        format!("{}{}{DONE}", chunk("a", None), chunk("b", Some("stop"))),
        chunk("b", Some("stop")),
        format!("{}{DONE}", chunk("a", None)),
    ] {
        fake.rule(stream(text.clone(), Step::End).times(1));
        let answer = ask(&world).await;
        assert!(answer.clean && answer.text() == text, "{answer:?}");
    }
    let record = &world.records(3).await[0];
    assert_eq!(
        (&record["front"], &record["operation"], &record["model"], &record["tokens"], &record["end"]),
        (&json!("openai"), &json!("chat/completions"), &json!("gemini-x"), &json!(7), &json!("complete"))
    );
    fake.rule(
        Rule::new(Answer::json(200, &json!({ "choices": [], "usage": { "total_tokens": 9 } }))).times(1),
    );
    assert_eq!(ask(&world).await.status, 200);
    assert_eq!(world.records(4).await[0]["tokens"], 9);
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_in_an_error_event_that_openais_clients_raise() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    let whole = chunk("a", None);
    for (sent, last) in [
        (whole.clone(), Step::End),
        (whole.clone(), Step::Cut),
        (whole.clone(), Step::Reset),
        (format!("{whole}data: {{\"cho"), Step::Cut),
    ] {
        fake.rule(
            Rule::new(Answer::stream([
                Step::Bytes(sent.clone().into()),
                Step::Pause(std::time::Duration::from_millis(20)),
                last,
            ]))
            .times(1),
        );
        let answer = ask(&world).await;
        let text = answer.text();
        let behind = text.strip_prefix(&sent).unwrap_or_else(|| panic!("{text}")).trim_start_matches('\n');
        assert!(answer.clean && behind.ends_with("\n\n") && !text.contains("[DONE]"), "{text}");
        let error: Value = serde_json::from_str(behind.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(
            (&error["error"]["type"], &error["error"]["code"]),
            (&json!("server_error"), &json!("UNAVAILABLE"))
        );
        assert!(error["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    assert!(world.records(4).await.iter().all(|record| record["end"] == "broken"));
}

#[tokio::test]
async fn an_error_that_begins_a_stream_is_its_status_and_one_within_it_loses_its_key() {
    for wrap in [|error: &Value| error.to_string(), |error: &Value| format!("[{error}]")] {
        let fake = Fake::start().await;
        let world = World::new(&fake, &[A, B]).await;
        fake.rule(stream(format!("data: {}\n\n", wrap(&suspended(A))), Step::End).key(A));
        fake.rule(stream(format!("{}{DONE}", chunk("b", Some("stop"))), Step::End).key(B));
        assert_eq!(ask(&world).await.status, 200);
        assert_eq!(
            attempts(&world.records(1).await[0]),
            ["k1 403 quarantine suspended", "k2 200 deliver ok"]
        );
        assert_eq!(key_state(&world.status().await, "k1")["reason"], "suspended");

        fake.clear();
        let sent = format!("{}data: {}\n\n", chunk("b", None), wrap(&suspended(B)));
        fake.rule(stream(sent, Step::End));
        let answer = ask(&world).await;
        let text = answer.text();
        assert!(text.contains("api_key:AIza…5678") && !text.contains(B), "{text}");
        let last = text.trim_end().rsplit("data: ").next().unwrap();
        let last: Value = serde_json::from_str(last).unwrap();
        assert_eq!(last["error"]["code"], "PERMISSION_DENIED", "the upstream's own reason is repeated");
    }
}

#[tokio::test]
async fn an_error_within_any_other_stream_of_events_loses_its_key_too() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    let event = |key: &str| {
        let error = json!({ "code": "permission_denied", "message": format!("Consumer 'api_key:{key}' has been suspended.") });
        format!("event: error\ndata: {{\"event_type\": \"error\", \"error\": {error}}}\n\n")
    };
    let content = format!("event: step.delta\ndata: {{\"event_type\":\"step.delta\",\"text\":\"{A}\"}}\n\n");
    let sent = format!("{content}{}data: [DONE]\n\n", event(A));
    for size in [1, 13, 4096] {
        let pieces = sent.as_bytes().chunks(size).map(|piece| Step::Bytes(piece.to_vec().into()));
        fake.rule(Rule::new(Answer::stream(pieces.chain([Step::End]).collect::<Vec<_>>())).times(1));
        let answer = world.post("/v1beta/interactions").await;
        assert_eq!(answer.text(), format!("{content}{}data: [DONE]\n\n", event("AIza…6789")));
    }
}

#[tokio::test]
async fn a_refusal_rotates_and_the_bearer_is_the_only_credential() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, B]).await;
    fake.script(A, [Answer::fixture(Fixture::MinuteQuota)]);
    fake.rule(stream(format!("{}{DONE}", chunk("b", Some("stop"))), Step::End).key(B));
    assert_eq!(ask(&world).await.status, 200);
    for seen in fake.wait_seen(2).await {
        assert_eq!(seen.credentials.len(), 1);
        assert_eq!(seen.credentials[0].0, "authorization");
    }
}
