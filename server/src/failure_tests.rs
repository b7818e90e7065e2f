use super::*;

const NOW: Ms = 1_000_000;

fn cooling(wait: Ms, reason: Reason) -> Failure {
    Failure::NoRoute {
        why: NoRoute::Cooling { until: NOW + wait, reason },
        model: "gemini-x".into(),
        now: NOW,
    }
}

#[test]
fn a_dry_pool_says_when_it_recovers_in_all_three_places() {
    let failure = cooling(36_200, Reason::PerMinute);
    let json = failure.json();
    assert_eq!(failure.status(), 429);
    assert_eq!(json["error"]["status"], "RESOURCE_EXHAUSTED");
    assert_eq!(json["error"]["details"][1]["retryDelay"], "37s");
    assert_eq!(
        json["error"]["details"][0]["violations"][0]["quotaId"],
        "GenerateRequestsPerMinutePerProjectPerModel"
    );
    assert!(json["error"]["message"].as_str().unwrap().contains("retry in 37s"));
    assert_eq!(failure.response(false).headers()[RETRY_AFTER], "37");
}

#[test]
fn a_long_wait_is_told_as_a_daily_limit_so_that_clients_stop() {
    for failure in [cooling(3_000, Reason::PerDay), cooling(301_000, Reason::Bare429)] {
        let id = failure.json()["error"]["details"][0]["violations"][0]["quotaId"].to_string();
        assert!(id.contains("PerDay"), "{id}");
    }
}

#[test]
fn without_keys_the_sentence_is_the_original_extensions() {
    let failure = Failure::NoRoute { why: NoRoute::NoKeys, model: "-".into(), now: NOW };
    assert_eq!(failure.status(), 503);
    assert_eq!(failure.json()["error"]["message"], "Service Unavailable: No available API keys.");
}

#[test]
fn quarantined_keys_are_named_with_their_reasons() {
    let why =
        NoRoute::AllQuarantined(vec![("key1".into(), Reason::Leaked), ("key2".into(), Reason::Billing)]);
    let failure = Failure::NoRoute { why, model: "-".into(), now: NOW };
    assert_eq!(failure.status(), 503);
    let text = failure.json()["error"]["message"].to_string();
    assert!(text.contains("key1 (reported as leaked), key2 (billing)"), "{text}");
}

#[test]
fn refused_streams_keep_the_content_type_of_a_stream() {
    assert_eq!(Failure::WrongToken.response(true).headers()[CONTENT_TYPE], "text/event-stream");
    assert_eq!(
        Failure::WrongToken.response(false).headers()[CONTENT_TYPE],
        "application/json; charset=UTF-8"
    );
}

#[test]
fn a_resting_model_tells_overload_from_quota() {
    let resting = |quota| Failure::NoRoute {
        why: NoRoute::ModelResting { until: NOW + 3_000, quota },
        model: "m".into(),
        now: NOW,
    };
    assert_eq!(resting(true).status(), 429);
    assert_eq!(resting(false).status(), 503);
    assert_eq!(resting(false).response(false).headers()[RETRY_AFTER], "3");
    assert!(resting(false).json()["error"].get("details").is_none());
}
