//! W16: real programs.

use super::*;

const NAMES: &[&str] = &["gemini.test", "relay.test"];

/// HTTP/2 on one connection, streams, re-tests, and a wrong password.
async fn serves_well(scheme: &str, port: u16, right: &str, wrong: &str) {
    let mut way = Way::to("gemini.test").await;
    let upstream = json!({ "upstream": format!("https://gemini.test:{}", way.upstream.address().port()) });
    let at = |credentials: &str| via(&format!("{scheme}://{credentials}127.0.0.1:{port}"));
    let world = way.world(at(right), upstream.clone(), &[]).await;
    for _ in 0..2 {
        let (answer, head) = way.asks(&world).await;
        assert_eq!((answer.json(), head.version), (good(), http::Version::HTTP_2));
        assert!(!head.headers.contains_key("proxy-authorization"));
    }
    let posted = tokio::spawn(world.request("POST", STREAM).body("{}").send());
    let mut open = way.upstream.next().await.opens();
    let event = format!("data: {}\r\n\r\n", good());
    open.sends(&event);
    open.ends();
    assert_eq!(posted.await.unwrap().unwrap().text().await.unwrap(), event);
    assert_eq!(way.upstream.accepted(), 1);
    assert_eq!(way.tests(&world).await["ok"], true);
    for credentials in [wrong, ""] {
        let world = way.world(at(credentials), upstream.clone(), &[]).await;
        let answer = comes_to_nothing(&world, "unreachable").await;
        assert!(answer.message().starts_with(ASKS_FOR_CREDENTIALS), "{answer:?}");
    }
    assert!(way.upstream.is_idle());
}

#[tokio::test]
async fn tinyproxy_with_a_password_carries_http_2_to_a_host_that_it_alone_knows() {
    let proxy = programs::tinyproxy(NAMES, "me", "hush").await;
    serves_well("http", proxy.port, "me:hush@", "me:other@").await;
}

#[tokio::test]
async fn microsocks_with_a_password_carries_http_2_to_a_host_that_it_alone_knows() {
    let proxy = programs::microsocks(NAMES, "m@e", "hush@hush/%").await;
    serves_well("socks5", proxy.port, &format!("{TYPED}@"), "me:other@").await;
    serves_well("socks", proxy.port, &format!("{TYPED}@"), "me:other@").await;
}

#[tokio::test]
async fn a_relay_is_reached_through_the_proxy_and_always_has_to_show_its_own_certificate() {
    let proxy = programs::tinyproxy(NAMES, "me", "hush").await;
    let at = via(&format!("http://me:hush@127.0.0.1:{}", proxy.port));
    let relays = |way: &Way| {
        let url = format!("https://relay.test:{}", way.upstream.address().port());
        json!({ "mode": "serverless", "instances": [{ "id": "eu", "url": url, "token": "t" }] })
    };
    let mut way = Way::to("relay.test").await;
    let world = way.world(at.clone(), relays(&way), &[]).await;
    let health = way.upstream.next().await;
    assert_eq!(health.head.uri.path(), "/health");
    health.answers(&json!({ "status": "ok" }));
    let (answer, head) = way.asks(&world).await;
    assert_eq!((answer.status, answer.header("x-forwarded-to")), (200, "eu"));
    let token = head.headers["x-relay-token"].to_str().unwrap();
    assert_eq!((token, head.version), ("t", http::Version::HTTP_2));
    let way = Way::to("other.test").await;
    let lax = with(relays(&way), json!({ "tls": { "strict": false } }));
    for more in [relays(&way), lax] {
        let before = way.upstream.accepted();
        let world = way.world(at.clone(), more, &[]).await;
        assert_eq!(world.post(UNARY).await.status, 503);
        assert_eq!(world.records(1).await[0]["attempts"][0]["outcome"], "unreachable");
        assert!(way.upstream.accepted() > before && way.upstream.is_idle());
    }
}

#[tokio::test]
async fn hosts_that_need_no_proxy_are_reached_straight_by_both_ways() {
    let mut way = Way::to("gemini.test").await;
    let proxy = way.proxy(Tongue::Http).await;
    let folder = Folder::new();
    let hosts = programs::hosts(&folder, NAMES);
    let knows = programs::knowing(&hosts);
    let port = way.upstream.address().port();
    let upstream = json!({ "upstream": format!("https://gemini.test:{port}") });
    let url = format!("http://127.0.0.1:{}", proxy.port);
    for list in ["gemini.test", ".TEST", "x, *.test ,y", "*", &format!("gemini.test:{port}")] {
        let set = json!({ "kind": "url", "url": url, "noProxy": list });
        let world = way.world(set, upstream.clone(), &knows).await;
        assert_eq!(way.asks(&world).await.0.json(), good(), "{list}");
        assert_eq!(way.tests(&world).await["ok"], true, "{list}");
        let variables = [&knows[..], &[("HTTPS_PROXY", &url), ("NO_PROXY", list)]].concat();
        let world = way.world(json!({ "kind": "auto" }), upstream.clone(), &variables).await;
        assert_eq!(way.asks(&world).await.0.json(), good(), "{list}");
    }
    assert_eq!(proxy.targets(), [""; 0]);
    let world = way
        .world(json!({ "kind": "direct" }), upstream.clone(), &[&knows[..], &[("ALL_PROXY", &url)]].concat())
        .await;
    assert_eq!(way.asks(&world).await.0.json(), good());
    assert_eq!(proxy.targets(), [""; 0]);
    // And one that is on no list goes by the proxy, though it could be reached.
    let set = json!({ "kind": "url", "url": url, "noProxy": "other.test, gemini.test:1" });
    let world = way.world(set, upstream.clone(), &knows).await;
    assert_eq!(way.asks(&world).await.0.json(), good());
    assert_eq!(proxy.targets(), [format!("gemini.test:{port}")]);
}
