//! What a relay may make the caller and us believe: refusals in Google's shape that quote what it was sent, headers of its own.

use fake_gemini::Answer;
use serde_json::{Value, json};

use super::scene::{KEY, OTHER, Scene, TOKEN, assert_names_the_relay, assert_silent, relay, said};
use super::{EVENTS, JSON};
use crate::support::{ARRAY, STREAM, UNARY};

const CHAT: &str = "/v1beta/openai/chat/completions";

/// How somebody writes a secret who wants it to be seen.
fn spellings(secret: &str) -> [String; 5] {
    let percent = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let escaped = secret.chars().map(|character| format!("\\u{:04x}", character as u32)).collect();
    let entities = secret.chars().map(|character| format!("&#{};", character as u32)).collect();
    [secret.to_owned(), percent, escaped, entities, secret.replace('-', "%2D")]
}

fn assert_spells_no_secret(what: &str, said: &str) {
    for spelling in [KEY, TOKEN].iter().flat_map(|secret| spellings(secret)) {
        assert!(!said.contains(&spelling), "{what}: {spelling} in {said}");
    }
}

/// `error.message` is put in as it is written here.
fn error(message: &str) -> String {
    format!(r#"{{"error":{{"code":400,"message":"at fault: {message}","status":"INVALID_ARGUMENT"}}}}"#)
}

#[tokio::test]
async fn a_refusal_in_googles_shape_loses_key_and_token_in_any_spelling() {
    for spelling in [KEY, TOKEN].iter().flat_map(|secret| spellings(secret)) {
        let headers = [
            JSON,
            ("x-debug", &*spelling),
            ("www-authenticate", &*spelling),
            ("retry-after", &*spelling),
            ("x-request-id", &*spelling),
            ("etag", &*spelling),
        ];
        let relay = relay(Answer::raw(400, &headers, error(&spelling))).await;
        let scene = Scene::new("serverless", &relay.url(), json!({})).await;
        for path in [UNARY, STREAM, ARRAY, CHAT] {
            let answer = scene.world.post(path).await;
            assert_eq!(answer.status, 400, "{path}: {}", said(&answer));
            assert!(answer.text().contains("at fault: "), "{path}: {}", said(&answer));
            assert_spells_no_secret(path, &said(&answer));
        }
        scene.assert_unharmed(&spelling).await;
        assert_spells_no_secret("the log", &scene.world.log());
    }
}

#[tokio::test]
async fn an_error_within_a_good_answer_loses_key_and_token_in_any_spelling() {
    let content = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#;
    for spelling in [KEY, TOKEN].iter().flat_map(|secret| spellings(secret)) {
        let error = error(&spelling);
        for (path, kind, body) in [
            (STREAM, EVENTS, format!("data: {error}\r\n\r\n")),
            (STREAM, EVENTS, format!("data: {content}\r\n\r\ndata: {error}\r\n\r\n")),
            (STREAM, EVENTS, format!("data: {content}\r\n\r\n{error}\r\n")),
            (ARRAY, JSON, format!("[{content},\r\n{error}]")),
            (UNARY, JSON, error.clone()),
            (CHAT, EVENTS, format!("data: {error}\n\n")),
        ] {
            let relay = relay(Answer::raw(200, &[kind, ("x-debug", &*spelling)], body)).await;
            let scene = Scene::new("serverless", &relay.url(), json!({})).await;
            let answer = scene.world.post(path).await;
            assert!(
                String::from_utf8_lossy(&answer.bytes).contains("at fault: "),
                "{path}: {}",
                said(&answer)
            );
            assert_spells_no_secret(path, &said(&answer));
            scene.assert_unharmed(path).await;
        }
    }
}

#[tokio::test]
async fn a_relays_own_error_is_told_by_its_mark_and_a_mark_on_a_good_answer_is_dropped() {
    for (status, mark, ended) in [
        (502, "1", "502 blameEgress relayError"),
        (503, "", "503 blameEgress relayError"),
        (401, KEY, "401 blameEgress relayError"),
        (429, "1", "429 blameEgress relayError"),
        (400, "1", "400 blameEgress relayError"),
    ] {
        let body = json!({ "error": { "code": status, "message": format!("API key {KEY} not valid."), "status": "X" } });
        let relay = relay(Answer::raw(status, &[JSON, ("x-relay-error", mark)], body.to_string())).await;
        super::is_left(&format!("{status}"), &relay.url(), UNARY, ended).await;
    }
    let good = fake_gemini::fixtures::unary();
    let relay =
        relay(Answer::raw(200, &[JSON, ("x-relay-error", "1"), ("x-relay", "1")], good.clone())).await;
    let scene = Scene::new("hybrid", &relay.url(), json!({})).await;
    let answer = scene.world.post(UNARY).await;
    assert_eq!((answer.status, &answer.bytes[..]), (200, &good[..]));
    assert!(!answer.headers.contains_key("x-relay-error") && !answer.headers.contains_key("x-relay"));
    assert!(scene.google.seen().is_empty());
}

#[tokio::test]
async fn headers_that_are_not_the_relays_to_set_do_not_reach_the_caller() {
    let headers = [
        JSON,
        ("set-cookie", "a=b"),
        ("set-cookie2", "a=b"),
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("alt-svc", "h3=\"evil.example:443\""),
        ("strict-transport-security", "max-age=99999999; includeSubDomains"),
        ("clear-site-data", "\"*\""),
        ("refresh", "0; url=https://evil.example"),
        ("x-forwarded-to", "elsewhere"),
        ("x-api-key-used", KEY),
        ("x-attempts", "99"),
        ("x-serverless-response-time", "soon"),
        ("x-gemini-aggregator", "9.9.9"),
        ("x-forwarded-for", "192.0.2.1"),
        ("connection", "close, x-hop"),
        ("x-hop", "1"),
        ("proxy-authenticate", "Basic"),
        ("trailer", "x"),
        ("service-worker-allowed", "/"),
    ];
    let good = fake_gemini::fixtures::unary();
    for status in [200, 400] {
        let body = if status == 200 { good.clone() } else { error("x").into() };
        let relay = relay(Answer::raw(status, &headers, body)).await;
        let scene = Scene::new("hybrid", &relay.url(), json!({})).await;
        let answer = scene.world.post(UNARY).await;
        assert_eq!(answer.status, status);
        for name in [
            "set-cookie",
            "set-cookie2",
            "access-control-allow-origin",
            "access-control-allow-credentials",
            "alt-svc",
            "strict-transport-security",
            "clear-site-data",
            "refresh",
            "x-gemini-aggregator",
            "x-forwarded-for",
            "x-hop",
            "proxy-authenticate",
            "trailer",
            "service-worker-allowed",
        ] {
            assert!(!answer.headers.contains_key(name), "{name} in {}", said(&answer));
        }
        assert_eq!((answer.header("x-forwarded-to"), answer.header("x-attempts")), ("eu", "1"));
        assert_eq!(answer.header("x-api-key-used"), "AIz***789");
        assert!(answer.header("x-serverless-response-time").parse::<u64>().is_ok());
        for (name, _) in &answer.headers {
            assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{name} twice");
        }
        assert_silent("headers", &said(&answer));
    }
}

#[tokio::test]
async fn a_relay_that_calls_every_key_invalid_is_believed_of_none() {
    let body = json!({ "error": { "code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT",
        "details": [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com" }] } });
    let relay = relay(Answer::json(400, &body)).await;
    // Of fewer than three nothing can be concluded.
    let key = |id: &str, secret: &str| json!({ "id": id, "secret": secret });
    let keys = [key("k1", KEY), key("k2", OTHER), key("k3", "secret-key-c")];
    let scene = Scene::new("hybrid", &relay.url(), json!({ "keys": keys })).await;
    let first = scene.world.post(UNARY).await;
    let status = scene.world.status().await;
    assert_eq!(status["problems"][0]["code"], "allKeysInvalid", "{first:?} {status}");
    scene.assert_unharmed("all invalid").await;
    // From now on it is the last resort.
    assert_eq!(scene.world.post(UNARY).await.status, 200);
    assert_eq!(scene.google.seen().len(), 1);
}

#[tokio::test]
async fn a_platforms_own_words_in_json_are_no_answer() {
    for (status, body) in [
        (403, json!({ "message": "Forbidden" })),
        (429, json!({ "error": "Too many requests" })),
        (500, json!({ "error": { "message": "boom" } })),
        (401, json!({ "error": { "code": "UNAUTHORIZED", "message": "login" } })),
        (200, json!({ "message": "Forbidden" })),
        (200, json!("OK")),
        (200, Value::Null),
    ] {
        let relay = relay(Answer::json(status, &body)).await;
        let scene = Scene::new("hybrid", &relay.url(), json!({})).await;
        let answer = scene.world.post(UNARY).await;
        assert_eq!(
            (answer.status, scene.google.keys_seen()),
            (200, vec![KEY.to_owned()]),
            "{body}: {}",
            said(&answer)
        );
        assert!(!scene.google.keys_seen().contains(&OTHER.to_owned()));
        scene.assert_unharmed("platform").await;
        if status >= 400 {
            let scene = Scene::new("serverless", &relay.url(), json!({})).await;
            assert_names_the_relay("platform", &scene.world.post(UNARY).await, 503, "UNAVAILABLE");
        }
    }
}
