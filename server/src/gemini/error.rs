//! Google's error envelope, in all the shapes it comes in: an object, an array around it, a number or a word for the code.
//! Reads foreign bytes; never fails, never panics: what is no envelope is `None`.

use serde_json::Value;

use crate::policy::{HOUR, MINUTE, Ms, SECOND};

/// No error of Google's is longer; what is behind is not looked at.
const LOOKED_AT: usize = 256 * 1024;

/// What an error body says. Only what a decision needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiError {
    /// `error.code`, if it is a number, or the number that belongs to the Interactions API's word.
    pub code: Option<u16>,
    /// `error.status`, or the Interactions API's word in `error.code`.
    pub status: String,
    /// `error.message`. May hold the key: redact before it goes anywhere.
    pub message: String,
    /// `reason` of the first ErrorInfo.
    pub reason: Option<String>,
    /// Project number of `metadata.consumer`, as it stands there (`projects/123`).
    pub project: Option<String>,
    /// Every violation of every QuotaFailure.
    pub violations: Vec<Violation>,
    /// RetryInfo's delay, the longest of several; else "Please retry in …" of the message.
    pub retry_delay: Option<Ms>,
    /// There was at least one QuotaFailure, RetryInfo or ErrorInfo in `details`.
    pub detailed: bool,
    /// The message says `limit: 0`, or a violation has no `quotaValue` or the value "0".
    pub limit_zero: bool,
}

/// One violated quota.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Violation {
    /// For instance `GenerateRequestsPerDayPerProjectPerModel-FreeTier`.
    pub quota_id: String,
    /// `quotaValue`, missing when the limit is 0.
    pub quota_value: Option<String>,
}

/// Reads an error body; `None` if it is not Google's envelope.
pub fn parse(body: &[u8]) -> Option<ApiError> {
    let value: Value = serde_json::from_slice(&body[..body.len().min(LOOKED_AT)]).ok()?;
    read(match &value {
        Value::Array(elements) => elements.first()?,
        other => other,
    })
}

/// Reads an envelope that is already a value.
pub fn read(envelope: &Value) -> Option<ApiError> {
    let error = envelope.get("error")?.as_object()?;
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let word = error.get("code").and_then(Value::as_str);
    let number = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let mut read = ApiError {
        code: number.or_else(|| word.and_then(code_of)),
        status: word.map_or_else(|| text("status"), str::to_owned),
        message: text("message"),
        ..ApiError::default()
    };
    // Google's envelopes have a number, or a word of the Interactions API; a platform's `{"error": {"code": "NOT_FOUND", …}}`
    // or `{"error": {"message": …}}` has neither.
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if read.code.is_none() && !word.is_some_and(is_word) {
        return None;
    }
    let details = error.get("details").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for detail in details {
        read.take_in(detail);
    }
    if read.retry_delay.is_none() {
        read.retry_delay = delay_in(&read.message);
    }
    read.limit_zero |= says_limit_zero(&read.message);
    Some(read)
}

impl ApiError {
    fn take_in(&mut self, detail: &Value) {
        let kind = detail.get("@type").and_then(Value::as_str).unwrap_or_default();
        let kind = kind.rsplit('.').next().unwrap_or_default();
        match kind {
            "ErrorInfo" => {
                self.detailed = true;
                let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
                self.reason = self.reason.take().or_else(|| text(detail.get("reason")));
                let consumer = text(detail.get("metadata").and_then(|metadata| metadata.get("consumer")));
                let consumer = consumer.filter(|consumer| is_project(consumer));
                self.project = self.project.take().or(consumer);
            }
            "QuotaFailure" => {
                self.detailed = true;
                let violations =
                    detail.get("violations").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                for violation in violations {
                    let quota_value = match violation.get("quotaValue") {
                        Some(Value::String(value)) => Some(value.clone()),
                        Some(Value::Number(value)) => Some(value.to_string()),
                        _ => None,
                    };
                    self.limit_zero |= quota_value.as_deref().is_none_or(|value| value == "0");
                    let quota_id =
                        violation.get("quotaId").and_then(Value::as_str).unwrap_or_default().to_owned();
                    self.violations.push(Violation { quota_id, quota_value });
                }
            }
            "RetryInfo" => {
                self.detailed = true;
                let delay = match detail.get("retryDelay") {
                    Some(Value::String(text)) => duration(text),
                    Some(Value::Number(seconds)) => duration(&format!("{seconds}s")),
                    _ => None,
                };
                self.retry_delay = self.retry_delay.max(delay);
            }
            _ => {}
        }
    }
}

/// `projects/` and a number; a consumer may also be `api_key:…`, which is a secret.
fn is_project(consumer: &str) -> bool {
    consumer.strip_prefix("projects/").is_some_and(|number| {
        !number.is_empty()
            && number.len() <= 30
            && number.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

/// Documented words of the Interactions API (`gemini-wire.md` 3.7).
fn code_of(word: &str) -> Option<u16> {
    Some(match word {
        "invalid_request" | "failed_precondition" | "parameter_unknown" => 400,
        "authentication" => 401,
        "payment_required" => 402,
        "permission_denied" => 403,
        "not_found" | "model_not_found" => 404,
        "already_exists" | "aborted" => 409,
        "out_of_range" => 416,
        "rate_limit_exceeded" | "quota_exceeded" | "too_many_requests" => 429,
        "cancelled" => 499,
        "api_error" => 500,
        "unimplemented" => 501,
        "service_unavailable" => 503,
        "deadline_exceeded" => 504,
        _ => return None,
    })
}

/// `limit: 0` as a whole number (not `limit: 05` or `limit: 0.5`).
fn says_limit_zero(message: &str) -> bool {
    let mut rest = message;
    while let Some(at) = rest.find("limit: 0") {
        rest = &rest[at + "limit: 0".len()..];
        let mut behind = rest.bytes();
        let goes_on = match behind.next() {
            Some(b'.') => behind.next().is_some_and(|byte| byte.is_ascii_digit()),
            Some(byte) => byte.is_ascii_digit(),
            None => false,
        };
        if !goes_on {
            return true;
        }
    }
    false
}

/// The delay behind "Please retry in".
fn delay_in(message: &str) -> Option<Ms> {
    const PHRASE: &str = "Please retry in ";
    let rest = &message[message.find(PHRASE)? + PHRASE.len()..];
    let word = rest.split_whitespace().next()?;
    duration(word.trim_end_matches('.'))
}

/// `36s`, `34.074824224s`, `964ms`, `1h2m3.5s`; rounded up to whole milliseconds.
fn duration(text: &str) -> Option<Ms> {
    let mut rest = text;
    let mut total: f64 = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(rest.len());
        total += number
            * match &rest[..letters] {
                "ms" => 1.0,
                "s" => SECOND as f64,
                "m" => MINUTE as f64,
                "h" => HOUR as f64,
                _ => return None,
            };
        rest = &rest[letters..];
    }
    // A float that is too large becomes the largest integer: whoever uses it has a bound of his own.
    (!text.is_empty() && total.is_finite()).then(|| total.min(1e15).ceil() as Ms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn quota(id: &str, value: Option<&str>, delay: &str) -> Value {
        let mut violation = json!({ "quotaMetric": "m", "quotaId": id, "quotaDimensions": { "model": "x" } });
        if let Some(value) = value {
            violation["quotaValue"] = json!(value);
        }
        json!({ "error": { "code": 429, "message": "You exceeded your current quota.\nPlease retry in 36.429760048s.",
            "status": "RESOURCE_EXHAUSTED", "details": [
                { "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation] },
                { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay } ] } })
    }

    #[test]
    fn retry_info_is_read_in_every_spelling() {
        for (delay, expected) in [
            ("3.5s", 3_500),
            ("34.074824224s", 34_075),
            ("0s", 0),
            ("964ms", 964),
            ("36s", 36_000),
            ("1m30s", 90_000),
        ] {
            assert_eq!(
                read(&quota("PerMinute", Some("5"), delay)).unwrap().retry_delay,
                Some(expected),
                "{delay}"
            );
        }
    }

    #[test]
    fn without_retry_info_the_message_tells_the_delay() {
        let body = br#"{"error":{"code":429,"message":"Quota.\nPlease retry in 36.429760048s.","status":"RESOURCE_EXHAUSTED"}}"#;
        let error = parse(body).unwrap();
        assert_eq!((error.retry_delay, error.detailed), (Some(36_430), false));
        let hours =
            br#"{"error":{"code":429,"message":"Please retry in 1h2m3.5s.","status":"RESOURCE_EXHAUSTED"}}"#;
        assert_eq!(parse(hours).unwrap().retry_delay, Some(3_723_500));
    }

    #[test]
    fn an_array_around_the_envelope_is_seen_through() {
        let body = json!([quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", Some("20"), "0s")]);
        let error = parse(body.to_string().as_bytes()).unwrap();
        assert_eq!(error.violations[0].quota_id, "GenerateRequestsPerDayPerProjectPerModel-FreeTier");
        assert!(!error.limit_zero);
    }

    #[test]
    fn a_limit_of_zero_shows_in_the_value_its_absence_or_the_text() {
        assert!(read(&quota("PerDay", None, "0s")).unwrap().limit_zero);
        assert!(read(&quota("PerDay", Some("0"), "0s")).unwrap().limit_zero);
        for (text, zero) in [
            ("limit: 0, model: x", true),
            ("limit: 0", true),
            ("limit: 05", false),
            ("limit: 0.5", false),
            ("limit: 0.", true),
        ] {
            let body = json!({ "error": { "code": 429, "message": text } });
            assert_eq!(read(&body).unwrap().limit_zero, zero, "{text}");
        }
    }

    #[test]
    fn the_reason_and_the_project_are_learnt_but_never_a_key() {
        let info = |consumer: &str| {
            json!({ "error": { "code": 403, "message": "m", "status": "PERMISSION_DENIED", "details": [
                { "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "CONSUMER_SUSPENDED",
                  "metadata": { "consumer": consumer } } ] } })
        };
        let error = read(&info("projects/123")).unwrap();
        assert_eq!(
            (error.reason.as_deref(), error.project.as_deref()),
            (Some("CONSUMER_SUSPENDED"), Some("projects/123"))
        );
        assert_eq!(read(&info("api_key:AIzaFAKE")).unwrap().project, None);
    }

    #[test]
    fn the_interactions_api_says_its_code_in_a_word() {
        let error =
            parse(br#"{"event_type":"error","error":{"code":"rate_limit_exceeded","message":"slow down"}}"#)
                .unwrap();
        assert_eq!((error.code, error.status.as_str()), (Some(429), "rate_limit_exceeded"));
    }

    #[test]
    fn what_is_no_envelope_is_none() {
        for body in [
            &b"<html>Sorry</html>"[..],
            b"",
            b"error code: 1015",
            br#"{"message":"Forbidden"}"#,
            b"[]",
            br#"{"error":"x"}"#,
            br#"{"error":{"id":1}}"#,
            br#"{"error":{"code":"404","message":"m"}}"#,
            br#"{"error":{"code":"NOT_FOUND","message":"m"}}"#,
            br#"{"error":{"message":"m"}}"#,
        ] {
            assert_eq!(parse(body), None, "{}", String::from_utf8_lossy(body));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            parse(&body);
        }

        #[test]
        fn any_text_in_any_field_is_survived(message in ".{0,80}", delay in ".{0,20}", id in ".{0,30}", consumer in ".{0,30}") {
            let mut body = quota(&id, Some("1"), &delay);
            body["error"]["message"] = json!(message);
            let info = json!({ "@type": "x.ErrorInfo", "metadata": { "consumer": consumer } });
            body["error"]["details"].as_array_mut().unwrap().push(info);
            prop_assert!(parse(body.to_string().as_bytes()).is_some());
        }
    }
}
