//! Google's error envelope, in all the shapes it comes in: an object, an array around it, a number or a word for the code.
//! Reads foreign bytes; never fails, never panics: what is no envelope is `None`.

use crate::policy::Ms;

/// What an error body says. Only what a decision needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiError {
    /// `error.code`, if it is a number.
    pub code: Option<u16>,
    /// `error.status`, or the Interactions API's word in `error.code`.
    pub status: String,
    /// `error.message`. May hold the key: redact before it goes anywhere.
    pub message: String,
    /// `reason` of the first ErrorInfo.
    pub reason: Option<String>,
    /// Project number of `metadata.consumer` (`projects/123`), as it stands there.
    pub project: Option<String>,
    /// Every violation of every QuotaFailure.
    pub violations: Vec<Violation>,
    /// RetryInfo's delay; else "Please retry in …" of the message.
    pub retry_delay: Option<Ms>,
    /// There was at least one entry in `details`.
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
