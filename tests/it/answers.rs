//! W1 W3 W8 W9 S4: what goes up, what comes down.

use fake_gemini::{Answer, Fake, Fixture, Rule};
use serde_json::json;

use crate::support::{STREAM, UNARY, World, state, with};

const A: &str = "secret-key-a";
const LONG: &str = "AIzaSyA234567890123456789012345678901xyz";

#[tokio::test]
async fn any_path_query_header_and_method_passes_as_it_came() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    fake.rule(Rule::new(Answer::json(200, &json!({ "ok": true }))));
    for (method, sent, came) in [
        ("GET", "/v1beta/models?pageSize=5&pageToken=a%2Fb", "/v1beta/models?pageSize=5&pageToken=a%2Fb"),
        ("POST", "/v1/models/m:countTokens", "/v1/models/m:countTokens"),
        ("PATCH", "/v1alpha/cachedContents/x?updateMask=ttl", "/v1alpha/cachedContents/x?updateMask=ttl"),
        ("DELETE", "/v1beta/files/x", "/v1beta/files/x"),
        ("PUT", "/upload/v1beta/files?upload_id=1", "/upload/v1beta/files?upload_id=1"),
        ("POST", "/v9/brand/new:verb?x=1&x=2", "/v9/brand/new:verb?x=1&x=2"),
        ("POST", "/v1beta/v1beta/models/m:generateContent", "/v1beta/models/m:generateContent"),
        ("POST", "/v1/v1beta/v1beta/models/m:generateContent", "/v1beta/models/m:generateContent"),
        ("PUT", "/upload/v1beta/v1beta/files?upload_id=1", "/upload/v1beta/files?upload_id=1"),
        ("OPTIONS", "/v1beta/models", "/v1beta/models"),
        ("BREW", "/v1beta/models", "/v1beta/models"),
        ("GET", "//v1beta/models", "/v1beta/models"),
        ("GET", "/v1beta/models?key=client-key&a=1", "/v1beta/models?a=1"),
        ("GET", "/v1beta/models?access_token=t", "/v1beta/models"),
    ] {
        fake.forget();
        let request =
            world.request(method, sent).header("x-goog-api-client", "gl-test/1").header("x-own", "v");
        assert_eq!(world.send(request.body("{}")).await.status, 200, "{method} {sent}");
        let seen = &fake.wait_seen(1).await[0];
        assert_eq!((seen.method.as_str(), seen.target.as_str(), &seen.body[..]), (method, came, &b"{}"[..]));
        assert_eq!((seen.header("x-goog-api-client"), seen.header("x-own")), (Some("gl-test/1"), Some("v")));
        assert_eq!(
            (seen.header("accept-encoding"), seen.header("host")),
            (Some("identity"), Some(&fake.url()[7..]))
        );
    }
}

#[tokio::test]
async fn the_upstream_may_have_a_path_of_its_own() {
    let fake = Fake::start().await;
    let upstream = format!("{}/gate/way/", fake.url());
    let world = World::from(with(state(&fake, &[A]), json!({ "upstream": upstream }))).await;
    world.post(UNARY).await;
    assert_eq!(fake.seen()[0].target, format!("/gate/way{UNARY}"));
}

#[tokio::test]
async fn upstream_sees_one_credential_whatever_mix_the_client_sent() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    let client = "client-dummy-key";
    for (headers, query) in [
        (&[][..], ""),
        (&[("x-goog-api-key", client)][..], ""),
        (&[("x-goog-api-key", "")][..], ""),
        (&[("authorization", "Bearer client-dummy-key")][..], ""),
        (
            &[
                ("x-api-key", client),
                ("authorization", "Bearer client-dummy-key"),
                ("x-goog-api-key", client),
            ][..],
            "?key=client-dummy-key",
        ),
        (&[("cookie", "SID=client-dummy-key")][..], "?access_token=client-dummy-key"),
        (&[("connection", "x-goog-api-key"), ("x-goog-api-key", client)][..], ""),
    ] {
        for (path, place) in
            [("/v1beta/models", "x-goog-api-key"), ("/v1beta/openai/models", "authorization")]
        {
            fake.forget();
            let mut request = world.request("GET", &format!("{path}{query}"));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            world.send(request).await;
            let seen = &fake.wait_seen(1).await[0];
            let value = if place == "authorization" { format!("Bearer {A}") } else { A.to_owned() };
            assert_eq!(seen.credentials, [(place.to_owned(), value)], "{headers:?} {query}");
            let everything = format!("{:?} {}", seen.headers, seen.target);
            assert!(!everything.contains(client) && !seen.target.contains(A), "{everything}");
        }
    }
}

#[tokio::test]
async fn bodies_are_whole_in_both_directions_and_lengths_are_right() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    for size in [0, 1, 65_536, 3_000_000] {
        fake.forget();
        let body: Vec<u8> = (0..size).map(|at: u32| (at % 251) as u8).collect();
        let answer = world.send(world.request("POST", "/__fake_echo").body(body.clone())).await;
        assert_eq!((answer.status, answer.bytes.len()), (200, body.len()));
        assert!(answer.bytes == body && fake.seen()[0].body == body);
        assert_eq!(answer.header("content-length"), size.to_string());
    }
    let answer = world.post(UNARY).await;
    assert_eq!(answer.header("content-length"), answer.bytes.len().to_string());
    let head = world.send(world.request("HEAD", "/v1beta/models")).await;
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    assert_ne!(head.header("content-length"), "0", "the length of what GET would bring");
    assert_eq!(world.records(6).await[0]["end"], "complete");
}

#[tokio::test]
async fn an_answer_that_comes_encoded_all_the_same_passes_as_it_is() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    let gzip = b"\x1f\x8b not really gzip, but nobody looks".to_vec();
    fake.rule(
        Rule::new(Answer::raw(
            200,
            &[("content-type", "application/json"), ("content-encoding", "gzip")],
            gzip.clone(),
        ))
        .times(1),
    );
    let answer = world.post(UNARY).await;
    assert_eq!((answer.bytes, answer.headers["content-encoding"].to_str().unwrap()), (gzip.clone(), "gzip"));
    fake.rule(
        Rule::new(Answer::raw(
            400,
            &[("content-type", "application/json"), ("content-encoding", "gzip")],
            gzip,
        ))
        .times(1),
    );
    let refused = world.post(UNARY).await;
    assert_eq!((refused.status, refused.headers.contains_key("content-encoding")), (400, false));
    assert!(refused.message().contains("cannot be shown safely"), "an encoded error could hide a key");
}

#[tokio::test]
async fn errors_keep_status_body_details_and_the_content_type_of_a_stream() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    for (path, content_type) in [(UNARY, "application/json; charset=UTF-8"), (STREAM, "text/event-stream")] {
        for fixture in [Fixture::QuotingBadRequest, Fixture::UnknownModel, Fixture::MinuteQuota] {
            let fake = Fake::start().await;
            let world = World::new(&fake, &[A]).await;
            fake.rule(Rule::new(Answer::fixture(fixture)));
            let answer = world.post(path).await;
            let (status, _, body) = fixture.answer(&fake.wait_seen(1).await[0]);
            assert_eq!((answer.status, answer.header("content-type")), (status, content_type), "{fixture:?}");
            assert_eq!(answer.bytes, body, "{fixture:?}");
            assert_eq!(answer.headers.contains_key("retry-after"), status == 429, "{fixture:?}");
        }
    }
    fake.rule(Rule::new(Answer::fixture(Fixture::NoCredential)));
    assert_eq!(world.post(STREAM).await.status, 403);
}

#[tokio::test]
async fn googles_text_loses_the_key_it_quotes() {
    for key in [LONG, "AQ.Ab8RN6JqvJ1234567890abcd", "any+thing/at=all!"] {
        let fake = Fake::start().await;
        let world = World::new(&fake, &[key]).await;
        fake.rule(Rule::new(Answer::fixture(Fixture::Suspended)));
        let answer = world.post(UNARY).await;
        assert_eq!(answer.status, 403);
        assert!(
            answer.message().starts_with("Permission denied: Consumer 'api_key:"),
            "{}",
            answer.message()
        );
        for place in [
            answer.text(),
            format!("{:?}", answer.headers),
            world.whole_log().await,
            world.status().await.to_string(),
        ] {
            assert!(!place.contains(key), "{place}");
        }
    }
}

#[tokio::test]
async fn the_headers_say_which_key_and_way_were_used() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &["first-key", LONG]).await;
    fake.script("first-key", [Answer::fixture(Fixture::MinuteQuota)]);
    let good = world.post(UNARY).await;
    assert_eq!(good.header("x-api-key-used"), "AIz***xyz");
    assert_eq!((good.header("x-forwarded-to"), good.header("x-attempts")), ("local", "2"));
    assert_eq!(good.header("x-request-id"), world.records(1).await[0]["id"]);
    assert!(!good.headers.contains_key("x-serverless-response-time"), "relays only");
    fake.rule(Rule::new(Answer::fixture(Fixture::UnknownModel)));
    let refused = world.post(UNARY).await;
    assert_eq!((refused.header("x-api-key-used"), refused.header("x-forwarded-to")), ("AIz***xyz", "local"));
    let own = world.get("/v1beta/../x%2f..").await;
    assert_eq!((own.header("x-attempts"), own.header("x-request-id").len()), ("0", 16));
}

#[tokio::test]
async fn headers_of_one_connection_and_cors_of_the_upstream_do_not_pass() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    let headers = [
        ("content-type", "application/json"),
        ("connection", "x-private"),
        ("x-private", "v"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("trailer", "x-late"),
        ("access-control-allow-origin", "*"),
        ("alt-svc", "h3"),
        ("x-own", "v"),
    ];
    fake.rule(Rule::new(Answer::raw(200, &headers, "{}")));
    let answer = world.get("/v1beta/models").await;
    for name in
        ["access-control-allow-origin", "alt-svc", "x-private", "keep-alive", "proxy-authenticate", "trailer"]
    {
        assert!(!answer.headers.contains_key(name), "{name}");
    }
    assert_eq!(answer.header("x-own"), "v");
}

#[tokio::test]
async fn dot_segments_are_refused_before_anything_is_sent() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    for path in ["/v1beta/../x", "/v1beta/%2e%2e/x", "/v1beta/%252e%252e/x", "/v1beta/a%2f..%2fb", "/.."] {
        let answer =
            world.raw(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
    }
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_redirect_passes_without_the_key_that_it_names_and_is_no_use_of_the_key() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[LONG]).await;
    let body = format!("{{\"error\":{{\"code\":302,\"message\":\"api_key:{LONG}\",\"status\":\"FOUND\"}}}}");
    let place = format!("https://example.org/x?key={LONG}");
    let headers = [("content-type", "application/json"), ("location", place.as_str())];
    fake.rule(Rule::new(Answer::raw(302, &headers, body)).times(1));
    // The client of these tests would follow it.
    let answer = world
        .raw(
            "GET /v1beta/files/x:download?alt=media HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 302") && answer.contains("https://example.org/x"), "{answer}");
    assert!(!answer.contains(LONG), "{answer}");
    assert_eq!(world.status().await["keys"][0]["usedToday"], 0);
}

#[tokio::test]
async fn what_has_no_body_passes_without_one() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    for status in [204, 304] {
        fake.rule(
            Rule::new(Answer::Steps(vec![fake_gemini::Step::Head(status, vec![]), fake_gemini::Step::End]))
                .times(1),
        );
        let answer = world.send(world.request("DELETE", "/v1beta/files/x")).await;
        assert_eq!((answer.status, answer.bytes.len(), answer.clean), (status, 0, true));
    }
}

#[tokio::test]
async fn a_refused_head_request_rotates_like_any_other() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A, "secret-key-b"]).await;
    fake.rule(
        Rule::new(Answer::Steps(vec![
            fake_gemini::Step::Head(429, vec![("content-length".into(), "100".into())]),
            fake_gemini::Step::End,
        ]))
        .key(A),
    );
    assert_eq!(world.send(world.request("HEAD", "/v1beta/models")).await.status, 200);
    assert_eq!(fake.keys_seen(), [A, "secret-key-b"]);
}

#[tokio::test]
async fn trace_would_show_the_key_and_goes_nowhere() {
    let fake = Fake::start().await;
    let world = World::new(&fake, &[A]).await;
    let answer =
        world.raw("TRACE /v1beta/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    assert!(fake.seen().is_empty());
}
