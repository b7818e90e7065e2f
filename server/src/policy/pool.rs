//! The pool: chooses a key and a way out for each attempt, and remembers what became of it. Keeps no clock and no lock:
//! whoever calls hands in the time and is alone.
//!
//! `seats` holds the keys and their projects, `models` the buckets, `relays` the instances; `scene` looks at all of them to
//! choose, `blame` changes them after an attempt and tells the `news`, `show` tells the status, `keep` the ledger's file.

mod blame;
mod keep;
mod models;
mod news;
mod relays;
mod scene;
mod seats;
mod show;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use super::Ms;
use super::config::{Bound, Config, Instance};
use super::cooldown::{next_pacific_midnight, pacific_day};
use super::ledger::Use;
use super::route::{Egress, KeySlot, NoRoute, Place, Route, Skipped, Terms, Tried, Way, egresses};

use keep::Keep;
use models::Models;
use relays::Relay;
use scene::Scene;
use seats::{Seats, project_name};

pub use models::MAX_MODELS;
pub use news::{Effect, News};
pub use relays::{Probe, Pulse};
pub use show::View;

/// Keys, instances, and what is known of them.
#[derive(Debug, Default)]
pub struct Pool {
    seats: Seats,
    relays: Vec<Relay>,
    models: Models,
    /// Every enabled key was invalid within a minute.
    alarm: bool,
    /// Counts choices, for turns.
    turn: u64,
    day: Day,
    keep: Keep,
}

/// The quota day, remembered because asking the time-zone table takes a microsecond.
#[derive(Debug, Default)]
struct Day {
    number: i32,
    from: Ms,
    until: Ms,
}

impl Pool {
    /// Nobody is in it.
    pub fn new() -> Self {
        Self::default()
    }

    // --- configuration ---

    /// Takes the configuration over. What was learnt is kept for keys that stay (same id and secret) and for instances that
    /// stay as they are (same place, token, headers, and switched on as before).
    pub fn reconcile(&mut self, config: &Config, now: Ms) {
        self.reconcile_relays(&config.instances);
        let wanted: HashSet<_> = config.keys.iter().map(|key| (&*key.id, key.secret.expose())).collect();
        let gone: Vec<u32> = (self.seats.iter())
            .filter(|(_, tenant)| !wanted.contains(&(&*tenant.id, tenant.secret.expose())))
            .map(|(index, _)| index)
            .collect();
        for index in &gone {
            self.seats.remove(*index, &mut self.models);
        }
        let (mut order, mut new, mut switched) = (Vec::new(), Vec::new(), false);
        for key in &config.keys {
            let index = match self.seats.by_id(&key.id) {
                Some(index) => {
                    let tenant = self.seats.tenant_mut(index);
                    switched |= tenant.enabled != key.enabled;
                    (tenant.enabled, tenant.bound) = (key.enabled, key.binding.clone());
                    tenant.label = key.project.as_deref().and_then(project_name);
                    self.seats.regroup(index, &mut self.models);
                    index
                }
                None => {
                    let index = self.seats.add(key, &mut self.models);
                    new.push(index);
                    index
                }
            };
            order.push(index);
            self.seats.lanes[index as usize].ways = self.list_of_ways(key.binding.as_ref());
        }
        if switched || !gone.is_empty() || !new.is_empty() {
            self.calm();
        }
        self.seats.refresh();
        self.models.reorder(order, &new);
        for index in new {
            self.welcome_back(index, now);
        }
    }

    fn reconcile_relays(&mut self, instances: &[Instance]) {
        let mut former = std::mem::take(&mut self.relays);
        for instance in instances {
            let same = former.iter().position(|relay| relay.instance == *instance);
            let mut relay = match same {
                Some(place) => former.swap_remove(place),
                None => Relay::new(instance.clone()),
            };
            relay.may_be_told();
            self.relays.push(relay);
        }
        // Those that are gone or edited: what a key or a model could not do by them says nothing of what they are now.
        for relay in former {
            let egress = Egress::Relay(relay.instance.id);
            for tenant in self.seats.iter_mut() {
                tenant.blocked.retain(|blocked| blocked.egress != egress);
            }
            for model in self.models.iter_mut() {
                model.burst.retain(|(way, _)| *way != egress);
            }
        }
    }

    fn place(&self, bound: Option<&Bound>) -> Option<Place> {
        match bound? {
            Bound::Local => Some(Place::Local),
            Bound::Instance(id) => {
                let place = self.relays.iter().position(|relay| relay.instance.id == *id);
                place.map(|place| Place::Instance(place as u32))
            }
        }
    }

    fn list_of_ways(&self, bound: Option<&Bound>) -> u32 {
        match self.place(bound) {
            None => 0,
            Some(Place::Local) => 1,
            Some(Place::Instance(place)) => place + 2,
        }
    }

    fn egress(&self, way: Way) -> Egress {
        match way {
            Way::Direct => Egress::Direct,
            Way::Relay(place) => Egress::Relay(self.relays[place as usize].instance.id.clone()),
        }
    }

    // --- choice ---

    /// Chooses a key and a way out, and counts the request as in flight until [`Pool::release`]. `tried`: the
    /// attempts of this call so far. `prefer`: the key to stay with if it can be used.
    pub fn choose(
        &mut self,
        terms: Terms,
        model: &str,
        tried: &[Tried],
        prefer: Option<KeySlot>,
        now: Ms,
    ) -> Result<Route, NoRoute> {
        self.models.intern(model, now);
        let first = Scene::new(self, terms, model, tried, false, now);
        let picked = first.pick(prefer).map_or_else(
            || {
                let last_resort = Scene::new(self, terms, model, tried, true, now);
                last_resort.pick(prefer).ok_or_else(|| last_resort.refusal())
            },
            Ok,
        );
        let (position, way) = picked?;
        Ok(self.take(model, position, way, now))
    }

    /// The earliest time at which any key can serve this model: `now` if one can (leaving aside what a call tried), `None` if
    /// waiting does not help.
    pub fn earliest(&self, terms: Terms, model: &str, now: Ms) -> Option<Ms> {
        Scene::new(self, terms, model, &[], true, now).earliest()
    }

    /// The keys that a choice leaves out and why, at most 50, for the decision record.
    pub fn skipped(&self, terms: Terms, model: &str, tried: &[Tried], now: Ms) -> Vec<Skipped> {
        Scene::new(self, terms, model, tried, false, now).skipped()
    }

    /// The route of a re-test: the key's own best way, whatever its state. Not in flight and not counted; `None` if the key is
    /// unknown or has no way out.
    pub fn test_route(&self, terms: Terms, key: &str, now: Ms) -> Option<Route> {
        let index = self.seats.by_id(key)?;
        let tenant = self.seats.tenant(index);
        let way = [false, true].into_iter().find_map(|last_resort| {
            let relays: Vec<_> = self.relays.iter().map(|relay| relay.stand(last_resort, now)).collect();
            egresses(terms, self.place(tenant.bound.as_ref()), &relays).into_iter().next()
        })?;
        Some(Route {
            slot: self.seats.slot(index),
            key: tenant.id.clone(),
            secret: tenant.secret.clone(),
            egress: self.egress(way),
            model: "-".into(),
        })
    }

    fn take(&mut self, model: &str, position: usize, way: Way, now: Ms) -> Route {
        self.turn += 1;
        let egress = self.egress(way);
        if let Way::Relay(place) = way {
            self.relays[place as usize].take(self.turn, now);
        }
        let model = self.models.intern(model, now);
        model.used = self.turn;
        let index = model.order[position];
        model.took_turn(position);
        let seat = &mut model.seats[index as usize];
        seat.in_flight += 1;
        let slot = self.seats.slot(index);
        let tenant = self.seats.tenant_mut(index);
        tenant.in_flight += 1;
        model.buckets[tenant.project as usize].in_flight += 1;
        Route {
            slot,
            key: tenant.id.clone(),
            secret: tenant.secret.clone(),
            egress,
            model: model.name.clone(),
        }
    }

    // --- use ---

    /// The request is over. Does nothing if the key is no longer in the pool.
    pub fn release(&mut self, route: &Route) {
        let Some(index) = self.seats.index(route.slot) else { return };
        let Some(model) = self.models.find_mut(&route.model) else { return };
        let seat = &mut model.seats[index as usize];
        if seat.in_flight > 0 {
            seat.in_flight -= 1;
            let tenant = self.seats.tenant_mut(index);
            tenant.in_flight -= 1;
            model.buckets[tenant.project as usize].in_flight -= 1;
        }
    }

    /// Whether a route that is held may still be used.
    pub fn permits(&self, terms: Terms, route: &Route, now: Ms) -> bool {
        Scene::new(self, terms, &route.model, &[], true, now).permits(route)
    }

    /// A request goes out on a route that is held.
    pub fn sent(&mut self, route: &Route, now: Ms) {
        self.count(route, now, |usage, _| usage.sent(now));
    }

    /// The answer is over: its last `totalTokenCount`, if it had one.
    pub fn used(&mut self, route: &Route, tokens: Option<u64>, now: Ms) {
        if let Some(tokens) = tokens {
            self.count(route, now, |usage, day| usage.spent(tokens, day, now));
        }
    }

    fn count(&mut self, route: &Route, now: Ms, change: impl FnOnce(&mut Use, i32)) {
        let day = self.today(now);
        let Some(index) = self.seats.index(route.slot) else { return };
        let model = self.models.intern(&route.model, now);
        change(model.seats[index as usize].usage.get_or_insert_default(), day);
    }

    fn today(&mut self, now: Ms) -> i32 {
        if now < self.day.from || now >= self.day.until {
            self.day = Day { number: pacific_day(now), from: now, until: next_pacific_midnight(now) };
        }
        self.day.number
    }
}
