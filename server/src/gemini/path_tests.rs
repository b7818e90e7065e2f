use proptest::prelude::*;

use super::*;

fn post(target: &str) -> Target {
    read(&Method::POST, target).unwrap()
}

#[test]
fn a_generate_call_is_read_and_sent_as_it_came() {
    let target =
        post("/v1beta/models/gemini-3.6-flash:streamGenerateContent?alt=sse&key=AIzaSecret&foo=b%20r");
    assert_eq!(target.path, "/v1beta/models/gemini-3.6-flash:streamGenerateContent");
    assert_eq!(target.query.as_deref(), Some("alt=sse&foo=b%20r"));
    assert_eq!(target.client_credentials, ["AIzaSecret"]);
    assert_eq!(target.operation, Operation::StreamGenerateContent);
    assert_eq!(target.model.as_deref(), Some("gemini-3.6-flash"));
    assert_eq!(target.verb, "streamGenerateContent");
    assert!(target.sse && !target.openai && !target.names_resource && !target.upload);
}

#[test]
fn a_doubled_version_is_mended_and_the_last_one_counts() {
    for (came, sent) in [
        ("/v1beta/v1beta/models", "/v1beta/models"),
        ("/v1/v1beta/models/x:generateContent", "/v1beta/models/x:generateContent"),
        ("//v1beta/models", "/v1beta/models"),
        ("/v1beta/v1beta", "/v1beta"),
        ("/v1beta/models/v1beta", "/v1beta/models/v1beta"),
        ("/", "/"),
        ("", "/"),
    ] {
        assert_eq!(post(came).path, sent, "{came}");
    }
}

#[test]
fn dot_segments_are_refused_raw_and_encoded() {
    for path in [
        "/v1beta/../x",
        "/..",
        "/v1/./x",
        "/v1/%2e%2e/x",
        "/v1/%2E./x",
        "/v1/%252e%252e/x",
        "/a%2f..%2fb",
        "/v1/..;a=b/x",
    ] {
        assert_eq!(read(&Method::GET, path), Err(PathError::DotSegment), "{path}");
    }
    for path in ["/v1\\..\\x", "/v1/%5c..%5cx", "/v1/a%00b", "/v1/%0d%0aHost:x"] {
        assert!(read(&Method::GET, path).is_err(), "{path}");
    }
    assert!(read(&Method::GET, "/v1beta/models/gemini-2.5..x").is_ok());
}

#[test]
fn what_may_be_sent_twice_is_known() {
    for (method, target, operation) in [
        (Method::GET, "/v1beta/files/x", Operation::Repeatable),
        (Method::POST, "/v1beta/models/m:generateContent", Operation::GenerateContent),
        (Method::POST, "/v1beta/models/m:countTokens", Operation::Repeatable),
        (Method::POST, "/v1beta/models/m:predict", Operation::Repeatable),
        (Method::POST, "/v1beta/models/m:predictLongRunning", Operation::Create),
        (Method::POST, "/v1beta/models/m:batchGenerateContent", Operation::Create),
        (Method::POST, "/v1beta/cachedContents", Operation::Create),
        (Method::DELETE, "/v1beta/files/x", Operation::Create),
        (Method::POST, "/v1beta/openai/chat/completions", Operation::Repeatable),
        (Method::POST, "/v1beta/openai/embeddings", Operation::Repeatable),
        (Method::POST, "/v1beta/openai/files", Operation::Create),
        (Method::POST, "/anything/else", Operation::Create),
    ] {
        assert_eq!(read(&method, target).unwrap().operation, operation, "{method} {target}");
    }
}

#[test]
fn models_are_named_without_their_collection() {
    for (target, model) in [
        ("/v1beta/models/gemini-pro", Some("gemini-pro")),
        ("/v1beta/tunedModels/mine:generateContent", Some("tunedModels/mine")),
        ("/v1beta/models/m/operations/o", Some("m")),
        ("/v1beta/models", None),
        ("/v1beta/files/x", None),
        ("/gemini/v1beta/models/a%2Db:generateContent", Some("a-b")),
    ] {
        assert_eq!(post(target).model.as_deref(), model, "{target}");
    }
}

#[test]
fn owned_resources_are_recognised() {
    for (target, named) in [
        ("/v1beta/files/abc", true),
        ("/v1beta/files", false),
        ("/v1beta/cachedContents/c", true),
        ("/v1beta/models/m/operations/o", true),
        ("/v1beta/models/m:generateContent", false),
    ] {
        assert_eq!(post(target).names_resource, named, "{target}");
    }
    assert!(names_resource_in_body(br#"{"contents":[{"parts":[{"fileData":{"fileUri":"x"}}]}]}"#));
    assert!(!names_resource_in_body(br#"{"contents":[{"parts":[{"text":"a fileUri"}]}]}"#));
}

#[test]
fn an_openai_body_names_its_model() {
    assert_eq!(model_in_body(br#"{"messages":[],"model":"models/gemini-x"}"#).as_deref(), Some("gemini-x"));
    assert_eq!(model_in_body(b"{broken"), None);
    assert_eq!(model_in_body(br#"{"model":7}"#), None);
}

proptest! {
    #[test]
    fn reading_never_panics_and_what_is_sent_holds_no_credential_and_no_dot_segment(
        target in "/[ -~]{0,60}", secret in "[A-Za-z0-9_.-]{8,40}",
    ) {
        let with = format!("{target}{}key={secret}&%6bey={secret}", if target.contains('?') { '&' } else { '?' });
        if let Ok(read) = read(&Method::POST, &with) {
            let query = read.query.clone().unwrap_or_default();
            prop_assert!(!query.contains(&secret) || target.contains(&secret));
            prop_assert!(read.client_credentials.contains(&secret));
            let sent = decode(&decode(&read.path));
            prop_assert!(!sent.split('/').any(|segment| segment == "." || segment == ".."), "{sent}");
        }
    }

    #[test]
    fn what_was_read_reads_the_same_again(target in "/[a-z0-9:/%.?&=-]{0,40}") {
        if let Ok(first) = read(&Method::POST, &target) {
            let sent = format!("{}{}", first.path, first.query.as_ref().map_or_else(String::new, |query| format!("?{query}")));
            let again = read(&Method::POST, &sent).expect("was accepted before");
            prop_assert_eq!((again.operation, again.model, again.sse), (first.operation, first.model, first.sse));
        }
    }

    #[test]
    fn bodies_of_any_bytes_are_survived(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        model_in_body(&body);
        names_resource_in_body(&body);
    }
}
