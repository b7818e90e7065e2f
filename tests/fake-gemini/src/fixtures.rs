//! Answers and errors as Google words them: `gemini-wire.md` section 9.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::seen::Seen;

const JSON: &str = "application/json; charset=UTF-8";

/// The text of a good answer.
pub const TEXT: &str = "Hello from the fake Gemini: ä, 漢, \"quoted\".";
/// Its `totalTokenCount`.
pub const TOKENS: u64 = 17;

/// A good stream, every byte (F19).
pub fn stream() -> Bytes {
    let mut stream = String::new();
    for event in events() {
        stream.push_str(&format!("data: {event}\r\n\r\n"));
    }
    stream.into()
}

/// The events of a good stream: a text in three pieces, then the finish.
pub fn events() -> Vec<Value> {
    let event = |part: Value, tokens: u64| {
        json!({ "candidates": [{ "content": { "parts": [part], "role": "model" }, "index": 0 }],
            "usageMetadata": { "promptTokenCount": 3, "totalTokenCount": tokens }, "modelVersion": "m", "responseId": "r" })
    };
    let third = TEXT.char_indices().nth(12).expect("the text is longer").0;
    let two_thirds = TEXT.char_indices().nth(30).expect("the text is longer").0;
    vec![
        event(json!({ "text": TEXT[..third] }), 5),
        event(json!({ "text": TEXT[third..two_thirds] }), 9),
        event(json!({ "text": TEXT[two_thirds..] }), 14),
        json!({ "candidates": [{ "finishReason": "STOP", "index": 0 }],
            "usageMetadata": { "promptTokenCount": 3, "candidatesTokenCount": 14, "totalTokenCount": TOKENS } }),
    ]
}

/// A good answer in one piece, pretty-printed as Google does.
pub fn unary() -> Bytes {
    let answer = json!({
        "candidates": [{ "content": { "parts": [{ "text": TEXT }], "role": "model" }, "finishReason": "STOP", "index": 0 }],
        "usageMetadata": { "promptTokenCount": 3, "candidatesTokenCount": 14, "totalTokenCount": TOKENS },
        "modelVersion": "m",
    });
    serde_json::to_vec_pretty(&answer).expect("a value is JSON").into()
}

/// A good stream without `alt=sse`, piece by piece.
pub fn array() -> Vec<Bytes> {
    let events = events();
    let last = events.len() - 1;
    let element = |(at, event): (usize, &Value)| {
        let begin = if at == 0 { "[" } else { ",\r\n" };
        let end = if at == last { "\n]\n" } else { "" };
        Bytes::from(format!("{begin}{event:#}{end}"))
    };
    events.iter().enumerate().map(element).collect()
}

/// Errors and oddities by name; the number is that of the fact sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Fixture {
    /// F1.
    MinuteQuota,
    /// F1 with PerDay and a short delay.
    DayQuota,
    /// PerDay with `retryDelay: "0s"`.
    DayQuotaNoDelay,
    /// F1b: a minute and a day violation, one delay.
    MinuteAndDayQuota,
    /// F1c: `limit: 0`, no quotaValue.
    LimitZero,
    /// F1d: no details.
    BareQuota,
    /// F1e.
    SpendingCap,
    /// F1f: 402.
    CreditsDepleted,
    /// F1g: paid tokens a minute, DebugInfo first.
    TokensQuota,
    /// F2.
    InvalidKey,
    /// F2a: in an array.
    InvalidKeyArray,
    /// F2b.
    ExpiredKey,
    /// F3.
    LeakedKey,
    /// F4, with the request's own key in the text.
    Suspended,
    /// F5.
    ServiceDisabled,
    /// F6.
    Location,
    /// F7.
    ForeignFile,
    /// F8.
    ForeignCache,
    /// F9.
    UnknownModel,
    /// F10.
    Overloaded,
    /// F11.
    Internal,
    /// F12.
    Deadline,
    /// F13.
    NoCredential,
    /// F14.
    TwoCredentials,
    /// F15.
    Denied,
    /// F16.
    BearerOnNative,
    /// F17.
    InteractionsQuota,
    /// F18: HTML 403.
    HtmlForbidden,
    /// F18: HTML 502.
    HtmlBadGateway,
    /// F18: `{"message":"Forbidden"}`.
    PlatformForbidden,
    /// F18: 502 without a body.
    EmptyBadGateway,
    /// F18: `error code: 1015`.
    Cloudflare1015,
    /// A 400 whose text quotes the user: "429", "quota", "API key not valid".
    QuotingBadRequest,
    /// F20: the start of an upload.
    UploadStart,
    /// F21: a redirect to the bytes.
    Download,
}

impl Fixture {
    /// Status, content type, body.
    pub fn answer(self, seen: &Seen) -> (u16, &'static str, Vec<u8>) {
        let key = seen.key.as_deref().unwrap_or("none");
        let error = |code: u16, status: &str, message: &str, details: Value| {
            let mut error = json!({ "code": code, "message": message, "status": status });
            if !details.is_null() {
                error["details"] = details;
            }
            (code, JSON, serde_json::to_vec_pretty(&json!({ "error": error })).expect("a value is JSON"))
        };
        let plain = |code, status, message| error(code, status, message, Value::Null);
        let info = |reason: &str, consumer: &str| {
            json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com",
                "metadata": { "consumer": consumer, "service": "generativelanguage.googleapis.com" } }])
        };
        let array = |(code, content_type, body): (u16, &'static str, Vec<u8>)| {
            (code, content_type, [b"[", body.as_slice(), b"]"].concat())
        };
        match self {
            Self::MinuteQuota => {
                quota(&[("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", Some("5"))], "36s")
            }
            Self::DayQuota => {
                quota(&[("GenerateRequestsPerDayPerProjectPerModel-FreeTier", Some("20"))], "36s")
            }
            Self::DayQuotaNoDelay => {
                quota(&[("GenerateRequestsPerDayPerProjectPerModel-FreeTier", Some("20"))], "0s")
            }
            Self::MinuteAndDayQuota => quota(
                &[
                    ("GenerateContentInputTokensPerModelPerMinute-FreeTier", Some("1000")),
                    ("GenerateRequestsPerDayPerProjectPerModel-FreeTier", Some("20")),
                ],
                "36s",
            ),
            Self::LimitZero => quota(&[("GenerateRequestsPerDayPerProjectPerModel-FreeTier", None)], "36s"),
            Self::TokensQuota => {
                quota(&[("GenerateContentPaidTierInputTokensPerModelPerMinute", Some("10000"))], "40s")
            }
            Self::BareQuota => {
                plain(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).")
            }
            Self::SpendingCap => plain(
                429,
                "RESOURCE_EXHAUSTED",
                "Your project has exceeded its monthly spending cap. Please go to AI Studio at https://ai.studio/spend to manage your project spend cap.",
            ),
            Self::CreditsDepleted => plain(
                402,
                "RESOURCE_EXHAUSTED",
                "Your prepayment credits are depleted. Please go to AI Studio at https://ai.studio/projects to manage your project and billing. Learn more at https://ai.google.dev/gemini-api/docs/billing#prepay.",
            ),
            Self::InvalidKey => invalid("API key not valid. Please pass a valid API key."),
            Self::InvalidKeyArray => array(invalid("API key not valid. Please pass a valid API key.")),
            Self::ExpiredKey => invalid("API key expired. Please renew the API key."),
            Self::LeakedKey => plain(
                403,
                "PERMISSION_DENIED",
                "Your API key was reported as leaked. Please use another API key.",
            ),
            Self::Suspended => error(
                403,
                "PERMISSION_DENIED",
                &format!("Permission denied: Consumer 'api_key:{key}' has been suspended."),
                info("CONSUMER_SUSPENDED", "projects/123"),
            ),
            Self::ServiceDisabled => error(
                403,
                "PERMISSION_DENIED",
                "Generative Language API has not been used in project 123 before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/generativelanguage.googleapis.com/overview?project=123 then retry.",
                info("SERVICE_DISABLED", "projects/123"),
            ),
            Self::Location => {
                plain(400, "FAILED_PRECONDITION", "User location is not supported for the API use.")
            }
            Self::ForeignFile => plain(
                403,
                "PERMISSION_DENIED",
                "You do not have permission to access the File abc123 or it may not exist.",
            ),
            Self::ForeignCache => {
                plain(403, "PERMISSION_DENIED", "CachedContent not found (or permission denied)")
            }
            Self::UnknownModel => plain(
                404,
                "NOT_FOUND",
                "models/nope is not found for API version v1beta, or is not supported for generateContent. Call ModelService.ListModels to see the list of available models and their supported methods.",
            ),
            Self::Overloaded => plain(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
            Self::Internal => plain(
                500,
                "INTERNAL",
                "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting",
            ),
            Self::Deadline => {
                plain(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete.")
            }
            Self::NoCredential => plain(
                403,
                "PERMISSION_DENIED",
                "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
            ),
            Self::TwoCredentials => array(plain(
                400,
                "INVALID_ARGUMENT",
                "Multiple authentication credentials received. Please pass only one.",
            )),
            Self::Denied => plain(
                403,
                "PERMISSION_DENIED",
                "Your project has been denied access. Please contact support.",
            ),
            Self::BearerOnNative => error(
                401,
                "UNAUTHENTICATED",
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
                info("ACCESS_TOKEN_TYPE_UNSUPPORTED", ""),
            ),
            Self::InteractionsQuota => (
                429,
                JSON,
                br#"{"error":{"code":"rate_limit_exceeded","message":"Too many requests."}}"#.to_vec(),
            ),
            Self::HtmlForbidden => {
                (403, "text/html", b"<html><title>Sorry...</title>unusual traffic</html>".to_vec())
            }
            Self::HtmlBadGateway => (502, "text/html", b"<html><title>Error 502</title></html>".to_vec()),
            Self::PlatformForbidden => (403, "application/json", br#"{"message":"Forbidden"}"#.to_vec()),
            Self::EmptyBadGateway => (502, "text/plain", Vec::new()),
            Self::Cloudflare1015 => (429, "text/plain", b"error code: 1015".to_vec()),
            Self::QuotingBadRequest => plain(
                400,
                "INVALID_ARGUMENT",
                "Invalid value at 'contents[0]': \"tell me why 429 RESOURCE_EXHAUSTED quota PerDay says API key not valid\"",
            ),
            Self::UploadStart => (200, "text/plain", Vec::new()),
            Self::Download => {
                (302, JSON, br#"{"error":{"code":302,"message":"Found","status":"UNKNOWN"}}"#.to_vec())
            }
        }
    }
}

fn quota(violations: &[(&str, Option<&str>)], delay: &str) -> (u16, &'static str, Vec<u8>) {
    let metric = "generativelanguage.googleapis.com/generate_content_free_tier_requests";
    let mut message = "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. To monitor your current usage, head to: https://ai.dev/rate-limit. ".to_owned();
    let mut failures = Vec::new();
    for (id, value) in violations {
        message.push_str(&format!(
            "\n* Quota exceeded for metric: {metric}, limit: {}, model: gemini-3.6-flash",
            value.unwrap_or("0")
        ));
        let mut failure = json!({ "quotaMetric": metric, "quotaId": id,
            "quotaDimensions": { "location": "global", "model": "gemini-3.6-flash" } });
        if let Some(value) = value {
            failure["quotaValue"] = json!(value);
        }
        failures.push(failure);
    }
    message.push_str(&format!("\nPlease retry in {}.429760048s.", delay.trim_end_matches('s')));
    let body = json!({ "error": { "code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": [
        { "@type": "type.googleapis.com/google.rpc.Help", "links": [{ "description": "Learn more about Gemini API quotas",
            "url": "https://ai.google.dev/gemini-api/docs/rate-limits" }] },
        { "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": failures },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay } ] } });
    (429, JSON, serde_json::to_vec_pretty(&body).expect("a value is JSON"))
}

fn invalid(message: &str) -> (u16, &'static str, Vec<u8>) {
    let body = json!({ "error": { "code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": [
        { "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com",
          "metadata": { "service": "generativelanguage.googleapis.com" } },
        { "@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "en-US", "message": message } ] } });
    (400, JSON, serde_json::to_vec_pretty(&body).expect("a value is JSON"))
}
