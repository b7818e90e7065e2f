//! Which ways out of this machine a key may take: mode × binding × instances, best first. Never looks at keys' states, never
//! reads a clock, never remembers.

use std::sync::Arc;

use aggregator_protocol::{Mode, Secret};

use super::Ms;

/// A way out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Egress {
    /// Straight to Google (through the user's network proxy, where there is one).
    Direct,
    /// Through the relay instance with this id.
    Relay(Arc<str>),
}

impl Egress {
    /// As records, logs and `X-Forwarded-To` name it: `local` or the instance id.
    pub fn name(&self) -> &str {
        match self {
            Self::Direct => "local",
            Self::Relay(id) => id,
        }
    }
}

/// Names one key of the pool for as long as it stays there; after the key is gone it names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeySlot {
    /// Place in the pool.
    pub index: u32,
    /// Which tenant of that place.
    pub serial: u32,
}

/// Key × egress of one attempt. Counted as in flight from [`super::pool::Pool::choose`] until it is released.
#[derive(Debug, Clone)]
pub struct Route {
    /// Which key.
    pub slot: KeySlot,
    /// Its id, for logs and records.
    pub key: Arc<str>,
    /// The credential.
    pub secret: Secret,
    /// The way out.
    pub egress: Egress,
    /// The model whose bucket it uses, without `models/`; `-` if the request names none.
    pub model: Arc<str>,
}

/// What of the configuration a choice depends on; taken from the request's own snapshot.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Which ways out.
    pub mode: Mode,
    /// In hybrid: Direct after the relays.
    pub fallback_to_local: bool,
}

/// One attempt of this call that is over, and what it rules out for the rest of the call.
#[derive(Debug, Clone)]
pub struct Tried {
    /// Which key.
    pub slot: KeySlot,
    /// Which way.
    pub egress: Egress,
    /// What not to try again in this call.
    pub rules_out: RulesOut,
}

/// What a failed attempt rules out for the rest of its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RulesOut {
    /// This key by this way.
    Pair,
    /// This key by any way.
    Key,
    /// Every key of this key's project (quota and project failures: at most one attempt a project).
    Project,
    /// Every key by this way; the same key is preferred for the next attempt (R6).
    Egress,
}

/// Why no route could be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRoute {
    /// No key is configured, or all are disabled.
    NoKeys,
    /// Keys exist, every one is quarantined (or disabled): ids and reasons, at most ten.
    AllQuarantined(Vec<(Arc<str>, aggregator_protocol::Reason)>),
    /// At least one key only cools for this model: earliest recovery, and why that one rests.
    Cooling {
        /// Earliest time a key can serve this model again.
        until: Ms,
        /// Why the key that recovers first rests.
        reason: aggregator_protocol::Reason,
    },
    /// The model itself rests (overloaded on several projects, or bare 429s everywhere) until then.
    ModelResting {
        /// Until when.
        until: Ms,
        /// A bare 429 burst (else: overload).
        quota: bool,
    },
    /// The mode wants relays and none is configured, enabled or up: how many are configured.
    NoRelay {
        /// Configured and enabled.
        configured: usize,
    },
    /// All that could be tried in this call was tried.
    Exhausted,
}

/// A key left out of a choice, and why (R13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Key id.
    pub key: Arc<str>,
    /// A `Reason` as JSON names it, `disabled`, `tried`, `noEgress`, `modelResting`.
    pub rule: &'static str,
    /// Until when, where known.
    pub until: Option<Ms>,
}
