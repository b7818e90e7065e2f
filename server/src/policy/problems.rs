//! What is wrong with a state, part by part, and what is left of it: a wrong part is left out and named, the rest counts.

use std::collections::HashSet;

use aggregator_protocol::{Binding, Problem, ProblemCode, Secret, Severity};

use super::base::{Base, Refused};
use super::config::{Bound, Instance, Key};

/// What was found wrong so far.
#[derive(Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Names a problem.
    pub fn note(&mut self, code: ProblemCode, subject: Option<&str>, severity: Severity) {
        self.0.push(Problem { code, subject: subject.map(str::to_owned), severity });
    }

    /// Something is left out; the rest works.
    fn warn(&mut self, code: ProblemCode, subject: &str) {
        self.note(code, Some(subject), Severity::Warning);
    }

    /// Nothing can be sent.
    pub fn error<T>(&mut self, code: ProblemCode) -> Option<T> {
        self.note(code, None, Severity::Error);
        None
    }

    /// The last good value stays.
    pub fn keeps<T>(&mut self, code: ProblemCode, last: T) -> T {
        self.note(
            code,
            None,
            if code == ProblemCode::PortRange { Severity::Error } else { Severity::Warning },
        );
        last
    }

    /// The value if it is in range; else the last good one stays.
    pub fn within<T: TryFrom<i64>>(
        &mut self,
        value: i64,
        range: std::ops::RangeInclusive<i64>,
        code: ProblemCode,
        last: T,
    ) -> T {
        match T::try_from(value) {
            Ok(good) if range.contains(&value) => good,
            _ => self.keeps(code, last),
        }
    }

    /// One that no client could send is kept all the same: better nobody may call than everybody.
    pub fn access_token(&mut self, desired: Option<Secret>) -> Option<Secret> {
        let token = desired.map(trimmed).filter(|token| !token.expose().is_empty())?;
        if !fits_a_header(&token) {
            self.note(ProblemCode::InvalidSecret, Some("accessToken"), Severity::Error);
        }
        Some(token)
    }

    /// The instances that can be used.
    pub fn instances(&mut self, desired: Vec<aggregator_protocol::Instance>) -> Vec<Instance> {
        let mut ids = HashSet::new();
        let mut instances = Vec::new();
        for instance in desired {
            let id = instance.id.trim();
            if id.is_empty() || id == "local" || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
                self.warn(ProblemCode::InstanceUrl, id);
                continue;
            }
            if !ids.insert(id.to_owned()) {
                self.warn(ProblemCode::DuplicateId, id);
                continue;
            }
            let base = match Base::parse(&instance.url) {
                Ok(base) => base,
                Err(Refused::Retired) => {
                    self.warn(ProblemCode::InstanceRetired, id);
                    continue;
                }
                Err(Refused::Url) => {
                    self.warn(ProblemCode::InstanceUrl, id);
                    continue;
                }
            };
            let token = instance.token.map(trimmed).filter(|token| !token.expose().is_empty());
            if token.as_ref().is_some_and(|token| !fits_a_header(token)) {
                self.warn(ProblemCode::InstanceToken, id);
                continue;
            }
            let mut headers = Vec::new();
            for (name, value) in instance.headers {
                if may_be_added(&name) && fits_a_header(&value) {
                    headers.push((name.to_ascii_lowercase(), value));
                } else {
                    self.warn(ProblemCode::InstanceUrl, id);
                }
            }
            instances.push(Instance { id: id.into(), base, token, headers, enabled: instance.enabled });
        }
        instances
    }

    /// The keys that can be used, each binding at one of these instances.
    pub fn keys(&mut self, desired: Vec<aggregator_protocol::Key>, instances: &[Instance]) -> Vec<Key> {
        let (mut ids, mut secrets) = (HashSet::new(), HashSet::new());
        let mut keys = Vec::new();
        for key in desired {
            let secret = trimmed(key.secret);
            let id = key.id.trim();
            let refused = if secret.expose().is_empty() {
                Some(ProblemCode::EmptySecret)
            } else if !fits_a_header(&secret) || id.is_empty() {
                Some(ProblemCode::InvalidSecret)
            } else if ids.contains(id) {
                Some(ProblemCode::DuplicateId)
            } else if secrets.contains(&secret) {
                Some(ProblemCode::DuplicateSecret)
            } else {
                None
            };
            if let Some(code) = refused {
                self.warn(code, id);
                continue;
            }
            ids.insert(id.to_owned());
            secrets.insert(secret.clone());
            let binding = match key.binding {
                None => None,
                Some(Binding::Local) => Some(Bound::Local),
                Some(Binding::Instance { id: wanted }) => {
                    let found = instances.iter().find(|instance| *instance.id == *wanted);
                    if found.is_none() {
                        self.warn(ProblemCode::UnknownInstance, id);
                    }
                    found.map(|instance| Bound::Instance(instance.id.clone()))
                }
            };
            let project =
                key.project.map(|project| project.trim().to_owned()).filter(|project| !project.is_empty());
            keys.push(Key {
                id: id.into(),
                label: key.label,
                secret,
                project,
                enabled: key.enabled,
                binding,
            });
        }
        keys
    }
}

fn trimmed(secret: Secret) -> Secret {
    let value = secret.expose().trim();
    if value.len() == secret.expose().len() { secret } else { Secret::new(value) }
}

fn fits_a_header(secret: &Secret) -> bool {
    secret.expose().bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// Headers that a relay may want: not those that make up the request or carry the key.
fn may_be_added(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let reserved = matches!(
        name.as_str(),
        "host"
            | "content-length"
            | "transfer-encoding"
            | "connection"
            | "te"
            | "trailer"
            | "upgrade"
            | "keep-alive"
            | "authorization"
            | "proxy-authorization"
            | "x-goog-api-key"
            | "x-relay-token"
            | "accept-encoding"
            | "expect"
    );
    !reserved && http::HeaderName::try_from(name).is_ok()
}
