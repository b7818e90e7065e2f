//! S1 S2 S3: who may call. And HTTP that tries to be two requests at once.

use fake_gemini::Fake;
use serde_json::json;

use crate::support::{STREAM, World, state, with};

const A: &str = "secret-key-a";

async fn raw_status(world: &World, head: &str) -> String {
    let answer = world.raw(&format!("{head}connection: close\r\n\r\n")).await;
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    // Every other address of this machine: what the system would use to leave, and the rest of 127/8.
    let mut others = vec!["127.0.0.2".to_owned()];
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    if probe.connect("192.0.2.1:9").is_ok() {
        others.push(probe.local_addr().unwrap().ip().to_string());
    }
    for other in others {
        let refused = tokio::net::TcpStream::connect((other.as_str(), world.port)).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "{other}");
    }
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        assert!(tokio::net::TcpStream::connect(("::1", world.port)).await.is_ok());
    }
}

#[tokio::test]
async fn foreign_hosts_and_pages_are_refused_before_anything_is_sent() {
    let fake = Fake::start().await;
    let more =
        json!({ "allowedOrigins": ["https://good.example"], "allowedHosts": ["host.docker.internal"] });
    let world = World::from(with(state(&fake, &[A]), more)).await;
    for (head, status) in [
        ("GET /v1beta/models HTTP/1.1\r\nhost: evil.example\r\n", "403"),
        ("GET /-/status HTTP/1.1\r\nhost: evil.example\r\n", "403"),
        ("GET /v1beta/models HTTP/1.1\r\n", "400"),
        ("GET /v1beta/models HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n", "400"),
        ("GET http://evil.example/v1beta/models HTTP/1.1\r\nhost: localhost\r\n", "403"),
        ("CONNECT evil.example:443 HTTP/1.1\r\nhost: localhost\r\n", "403"),
        ("CONNECT localhost:443 HTTP/1.1\r\nhost: localhost\r\n", "400"),
        ("OPTIONS * HTTP/1.1\r\nhost: localhost\r\n", "400"),
        ("GET /v1beta/models HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\n", "403"),
        ("GET /v1beta/models HTTP/1.1\r\nhost: localhost\r\norigin: null\r\n", "403"),
        ("GET /v1beta/models HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: cross-site\r\n", "403"),
    ] {
        assert_eq!(raw_status(&world, head).await, status, "{head}");
    }
    assert!(fake.seen().is_empty());
    for host in ["localhost:1", "127.0.0.1", "[::1]:9", "host.docker.internal:3145"] {
        let head = format!("GET /v1beta/models HTTP/1.1\r\nhost: {host}\r\n");
        assert_eq!(raw_status(&world, &head).await, "200", "{host}");
    }
    let absolute =
        format!("GET http://localhost:{}/v1beta/models HTTP/1.1\r\nhost: localhost\r\n", world.port);
    assert_eq!(raw_status(&world, &absolute).await, "200");
    assert_eq!(fake.seen().last().unwrap().target, "/v1beta/models");
}

#[tokio::test]
async fn a_listed_page_gets_its_preflight_and_reads_its_answers() {
    let fake = Fake::start().await;
    let more = json!({ "allowedOrigins": ["https://good.example"], "accessToken": "local-token" });
    let world = World::from(with(state(&fake, &[A]), more)).await;
    let origin = "https://good.example";
    let preflight = world
        .request("OPTIONS", STREAM)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,x-goog-api-key");
    let answer = world.send(preflight).await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin"), answer.header("vary")),
        (204, origin, "Origin")
    );
    assert_eq!(answer.header("access-control-allow-headers"), "content-type,x-goog-api-key");
    let call = world
        .request("POST", STREAM)
        .header("origin", origin)
        .header("x-goog-api-key", "local-token")
        .body("{}");
    let answer = world.send(call).await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin"), answer.header("vary")),
        (200, origin, "Origin")
    );
    assert!(!world.post(STREAM).await.headers.contains_key("access-control-allow-origin"));
    let refused = world.send(world.request("POST", STREAM).header("origin", origin).body("{}")).await;
    assert_eq!(
        (refused.status, refused.header("access-control-allow-origin")),
        (401, origin),
        "the page may read why"
    );
}

#[tokio::test]
async fn the_access_token_is_taken_from_every_place_and_never_goes_upstream() {
    let fake = Fake::start().await;
    let world = World::from(with(state(&fake, &[A]), json!({ "accessToken": "local-token" }))).await;
    let get = |path: &str, header: Option<(&str, &str)>| {
        let request = world.request("GET", path);
        world.send(match header {
            Some((name, value)) => request.header(name, value),
            None => request,
        })
    };
    let right = [
        ("/v1beta/models", Some(("x-goog-api-key", "local-token"))),
        ("/v1beta/models", Some(("x-api-key", "local-token"))),
        ("/v1beta/models", Some(("authorization", "Bearer local-token"))),
        ("/v1beta/models?key=local-token", None),
        ("/-/status?key=local-token", None),
    ];
    for (path, header) in right {
        assert_eq!(get(path, header).await.status, 200, "{path} {header:?}");
    }
    for (path, header) in [
        ("/v1beta/models", None),
        ("/v1beta/models", Some(("x-goog-api-key", "wrong-token"))),
        ("/v1beta/models?key=", None),
        ("/-/status", None),
        ("/-/leader", None),
    ] {
        let answer = get(path, header).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["status"]),
            (401, &json!("UNAUTHENTICATED")),
            "{path}"
        );
        assert!(answer.message().contains("local access token"));
        assert_eq!(answer.headers.contains_key("x-gemini-aggregator"), path.starts_with("/-/"));
    }
    let upstream = format!("{:?}", fake.seen());
    assert!(!upstream.contains("local-token"));
    assert_eq!(fake.seen().len(), 4);
}

#[tokio::test]
async fn one_request_stays_one_request() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    // What follows on the same connection, if whoever reads it takes the wrong length.
    let hidden = "GET /v1beta/hidden HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let length = hidden.len();
    for (head, body, statuses) in [
        // The length in chunks counts; the rest of the body is no request.
        (
            "content-length: 5\r\ntransfer-encoding: chunked\r\n".into(),
            format!("{length:x}\r\n{hidden}\r\n0\r\n\r\n"),
            &["200"][..],
        ),
        ("content-length: 5\r\ncontent-length: 6\r\n".into(), format!("12345{hidden}"), &["400"]),
        ("transfer-encoding: chunked, identity\r\n".into(), format!("0\r\n\r\n{hidden}"), &["400"]),
        ("transfer-encoding: identity\r\n".into(), hidden.into(), &["400"]),
        ("content-length: +5\r\n".into(), format!("12345{hidden}"), &["400"]),
        ("content-length: 5, 5\r\n".into(), format!("12345{hidden}"), &["400"]),
        ("content-length: -1\r\n".into(), hidden.into(), &["400"]),
        ("transfer-encoding: chunked\r\n".into(), format!("-1\r\n{hidden}"), &["400"]),
        ("content-length : 5\r\n".into(), format!("12345{hidden}"), &["400"]),
        (" folded: 1\r\n".into(), hidden.into(), &["400"]),
        // One that is in order, to know that the connection would go on.
        (
            format!("content-length: {length}\r\n"),
            format!("{hidden}{}", hidden.replace("hidden", "models")),
            &["200", "200"],
        ),
    ] {
        let head: String = head;
        let start = "POST /v1beta/models/gemini-x:generateContent HTTP/1.1\r\nhost: localhost\r\n";
        let answer = world.raw(&format!("{start}{head}\r\n{body}")).await;
        let found: Vec<&str> =
            answer.split("HTTP/1.1 ").skip(1).map(|answer| answer.split(' ').next().unwrap()).collect();
        assert_eq!(found, statuses, "{head:?} {body:?}: {answer}");
        assert!(fake.seen().iter().all(|seen| !seen.target.contains("hidden")), "{head}: {:#?}", fake.seen());
    }
    assert_eq!(raw_status(&world, "GARBAGE\r\n").await, "400");
    assert_eq!(world.get("/v1beta/models").await.status, 200);
}

#[tokio::test]
async fn questions_that_a_page_must_not_ask_need_a_header_of_our_own() {
    let fake = Fake::start().await;
    let world =
        World::from(with(state(&fake, &[A]), json!({ "allowedOrigins": ["https://good.example"] }))).await;
    assert_eq!(world.send(world.request("POST", "/-/records")).await.status, 403);
    assert_eq!(world.send(world.request("POST", "/-/retest").body("{\"keyId\":\"k1\"}")).await.status, 403);
    assert_eq!(world.get("/-/nothing").await.status, 404);
    // A listed page may send any header, and gets nothing of this all the same.
    let page = |path| {
        let named = world.request("POST", path).header("x-gemini-aggregator", "t");
        world.send(named.header("origin", "https://good.example").body("{\"keyId\":\"k1\"}"))
    };
    for path in ["/-/records", "/-/retest", "/-/forgive"] {
        assert_eq!(page(path).await.status, 403);
    }
    assert!(fake.seen().is_empty());
    let unknown =
        world.request("POST", "/-/retest").header("x-gemini-aggregator", "t").body("{\"keyId\":\"nobody\"}");
    assert_eq!(world.send(unknown).await.status, 404);
}
