//! Diagnosis: what [`crate::DIAGNOSE`] takes and answers. Facts and words, never sentences, and no secret in what goes back.

use serde::{Deserialize, Serialize};

use crate::{Binding, Instance, Secret};

/// Params of [`crate::DIAGNOSE`]. Without any: every way out that the mode permits, each with one key of the pool.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
pub struct DiagnoseParams {
    /// `local`, an instance id (also of one that is switched off), or a key id: only what concerns it.
    #[cfg_attr(test, ts(optional = nullable))]
    pub subject: Option<String>,
    /// Something that is not in the state yet; tested and forgotten. `subject` is not looked at then.
    #[cfg_attr(test, ts(optional = nullable))]
    pub candidate: Option<Candidate>,
}

/// Something to test before it is kept.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Candidate {
    /// A relay, with a key of the pool if there is one.
    Instance(Box<Instance>),
    /// A key, by the way out that its binding and the mode name.
    Key(CandidateKey),
}

/// A key to test before it is kept.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CandidateKey {
    /// The key itself.
    #[cfg_attr(test, ts(type = "string"))]
    pub secret: Secret,
    /// The way out it shall prefer.
    #[serde(default)]
    #[cfg_attr(test, ts(optional = nullable))]
    pub binding: Option<Binding>,
}

/// Answer to [`crate::DIAGNOSE`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// One way out after the other, each in the order of [`CheckCode`]. After one that failed, those that need it are missing.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The way out: `local` or an instance id.
    pub subject: String,
    /// What was looked at.
    pub code: CheckCode,
    /// Whether it is as it should be.
    pub ok: bool,
    /// How long it took; `null`: nothing was sent.
    pub latency_ms: Option<u32>,
    /// What was found.
    pub detail: CheckDetail,
}

/// What was looked at, in the order in which a connection needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum CheckCode {
    /// The network proxy, where one serves this way: reachable, and willing to connect.
    Proxy,
    /// The name of the host; missing where a proxy resolves it, or where the host is an address. Stands for a way that cannot
    /// be taken at all, too.
    Dns,
    /// A TCP connection.
    Tcp,
    /// TLS, and the certificate; missing for `http`.
    Tls,
    /// The relay's `/health`.
    RelayHealth,
    /// Whether its protocol is ours.
    RelayVersion,
    /// Whether it accepts the token that is set.
    RelayToken,
    /// Gemini answers by this way: anything in Google's shape.
    Reach,
    /// Gemini accepts the key by this way; missing where the mode sends none.
    Key,
}

/// Facts of a check; those that do not apply are missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(test, ts(optional_fields))]
pub struct CheckDetail {
    /// What is wrong, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Host and port that were asked for; the name alone with [`CheckCode::Dns`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Addresses of the name or those that were tried, at most eight, or the one that was connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
    /// The network proxy as `scheme://host:port`; never its credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// DNS names in the certificate that was shown, trusted or not; at most eight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Vec<String>>,
    /// HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What the relay says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay: Option<RelayDetail>,
    /// Id of the key that was used; missing for a candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// By which rule the answer was judged, as in decision records; with [`Fault::Settings`] the code of the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Google's sentence, redacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a relay says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(test, ts(optional_fields))]
pub struct RelayDetail {
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where it runs: `node`, `workerd`, `deno`, `bun`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Its region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The original extension's relay, which knows no token.
    pub legacy: bool,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// No answer in time.
    TimedOut,
    /// The name of the host is not found, or nobody can be asked for it.
    UnknownHost,
    /// The host refuses the connection.
    Refused,
    /// The network cannot reach it.
    Unreachable,
    /// The connection broke.
    Broken,
    /// The certificate is for another name.
    CertificateName,
    /// The certificate is not valid yet, or no longer.
    CertificateTime,
    /// Nobody that is trusted here signed the certificate.
    CertificateIssuer,
    /// TLS failed otherwise.
    Tls,
    /// The network proxy wants other credentials.
    ProxyCredentials,
    /// The network proxy does not connect there.
    ProxyRefused,
    /// The settings do not allow it: `proxy`, `upstream`, the CA file, a URL.
    Settings,
    /// There is no `/health` there; not wrong by itself.
    NoHealth,
    /// Something that is not what was asked for: a web page, another program.
    NotExpected,
    /// The relay has no token set, so it does not work.
    TokenUnset,
    /// The relay wants a token and none is configured.
    TokenMissing,
    /// The relay does not accept the token, or it or its platform refuses us otherwise.
    TokenRejected,
    /// Another protocol than ours.
    OtherProtocol,
    /// A 5xx.
    ServerError,
    /// Too many requests, says the relay or its platform.
    RateLimited,
    /// Google does not serve the place this way leaves from.
    Location,
    /// Google does not accept the key; `rule` says why.
    KeyRefused,
    /// Keys may leave by this way and there is none; or the key that was asked for may leave by no way.
    NoKey,
}
