//! The pool as the status shows it. Changes nothing.

use std::cmp::Reverse;

use aggregator_protocol::{
    CoolingModel, Health, InstanceStatus, KeyState, KeyStatus, ModelUse, Problem, ProblemCode, Reason,
    Severity,
};

use super::Pool;
use crate::policy::Ms;
use crate::policy::config::{Config, Key};
use crate::policy::cooldown::{over, pacific_day};
use crate::policy::route::{Stand, Standing, Terms, egresses};

/// Models shown a key.
const MAX_SHOWN: usize = 20;

/// What a status says of the pool, in the order of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Every key.
    pub keys: Vec<KeyStatus>,
    /// Every instance.
    pub instances: Vec<InstanceStatus>,
    /// Instances that are up.
    pub active_instances: u32,
    /// What is wrong with the pool.
    pub problems: Vec<Problem>,
}

impl Pool {
    /// The pool, as of now.
    pub fn view(&self, config: &Config, now: Ms) -> View {
        let day = pacific_day(now);
        let instances: Vec<InstanceStatus> = (config.instances.iter())
            .map(|instance| {
                let relay = self.relays.iter().find(|relay| relay.instance.id == instance.id);
                let health = relay.map_or(Health::Unknown, |relay| relay.health.clone());
                InstanceStatus { id: instance.id.to_string(), health }
            })
            .collect();
        let up = |instance: &&InstanceStatus| matches!(instance.health, Health::Up { .. });
        let alarm = Problem { code: ProblemCode::AllKeysInvalid, subject: None, severity: Severity::Error };
        View {
            keys: config.keys.iter().map(|key| self.key_status(config, key, day, now)).collect(),
            active_instances: instances.iter().filter(up).count() as u32,
            instances,
            problems: self.alarm.then_some(alarm).into_iter().chain(self.token_problems()).collect(),
        }
    }

    fn token_problems(&self) -> impl Iterator<Item = Problem> {
        let wrong = self.relays.iter().filter(|relay| relay.token.is_some() && relay.instance.enabled);
        wrong.map(|relay| Problem {
            code: ProblemCode::InstanceToken,
            subject: Some(relay.instance.id.to_string()),
            severity: Severity::Warning,
        })
    }

    fn key_status(&self, config: &Config, key: &Key, day: i32, now: Ms) -> KeyStatus {
        let index = self.seats.by_id(&key.id);
        let mut models = index.map_or_else(Vec::new, |index| self.uses(index, day, now));
        let (used_today, tokens_today) = models.iter().fold((0, 0), |(requests, tokens): (u32, u64), one| {
            (requests.saturating_add(one.requests_today), tokens.saturating_add(one.tokens_today))
        });
        models.truncate(MAX_SHOWN);
        let learnt = index.and_then(|index| self.seats.tenant(index).learnt.clone());
        KeyStatus {
            id: key.id.to_string(),
            in_flight: index.map_or(0, |index| self.seats.tenant(index).in_flight),
            used_today,
            tokens_today,
            project: learnt.or_else(|| key.project.clone()),
            models,
            state: match index {
                _ if !key.enabled => KeyState::Disabled,
                Some(index) => self.key_state(config, index, now),
                None => KeyState::Ready,
            },
        }
    }

    /// What the key did, busiest first.
    fn uses(&self, index: u32, day: i32, now: Ms) -> Vec<ModelUse> {
        let mut uses: Vec<ModelUse> = (self.models.iter())
            .filter_map(|model| {
                let usage = model.seats[index as usize].usage.as_ref()?;
                let (requests_minute, tokens_minute) = usage.minute(now);
                let today = usage.is_of(day);
                (today || requests_minute > 0 || tokens_minute > 0).then(|| ModelUse {
                    model: model.name.to_string(),
                    requests_minute,
                    tokens_minute,
                    requests_today: if today { usage.requests_today } else { 0 },
                    tokens_today: if today { usage.tokens_today } else { 0 },
                    errors_today: if today { usage.errors_today } else { 0 },
                })
            })
            .collect();
        uses.sort_by(|one, other| {
            let busy =
                |usage: &ModelUse| Reverse((usage.requests_today, usage.requests_minute, usage.errors_today));
            busy(one).cmp(&busy(other)).then_with(|| one.model.cmp(&other.model))
        });
        uses
    }

    fn key_state(&self, config: &Config, index: u32, now: Ms) -> KeyState {
        if let Some(out) = self.seats.quarantine(index, now) {
            return KeyState::Quarantined { reason: out.reason, since_ms: out.since, until_ms: out.until };
        }
        if let Some((reason, since_ms)) = self.shut_out(config, index) {
            return KeyState::Quarantined { reason, since_ms, until_ms: None };
        }
        let tenant = self.seats.tenant(index);
        let mut models: Vec<CoolingModel> = (self.models.iter())
            .filter_map(|model| {
                let bucket = &model.buckets[tenant.project as usize];
                let own = tenant.rest(&model.name, now).map(|until| (until, Reason::Denied));
                let shared = (!over(bucket.until, now)).then_some((bucket.until, bucket.reason));
                let (until_ms, reason) = own.into_iter().chain(shared).max_by_key(|(until, _)| *until)?;
                Some(CoolingModel { model: model.name.to_string(), until_ms, reason })
            })
            .collect();
        models.sort_by(|one, other| one.model.cmp(&other.model));
        if models.is_empty() { KeyState::Ready } else { KeyState::CoolingDown { models } }
    }

    /// Why and since when the key may not be used by any way of this mode, whatever the health of the instances.
    fn shut_out(&self, config: &Config, index: u32) -> Option<(Reason, Ms)> {
        let tenant = self.seats.tenant(index);
        if tenant.blocked.is_empty() {
            return None;
        }
        let terms = Terms { mode: config.mode, fallback_to_local: config.fallback_to_local };
        let stand =
            |enabled| Stand { standing: if enabled { Standing::Up } else { Standing::Down }, used: 0 };
        let relays: Vec<Stand> = self.relays.iter().map(|relay| stand(relay.instance.enabled)).collect();
        let ways = egresses(terms, self.place(tenant.bound.as_ref()), &relays);
        let blocked: Option<Vec<_>> = ways.iter().map(|way| tenant.blocked_by(&self.egress(*way))).collect();
        blocked?
            .into_iter()
            .max_by_key(|blocked| blocked.since)
            .map(|blocked| (blocked.reason, blocked.since))
    }
}
