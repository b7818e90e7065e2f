//! What is known of the instances: health, whose turn it is, and who is to be asked next. A good `/health` heals an instance
//! that was unreachable; one that refuses to work is healed by an edit, by diagnose, or by a request that tried it again and was
//! answered.

use std::cmp::Reverse;

use aggregator_protocol::{DownReason, Fault, Health, Mode};

use super::Pool;
use super::news::News;
use crate::policy::config::{Bound, Instance};
use crate::policy::cooldown::{egress_until, is_refusing, over};
use crate::policy::health::{EVERY, Found, pace};
use crate::policy::route::{Egress, Route, Stand, Standing, Terms};
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
    /// What its `/health` says against our token.
    pub token: Option<Fault>,
    /// Grows with each use.
    pub used: u64,
    /// In a row.
    failures: u32,
    /// The last of them was a request's: its `/health` may be good, and prove nothing.
    by_request: bool,
    /// A request went out to find out whether it works again; until then others keep away.
    held: Option<Ms>,
    /// When it was last heard of by asking it, and how long that holds.
    heard: Option<Ms>,
    pace: Ms,
    asking: bool,
    /// Somebody has reason to doubt what is known.
    doubted: bool,
}

/// An instance to be asked now.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Which; what comes of it counts only if it is still the same then.
    pub instance: Instance,
    /// A request waits for the answer.
    pub urgent: bool,
    /// A route to ask Gemini by, if there is no health path; not in flight and not counted.
    pub route: Option<Route>,
}

/// Whether an instance lives, for a request that has waited long for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// It answers, or nobody can tell.
    Alive,
    /// It does not.
    Dead,
    /// It has not been heard of since.
    Unheard,
}

impl Relay {
    /// Nothing is known.
    pub fn new(instance: Instance) -> Self {
        Self {
            instance,
            health: Health::Unknown,
            suspect: false,
            token: None,
            used: 0,
            failures: 0,
            by_request: false,
            held: None,
            heard: None,
            pace: EVERY,
            asking: false,
            doubted: false,
        }
    }

    /// As a choice sees it. `last_resort`: there is no other way, so one that is unreachable may be tried (R8).
    pub fn stand(&self, last_resort: bool, now: Ms) -> Stand {
        let held = self.held.is_some_and(|until| !over(until, now));
        let standing = match self.health {
            _ if !self.instance.enabled => Standing::Down,
            Health::Up { .. } | Health::Unknown if self.suspect => Standing::Suspect,
            Health::Up { .. } => Standing::Up,
            Health::Unknown => Standing::Unknown,
            Health::Down { .. } if held => Standing::Down,
            Health::Down { reason, .. } if last_resort && !is_refusing(reason) => Standing::HalfOpen,
            Health::Down { next_try_ms, reason, .. } if is_refusing(reason) && over(next_try_ms, now) => {
                Standing::HalfOpen
            }
            Health::Down { .. } => Standing::Down,
        };
        Stand { standing, used: self.used }
    }

    /// A request goes out by it.
    pub fn take(&mut self, turn: u64, now: Ms) {
        self.used = turn;
        if matches!(self.health, Health::Down { .. }) {
            self.held = Some(now + HALF_OPEN_HOLD);
        }
    }

    /// A request was answered through it. Tells whether that is news.
    pub fn answered(&mut self) -> bool {
        self.suspect = false;
        self.failures = 0;
        let heals = match self.health {
            Health::Up { .. } => false,
            Health::Unknown => true,
            Health::Down { reason, .. } => self.held.is_some() || !is_refusing(reason),
        };
        if !heals {
            return false;
        }
        // Its `/health` says more.
        self.doubted = true;
        self.up(Health::Up { latency_ms: 0, version: None, legacy: false })
    }

    /// A request failed by it. Answers until when it rests, and whether it was not down before.
    pub fn failed(&mut self, reason: DownReason, now: Ms) -> (Ms, bool) {
        // Whether it is the token, its `/health` says.
        self.doubted |= reason == DownReason::Unauthorized;
        self.down(reason, true, now)
    }

    fn down(&mut self, reason: DownReason, by_request: bool, now: Ms) -> (Ms, bool) {
        let mut since = now;
        if let Health::Down { since_ms, next_try_ms, reason: former } = self.health {
            since = since_ms;
            // Requests that were under way when it went down tell nothing new, and do not shorten a refusal.
            let same_kind = is_refusing(former) == is_refusing(reason);
            if self.held.is_none() && !over(next_try_ms, now) && (same_kind || is_refusing(former)) {
                return (next_try_ms, false);
            }
        }
        let new = !matches!(self.health, Health::Down { .. });
        self.failures = self.failures.saturating_add(1);
        self.by_request = by_request;
        let until = egress_until(reason, self.failures, now);
        self.held = None;
        self.health = Health::Down { since_ms: since, next_try_ms: until, reason };
        (until, new)
    }

    /// Other keys or another mode: what could not be told may be told now.
    pub fn may_be_told(&mut self) {
        if self.health == Health::Unknown {
            self.heard = None;
        }
    }

    fn up(&mut self, health: Health) -> bool {
        let news = matches!(self.health, Health::Down { .. });
        (self.health, self.held, self.token) = (health, None, None);
        news
    }

    /// It was asked, and this came of it.
    fn learns(&mut self, found: Found, now: Ms) -> Option<News> {
        let id = self.instance.id.clone();
        let reason = match found {
            Found::Nothing => return None,
            Found::Up { latency_ms, relay, .. } => {
                let heals = match self.health {
                    // Not what its platform, or Google, refused.
                    Health::Down { reason: DownReason::Unauthorized, .. } => self.token.is_some(),
                    Health::Down { reason, .. } => !is_refusing(reason),
                    Health::Up { .. } | Health::Unknown => true,
                };
                if !heals {
                    return None;
                }
                if !self.by_request {
                    self.failures = 0;
                }
                let health =
                    Health::Up { latency_ms, version: relay.detail.version, legacy: relay.detail.legacy };
                return self.up(health).then_some(News::InstanceUp { id });
            }
            Found::Token(fault) => {
                self.token = Some(fault);
                DownReason::Unauthorized
            }
            Found::Down(reason) => reason,
        };
        let (until, new) = self.down(reason, false, now);
        new.then_some(News::InstanceDown { id, reason, until })
    }

    /// When it is to be asked; `None`: it is being asked, or never.
    fn asked_at(&self) -> Option<Ms> {
        let heard = self.heard.map_or(0, |at| at.saturating_add(self.pace));
        match self.health {
            _ if self.asking || !self.instance.enabled => None,
            _ if self.doubted => Some(0),
            Health::Unknown | Health::Up { .. } => Some(heard),
            // It may have got the right one meanwhile.
            Health::Down { .. } if self.token.is_some() => Some(heard),
            Health::Down { reason, .. } if is_refusing(reason) => None,
            Health::Down { next_try_ms, .. } => Some(next_try_ms),
        }
    }
}

impl Pool {
    /// The instances to ask for their health now, which are then being asked until [`Pool::probed`]; and when the next is due.
    pub fn probes(&mut self, terms: Terms, now: Ms) -> (Vec<Probe>, Option<Ms>) {
        let (mut due, mut next): (Vec<Probe>, Option<Ms>) = (Vec::new(), None);
        for place in 0..self.relays.len() {
            let relay = &mut self.relays[place];
            let Some(at) = relay.asked_at() else { continue };
            // A clock that jumped back must not keep anybody from being asked.
            if !over(at, now) && relay.heard.is_none_or(|heard| heard <= now) {
                next = Some(next.map_or(at, |next| next.min(at)));
                continue;
            }
            let urgent = relay.doubted;
            (relay.asking, relay.doubted) = (true, false);
            let instance = relay.instance.clone();
            due.push(Probe { route: self.route_by(terms, &instance, now), instance, urgent });
        }
        (due, next)
    }

    /// An instance was asked, and this came of it. `spread`: see [`pace`]. Nothing, if it was edited meanwhile.
    pub fn probed(&mut self, instance: &Instance, found: Found, spread: Ms, now: Ms) -> Option<News> {
        let relay = self.relays.iter_mut().find(|relay| relay.instance == *instance)?;
        relay.asking = false;
        relay.heard = Some(now);
        relay.pace = pace(&found, spread);
        relay.learns(found, now)
    }

    /// Somebody has reason to doubt what is known of an instance: it is to be asked at once.
    pub fn doubt(&mut self, id: &str) {
        if let Some(relay) = self.relay_mut(id) {
            relay.doubted = true;
        }
    }

    /// Whether an instance lives, by what was heard of it at `since` or later.
    pub fn pulse(&self, id: &str, since: Ms) -> Pulse {
        let Some(relay) = self.relays.iter().find(|relay| &*relay.instance.id == id) else {
            return Pulse::Alive;
        };
        match relay.health {
            _ if relay.heard.is_none_or(|at| at < since) => Pulse::Unheard,
            Health::Down { reason, .. } if !is_refusing(reason) => Pulse::Dead,
            _ => Pulse::Alive,
        }
    }

    /// Diagnose found that the instance works: whatever was held against it is forgotten, and it is asked anew.
    pub fn instance_forgiven(&mut self, instance: &Instance) {
        if let Some(relay) = self.relays.iter_mut().find(|relay| relay.instance == *instance) {
            *relay = Relay { used: relay.used, ..Relay::new(relay.instance.clone()) };
        }
    }

    /// A key that may leave by this instance, to ask Gemini with; the ones bound to it first. None in local mode: nobody sends
    /// keys to relays there.
    fn route_by(&self, terms: Terms, instance: &Instance, now: Ms) -> Option<Route> {
        let egress = Egress::Relay(instance.id.clone());
        let permits = |bound: Option<&Bound>| match bound {
            None => true,
            Some(Bound::Local) => false,
            Some(Bound::Instance(id)) => *id == instance.id,
        };
        let (index, tenant) = (self.seats.iter())
            .filter(|(index, tenant)| {
                terms.mode != Mode::Local
                    && tenant.enabled
                    && permits(tenant.bound.as_ref())
                    && self.seats.quarantine(*index, now).is_none()
                    && tenant.blocked_by(&egress).is_none()
            })
            .max_by_key(|(index, tenant)| (tenant.bound.is_some(), Reverse(*index)))?;
        Some(Route {
            slot: self.seats.slot(index),
            key: tenant.id.clone(),
            secret: tenant.secret.clone(),
            egress,
            model: "-".into(),
        })
    }

    pub(super) fn relay_mut(&mut self, id: &str) -> Option<&mut Relay> {
        self.relays.iter_mut().find(|relay| &*relay.instance.id == id)
    }
}
