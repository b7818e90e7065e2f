use fake_gemini::{Fixture, Seen, State};
use serde_json::json;

use super::*;
use crate::gemini::error;

fn circumstances() -> Circumstances {
    Circumstances {
        relayed: false,
        repeatable: true,
        names_resource: false,
        tries_on_route: 1,
        reached: 1,
        unclear_rotated: false,
        empty_retried: false,
        retry_empty: true,
    }
}

fn relayed() -> Circumstances {
    Circumstances { relayed: true, ..circumstances() }
}

/// `rule: action; blame`.
fn text(verdict: &Verdict) -> String {
    let action = match verdict.action {
        Action::Deliver => "deliver".into(),
        Action::Return => "return".into(),
        Action::Retry(next) => format!("retry {next:?}"),
    };
    let blame = match &verdict.blame {
        Blame::Nobody => "nobody".into(),
        Blame::Bucket(rest) => format!("bucket {rest:?}"),
        Blame::Quarantine { reason, scope, rest } => format!("out {reason:?} {scope:?} {rest:?}"),
        Blame::Pair(reason) => format!("pair {reason:?}"),
        Blame::Egress(reason) => format!("egress {reason:?}"),
        Blame::Model => "model".into(),
        Blame::Unclear => "unclear".into(),
    };
    format!("{}: {action}; {blame}", verdict.rule)
}

fn said(fixture: Fixture, at: &Circumstances) -> String {
    let seen = Seen {
        number: 1,
        connection: 1,
        method: "POST".into(),
        target: "/".into(),
        headers: Vec::new(),
        body: Default::default(),
        key: Some("AIzaFAKE".into()),
        credentials: Vec::new(),
        state: State::Answering,
    };
    let (status, _, body) = fixture.answer(&seen);
    match error::parse(&body) {
        Some(error) => text(&judge(&Outcome::Refused { status, error: &error }, at)),
        None => text(&judge(&Outcome::Foreign { status }, at)),
    }
}

fn message(status: u16, message: &str, at: &Circumstances) -> String {
    let error = error::read(&json!({ "error": { "code": status, "message": message } })).unwrap();
    text(&judge(&Outcome::Refused { status, error: &error }, at))
}

fn with_reason(status: u16, reason: &str) -> String {
    let error = ApiError { reason: Some(reason.into()), detailed: true, ..ApiError::default() };
    text(&judge(&Outcome::Refused { status, error: &error }, &circumstances()))
}

#[test]
fn every_row_about_keys_projects_and_accounts() {
    let at = circumstances();
    for (fixture, verdict) in [
        (Fixture::InvalidKey, "invalidKey: retry Rotate(Key); out Rejected Key ForGood"),
        (Fixture::InvalidKeyArray, "invalidKey: retry Rotate(Key); out Rejected Key ForGood"),
        (Fixture::ExpiredKey, "invalidKey: retry Rotate(Key); out Rejected Key ForGood"),
        (Fixture::LeakedKey, "leaked: retry Rotate(Key); out Leaked Key ForGood"),
        (Fixture::Suspended, "suspended: retry Rotate(Project); out Suspended Project For(86400000)"),
        (Fixture::BearerOnNative, "tokenType: retry Rotate(Key); out Rejected Key For(3600000)"),
        (
            Fixture::ServiceDisabled,
            "serviceDisabled: retry Rotate(Project); out ServiceDisabled Project Doubling(600000, 21600000)",
        ),
        (Fixture::Denied, "denied: retry Rotate(Project); out Denied Project For(86400000)"),
        (Fixture::CreditsDepleted, "credits: retry Rotate(Project); out Billing Project For(3600000)"),
        (Fixture::SpendingCap, "spendCap: retry Rotate(Project); out SpendCap Project For(21600000)"),
        (Fixture::TwoCredentials, "twoCredentials: retry SameRoute; nobody"),
        (Fixture::NoCredential, "credentialLost: return; nobody"),
    ] {
        assert_eq!(said(fixture, &at), verdict, "{fixture:?}");
    }
    for (reason, verdict) in [
        ("BILLING_DISABLED", "billingDisabled: retry Rotate(Project); out Billing Project For(3600000)"),
        ("USER_PROJECT_DENIED", "denied: retry Rotate(Project); out Denied Project For(86400000)"),
        ("API_KEY_SERVICE_BLOCKED", "restricted: retry Rotate(Key); out Restricted Key For(21600000)"),
        ("API_KEY_HTTP_REFERRER_BLOCKED", "restricted: retry Rotate(Key); out Restricted Key For(21600000)"),
        ("API_KEY_IP_ADDRESS_BLOCKED", "addressBlocked: retry OtherEgress(Pair); pair Restricted"),
        ("SOMETHING_NEW", "request: return; nobody"),
    ] {
        assert_eq!(with_reason(403, reason), verdict, "{reason}");
    }
}

#[test]
fn the_same_sentences_without_details_count_too() {
    let at = circumstances();
    for (status, sentence, rule) in [
        (400, "API key not valid. Please pass a valid API key.", "invalidKey"),
        (400, "API Key not found. Please pass a valid API key.", "invalidKey"),
        (400, "Please pass a valid API key", "invalidKey"),
        (403, "Permission denied: Consumer 'api_key:AIzaFAKE' has been suspended.", "suspended"),
        (429, "Your prepayment credits are depleted. Please go to AI Studio", "credits"),
        (402, "Pay first.", "credits"),
        (401, "Who are you?", "unauthenticated"),
        (404, "This model models/x is no longer available to new users. Please update your code", "retired"),
    ] {
        assert!(message(status, sentence, &at).starts_with(&format!("{rule}:")), "{sentence}");
    }
}

#[test]
fn an_unclear_refusal_is_tried_on_one_other_key() {
    let sentence = "The caller does not have permission";
    assert_eq!(message(403, sentence, &circumstances()), "unclear: retry Rotate(Key); unclear");
    assert_eq!(
        message(403, sentence, &Circumstances { unclear_rotated: true, ..circumstances() }),
        "unclear: return; unclear"
    );
}

#[test]
fn two_credentials_are_our_own_fault_and_tried_once_more() {
    let again = Circumstances { tries_on_route: 2, reached: 2, ..circumstances() };
    assert_eq!(said(Fixture::TwoCredentials, &again), "twoCredentials: return; nobody");
}

#[test]
fn every_row_about_quotas() {
    let at = circumstances();
    for (fixture, verdict) in [
        (
            Fixture::MinuteQuota,
            "perMinute: retry Rotate(Project); bucket PerMinute { retry_after: Some(36000) }",
        ),
        (
            Fixture::TokensQuota,
            "perMinute: retry Rotate(Project); bucket PerMinute { retry_after: Some(40000) }",
        ),
        (Fixture::DayQuota, "perDay: retry Rotate(Project); bucket PerDay"),
        (Fixture::DayQuotaNoDelay, "perDay: retry Rotate(Project); bucket PerDay"),
        (Fixture::MinuteAndDayQuota, "perDay: retry Rotate(Project); bucket PerDay"),
        (Fixture::LimitZero, "notEntitled: retry Rotate(Project); bucket NotEntitled"),
        (Fixture::BareQuota, "bare429: retry Rotate(Project); bucket Bare"),
        (Fixture::InteractionsQuota, "bare429: retry Rotate(Project); bucket Bare"),
    ] {
        assert_eq!(said(fixture, &at), verdict, "{fixture:?}");
    }
    assert_eq!(
        message(429, "Quota.\nPlease retry in 3.5s.", &at),
        "perMinute: retry Rotate(Project); bucket PerMinute { retry_after: Some(3500) }"
    );
    let word = error::read(&json!({ "error": { "code": "quota_exceeded", "message": "m" } })).unwrap();
    let verdict = judge(&Outcome::Refused { status: 429, error: &word }, &at);
    assert_eq!(verdict.blame, Blame::Bucket(Rest::PerDay));
}

#[test]
fn a_request_error_is_returned_and_blames_nobody_whatever_it_quotes() {
    let at = circumstances();
    for fixture in [Fixture::QuotingBadRequest, Fixture::UnknownModel] {
        assert_eq!(said(fixture, &at), "request: return; nobody", "{fixture:?}");
    }
    for (status, sentence) in [
        (400, "Invalid value: \"API key not valid. Please pass a valid API key.\""),
        (400, "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."),
        (400, "Function call is missing a thought_signature in functionCall parts."),
        (400, "User location is not supported for the API use, he said"),
        (413, "Request payload size exceeds the limit: 104857600 bytes."),
        (404, "He said: This model x is no longer available to new users."),
        (405, "Method not allowed"),
        (409, "Aborted"),
    ] {
        assert_eq!(message(status, sentence, &at), "request: return; nobody", "{sentence}");
    }
}

#[test]
fn a_stored_resource_of_another_project_blames_nobody() {
    let named = Circumstances { names_resource: true, ..circumstances() };
    for fixture in [Fixture::ForeignFile, Fixture::ForeignCache] {
        assert_eq!(said(fixture, &circumstances()), "ownedResource: return; nobody");
    }
    for status in [403, 404] {
        assert_eq!(
            message(status, "The caller does not have permission", &named),
            "ownedResource: return; nobody"
        );
    }
    assert!(
        said(Fixture::LeakedKey, &named).starts_with("leaked"),
        "a bad key is a bad key whatever it asks for"
    );
}

#[test]
fn the_way_out_is_blamed_for_the_place_it_ends_in() {
    for at in [circumstances(), relayed()] {
        assert_eq!(said(Fixture::Location, &at), "location: retry OtherEgress(Egress); egress Location");
    }
    assert_eq!(
        said(Fixture::HtmlForbidden, &circumstances()),
        "sorryPage: retry OtherEgress(Egress); egress NotGemini"
    );
    assert_eq!(
        said(Fixture::NoCredential, &relayed()),
        "credentialLost: retry OtherEgress(Egress); egress NotGemini"
    );
}

#[test]
fn a_relays_own_answers_are_never_read_as_googles() {
    for (fixture, down) in [
        (Fixture::HtmlForbidden, "Unauthorized"),
        (Fixture::PlatformForbidden, "Unauthorized"),
        (Fixture::HtmlBadGateway, "ServerError"),
        (Fixture::EmptyBadGateway, "ServerError"),
        (Fixture::Cloudflare1015, "RateLimited"),
    ] {
        assert_eq!(
            said(fixture, &relayed()),
            format!("notGemini: retry OtherEgress(Egress); egress {down}"),
            "{fixture:?}"
        );
    }
    let says = |outcome: &Outcome<'_>| text(&judge(outcome, &relayed()));
    let failed = Outcome::RelayError { status: 503, code: "1" };
    assert_eq!(says(&failed), "relayError: retry OtherEgress(Egress); egress ServerError");
    for status in [404, 405, 413] {
        let cannot = "relayCannot: retry OtherEgress(Egress); nobody";
        assert_eq!(says(&Outcome::Foreign { status }), cannot, "{status}");
        assert_eq!(says(&Outcome::RelayError { status, code: "1" }), cannot, "{status}");
    }
    let teapot = Outcome::Foreign { status: 418 };
    assert_eq!(says(&teapot), "notGemini: retry OtherEgress(Egress); egress NotGemini");
}

#[test]
fn transport_failures_blame_relays_only() {
    for (outcome, at, verdict) in [
        (Outcome::Unreachable, relayed(), "unreachable: retry OtherEgress(Egress); egress Unreachable"),
        (Outcome::Broken, relayed(), "broken: retry OtherEgress(Egress); egress Unreachable"),
        (Outcome::HungUp, relayed(), "broken: retry OtherEgress(Egress); egress Unreachable"),
        (Outcome::NotTaken, relayed(), "notTaken: retry Resend; nobody"),
        (Outcome::TimedOut, relayed(), "timeout: retry OtherEgress(Pair); nobody"),
        (Outcome::Unreachable, circumstances(), "unreachable: retry SameRoute; nobody"),
        (Outcome::Broken, circumstances(), "broken: retry SameRoute; nobody"),
        (Outcome::HungUp, circumstances(), "hungUp: retry Resend; nobody"),
        (Outcome::NotTaken, circumstances(), "notTaken: retry Resend; nobody"),
        (Outcome::TimedOut, circumstances(), "timeout: return; nobody"),
        (Outcome::Settings, circumstances(), "settings: return; nobody"),
        (Outcome::Settings, relayed(), "settings: return; nobody"),
        (Outcome::Caller, relayed(), "caller: return; nobody"),
        (Outcome::Foreign { status: 404 }, circumstances(), "notGemini: return; nobody"),
    ] {
        assert_eq!(text(&judge(&outcome, &at)), verdict, "{outcome:?}");
    }
    let again = Circumstances { tries_on_route: 2, ..circumstances() };
    assert_eq!(text(&judge(&Outcome::Unreachable, &again)), "unreachable: retry OtherEgress(Egress); nobody");
    // However often: the attempts are the bound.
    assert_eq!(text(&judge(&Outcome::NotTaken, &again)), "notTaken: retry Resend; nobody");
    let gone = Circumstances { relayed: true, ..again };
    assert_eq!(
        text(&judge(&Outcome::NotTaken, &gone)),
        "notTaken: retry OtherEgress(Egress); egress Unreachable"
    );
    // Hung up a second time it is no idle connection any more.
    assert_eq!(text(&judge(&Outcome::HungUp, &again)), "broken: retry OtherKey; nobody");
    let enough = Circumstances { reached: 3, ..circumstances() };
    assert_eq!(text(&judge(&Outcome::HungUp, &enough)), "broken: return; nobody");
}

#[test]
fn the_service_is_asked_once_more_then_by_another_key_and_three_times_in_all() {
    let steps = |fixture| {
        [(1, 1), (2, 2), (1, 3)].map(|(tries_on_route, reached)| {
            let verdict = said(fixture, &Circumstances { tries_on_route, reached, ..circumstances() });
            verdict.split_once(": ").unwrap().1.to_owned()
        })
    };
    assert_eq!(
        steps(Fixture::Overloaded),
        ["retry SameRoute; model", "retry OtherKey; model", "return; model"]
    );
    for fixture in [Fixture::Internal, Fixture::HtmlBadGateway, Fixture::EmptyBadGateway] {
        assert_eq!(steps(fixture), ["retry SameRoute; nobody", "retry OtherKey; nobody", "return; nobody"]);
    }
    assert_eq!(steps(Fixture::Deadline), ["retry SameRoute; nobody", "return; nobody", "return; nobody"]);
    let cancelled =
        |reached| message(499, "The operation was cancelled.", &Circumstances { reached, ..circumstances() });
    assert_eq!(
        [cancelled(1), cancelled(2)],
        ["cancelled: retry SameRoute; nobody", "cancelled: return; nobody"]
    );
}

#[test]
fn a_create_is_sent_again_only_if_nothing_can_have_been_done() {
    let create = Circumstances { repeatable: false, ..circumstances() };
    let create_by_relay = Circumstances { relayed: true, ..create };
    let again = |text: String| text.contains("retry");
    for fixture in [
        Fixture::MinuteQuota,
        Fixture::InvalidKey,
        Fixture::Denied,
        Fixture::BearerOnNative,
        Fixture::Overloaded,
    ] {
        assert!(again(said(fixture, &create)), "{fixture:?}");
    }
    for fixture in [Fixture::Internal, Fixture::Deadline, Fixture::HtmlBadGateway] {
        assert!(!again(said(fixture, &create)), "{fixture:?}");
    }
    for (outcome, at, expected) in [
        (Outcome::Unreachable, create, true),
        (Outcome::Unreachable, create_by_relay, true),
        (Outcome::NotTaken, create, true),
        (Outcome::NotTaken, create_by_relay, true),
        (Outcome::HungUp, create, false),
        (Outcome::HungUp, create_by_relay, false),
        (Outcome::Broken, create, false),
        (Outcome::Broken, create_by_relay, false),
        (Outcome::TimedOut, create_by_relay, false),
        (Outcome::Foreign { status: 502 }, create_by_relay, false),
        (Outcome::Foreign { status: 403 }, create_by_relay, true),
    ] {
        assert_eq!(again(text(&judge(&outcome, &at))), expected, "{outcome:?}");
    }
}

#[test]
fn an_answer_without_content_is_tried_once_elsewhere_then_passed_on() {
    let says = |at| text(&judge(&Outcome::Empty, &at));
    assert_eq!(says(circumstances()), "empty: retry Elsewhere; nobody");
    assert_eq!(says(Circumstances { empty_retried: true, ..circumstances() }), "emptyAgain: deliver; nobody");
    assert_eq!(says(Circumstances { retry_empty: false, ..circumstances() }), "emptyAgain: deliver; nobody");
    assert_eq!(text(&judge(&Outcome::Content, &circumstances())), "ok: deliver; nobody");
}
