//! What is known of the instances: health, and whose turn it is. A good `/health` heals an instance that was unreachable;
//! one that refuses to work is healed by an edit, by diagnose, or by a request that tried it again and was answered.

use std::sync::Arc;

use aggregator_protocol::{DownReason, Health};

use super::Pool;
use super::news::News;
use crate::policy::config::Instance;
use crate::policy::cooldown::{egress_until, is_refusing, over};
use crate::policy::route::{Stand, Standing};
use crate::policy::{Ms, SECOND};

/// While one request finds out whether an instance works again, others keep away this long.
const HALF_OPEN_HOLD: Ms = 10 * SECOND;

/// One instance.
#[derive(Debug)]
pub struct Relay {
    /// As configured.
    pub instance: Instance,
    /// As last seen.
    pub health: Health,
    /// Every key was invalid behind it.
    pub suspect: bool,
    /// Grows with each use.
    pub used: u64,
    failures: u32,
    half_open: bool,
}

impl Relay {
    /// Nothing is known.
    pub fn new(instance: Instance) -> Self {
        Self { instance, health: Health::Unknown, suspect: false, used: 0, failures: 0, half_open: false }
    }

    /// As a choice sees it. `last_resort`: there is no other way, so one that is unreachable may be tried when it is due.
    pub fn stand(&self, last_resort: bool, now: Ms) -> Stand {
        let standing = match self.health {
            _ if !self.instance.enabled => Standing::Down,
            Health::Up { .. } | Health::Unknown if self.suspect => Standing::Suspect,
            Health::Up { .. } => Standing::Up,
            Health::Unknown => Standing::Unknown,
            Health::Down { next_try_ms, reason, .. }
                if over(next_try_ms, now) && (last_resort || is_refusing(reason)) =>
            {
                Standing::HalfOpen
            }
            Health::Down { .. } => Standing::Down,
        };
        Stand { standing, used: self.used }
    }

    /// A request goes out by it.
    pub fn take(&mut self, turn: u64, now: Ms) {
        self.used = turn;
        if let Health::Down { next_try_ms, .. } = &mut self.health {
            *next_try_ms = now + HALF_OPEN_HOLD;
            self.half_open = true;
        }
    }

    /// A request was answered through it. Tells whether that is news.
    pub fn answered(&mut self) -> bool {
        self.suspect = false;
        let heals = match self.health {
            Health::Up { .. } => false,
            Health::Unknown => true,
            Health::Down { reason, .. } => self.half_open || !is_refusing(reason),
        };
        if heals { self.up(Health::Up { latency_ms: 0, version: None, legacy: false }) } else { false }
    }

    /// Failed. Answers until when it rests, and whether it was not down before.
    pub fn failed(&mut self, reason: DownReason, now: Ms) -> (Ms, bool) {
        let mut since = now;
        if let Health::Down { since_ms, next_try_ms, reason: former } = self.health {
            since = since_ms;
            // Requests that were under way when it went down tell nothing new, and do not shorten a refusal.
            let same_kind = is_refusing(former) == is_refusing(reason);
            if !self.half_open && !over(next_try_ms, now) && (same_kind || is_refusing(former)) {
                return (next_try_ms, false);
            }
        }
        let new = !matches!(self.health, Health::Down { .. });
        self.failures = self.failures.saturating_add(1);
        let until = egress_until(reason, self.failures, now);
        self.half_open = false;
        self.health = Health::Down { since_ms: since, next_try_ms: until, reason };
        (until, new)
    }

    fn up(&mut self, health: Health) -> bool {
        let news = matches!(self.health, Health::Down { .. });
        (self.health, self.failures, self.half_open) = (health, 0, false);
        news
    }
}

impl Pool {
    /// `/health` answered well. Heals what was unreachable, not what refuses to work.
    pub fn instance_up(
        &mut self,
        id: &str,
        latency_ms: u32,
        version: Option<String>,
        legacy: bool,
    ) -> Option<News> {
        let relay = self.relay_mut(id)?;
        if matches!(relay.health, Health::Down { reason, .. } if is_refusing(reason)) {
            return None;
        }
        let was_down = relay.up(Health::Up { latency_ms, version, legacy });
        was_down.then(|| News::InstanceUp { id: id.into() })
    }

    /// `/health` failed, or a watched request found the instance dead.
    pub fn instance_down(&mut self, id: &str, reason: DownReason, now: Ms) -> Option<News> {
        let (until, new) = self.relay_mut(id)?.failed(reason, now);
        new.then(|| News::InstanceDown { id: id.into(), reason, until })
    }

    /// Diagnose found that the instance works: whatever was held against it is forgotten.
    pub fn instance_forgiven(&mut self, id: &str) {
        if let Some(relay) = self.relay_mut(id) {
            *relay = Relay { used: relay.used, ..Relay::new(relay.instance.clone()) };
        }
    }

    /// Instances to ask for their health now: not asked yet, or unreachable and due. Those that are up are asked at the
    /// caller's own pace, those that refuse to work not at all.
    pub fn probe_due(&self, now: Ms) -> Vec<Arc<str>> {
        let due = |relay: &&Relay| match relay.health {
            Health::Unknown => true,
            Health::Up { .. } => false,
            Health::Down { next_try_ms, reason, .. } => !is_refusing(reason) && over(next_try_ms, now),
        };
        let enabled = self.relays.iter().filter(|relay| relay.instance.enabled);
        enabled.filter(due).map(|relay| relay.instance.id.clone()).collect()
    }

    pub(super) fn relay_mut(&mut self, id: &str) -> Option<&mut Relay> {
        self.relays.iter_mut().find(|relay| &*relay.instance.id == id)
    }
}
