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

// --- which ways out ---

/// A way out, an instance named by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Straight to Google.
    Direct,
    /// Through the instance at this place.
    Relay(u32),
}

/// What a key is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The direct way.
    Local,
    /// The instance at this place.
    Instance(u32),
}

/// How an instance stands when a choice is made, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Answers.
    Up,
    /// Not asked yet.
    Unknown,
    /// Was down, and this request may find out whether it still is.
    HalfOpen,
    /// Every key was invalid behind it: used only where there is no other way, not even Direct.
    Suspect,
    /// Down, or switched off.
    Down,
}

/// One instance in a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stand {
    /// How it stands.
    pub standing: Standing,
    /// Grows with each use; the least recently used of equals goes first.
    pub used: u64,
}

/// The ways out a key may take, best first: the table of `design.md` section 4. A key that is bound to one instance takes no
/// other; a key bound to `local` takes no part in serverless.
pub fn egresses(terms: Terms, bound: Option<Place>, relays: &[Stand]) -> Vec<Way> {
    let direct = match terms.mode {
        Mode::Local => true,
        Mode::Serverless => false,
        Mode::Hybrid => terms.fallback_to_local || bound == Some(Place::Local),
    };
    let stand = |place: &u32| relays[*place as usize];
    let mut relayed: Vec<u32> = match (terms.mode, bound) {
        (Mode::Local, _) | (_, Some(Place::Local)) => Vec::new(),
        (_, Some(Place::Instance(place))) => vec![place],
        (_, None) => (0..relays.len() as u32).collect(),
    };
    relayed.retain(|place| stand(place).standing != Standing::Down);
    relayed.sort_by_key(|place| (stand(place).standing, stand(place).used));
    let trusted = relayed.partition_point(|place| stand(place).standing < Standing::Suspect);
    let mut ways: Vec<Way> = relayed.into_iter().map(Way::Relay).collect();
    if direct {
        ways.insert(trusted, Way::Direct);
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `binding`: `-`, `local` or a place; `relays`: one letter each (Up, Unknown `?`, Half-open, Suspect, Down).
    fn ways(mode: Mode, fallback_to_local: bool, binding: &str, relays: &str) -> String {
        let bound = match binding {
            "-" => None,
            "local" => Some(Place::Local),
            place => Some(Place::Instance(place.parse().unwrap())),
        };
        let relays: Vec<Stand> = relays
            .chars()
            .enumerate()
            .map(|(place, letter)| Stand {
                standing: match letter {
                    'U' => Standing::Up,
                    '?' => Standing::Unknown,
                    'H' => Standing::HalfOpen,
                    'S' => Standing::Suspect,
                    _ => Standing::Down,
                },
                // The later in the list, the longer ago.
                used: 10 - place as u64,
            })
            .collect();
        egresses(Terms { mode, fallback_to_local }, bound, &relays)
            .iter()
            .map(|way| match way {
                Way::Direct => "direct".into(),
                Way::Relay(place) => place.to_string(),
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn the_mode_the_binding_and_the_instances_say_which_ways_a_key_may_take() {
        use Mode::{Hybrid, Local, Serverless};
        // binding, relays, local, serverless, hybrid, hybrid without fallback
        for (binding, relays, local, serverless, hybrid, hybrid_only) in [
            ("-", "", "direct", "", "direct", ""),
            ("-", "D", "direct", "", "direct", ""),
            ("-", "U", "direct", "0", "0 direct", "0"),
            ("-", "?", "direct", "0", "0 direct", "0"),
            ("-", "H", "direct", "0", "0 direct", "0"),
            ("-", "S", "direct", "0", "direct 0", "0"),
            ("-", "UU", "direct", "1 0", "1 0 direct", "1 0"),
            ("-", "UD", "direct", "0", "0 direct", "0"),
            ("-", "H?US", "direct", "2 1 0 3", "2 1 0 direct 3", "2 1 0 3"),
            ("0", "UU", "direct", "0", "0 direct", "0"),
            ("1", "UD", "direct", "", "direct", ""),
            ("1", "UH", "direct", "1", "1 direct", "1"),
            ("local", "UU", "direct", "", "direct", "direct"),
            ("local", "DD", "direct", "", "direct", "direct"),
        ] {
            let seen = [
                ways(Local, true, binding, relays),
                ways(Serverless, true, binding, relays),
                ways(Hybrid, true, binding, relays),
                ways(Hybrid, false, binding, relays),
            ];
            assert_eq!(seen, [local, serverless, hybrid, hybrid_only], "bound to {binding}, relays {relays}");
            assert_eq!(ways(Local, false, binding, relays), local, "fallback means nothing in local");
            assert_eq!(ways(Serverless, false, binding, relays), serverless, "nor in serverless");
        }
    }
}
