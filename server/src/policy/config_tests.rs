use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn check(state: Value, previous: &Config) -> (Config, Vec<String>) {
    let mut whole = json!({ "revision": 1, "port": 3145 });
    whole.as_object_mut().unwrap().extend(state.as_object().unwrap().clone());
    let desired = serde_json::from_value(whole).unwrap();
    let (config, problems) = Config::from_desired(desired, previous);
    let name = |problem: &Problem| {
        let code = serde_json::to_value(problem.code).unwrap();
        let subject = problem.subject.as_ref().map_or_else(String::new, |subject| format!(" {subject}"));
        format!("{}{subject}", code.as_str().unwrap())
    };
    (config, problems.iter().map(name).collect())
}

fn first(state: Value) -> (Config, Vec<String>) {
    check(state, &Config::empty())
}

fn key(id: &str, secret: &str) -> Value {
    json!({ "id": id, "secret": secret })
}

#[test]
fn defaults_are_the_documented_ones() {
    let (config, problems) = first(json!({ "keys": [key("key1", "abcdef")] }));
    assert_eq!(problems, [""; 0]);
    assert_eq!(
        (config.port, config.mode, config.request_timeout, config.max_attempts),
        (Some(3145), Mode::Local, 180_000, 5)
    );
    assert_eq!(config.upstream.unwrap().url(), "https://generativelanguage.googleapis.com");
    assert_eq!((config.heartbeat, config.max_queue_wait, config.access_token), (None, 0, None));
}

#[test]
fn numbers_out_of_range_keep_the_last_good_value_and_the_rest_applies() {
    let keys = json!([key("key1", "abcdef")]);
    let (good, _) = first(json!({ "port": 4000, "requestTimeoutMs": 5000, "maxAttempts": 2, "keys": keys }));
    let bad = json!({ "port": 70000, "requestTimeoutMs": -1, "maxAttempts": 0, "maxQueueWaitMs": 600_001,
        "heartbeatSeconds": 4, "maxBodyBytes": 1, "mode": "hybrid", "keys": keys });
    let (config, problems) = check(bad, &good);
    assert_eq!(
        problems,
        [
            "portRange",
            "timeoutRange",
            "attemptsRange",
            "queueWaitRange",
            "heartbeatRange",
            "bodySizeRange",
            "noInstances"
        ]
    );
    assert_eq!(
        (config.port, config.request_timeout, config.max_attempts, config.mode),
        (Some(4000), 5000, 2, Mode::Hybrid)
    );
}

#[test]
fn a_port_out_of_range_at_the_start_means_no_listener() {
    let (config, problems) = first(json!({ "port": -1, "keys": [key("key1", "abcdef")] }));
    assert_eq!((config.port, problems), (None, vec!["portRange".to_owned()]));
    assert_eq!(first(json!({ "port": 0 })).0.port, Some(0));
}

#[test]
fn keys_are_trimmed_and_wrong_ones_left_out_by_name() {
    let (config, problems) = first(json!({ "keys": [
        key("key1", " AIzaOne\n"), key("key1", "other"), key("key2", "AIzaOne"), key("key3", "  "), key("key4", "a\u{e9}b"),
        key("key5", "a\r\nb"), key("key6", "anything goes?"),
    ] }));
    assert_eq!(
        problems,
        [
            "duplicateId key1",
            "duplicateSecret key2",
            "emptySecret key3",
            "invalidSecret key4",
            "invalidSecret key5"
        ]
    );
    let kept: Vec<(&str, &str)> = config.keys.iter().map(|key| (&*key.id, key.secret.expose())).collect();
    assert_eq!(kept, [("key1", "AIzaOne"), ("key6", "anything goes?")]);
}

#[test]
fn a_binding_to_nothing_is_named_and_every_binding_kept_points_at_something() {
    let (config, problems) = first(json!({
        "instances": [{ "id": "us", "url": "https://us.example" }, { "id": "old", "url": "https://x.deno.dev" }],
        "keys": [
            { "id": "key1", "secret": "aaaaaa", "binding": { "kind": "instance", "id": "us" } },
            { "id": "key2", "secret": "bbbbbb", "binding": { "kind": "instance", "id": "old" } },
            { "id": "key3", "secret": "cccccc", "binding": { "kind": "local" } },
        ],
    }));
    assert_eq!(problems, ["instanceRetired old", "unknownInstance key2"]);
    let bindings: Vec<_> = config.keys.iter().map(|key| key.binding.clone()).collect();
    assert_eq!(bindings, [Some(Bound::Instance("us".into())), None, Some(Bound::Local)]);
}

#[test]
fn instances_are_checked() {
    let (config, problems) = first(json!({ "keys": [key("key1", "abcdef")], "instances": [
        { "id": "local", "url": "https://a.example" },
        { "id": "a", "url": "http://a.example" },
        { "id": "b", "url": "https://b.example/p/", "headers": { "X-Own": "1", "host": "evil" }, "token": " t " },
        { "id": "b", "url": "https://c.example" },
        { "id": "d", "url": "https://d.example", "token": "a\nb" },
    ] }));
    assert_eq!(
        problems,
        ["instanceUrl local", "instanceUrl a", "instanceUrl b", "duplicateId b", "instanceToken d"]
    );
    assert_eq!(config.instances.len(), 1);
    assert_eq!(config.instances[0].headers, [("x-own".to_owned(), Secret::new("1"))]);
    assert_eq!(config.instances[0].token, Some(Secret::new("t")));
}

#[test]
fn a_refused_upstream_or_proxy_is_never_replaced_by_another_way() {
    let state = json!({ "upstream": "http://evil.example", "proxy": { "kind": "url", "url": "gopher://x" }, "keys": [key("key1", "abcdef")] });
    let (config, problems) = first(state);
    assert_eq!(problems, ["upstreamUrl", "proxyUrl"]);
    assert_eq!((config.upstream, config.proxy), (None, None));
    let (config, problems) = first(
        json!({ "proxy": { "kind": "url", "url": "socks5://p", "noProxy": "a.test" }, "keys": [key("key1", "abcdef")] }),
    );
    let Some(Choice::Via(proxy, bypass)) = config.proxy else { panic!("{:?}", config.proxy) };
    assert_eq!((proxy.authority(), bypass.covers("a.test", 443), problems.len()), ("p:1080".into(), true, 0));
}

#[test]
fn an_empty_token_is_none_and_a_heartbeat_waits_for_silence() {
    let (config, _) = first(
        json!({ "accessToken": "", "heartbeatSeconds": 10, "allowedOrigins": ["https://A.example/"], "allowedHosts": ["Host.Docker.Internal"] }),
    );
    assert_eq!((config.access_token, config.heartbeat), (None, Some(30_000)));
    assert_eq!(
        (config.allowed_origins, config.allowed_hosts),
        (vec!["https://a.example".to_owned()], vec!["host.docker.internal".to_owned()])
    );
    assert_eq!(first(json!({ "heartbeatSeconds": 60 })).0.heartbeat, Some(60_000));
    let (config, problems) =
        first(json!({ "accessToken": " token\n", "keys": [{ "id": "a", "secret": "key-one" }] }));
    assert_eq!((config.access_token, problems), (Some(Secret::new("token")), vec![]));
    let (config, problems) =
        first(json!({ "accessToken": "令牌", "keys": [{ "id": "a", "secret": "key-one" }] }));
    assert!(config.access_token.is_some(), "nobody may call, rather than everybody");
    assert_eq!(problems, ["invalidSecret accessToken"]);
}

#[test]
fn an_empty_pool_and_missing_relays_are_problems_but_apply() {
    let (_, problems) = first(json!({ "mode": "serverless" }));
    assert_eq!(problems, ["noKeys", "noInstances"]);
    let (_, problems) = first(json!({ "keys": [{ "id": "key1", "secret": "abcdef", "enabled": false }] }));
    assert_eq!(problems, ["noKeys"]);
}

#[test]
fn every_secret_is_known_to_the_redactor() {
    let (config, _) = first(json!({
        "accessToken": "the-token", "proxy": { "kind": "url", "url": "http://me:hush-hush@p:1" },
        "keys": [key("key1", "key-one")],
        "instances": [{ "id": "a", "url": "https://a.example", "token": "relay-token", "headers": { "x-own": "own-value" } }],
    }));
    let secrets: Vec<String> = config.secrets().map(|secret| secret.expose().to_owned()).collect();
    for secret in ["the-token", "hush-hush", "key-one", "relay-token", "own-value"] {
        assert!(secrets.iter().any(|known| known == secret), "{secret}");
    }
}

proptest! {
    #[test]
    fn any_state_is_survived_and_no_problem_tells_a_secret(
        port: i64, timeout: i64, attempts: i64, body: i64, beat: i64,
        ids in proptest::collection::vec("[ -~]{0,6}", 0..5),
        secrets in proptest::collection::vec(r"SECRET[ -~\r\n]{0,20}", 0..5),
        urls in proptest::collection::vec("(https?://)?[ -~]{0,30}", 0..4),
        bind in "[ -~]{0,6}",
    ) {
        let keys: Vec<Value> = ids.iter().zip(&secrets)
            .map(|(id, secret)| json!({ "id": id, "secret": secret, "binding": { "kind": "instance", "id": bind } })).collect();
        let instances: Vec<Value> = ids.iter().zip(&urls).map(|(id, url)| json!({ "id": id, "url": url })).collect();
        let (config, problems) = first(json!({
            "port": port, "requestTimeoutMs": timeout, "maxAttempts": attempts, "maxBodyBytes": body, "heartbeatSeconds": beat,
            "upstream": urls.first().cloned().unwrap_or_default(), "keys": keys, "instances": instances,
        }));
        prop_assert!(!problems.iter().any(|problem| problem.contains("SECRET")));
        prop_assert!((1..=20).contains(&config.max_attempts) && (1_000..=3_600_000).contains(&config.request_timeout));
        for key in &config.keys {
            prop_assert!(http::HeaderValue::from_str(key.secret.expose()).is_ok());
            if let Some(Bound::Instance(id)) = &key.binding {
                prop_assert!(config.instances.iter().any(|instance| instance.id == *id));
            }
        }
    }

    #[test]
    fn any_json_is_decoded_or_refused_without_a_panic(text in r#"[\[\]{}",:a-z0-9 ]{0,120}"#) {
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            let _ = serde_json::from_value::<DesiredState>(value);
        }
    }
}
