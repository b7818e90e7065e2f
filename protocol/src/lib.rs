//! The contract between the extension (client) and the sidecar (server), in the order a session uses it.
//!
//! Whole values travel, never deltas: the client sends its whole [`DesiredState`] with a revision, the server its whole
//! [`Status`]. Unknown fields are ignored on both sides. `protocol.ts` beside this crate is written from these types by a
//! test. Times are milliseconds since the Unix epoch, durations milliseconds, unless a name says otherwise.

mod diagnose;
#[cfg(test)]
mod golden;
mod record;
mod secret;
mod state;
mod status;
mod trial;
#[cfg(test)]
mod typescript;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

pub use diagnose::{
    Candidate, CandidateKey, Check, CheckCode, CheckDetail, DiagnoseParams, Diagnosis, Fault, RelayDetail,
};
pub use record::{
    AttemptRecord, End, Record, RecordsParams, RetestAnswer, RetestDetail, RetestParams, SkippedRecord,
};
pub use secret::Secret;
pub use state::{Binding, DesiredState, Instance, Key, Mode, Proxy, Tls, defaults};
pub use status::{
    CoolingModel, DownReason, Health, InstanceStatus, KeyState, KeyStatus, Leader, ModelUse, Problem,
    ProblemCode, Reason, Role, Severity, Status,
};
pub use trial::{TryRequestAnswer, TryRequestParams};

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
/// client → server, request: [`TryRequestParams`] → [`TryRequestAnswer`], within 35 s; no answer is an error. Can be cancelled.
pub const TRY_REQUEST: &str = "aggregator/tryRequest";

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
