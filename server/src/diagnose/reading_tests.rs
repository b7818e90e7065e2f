use super::*;

fn reads(status: u16, body: &str, relayed: Option<bool>, relay_error: bool) -> String {
    let answer = Answer { status, content_type: String::new(), body: body.as_bytes().to_vec(), relay_error };
    let Reading { reach, key, rule, .. } = read(&answer, relayed);
    let word = |result: Result<(), Fault>| result.map_or_else(|fault| format!("{fault:?}"), |()| "ok".into());
    match reach {
        Ok(()) => format!("reach, key {} by {rule}", word(key)),
        reach => format!("{} by {rule}", word(reach)),
    }
}

fn google(code: u16, status: &str, message: &str) -> String {
    format!(r#"{{"error":{{"code":{code},"status":"{status}","message":"{message}"}}}}"#)
}

#[test]
fn every_answer_says_something_of_the_way_and_of_the_key() {
    const LIST: &str = r#"{"models":[{"name":"models/x"}]}"#;
    const DIRECT: Option<bool> = None;
    const RELAY: Option<bool> = Some(false);
    const TOKEN: Option<bool> = Some(true);
    let invalid = google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.");
    let location = google(400, "FAILED_PRECONDITION", "User location is not supported for the API use.");
    let none = google(
        403,
        "PERMISSION_DENIED",
        "Method doesn't allow unregistered callers (callers without established identity).",
    );
    let quota = google(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).");
    let overloaded = google(503, "UNAVAILABLE", "The model is overloaded. Please try again later.");
    let unclear = google(403, "PERMISSION_DENIED", "The caller does not have permission");
    let html = "<html>";
    for (status, body, relayed, meaning) in [
        (200, LIST, DIRECT, "reach, key ok by ok"),
        (200, "{\"models\":[]}", RELAY, "reach, key ok by ok"),
        (200, r#"{"status":"healthy"}"#, RELAY, "NotExpected by ok"),
        (200, html, DIRECT, "NotExpected by notGemini"),
        (302, "", DIRECT, "NotExpected by notGemini"),
        (400, &invalid, DIRECT, "reach, key KeyRefused by invalidKey"),
        (400, &invalid, TOKEN, "reach, key KeyRefused by invalidKey"),
        (400, &location, DIRECT, "Location by location"),
        (400, &location, RELAY, "Location by location"),
        (403, &none, DIRECT, "reach, key NotExpected by credentialLost"),
        (403, &none, RELAY, "reach, key NotExpected by credentialLost"),
        (403, &unclear, RELAY, "reach, key KeyRefused by unclear"),
        // It only rests.
        (429, &quota, DIRECT, "reach, key ok by bare429"),
        (503, &overloaded, RELAY, "reach, key ServerError by overloaded"),
        (401, r#"{"message":"no"}"#, RELAY, "TokenMissing by notGemini"),
        (403, html, TOKEN, "TokenRejected by notGemini"),
        (429, html, RELAY, "RateLimited by notGemini"),
        (502, html, RELAY, "ServerError by notGemini"),
        (502, html, DIRECT, "ServerError by frontEnd"),
        (403, html, DIRECT, "NotExpected by sorryPage"),
        (404, html, RELAY, "NotExpected by relayCannot"),
    ] {
        assert_eq!(reads(status, body, relayed, false), meaning, "{status} {body} {relayed:?}");
    }
    // A relay of ours speaks as Google does, and says that it is not.
    let closed = google(503, "UNAVAILABLE", "The relay is closed");
    assert_eq!(reads(503, &closed, TOKEN, true), "ServerError by relayError");
    let wrong = google(401, "UNAUTHENTICATED", "The relay's token is missing or wrong");
    assert_eq!(reads(401, &wrong, TOKEN, true), "TokenRejected by relayError");
}
