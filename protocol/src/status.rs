//! The status: all that the server reports, whole. Codes and facts; the client owns the words.

use serde::{Deserialize, Serialize};

use crate::Mode;

/// What the server reports; sent whole, at most every 250 ms, and only when it differs from the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Revision of the state in force; 0 before the first.
    #[cfg_attr(test, ts(type = "number"))]
    pub applied_revision: u64,
    /// Revision of the last state that could not be decoded, `null` if there was none or it was unreadable.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub rejected_revision: Option<u64>,
    /// Version of the sidecar.
    pub version: String,
    /// The mode in force.
    pub mode: Mode,
    /// Instances that are up.
    pub active_instances: u32,
    /// What this process is to the port.
    pub role: Role,
    /// Every instance of the state in force.
    pub instances: Vec<InstanceStatus>,
    /// Every key of the state in force.
    pub keys: Vec<KeyStatus>,
    /// What is wrong now.
    pub problems: Vec<Problem>,
}

/// What this process is to the port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Role {
    /// Not bound yet.
    Starting,
    /// Holds the port.
    Leader {
        /// The port that is bound.
        port: u16,
    },
    /// Another window of the same pool holds the port.
    Follower {
        /// The port that window holds.
        port: u16,
        /// That window's sidecar.
        leader: Leader,
    },
    /// Somebody else holds the port.
    Blocked {
        /// The port that is taken.
        port: u16,
        /// `portTaken`, `portOtherPool` or `portForwarded`.
        by: ProblemCode,
    },
}

/// The process a follower follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Leader {
    /// Its process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
}

/// One instance, as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// Its id in the state.
    pub id: String,
    /// How it is.
    pub health: Health,
}

/// How an instance is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Health {
    /// Not asked yet.
    Unknown,
    /// Answers.
    Up {
        /// How long it took to answer.
        latency_ms: u32,
        /// Its version, where it tells.
        version: Option<String>,
        /// The original extension's relay, which has no token.
        legacy: bool,
    },
    /// Does not answer, or refuses to work.
    Down {
        /// Since when.
        #[cfg_attr(test, ts(type = "number"))]
        since_ms: u64,
        /// When it is tried again.
        #[cfg_attr(test, ts(type = "number"))]
        next_try_ms: u64,
        /// Why.
        reason: DownReason,
    },
}

/// Why an instance is down. The first group is *unreachable* (a good `/health` heals it), the second *refusing*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum DownReason {
    /// No connection, or one that broke.
    Unreachable,
    /// No answer in time.
    Hung,
    /// Its own 5xx.
    ServerError,
    /// Google does not serve the place it runs in.
    Location,
    /// Something that is not the Gemini API answered: an HTML page, a platform's message.
    NotGemini,
    /// Its own 401 or 403.
    Unauthorized,
    /// Its own 429.
    RateLimited,
}

/// One key, as it is. Counters are of the quota day, which begins at midnight Pacific.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct KeyStatus {
    /// Its id in the state.
    pub id: String,
    /// Requests that use it now.
    pub in_flight: u32,
    /// Requests answered with 2xx today.
    pub used_today: u32,
    /// Sum of each request's last `totalTokenCount` today.
    #[cfg_attr(test, ts(type = "number"))]
    pub tokens_today: u64,
    /// The project it is known to belong to: learnt from Google, else as the user says.
    pub project: Option<String>,
    /// Models used today, busiest first, at most 20.
    pub models: Vec<ModelUse>,
    /// Whether it can be used.
    pub state: KeyState,
}

/// How one key used one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ModelUse {
    /// Without `models/`; `-` for requests that name none.
    pub model: String,
    /// Requests sent in the last 60 s.
    pub requests_minute: u32,
    /// Tokens counted in the last 60 s.
    #[cfg_attr(test, ts(type = "number"))]
    pub tokens_minute: u64,
    /// Requests answered with 2xx today.
    pub requests_today: u32,
    /// Tokens today.
    #[cfg_attr(test, ts(type = "number"))]
    pub tokens_today: u64,
    /// Attempts today that were not answered with 2xx.
    pub errors_today: u32,
}

/// Whether a key can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum KeyState {
    /// For every model.
    Ready,
    /// Not for these models.
    CoolingDown {
        /// Each with its end.
        models: Vec<CoolingModel>,
    },
    /// Out, until re-tested or a time.
    Quarantined {
        /// Why.
        reason: Reason,
        /// Since when.
        #[cfg_attr(test, ts(type = "number"))]
        since_ms: u64,
        /// When the next real request may try it; absent: only a re-test or an edit brings it back.
        #[cfg_attr(test, ts(type = "number | null"))]
        until_ms: Option<u64>,
    },
    /// Switched off by the user.
    Disabled,
}

/// A model that rests on a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CoolingModel {
    /// Without `models/`; `*` means all of them.
    pub model: String,
    /// Until when.
    #[cfg_attr(test, ts(type = "number"))]
    pub until_ms: u64,
    /// Why.
    pub reason: Reason,
}

/// Why a bucket cools or a key is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// A per-minute limit.
    PerMinute,
    /// A per-day limit; ends at midnight Pacific.
    PerDay,
    /// The tier of this project does not include the model.
    NotEntitled,
    /// A 429 that says nothing more.
    #[serde(rename = "bare429")]
    Bare429,
    /// Google does not know the key, or it expired, or it may not be used so.
    Rejected,
    /// Google found the key in public.
    Leaked,
    /// The project is suspended.
    Suspended,
    /// The API is not switched on in the project.
    ServiceDisabled,
    /// Billing is off, or credit is used up.
    Billing,
    /// The project's spending cap, or its spend rate, is reached.
    SpendCap,
    /// Google denies the project access.
    Denied,
    /// The key's own restrictions (API, referrer, address) forbid this use.
    Restricted,
}

/// Something the user should know. The client owns the words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// What it is.
    pub code: ProblemCode,
    /// What it is about: a key id, an instance id, a port; never a secret.
    pub subject: Option<String>,
    /// How bad it is.
    pub severity: Severity,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Requests cannot be answered.
    Error,
    /// Something was left out; the rest works.
    Warning,
}

/// What a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum ProblemCode {
    /// A foreign program holds the port.
    PortTaken,
    /// A Gemini Aggregator with another pool of keys holds the port.
    PortOtherPool,
    /// The port is a forwarded one of another machine's Gemini Aggregator.
    PortForwarded,
    /// A stranger listens on the same port of `::1`.
    Ipv6Taken,
    /// `port` is not 0–65535.
    PortRange,
    /// `requestTimeoutMs` is not 1,000–3,600,000.
    TimeoutRange,
    /// `maxAttempts` is not 1–20.
    AttemptsRange,
    /// `maxQueueWaitMs` is not 0–600,000.
    QueueWaitRange,
    /// `heartbeatSeconds` is neither 0 nor 5–300.
    HeartbeatRange,
    /// `maxBodyBytes` is not 1 MiB – 2 GiB.
    BodySizeRange,
    /// A key is bound to an instance that does not exist; it takes part as if unbound.
    UnknownInstance,
    /// Two keys or two instances have one id; the first counts.
    DuplicateId,
    /// Two keys have one secret; the first counts.
    DuplicateSecret,
    /// A key without a secret.
    EmptySecret,
    /// A secret that cannot stand in an HTTP header: a key's, or `accessToken`.
    InvalidSecret,
    /// An instance's URL is refused, or its id is.
    InstanceUrl,
    /// An instance on a platform that was shut down (`*.deno.dev`).
    InstanceRetired,
    /// An instance wants another token, or has none set.
    InstanceToken,
    /// `upstream` is refused; nothing can be sent.
    UpstreamUrl,
    /// `proxy` is refused; nothing is sent, and never direct.
    ProxyUrl,
    /// The CA file cannot be read, or holds no certificate.
    CaFile,
    /// No usable key is configured.
    NoKeys,
    /// The mode needs relays and none is configured.
    NoInstances,
    /// Every key failed as invalid within a minute: rather the way out than the keys.
    AllKeysInvalid,
    /// Another process writes the ledger, or its folder cannot be written; this one keeps its own in memory.
    LedgerBusy,
    /// A state that could not be decoded; the last good one stays.
    Undecodable,
}
