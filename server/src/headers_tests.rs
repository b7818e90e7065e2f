use http::Request;
use proptest::prelude::*;

use super::*;

fn parts(headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().uri("/v1beta/models");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn config() -> Config {
    Config {
        allowed_origins: vec!["https://good.example".into()],
        allowed_hosts: vec!["host.docker.internal".into()],
        ..Config::empty()
    }
}

fn says(headers: &[(&str, &str)], config: &Config) -> Result<(), Failure> {
    guard(&parts(headers), &[], config).map(drop).map_err(|(failure, _)| failure)
}

#[test]
fn only_names_of_this_machine_are_answered_whatever_the_port() {
    for (host, verdict) in [
        ("127.0.0.1:3145", Ok(())),
        ("localhost", Ok(())),
        ("LOCALHOST:1", Ok(())),
        ("[::1]:3145", Ok(())),
        ("host.docker.internal:3145", Ok(())),
        ("evil.example", Err(Failure::ForeignHost)),
        ("127.0.0.1.evil.example", Err(Failure::ForeignHost)),
        ("localhost:3145@evil.example", Err(Failure::BadHost)),
        ("", Err(Failure::BadHost)),
        ("[::1", Err(Failure::BadHost)),
        ("127.0.0.1:x", Err(Failure::BadHost)),
        ("0.0.0.0", Err(Failure::ForeignHost)),
    ] {
        assert_eq!(says(&[("host", host)], &config()), verdict, "{host}");
    }
    assert_eq!(says(&[], &config()), Err(Failure::BadHost));
    assert_eq!(says(&[("host", "localhost"), ("host", "localhost")], &config()), Err(Failure::BadHost));
}

#[test]
fn an_absolute_target_must_be_ourselves_too() {
    let mut parts = parts(&[("host", "localhost")]);
    parts.uri = "http://evil.example/v1beta/models".parse().unwrap();
    assert!(matches!(guard(&parts, &[], &config()), Err((Failure::ForeignHost, _))));
    parts.uri = "http://127.0.0.1:9/v1beta/models".parse().unwrap();
    assert!(guard(&parts, &[], &config()).is_ok());
}

#[test]
fn pages_must_be_on_the_list() {
    let call =
        |name: &'static str, value: &'static str| says(&[("host", "localhost"), (name, value)], &config());
    assert_eq!(call("origin", "https://good.example"), Ok(()));
    for origin in ["https://evil.example", "null", "http://good.example", "https://good.example.evil"] {
        assert_eq!(call("origin", origin), Err(Failure::ForeignOrigin), "{origin}");
    }
    assert_eq!(call("sec-fetch-site", "cross-site"), Err(Failure::ForeignOrigin));
    assert_eq!(call("sec-fetch-site", "none"), Ok(()));
}

#[test]
fn a_preflight_of_a_listed_page_is_answered_without_the_token() {
    let config = Config { access_token: Some(Secret::new("local-token")), ..config() };
    let mut parts = parts(&[
        ("host", "localhost"),
        ("origin", "https://good.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type, x-goog-api-key"),
    ]);
    parts.method = Method::OPTIONS;
    let allowed = guard(&parts, &[], &config).unwrap();
    let mut response = preflight(&parts, &allowed).unwrap();
    add_cors(response.headers_mut(), &allowed);
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://good.example");
    assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_HEADERS], "content-type, x-goog-api-key");
    assert_eq!(response.headers()[VARY], "Origin");
}

#[test]
fn the_token_is_taken_from_every_place_and_anything_passes_without_one() {
    let config = Config { access_token: Some(Secret::new("local-token")), ..config() };
    for (name, value) in [
        ("x-goog-api-key", "local-token"),
        ("x-api-key", "local-token"),
        ("authorization", "Bearer local-token"),
        ("authorization", "bearer local-token"),
        ("authorization", "Token local-token"),
    ] {
        assert_eq!(says(&[("host", "localhost"), (name, value)], &config), Ok(()), "{name}");
    }
    let query = guard(&parts(&[("host", "localhost")]), &["local-token".into()], &config);
    assert!(query.is_ok());
    for headers in [
        &[("host", "localhost")][..],
        &[("host", "localhost"), ("x-goog-api-key", "other")],
        &[("host", "localhost"), ("authorization", "local-token")],
    ] {
        assert_eq!(says(headers, &config), Err(Failure::WrongToken));
    }
    assert_eq!(says(&[("host", "localhost"), ("x-goog-api-key", "")], &self::config()), Ok(()));
}

#[test]
fn what_names_the_caller_or_one_connection_stays_here() {
    let down = parts(&[
        ("host", "localhost"),
        ("connection", "keep-alive, x-private"),
        ("x-private", "1"),
        ("cookie", "a=b"),
        ("origin", "https://good.example"),
        ("referer", "https://good.example/x"),
        ("x-forwarded-for", "10.0.0.1"),
        ("via", "1.1 me"),
        ("sec-fetch-mode", "cors"),
        ("te", "trailers"),
        ("accept-encoding", "gzip, br"),
        ("content-length", "3"),
        ("content-type", "application/json"),
        ("x-goog-api-client", "gl-node/20"),
        ("user-agent", "GeminiCLI/1"),
    ])
    .headers;
    let up = to_upstream(&down, &Secret::new("the-key"), false);
    let mut names: Vec<&str> = up.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["accept-encoding", "content-type", "user-agent", "x-goog-api-client", "x-goog-api-key"]
    );
    assert_eq!(up[ACCEPT_ENCODING], "identity");
    assert!(up[GOOG_KEY].is_sensitive());
}

#[test]
fn answers_lose_what_is_not_theirs_to_say() {
    let up = parts(&[
        ("access-control-allow-origin", "*"),
        ("alt-svc", "h3"),
        ("set-cookie", "a=b"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("x-relay", "1"),
        ("content-type", "text/event-stream"),
        ("vary", "Origin"),
        ("server-timing", "gfet4t7; dur=9"),
        ("x-gemini-service-tier", "standard"),
    ])
    .headers;
    let down = to_downstream(&up);
    let mut names: Vec<&str> = down.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "server-timing", "vary", "x-gemini-service-tier"]);
}

proptest! {
    #[test]
    fn upstream_gets_exactly_one_credential_and_none_of_the_callers(
        goog in proptest::option::of("[!-~]{0,20}"),
        api in proptest::option::of("[!-~]{0,20}"),
        bearer in proptest::option::of("[!-~]{0,20}"),
        cookie in proptest::option::of("[a-z]{1,9}=[a-z]{1,9}"),
        openai: bool,
    ) {
        let mut down = HeaderMap::new();
        let mut put = |name: &'static str, value: Option<String>| {
            if let Some(value) = value {
                down.append(name, HeaderValue::try_from(value).unwrap());
            }
        };
        put("x-goog-api-key", goog);
        put("x-api-key", api);
        put("authorization", bearer.map(|value| format!("Bearer {value}")));
        put("cookie", cookie);
        put("connection", Some("x-goog-api-key, authorization".into()));
        let up = to_upstream(&down, &Secret::new("upstream key?"), openai);
        let credentials: Vec<_> = up.iter().filter(|(name, _)| matches!(name.as_str(), "x-goog-api-key" | "authorization" | "x-api-key" | "cookie")).collect();
        prop_assert_eq!(credentials.len(), 1);
        let (name, value) = credentials[0];
        let expected = if openai { ("authorization", "Bearer upstream key?") } else { ("x-goog-api-key", "upstream key?") };
        prop_assert_eq!((name.as_str(), value.to_str().unwrap()), expected);
    }
}
