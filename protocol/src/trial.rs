//! The test request: what [`crate::TRY_REQUEST`] takes and answers.

use serde::{Deserialize, Serialize};

/// Params of [`crate::TRY_REQUEST`].
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
pub struct TryRequestParams {
    /// Without `models/`; letters, digits, `.`, `-` and `_`. Without one a small model that every tier has.
    #[cfg_attr(test, ts(optional = nullable))]
    pub model: Option<String>,
}

/// Answer to [`crate::TRY_REQUEST`]: what a client would have got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct TryRequestAnswer {
    /// The id of its record.
    pub request_id: String,
    /// The model that was asked.
    pub model: String,
    /// HTTP status.
    pub status: u16,
    /// How long it took.
    #[cfg_attr(test, ts(type = "number"))]
    pub ms: u64,
    /// What the model said, redacted, at most 200 characters; `null` if it said nothing.
    pub text: Option<String>,
    /// Google's sentence, or ours, if it failed; redacted, at most 300 characters.
    pub error: Option<String>,
}
