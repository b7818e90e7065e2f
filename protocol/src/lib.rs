//! The contract between the extension (client) and the sidecar (server), in the order a session uses it.
//!
//! Whole values travel, never deltas: the client sends its whole [`DesiredState`] with a revision, the server its whole
//! [`Status`]. Unknown fields are ignored on both sides. `protocol.ts` beside this crate is written from these types by a
//! test. Times are milliseconds since the Unix epoch, durations milliseconds, unless a name says otherwise.

mod diagnose;
#[cfg(test)]
mod golden;
mod secret;
#[cfg(test)]
mod typescript;

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

pub use diagnose::{
    Candidate, CandidateKey, Check, CheckCode, CheckDetail, DiagnoseParams, Diagnosis, Fault, RelayDetail,
};
pub use secret::Secret;

/// The version of this contract; another one makes `initialize` fail with a sentence.
pub const PROTOCOL: u32 = 1;

/// client → server, notification: [`DesiredState`].
pub const DID_CHANGE_STATE: &str = "aggregator/didChangeState";
/// server → client, notification: [`Status`].
pub const DID_CHANGE_STATUS: &str = "aggregator/didChangeStatus";
/// client → server, notification: [`LogLevelParams`].
pub const DID_CHANGE_LOG_LEVEL: &str = "aggregator/didChangeLogLevel";
/// client → server, request: [`RecordsParams`] → `Record[]`, newest first.
pub const RECORDS: &str = "aggregator/records";
/// client → server, request: [`RetestParams`] → [`RetestAnswer`]; an unknown key id is an error.
pub const RETEST: &str = "aggregator/retest";
/// client → server, request: [`DiagnoseParams`] → [`Diagnosis`], within 10 s; an unknown subject is an error. Can be cancelled.
pub const DIAGNOSE: &str = "aggregator/diagnose";

// --- initialize ---

/// `initializationOptions` of the `initialize` request.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct InitializeOptions {
    /// [`PROTOCOL`] of the client.
    pub protocol: u32,
    /// Folder for the ledger; absent: nothing is kept on disk.
    #[serde(default)]
    #[cfg_attr(test, ts(optional = nullable))]
    pub storage_dir: Option<String>,
    /// Random id of this pool of keys, made once by the client; tells whose listener holds the port.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<String>"))]
    pub pool: String,
    /// Random id of the machine, kept in the storage folder; tells a forwarded port from a local one.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<String>"))]
    pub host: String,
    /// The first state; a [`DesiredState`], decoded by itself so that a bad one is a problem and not a failed start.
    #[serde(default)]
    #[cfg_attr(test, ts(type = "DesiredState"))]
    pub state: IgnoredAny,
}

// --- client → server: the desired state ---

/// What the client wants. Everything but `revision`, `keys[].id`, `keys[].secret`, `instances[].id` and `instances[].url`
/// has a default. Numbers are wide on purpose: a value out of range is a named problem and not a decoding error.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct DesiredState {
    /// Starts at 1 in each window; only a newer one is applied.
    #[cfg_attr(test, ts(type = "number"))]
    pub revision: u64,
    /// 1–65535; 0 takes any free port and the status says which.
    #[serde(default = "defaults::port")]
    #[cfg_attr(test, ts(optional, as = "Option<i32>"))]
    pub port: i64,
    /// Which ways out a request may take.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<Mode>"))]
    pub mode: Mode,
    /// In `hybrid`: whether Direct is tried after the relays.
    #[serde(default = "defaults::yes")]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub fallback_to_local: bool,
    /// Time to the first byte, all attempts together; 1,000–3,600,000 ms.
    #[serde(default = "defaults::request_timeout_ms")]
    #[cfg_attr(test, ts(optional, as = "Option<i32>"))]
    pub request_timeout_ms: i64,
    /// What callers must present; absent or empty: anybody on this machine may call.
    #[serde(default)]
    #[cfg_attr(test, ts(optional = nullable, as = "Option<String>"))]
    pub access_token: Option<Secret>,
    /// Browser origins that may call, as browsers send them (`https://example.org`).
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<String>>"))]
    pub allowed_origins: Vec<String>,
    /// Further names in `Host` that are taken for this machine, for instance `host.docker.internal`.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<String>>"))]
    pub allowed_hosts: Vec<String>,
    /// Origin of the Gemini API, with an optional path prefix; https, or http on loopback.
    #[serde(default = "defaults::upstream")]
    #[cfg_attr(test, ts(optional, as = "Option<String>"))]
    pub upstream: String,
    /// How connections leave this machine.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<Proxy>"))]
    pub proxy: Proxy,
    /// Whom connections trust.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<Tls>"))]
    pub tls: Tls,
    /// Attempts a request, 1–20.
    #[serde(default = "defaults::max_attempts")]
    #[cfg_attr(test, ts(optional, as = "Option<i32>"))]
    pub max_attempts: i64,
    /// How long a request may wait for the pool to recover, 0 (off) – 600,000 ms.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<i32>"))]
    pub max_queue_wait_ms: i64,
    /// Whether an answer without content is tried once more elsewhere.
    #[serde(default = "defaults::yes")]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub retry_empty_answers: bool,
    /// Heartbeat on silent native streams: 0 (off) or 5–300 s; never earlier than after 30 s of silence.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<i32>"))]
    pub heartbeat_seconds: i64,
    /// Largest request body that is collected, 1 MiB – 2 GiB.
    #[serde(default = "defaults::max_body_bytes")]
    #[cfg_attr(test, ts(optional, as = "Option<i32>"))]
    pub max_body_bytes: i64,
    /// Foreign model name → Gemini model, for the dialects that are translated.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<BTreeMap<String, String>>"))]
    pub model_map: BTreeMap<String, String>,
    /// The pool.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<Key>>"))]
    pub keys: Vec<Key>,
    /// The relays.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<Instance>>"))]
    pub instances: Vec<Instance>,
}

/// Which ways out a request may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Direct only.
    #[default]
    Local,
    /// Relays only, never direct.
    Serverless,
    /// Relays first, then direct if `fallbackToLocal`.
    Hybrid,
}

/// How connections leave this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Proxy {
    /// As the environment says, then the operating system.
    #[default]
    Auto,
    /// Straight out.
    Direct,
    /// Through this proxy: `http`, `https`, `socks5`, `socks5h` or `socks`, with optional credentials.
    Url {
        /// May hold a password, so it is a secret.
        #[cfg_attr(test, ts(type = "string"))]
        url: Secret,
        /// Hosts that are reached straight, comma-separated.
        #[serde(default)]
        #[cfg_attr(test, ts(optional = nullable))]
        no_proxy: Option<String>,
    },
}

/// Whom connections trust, beside the operating system's roots.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
pub struct Tls {
    /// A PEM file with further roots.
    #[cfg_attr(test, ts(optional = nullable))]
    pub ca_file: Option<String>,
    /// `false` switches the check of certificates off; never applies to relays.
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub strict: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self { ca_file: None, strict: true }
    }
}

/// One API key of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Never reused for another key.
    pub id: String,
    /// A name for people.
    #[serde(default)]
    #[cfg_attr(test, ts(optional = nullable))]
    pub label: Option<String>,
    /// The key itself.
    #[cfg_attr(test, ts(type = "string"))]
    pub secret: Secret,
    /// The Google Cloud project, where the user knows it; keys of one project share their quota.
    #[serde(default)]
    #[cfg_attr(test, ts(optional = nullable))]
    pub project: Option<String>,
    /// A disabled key takes no part.
    #[serde(default = "defaults::yes")]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub enabled: bool,
    /// The way out this key must prefer.
    #[serde(default)]
    #[cfg_attr(test, ts(optional = nullable))]
    pub binding: Option<Binding>,
}

/// The way out a key must prefer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Binding {
    /// One relay.
    Instance {
        /// Its instance id.
        id: String,
    },
    /// The direct way.
    Local,
}

/// One deployment of a relay.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// Chosen by the user; `local` is not allowed.
    pub id: String,
    /// A name for people.
    #[serde(default)]
    #[cfg_attr(test, ts(optional = nullable))]
    pub name: Option<String>,
    /// Where it is: https (http on loopback), with an optional path prefix.
    pub url: String,
    /// Sent as `x-relay-token`.
    #[serde(default)]
    #[cfg_attr(test, ts(optional = nullable, as = "Option<String>"))]
    pub token: Option<Secret>,
    /// Further headers it wants.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<BTreeMap<String, String>>"))]
    pub headers: BTreeMap<String, Secret>,
    /// For people.
    #[serde(default)]
    #[cfg_attr(test, ts(optional = nullable))]
    pub region: Option<String>,
    /// A disabled instance takes no part.
    #[serde(default = "defaults::yes")]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub enabled: bool,
}

/// Defaults of [`DesiredState`].
pub mod defaults {
    /// The port every client of the original extension is set to.
    pub fn port() -> i64 {
        3145
    }
    /// Three minutes: headers come only with the first token.
    pub fn request_timeout_ms() -> i64 {
        180_000
    }
    /// Google's public endpoint.
    pub fn upstream() -> String {
        "https://generativelanguage.googleapis.com".into()
    }
    /// Attempts a request.
    pub fn max_attempts() -> i64 {
        5
    }
    /// 128 MiB: above Google's own limit of 100 MB for inline requests.
    pub fn max_body_bytes() -> i64 {
        128 * 1024 * 1024
    }
    pub(crate) fn yes() -> bool {
        true
    }
}

// --- server → client: the status ---

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

// --- log ---

/// Params of [`DID_CHANGE_LOG_LEVEL`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LogLevelParams {
    /// The least level that is logged from now on.
    pub level: LogLevel,
}

/// How much is logged. Nothing is left out above `info`: a log that keeps quiet helps nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum LogLevel {
    /// One line a request, and what changes.
    Info,
    /// Each attempt as well.
    Debug,
    /// Everything there is.
    Trace,
}

// --- records ---

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
