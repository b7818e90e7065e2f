//! Which ways are looked at, and with which key. Pure: what is configured and what the status says go in.

use std::collections::{HashMap, HashSet};

use aggregator_protocol::{
    Candidate, CandidateKey, DiagnoseParams, Health, KeyState, Mode, ProblemCode, Secret, Status,
};

use crate::policy::config::{Bound, Config, Instance, Key};
use crate::policy::problems::Problems;
use crate::policy::route::{Egress, Place, Stand, Standing, Terms, Way, egresses};

/// What is known when a diagnosis begins.
pub struct Scene<'a> {
    config: &'a Config,
    terms: Terms,
    /// By instance id.
    standing: HashMap<&'a str, Standing>,
    /// Ids of keys that are out.
    out: HashSet<&'a str>,
    /// Instances that the state holds and the configuration does not, and why.
    refused: Vec<(&'a str, ProblemCode)>,
}

/// One way to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `local` or an instance id.
    pub subject: String,
    /// How it goes.
    pub route: Route,
    /// What is asked of a key there.
    pub key: Asked,
    candidate: bool,
}

/// How a way goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Straight to the upstream.
    Direct,
    /// By this instance.
    Relay(Box<Instance>),
    /// Nowhere: what it would take was refused, by this rule.
    Refused(String),
    /// Nowhere: only the key is told of.
    NoWay,
}

/// What is asked of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Whether Gemini accepts this one.
    Key {
        /// `None`: a candidate.
        id: Option<String>,
        /// The key itself.
        secret: Secret,
    },
    /// Nothing: none is to leave by this way.
    Nothing,
    /// One may leave by this way, and there is none; or this one may leave by no way.
    NoKey {
        /// Which, if it is one.
        id: Option<String>,
    },
    /// It cannot be used, by this rule.
    Refused(String),
}

impl Target {
    fn new(subject: impl Into<String>, route: Route, key: Asked) -> Self {
        Self { subject: subject.into(), route, key, candidate: false }
    }

    fn refused(subject: &str, code: ProblemCode) -> Self {
        Self::new(subject, Route::Refused(rule(code)), Asked::Nothing)
    }

    /// The instance of the state that it goes by.
    pub fn configured(&self) -> Option<&Instance> {
        match &self.route {
            Route::Relay(instance) if !self.candidate => Some(instance),
            _ => None,
        }
    }
}

impl<'a> Scene<'a> {
    /// Of a configuration, and the status of its pool.
    pub fn of(config: &'a Config, status: &'a Status) -> Self {
        let standing = status.instances.iter().map(|instance| (&*instance.id, standing(&instance.health)));
        let out = status.keys.iter().filter(|key| matches!(key.state, KeyState::Quarantined { .. }));
        let known = |id: &str| id == "local" || config.instances.iter().any(|instance| *instance.id == *id);
        let refused = status.problems.iter().filter_map(|problem| match problem.code {
            ProblemCode::InstanceUrl | ProblemCode::InstanceRetired | ProblemCode::InstanceToken => {
                let id = problem.subject.as_deref()?;
                (!id.is_empty() && !known(id)).then_some((id, problem.code))
            }
            _ => None,
        });
        Self {
            config,
            terms: Terms { mode: config.mode, fallback_to_local: config.fallback_to_local },
            standing: standing.collect(),
            out: out.map(|key| &*key.id).collect(),
            refused: refused.collect(),
        }
    }

    /// The way out that a key with this binding would take now.
    fn first_way(&self, bound: Option<&Bound>) -> Option<Egress> {
        if let Some(Bound::Instance(id)) = bound
            && self.config.mode != Mode::Local
        {
            return Some(Egress::Relay(id.clone()));
        }
        let instances = &self.config.instances;
        let stand = |instance: &Instance| match instance.enabled {
            true => self.standing.get(&*instance.id).copied().unwrap_or(Standing::Unknown),
            false => Standing::Down,
        };
        let relays: Vec<Stand> =
            instances.iter().map(|instance| Stand { standing: stand(instance), used: 0 }).collect();
        let place = bound.map(|_| Place::Local);
        Some(match egresses(self.terms, place, &relays).first()? {
            Way::Direct => Egress::Direct,
            Way::Relay(place) => Egress::Relay(instances[*place as usize].id.clone()),
        })
    }

    /// Whether a key with this binding may ever take a way.
    fn may_take(&self, bound: Option<&Bound>, egress: &Egress) -> bool {
        let way = match egress {
            Egress::Direct => Way::Direct,
            Egress::Relay(_) => Way::Relay(0),
        };
        let place = match (bound, egress) {
            (None, _) => None,
            (Some(Bound::Local), _) => Some(Place::Local),
            (Some(Bound::Instance(id)), Egress::Relay(other)) if id != other => return false,
            (Some(Bound::Instance(_)), _) => Some(Place::Instance(0)),
        };
        egresses(self.terms, place, &[Stand { standing: Standing::Up, used: 0 }]).contains(&way)
    }

    /// Whether the mode has keys on this way at all.
    fn carries_keys(&self, egress: &Egress) -> bool {
        let bound_here = bound_to(egress);
        let used = |key: &Key| key.enabled && key.binding.as_ref() == Some(&bound_here);
        self.may_take(None, egress)
            || self.may_take(Some(&bound_here), egress) && self.config.keys.iter().any(used)
    }

    /// A key for a way: one that works before one that is out, one that is bound there before others.
    fn key_for(&self, egress: &Egress) -> Asked {
        let fits = |key: &&Key| key.enabled && self.may_take(key.binding.as_ref(), egress);
        let bound_here = Some(bound_to(egress));
        let rank = |key: &&Key| (self.out.contains(&*key.id), key.binding != bound_here);
        match self.config.keys.iter().filter(fits).min_by_key(rank) {
            Some(key) => Asked::Key { id: Some(key.id.to_string()), secret: key.secret.clone() },
            None if self.carries_keys(egress) => Asked::NoKey { id: None },
            None => Asked::Nothing,
        }
    }

    fn target(&self, egress: &Egress, key: Asked) -> Target {
        let route = match egress {
            Egress::Direct if self.config.upstream.is_none() => {
                Route::Refused(rule(ProblemCode::UpstreamUrl))
            }
            Egress::Direct => Route::Direct,
            Egress::Relay(id) => match self.config.instances.iter().find(|instance| instance.id == *id) {
                Some(instance) => Route::Relay(Box::new(instance.clone())),
                None => Route::NoWay,
            },
        };
        Target::new(egress.name(), route, key)
    }

    fn way(&self, egress: &Egress) -> Target {
        self.target(egress, self.key_for(egress))
    }

    /// Every way that the mode permits, and every instance that is switched on: users test relays before they change the mode.
    fn all(&self) -> Vec<Target> {
        let direct = self.carries_keys(&Egress::Direct).then(|| self.way(&Egress::Direct));
        let relays = self.config.instances.iter().filter(|instance| instance.enabled);
        let relays = relays.map(|instance| self.way(&Egress::Relay(instance.id.clone())));
        let refused = self.refused.iter().map(|(id, code)| Target::refused(id, *code));
        direct.into_iter().chain(relays).chain(refused).collect()
    }

    fn one(&self, subject: &str) -> Option<Target> {
        if subject == "local" {
            return Some(self.way(&Egress::Direct));
        }
        if let Some(instance) = self.config.instances.iter().find(|instance| *instance.id == *subject) {
            return Some(self.way(&Egress::Relay(instance.id.clone())));
        }
        if let Some((id, code)) = self.refused.iter().find(|(id, _)| *id == subject) {
            return Some(Target::refused(id, *code));
        }
        let key = self.config.keys.iter().find(|key| *key.id == *subject)?;
        Some(self.by_key(key, Some(key.id.to_string())))
    }

    fn by_key(&self, key: &Key, id: Option<String>) -> Target {
        match self.first_way(key.binding.as_ref()) {
            Some(egress) => self.target(&egress, Asked::Key { id, secret: key.secret.clone() }),
            None => Target::new("local", Route::NoWay, Asked::NoKey { id }),
        }
    }

    fn candidate_instance(&self, wanted: aggregator_protocol::Instance) -> Target {
        let id = wanted.id.trim().to_owned();
        let mut problems = Problems::default();
        let instance = problems.instances(vec![wanted]).pop();
        match (problems.0.first(), instance) {
            (None, Some(instance)) => {
                let key = match self.key_for(&Egress::Relay(instance.id.clone())) {
                    Asked::NoKey { .. } => Asked::Nothing,
                    key => key,
                };
                Target { candidate: true, ..Target::new(&*id, Route::Relay(Box::new(instance)), key) }
            }
            (problem, _) => {
                Target::refused(&id, problem.map_or(ProblemCode::InstanceUrl, |problem| problem.code))
            }
        }
    }

    fn candidate_key(&self, wanted: CandidateKey) -> Target {
        let mut problems = Problems::default();
        let key = aggregator_protocol::Key {
            id: "candidate".into(),
            label: None,
            secret: wanted.secret,
            project: None,
            enabled: true,
            binding: wanted.binding,
        };
        match problems.keys(vec![key], &self.config.instances).pop() {
            Some(key) => self.by_key(&key, None),
            None => {
                let code = problems.0.first().map_or(ProblemCode::InvalidSecret, |problem| problem.code);
                Target::new("local", Route::NoWay, Asked::Refused(rule(code)))
            }
        }
    }
}

/// What to look at; `None`: there is no such subject.
pub fn plan(params: DiagnoseParams, scene: &Scene<'_>) -> Option<Vec<Target>> {
    Some(match (params.candidate, params.subject) {
        (Some(Candidate::Instance(instance)), _) => vec![scene.candidate_instance(*instance)],
        (Some(Candidate::Key(key)), _) => vec![scene.candidate_key(key)],
        (None, Some(subject)) => vec![scene.one(&subject)?],
        (None, None) => scene.all(),
    })
}

/// The binding of a key that is bound to a way.
fn bound_to(egress: &Egress) -> Bound {
    match egress {
        Egress::Direct => Bound::Local,
        Egress::Relay(id) => Bound::Instance(id.clone()),
    }
}

fn standing(health: &Health) -> Standing {
    match health {
        Health::Up { .. } => Standing::Up,
        Health::Unknown => Standing::Unknown,
        // Where there is no other way.
        Health::Down { .. } => Standing::Suspect,
    }
}

/// A problem as it is named in a status.
fn rule(code: ProblemCode) -> String {
    let named = serde_json::to_value(code).ok();
    named.as_ref().and_then(|name| name.as_str()).unwrap_or_default().to_owned()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
