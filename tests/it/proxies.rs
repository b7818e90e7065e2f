//! W16: network proxies on the way out, real ones and one that is scripted. The upstream is known by names that nobody but the
//! proxy can resolve, since loopback is never reached through one.

#[cfg(target_os = "linux")]
mod programs;
#[cfg(target_os = "linux")]
mod real;
mod scripted;

use serde_json::{Value, json};

use crate::support::{Answer, Folder, STREAM, UNARY, World, attempts, key_state, with};
use crate::tls::upstream::{Authority, Upstream};
use scripted::{Asked, Manner, Scripted, Tongue};

const A: &str = "secret-key-a";
/// User and password as they stand in a URL, as they are, and as `Proxy-Authorization` carries them.
const TYPED: &str = "m%40e:hush@hush%2F%25";
const PLAIN: &str = "m@e:hush@hush/%";
const BASIC: &str = "bUBlOmh1c2hAaHVzaC8l";
const ASKS_FOR_CREDENTIALS: &str = "The network proxy asks for a user name and a password";

fn good() -> Value {
    json!({ "name": "x", "candidates": [{ "content": { "parts": [{ "text": "a" }] }, "finishReason": "STOP" }] })
}

fn via(url: &str) -> Value {
    json!({ "kind": "url", "url": url })
}

/// The upstream and how it is reached.
struct Way {
    authority: Authority,
    upstream: Upstream,
}

impl Way {
    /// Shows a certificate for this name.
    async fn to(name: &str) -> Self {
        let authority = Authority::new();
        let upstream = Upstream::start_as(&authority, name, []).await;
        Self { authority, upstream }
    }

    /// A proxy that leads everybody there.
    async fn proxy(&self, tongue: Tongue) -> Scripted {
        Scripted::start(tongue, Manner::Leads(self.upstream.address())).await
    }

    /// By this proxy, with these fields on top and these variables.
    async fn world(&self, proxy: Value, more: Value, variables: &[(&str, &str)]) -> World {
        let folder = Folder::new();
        let state = json!({ "revision": 1, "port": 0, "upstream": "https://gemini.test", "proxy": proxy,
            "tls": { "caFile": folder.write("authority.pem", &self.authority.pem) },
            "keys": [{ "id": "k1", "secret": A }] });
        World::in_environment(variables, "trace", with(state, more), folder).await
    }

    /// Asks and answers.
    async fn asks(&mut self, world: &World) -> (Answer, http::request::Parts) {
        tokio::join!(world.post(UNARY), async {
            let exchange = self.upstream.next().await;
            let head = exchange.head.clone();
            exchange.answers(&good());
            head
        })
    }

    /// Tests the key, beside the request path.
    async fn tests(&mut self, world: &World) -> Value {
        let (answer, ()) =
            tokio::join!(retest(world), async { self.upstream.next().await.answers(&json!({})) });
        answer
    }
}

/// What a re-test finds.
async fn retest(world: &World) -> Value {
    let request = world.request("POST", "/-/retest").header("x-gemini-aggregator", "test");
    world.send(request.body("{\"keyId\":\"k1\"}")).await.json()["detail"].clone()
}

/// That a request and a re-test come to nothing and blame no key; the answer to the request.
async fn comes_to_nothing(world: &World, outcome: &str) -> Answer {
    let answer = world.post(UNARY).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    let record = &world.records(1).await[0];
    assert!(attempts(record).iter().all(|attempt| attempt.contains(outcome)), "{record}");
    let found = retest(world).await;
    // A relay that is down is no way out any more, nor is a proxy that cannot be used.
    let ended = ["unreachable", "noRoute", "settings"].map(Value::from).contains(&found["rule"]);
    assert!(found["ok"] == false && ended, "{found}");
    assert_eq!(key_state(&world.status().await, "k1")["kind"], "ready");
    answer
}

/// That nobody was told the password, in whatever form.
async fn assert_silent(world: &World, answer: &Answer) {
    let (status, log) = (world.status().await, world.log_with(answer.header("x-request-id")).await);
    let said = format!("{log}{}{status}{:?}", answer.text(), answer.headers);
    for form in ["hush", BASIC, PLAIN, TYPED] {
        assert!(!said.contains(form), "{form} in {said}");
    }
}

// --- what the proxy is asked ---

#[tokio::test]
async fn the_proxy_resolves_names_and_is_shown_the_credentials_as_they_are_meant() {
    let mut way = Way::to("gemini.test").await;
    let trusted = way.authority.acceptor("localhost", &["h2", "http/1.1"]);
    for (scheme, host, tongue, shown) in [
        ("http", "127.0.0.1", Tongue::Http, BASIC),
        ("HTTPS", "localhost", Tongue::Https(trusted), BASIC),
        ("socks5", "127.0.0.1", Tongue::Socks, PLAIN),
        ("socks5h", "localhost", Tongue::Socks, PLAIN),
        ("socks", "127.0.0.1", Tongue::Socks, PLAIN),
    ] {
        let proxy = way.proxy(tongue).await;
        let url = format!(" {scheme}://{TYPED}@{host}:{}/ ", proxy.port);
        let world = way.world(via(&url), json!({}), &[]).await;
        let (answer, head) = way.asks(&world).await;
        assert_eq!((answer.status, head.version), (200, http::Version::HTTP_2), "{scheme}");
        assert_eq!(way.tests(&world).await["ok"], true, "{scheme}");
        let asked =
            Asked { target: "gemini.test:443".into(), credentials: Some(shown.into()), protocol: None };
        assert_eq!(proxy.asked(), [asked.clone(), asked], "{scheme}");
        assert_silent(&world, &answer).await;
    }
}

#[tokio::test]
async fn without_a_scheme_it_is_an_http_proxy_and_without_credentials_none_are_shown() {
    let mut way = Way::to("gemini.test").await;
    for (scheme, tongue) in [("", Tongue::Http), ("socks5://", Tongue::Socks)] {
        let proxy = way.proxy(tongue).await;
        let world = way.world(via(&format!("{scheme}127.0.0.1:{}", proxy.port)), json!({}), &[]).await;
        assert_eq!(way.asks(&world).await.0.status, 200);
        assert_eq!(way.tests(&world).await["ok"], true);
        let asked = Asked { target: "gemini.test:443".into(), credentials: None, protocol: None };
        assert_eq!(proxy.asked(), [asked.clone(), asked]);
    }
}

#[tokio::test]
async fn loopback_is_reached_straight_whatever_is_set() {
    let mut way = Way::to("localhost").await;
    let proxy = way.proxy(Tongue::Http).await;
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let upstream = json!({ "upstream": way.upstream.url() });
    for (set, variables) in
        [(via(&url), &[][..]), (json!({ "kind": "auto" }), &[("https_proxy", url.as_str())])]
    {
        let world = way.world(set, upstream.clone(), variables).await;
        assert_eq!(way.asks(&world).await.0.status, 200);
        assert_eq!(way.tests(&world).await["ok"], true);
    }
    assert_eq!(proxy.targets(), [""; 0]);
}

#[tokio::test]
async fn the_environment_names_the_proxy_and_the_lower_case_counts() {
    let mut way = Way::to("gemini.test").await;
    let (wanted, other) = (way.proxy(Tongue::Socks).await, way.proxy(Tongue::Http).await);
    let wanted_url = format!("socks5://{TYPED}@127.0.0.1:{}", wanted.port);
    let other_url = format!("http://127.0.0.1:{}", other.port);
    let (wanted_url, other_url) = (wanted_url.as_str(), other_url.as_str());
    let sets: [&[(&str, &str)]; 4] = [
        &[("https_proxy", wanted_url), ("HTTPS_PROXY", other_url), ("ALL_PROXY", other_url)],
        &[("https_proxy", ""), ("HTTPS_PROXY", wanted_url), ("all_proxy", other_url)],
        &[("all_proxy", wanted_url), ("ALL_PROXY", other_url), ("HTTP_PROXY", other_url)],
        &[("ALL_PROXY", wanted_url), ("http_proxy", other_url), ("NO_PROXY", "other.test")],
    ];
    for (at, variables) in sets.into_iter().enumerate() {
        let world = way.world(json!({ "kind": "auto" }), json!({}), variables).await;
        let (answer, _) = way.asks(&world).await;
        assert_eq!(answer.status, 200);
        assert_eq!(way.tests(&world).await["ok"], true);
        assert_eq!(wanted.targets(), vec!["gemini.test:443"; 2 * (at + 1)]);
        assert_eq!(wanted.asked()[2 * at].credentials.as_deref(), Some(PLAIN));
        assert_silent(&world, &answer).await;
    }
    assert_eq!(other.targets(), [""; 0]);
}

// --- what cannot be used ---

#[tokio::test]
async fn a_proxy_of_the_environment_that_cannot_be_used_is_a_problem_and_never_a_direct_connection() {
    let way = Way::to("gemini.test").await;
    for (variable, value) in [
        ("ALL_PROXY", "socks4://m%40e:hush%2Fhush%25@127.0.0.1:1"),
        ("https_proxy", "pac+http://127.0.0.1/proxy.pac"),
        ("HTTPS_PROXY", "http://127.0.0.1:hush"),
    ] {
        let world = way.world(json!({ "kind": "auto" }), json!({}), &[(variable, value)]).await;
        let problem = json!({ "code": "proxyUrl", "subject": variable, "severity": "error" });
        let has = |status: &Value| status["problems"].as_array().unwrap().contains(&problem);
        world.wait_status("the problem", has).await;
        let answer = comes_to_nothing(&world, "settings").await;
        assert!(
            answer.message().starts_with("The setting proxy (auto: HTTPS_PROXY or ALL_PROXY"),
            "{answer:?}"
        );
        assert_silent(&world, &answer).await;
    }
    assert_eq!(way.upstream.accepted(), 0);
}

#[tokio::test]
async fn a_proxy_that_does_not_connect_is_told_apart_and_nothing_is_sent() {
    let way = Way::to("gemini.test").await;
    let http = |words: &str| (Tongue::Http, words.as_bytes().to_vec());
    let other = "No connection to ";
    for ((tongue, words), sentence, logged) in [
        (
            http(
                "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"x\"\r\n\r\nhush",
            ),
            ASKS_FOR_CREDENTIALS,
            "it wants credentials",
        ),
        (http("HTTP/1.1 403 hush\r\n\r\n"), other, "it answered CONNECT with 403"),
        (http("HTTP/1.1 502 Bad Gateway\r\n\r\n"), other, "it answered CONNECT with 502"),
        (http("220 hush FTP\r\n"), other, "it does not speak as such a proxy does"),
        (http(""), other, "it broke the connection off"),
        ((Tongue::Socks, vec![5, 2, 1, 1]), ASKS_FOR_CREDENTIALS, "it wants credentials"),
        ((Tongue::Socks, vec![5, 255]), ASKS_FOR_CREDENTIALS, "it wants credentials"),
        (
            (Tongue::Socks, vec![5, 2, 1, 0, 5, 4, 0, 1, 0, 0, 0, 0, 0, 0]),
            other,
            "it answered with SOCKS code 4: host unreachable",
        ),
        (
            (Tongue::Socks, b"HTTP/1.1 400 x\r\n\r\n".to_vec()),
            other,
            "it does not speak as such a proxy does",
        ),
    ] {
        let scheme = if matches!(tongue, Tongue::Socks) { "socks5" } else { "http" };
        let proxy = Scripted::start(tongue, Manner::Says(words)).await;
        let relay =
            json!({ "mode": "serverless", "instances": [{ "id": "eu", "url": "https://relay.test" }] });
        let set = via(&format!("{scheme}://{TYPED}@127.0.0.1:{}", proxy.port));
        for (more, by) in [(json!({}), "direct connection"), (relay, "the relay eu")] {
            let world = way.world(set.clone(), more, &[]).await;
            let answer = comes_to_nothing(&world, "unreachable").await;
            let message = answer.message();
            assert!(message.starts_with(sentence) && message.contains(by), "{logged}: {message}");
            let log = world.whole_log().await;
            let named = format!("the proxy 127.0.0.1:{} does not connect: {logged}", proxy.port);
            assert!(log.contains(&named), "{named}: {log}");
            assert_silent(&world, &answer).await;
        }
    }
    assert_eq!(way.upstream.accepted(), 0);
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named_in_the_log() {
    let way = Way::to("gemini.test").await;
    let port = way.proxy(Tongue::Http).await.port;
    for scheme in ["http", "https", "socks5"] {
        let world = way.world(via(&format!("{scheme}://{TYPED}@127.0.0.1:{port}")), json!({}), &[]).await;
        let answer = comes_to_nothing(&world, "unreachable").await;
        assert!(answer.message().starts_with("No connection to the Gemini API could be made"), "{answer:?}");
        let log = world.whole_log().await;
        assert!(log.contains(&format!("the proxy 127.0.0.1:{port} cannot be reached: ")), "{log}");
        assert_silent(&world, &answer).await;
    }
}

#[tokio::test]
async fn a_proxy_that_cannot_be_trusted_never_learns_the_password_even_where_the_upstream_need_not_be() {
    let mut way = Way::to("gemini.test").await;
    let folder = Folder::new();
    let file = folder.write("authority.pem", &way.authority.pem);
    let lax = json!({ "tls": { "strict": false, "caFile": file } });
    let doors = [
        (Authority::new().acceptor("localhost", &["h2", "http/1.1"]), false),
        (way.authority.acceptor("other.test", &["h2", "http/1.1"]), false),
        (way.authority.acceptor("localhost", &["h2", "http/1.1"]), true),
    ];
    for (door, trusted) in doors {
        let proxy = way.proxy(Tongue::Https(door)).await;
        let set = via(&format!("https://{TYPED}@localhost:{}", proxy.port));
        let world = way.world(set, lax.clone(), &[]).await;
        if trusted {
            assert_eq!(way.asks(&world).await.0.status, 200);
            assert_eq!(way.tests(&world).await["ok"], true);
            assert_eq!(proxy.targets(), ["gemini.test:443"; 2]);
        } else {
            let answer = comes_to_nothing(&world, "unreachable").await;
            assert_silent(&world, &answer).await;
            assert_eq!(proxy.targets(), [""; 0]);
        }
    }
}
