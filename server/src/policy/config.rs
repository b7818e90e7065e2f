//! What the client wants, made into something that cannot be wrong: every binding points at an instance that exists, every
//! number is in range, every URL was checked once. What had to be left out is a problem with a name.

use std::sync::Arc;

use aggregator_protocol::{DesiredState, Mode, Problem, ProblemCode, Secret, Severity, Tls};

use super::base::Base;
use super::problems::Problems;
use super::proxy::Choice;
use super::{Ms, SECOND};

/// The configuration in force. One `Arc` of it is one request's truth.
#[derive(Debug, Clone)]
pub struct Config {
    /// Of the state it was made from; 0 before the first.
    pub revision: u64,
    /// 0: any free port; `None`: no listener (the port given was out of range and there was none before).
    pub port: Option<u16>,
    /// Which ways out a request may take.
    pub mode: Mode,
    /// In hybrid: Direct after the relays.
    pub fallback_to_local: bool,
    /// To the first byte, all attempts.
    pub request_timeout: Ms,
    /// What callers must present; never empty.
    pub access_token: Option<Secret>,
    /// Browser origins that may call, lower case, without a trailing slash.
    pub allowed_origins: Vec<String>,
    /// Further names in `Host`, lower case, without a port.
    pub allowed_hosts: Vec<String>,
    /// The Gemini API; `None`: the one given was refused, nothing can be sent.
    pub upstream: Option<Base>,
    /// How connections leave; `None`: the proxy URL given was refused, nothing is sent.
    pub proxy: Option<Choice>,
    /// Whom connections trust.
    pub tls: Tls,
    /// Attempts a request.
    pub max_attempts: u32,
    /// How long a request may wait for the pool; 0: not at all.
    pub max_queue_wait: Ms,
    /// Whether an answer without content is tried once more.
    pub retry_empty_answers: bool,
    /// Silence after which a heartbeat goes out on native streams; `None`: never.
    pub heartbeat: Option<Ms>,
    /// Largest request body that is collected, in bytes.
    pub max_body: usize,
    /// The pool, in the client's order; ids and secrets are unique.
    pub keys: Vec<Key>,
    /// The relays, in the client's order; ids are unique.
    pub instances: Vec<Instance>,
}

/// One key of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its id.
    pub id: Arc<str>,
    /// A name for people.
    pub label: Option<String>,
    /// Trimmed, not empty, fit for a header.
    pub secret: Secret,
    /// As the user says.
    pub project: Option<String>,
    /// A disabled key takes no part.
    pub enabled: bool,
    /// The way it must prefer; an instance in it exists.
    pub binding: Option<Bound>,
}

/// The way out a key must prefer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// This instance.
    Instance(Arc<str>),
    /// Direct.
    Local,
}

/// One relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id; never `local`.
    pub id: Arc<str>,
    /// Where it is.
    pub base: Base,
    /// Sent as `x-relay-token`.
    pub token: Option<Secret>,
    /// Further headers it wants.
    pub headers: Vec<(String, Secret)>,
    /// A disabled instance takes no part.
    pub enabled: bool,
}

impl Config {
    /// Before the first state: nothing is configured and nothing listens.
    pub fn empty() -> Self {
        Self {
            revision: 0,
            port: None,
            mode: Mode::Local,
            fallback_to_local: true,
            request_timeout: 180_000,
            access_token: None,
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            upstream: None,
            proxy: Some(Choice::Auto),
            tls: Tls::default(),
            max_attempts: 5,
            max_queue_wait: 0,
            retry_empty_answers: true,
            heartbeat: None,
            max_body: 128 * 1024 * 1024,
            keys: Vec::new(),
            instances: Vec::new(),
        }
    }

    /// The configuration a state asks for, and what is wrong with it. Numbers out of range keep the value of `previous`; parts
    /// that are wrong are left out.
    pub fn from_desired(desired: DesiredState, previous: &Self) -> (Self, Vec<Problem>) {
        let mut problems = Problems::default();
        let instances = problems.instances(desired.instances);
        let keys = problems.keys(desired.keys, &instances);
        let base = Base::parse(&desired.upstream);
        let config = Self {
            revision: desired.revision,
            port: match u16::try_from(desired.port) {
                Ok(port) => Some(port),
                Err(_) => problems.keeps(ProblemCode::PortRange, previous.port),
            },
            mode: desired.mode,
            fallback_to_local: desired.fallback_to_local,
            request_timeout: problems.within(
                desired.request_timeout_ms,
                1_000..=3_600_000,
                ProblemCode::TimeoutRange,
                previous.request_timeout,
            ),
            access_token: problems.access_token(desired.access_token),
            allowed_origins: desired
                .allowed_origins
                .iter()
                .map(|origin| origin.trim().trim_end_matches('/').to_ascii_lowercase())
                .collect(),
            allowed_hosts: desired
                .allowed_hosts
                .iter()
                .map(|host| host.trim().to_ascii_lowercase())
                .collect(),
            upstream: base.ok().or_else(|| problems.error(ProblemCode::UpstreamUrl)),
            proxy: Choice::from_desired(desired.proxy).ok().or_else(|| problems.error(ProblemCode::ProxyUrl)),
            tls: desired.tls,
            max_attempts: problems.within(
                desired.max_attempts,
                1..=20,
                ProblemCode::AttemptsRange,
                previous.max_attempts,
            ),
            max_queue_wait: problems.within(
                desired.max_queue_wait_ms,
                0..=600_000,
                ProblemCode::QueueWaitRange,
                previous.max_queue_wait,
            ),
            retry_empty_answers: desired.retry_empty_answers,
            heartbeat: match desired.heartbeat_seconds {
                0 => None,
                seconds @ 5..=300 => Some((seconds.unsigned_abs() * SECOND).max(EARLIEST_HEARTBEAT)),
                _ => problems.keeps(ProblemCode::HeartbeatRange, previous.heartbeat),
            },
            max_body: problems.within(
                desired.max_body_bytes,
                1 << 20..=2 << 30,
                ProblemCode::BodySizeRange,
                previous.max_body,
            ),
            keys,
            instances,
        };
        if !config.keys.iter().any(|key| key.enabled) {
            problems.note(ProblemCode::NoKeys, None, Severity::Warning);
        }
        if config.mode != Mode::Local && !config.instances.iter().any(|instance| instance.enabled) {
            problems.note(ProblemCode::NoInstances, None, Severity::Warning);
        }
        problems.0.dedup();
        (config, problems.0)
    }

    /// Every secret in it.
    pub fn secrets(&self) -> impl Iterator<Item = Secret> + '_ {
        let proxy = match &self.proxy {
            Some(Choice::Via(proxy, _)) => proxy.secrets(),
            _ => Vec::new(),
        };
        let relays = self.instances.iter().flat_map(|instance| {
            instance.token.iter().chain(instance.headers.iter().map(|(_, value)| value)).cloned()
        });
        self.keys
            .iter()
            .map(|key| key.secret.clone())
            .chain(self.access_token.clone())
            .chain(relays)
            .chain(proxy)
    }
}

/// Clients break on a heartbeat in a lively stream; none is sent before this much silence (W6).
const EARLIEST_HEARTBEAT: Ms = 30 * SECOND;

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
