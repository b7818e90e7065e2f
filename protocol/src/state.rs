//! The desired state: all that the client wants, whole, with a revision.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Secret;

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
