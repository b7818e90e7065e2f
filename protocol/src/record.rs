//! Decision records, and the re-test of a key. Key ids, never keys.

use serde::{Deserialize, Serialize};

use crate::KeyState;

/// Params of [`RECORDS`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
pub struct RecordsParams {
    /// At most this many (all: 200).
    #[cfg_attr(test, ts(optional = nullable))]
    pub limit: Option<u32>,
    /// Only this request.
    #[cfg_attr(test, ts(optional = nullable))]
    pub request_id: Option<String>,
}

/// What happened to one request, and why. Holds key ids, never keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Also in the answer's `X-Request-ID`.
    pub id: String,
    /// When it came.
    #[cfg_attr(test, ts(type = "number"))]
    pub started_ms: u64,
    /// The dialect: `gemini`, `openai` or `anthropic`.
    pub front: String,
    /// Without `models/`; `-` if it names none.
    pub model: String,
    /// The verb behind the colon, or the OpenAI route (`chat/completions`), or the method.
    pub operation: String,
    /// The status the caller got; `null` if it left before there was one.
    pub status: Option<u16>,
    /// How long it was held until the pool recovered (`maxQueueWaitMs`); `null`: it was not.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub waited_ms: Option<u64>,
    /// To the first byte sent to the caller.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub first_byte_ms: Option<u64>,
    /// To the end.
    #[cfg_attr(test, ts(type = "number"))]
    pub total_ms: u64,
    /// The last `totalTokenCount`.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub tokens: Option<u64>,
    /// How it ended.
    pub end: End,
    /// Every try, in order.
    pub attempts: Vec<AttemptRecord>,
    /// Keys that were left out at the first choice, at most 50.
    pub skipped: Vec<SkippedRecord>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// The answer went out whole.
    Complete,
    /// The upstream broke off behind the commit point; the caller was told.
    Broken,
    /// The caller left.
    Left,
}

/// One try on one route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct AttemptRecord {
    /// Key id.
    pub key: String,
    /// `local` or the instance id.
    pub egress: String,
    /// An HTTP status, or a word: `unreachable`, `notTaken`, `hungUp`, `timeout`, `hung`, `broken`,
    /// `empty`, `settings`, `caller`, `left`.
    pub outcome: String,
    /// What was decided: `deliver`, `return`, `retry`, or whom it blames.
    pub verdict: String,
    /// By which rule.
    pub rule: String,
    /// Until when the blamed one rests.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub until_ms: Option<u64>,
    /// How long it took.
    #[cfg_attr(test, ts(type = "number"))]
    pub ms: u64,
}

/// One that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SkippedRecord {
    /// Key id.
    pub key: String,
    /// Why: a [`Reason`], `disabled`, `tried`, `noEgress`, `modelResting`.
    pub rule: String,
    /// Until when, where known.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub until_ms: Option<u64>,
}

// --- retest ---

/// Params of [`RETEST`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RetestParams {
    /// Which key.
    pub key_id: String,
}

/// Answer to [`RETEST`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RetestAnswer {
    /// Which key.
    pub key_id: String,
    /// Its state after the test.
    pub state: KeyState,
    /// Facts of the test.
    pub detail: RetestDetail,
}

/// Facts of a re-test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RetestDetail {
    /// Whether the key was accepted.
    pub ok: bool,
    /// The way it went: `local` or an instance id.
    pub egress: String,
    /// The answer's status; absent if there was none.
    pub status: Option<u16>,
    /// By which rule it was judged, or `settings`, `noRoute`, `unreachable`, `timeout` or `stopped`.
    pub rule: String,
    /// Google's sentence, redacted.
    pub message: Option<String>,
    /// Whether the test counted against the quota: a key that is out as `denied` is tested by a one-token generateContent.
    pub counted: bool,
    /// How long it took.
    #[cfg_attr(test, ts(type = "number"))]
    pub ms: u64,
}
