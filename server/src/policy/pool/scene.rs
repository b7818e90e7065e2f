//! What one choice looks at: who may be used for this call and by which way, and what stands against the others. Changes
//! nothing.

use std::borrow::Cow;

use aggregator_protocol::Reason;

use super::Pool;
use super::models::Model;
use super::seats::{Lane, Tenant};
use crate::policy::Ms;
use crate::policy::cooldown::over;
use crate::policy::route::{
    Egress, KeySlot, NoRoute, Place, Route, RulesOut, Skipped, Stand, Terms, Tried, Way, egresses,
};

/// Ids named in [`NoRoute::AllQuarantined`].
const MAX_NAMED: usize = 10;
/// Keys named in a decision record.
const MAX_SKIPPED: usize = 50;

/// One choice, before it is made.
pub struct Scene<'a> {
    pool: &'a Pool,
    /// `None`: never heard of, so nothing rests.
    model: Option<&'a Model>,
    /// Ways out by [`super::seats::Lane::ways`].
    ways: Vec<Vec<Way>>,
    /// Ways that no key may take: the model rests by them, or this call failed by them.
    closed: Vec<Way>,
    /// What this call tried.
    ruled: Vec<Ruled>,
    now: Ms,
}

/// What one attempt of this call rules out.
struct Ruled {
    key: u32,
    project: u32,
    way: Option<Way>,
    rules_out: RulesOut,
}

/// What stands against a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hindrance {
    /// Switched off.
    Disabled,
    /// In quarantine, or closed by every way it could take.
    Out(Reason, Option<Ms>),
    /// There is no way it could take.
    NoEgress,
    /// Rests for this model.
    Cooling(Reason, Ms),
    /// The model rests.
    ModelResting {
        /// Until when.
        until: Ms,
        /// A burst of 429s without details (else: overload).
        quota: bool,
    },
    /// Could be used, but for what this call tried.
    Tried,
}

impl<'a> Scene<'a> {
    /// `last_resort`: instances that are down may be tried when they are due.
    pub fn new(
        pool: &'a Pool,
        terms: Terms,
        model: &str,
        tried: &[Tried],
        last_resort: bool,
        now: Ms,
    ) -> Self {
        let relays: Vec<Stand> = pool.relays.iter().map(|relay| relay.stand(last_resort, now)).collect();
        let instances = (0..relays.len() as u32).map(|place| Some(Place::Instance(place)));
        let bindings = [None, Some(Place::Local)].into_iter().chain(instances);
        let mut scene = Self {
            pool,
            model: pool.models.find(model),
            ways: bindings.map(|bound| egresses(terms, bound, &relays)).collect(),
            closed: Vec::new(),
            ruled: Vec::new(),
            now,
        };
        for one in tried {
            let way = scene.way_of(&one.egress);
            match (pool.seats.index(one.slot), one.rules_out) {
                (_, RulesOut::Egress) => scene.closed.extend(way),
                (Some(key), rules_out) => {
                    let project = pool.seats.lanes[key as usize].project;
                    scene.ruled.push(Ruled { key, project, way, rules_out });
                }
                (None, _) => {}
            }
        }
        if let Some(model) = scene.model {
            let resting = model.burst.iter().filter(|(_, until)| !over(*until, now));
            let resting: Vec<Way> = resting.filter_map(|(egress, _)| scene.way_of(egress)).collect();
            scene.closed.extend(resting);
        }
        scene
    }

    /// The key to use and its place in the order of turns: the preferred one if it can be used, else the one with the fewest
    /// requests in flight in its bucket, among those the least recently used.
    pub fn pick(&self, prefer: Option<KeySlot>) -> Option<(usize, Way)> {
        let model = self.model?;
        if !over(model.overload, self.now) {
            return None;
        }
        if let Some(key) = prefer.and_then(|slot| self.pool.seats.index(slot))
            && let Some(way) = self.usable(model, key)
        {
            let position = model.order.iter().position(|other| *other == key);
            return position.map(|position| (position, way));
        }
        let mut best: Option<(usize, Way, u32)> = None;
        for (position, key) in model.order.iter().enumerate() {
            let in_flight = model.buckets[self.pool.seats.lanes[*key as usize].project as usize].in_flight;
            if best.is_none_or(|(.., fewest)| in_flight < fewest)
                && let Some(way) = self.usable(model, *key)
            {
                best = Some((position, way, in_flight));
                if in_flight == 0 {
                    break;
                }
            }
        }
        best.map(|(position, way, _)| (position, way))
    }

    /// Whether this key may be used, by this way.
    pub fn permits(&self, route: &Route) -> bool {
        let Some(model) = self.model.filter(|model| over(model.overload, self.now)) else { return false };
        let (way, key) = (self.way_of(&route.egress), self.pool.seats.index(route.slot));
        // Whether or not it is the one that a choice would take now: others may have rested longer.
        way.zip(key).is_some_and(|(way, key)| self.usable_if(model, key, |other| other == way).is_some())
    }

    /// The way this key may take.
    fn usable(&self, model: &Model, key: u32) -> Option<Way> {
        self.usable_if(model, key, |_| true)
    }

    /// The first of the ways this key may take that is wanted.
    fn usable_if(&self, model: &Model, key: u32, wanted: impl Fn(Way) -> bool) -> Option<Way> {
        let lane = &self.pool.seats.lanes[key as usize];
        let bucket = &model.buckets[lane.project as usize];
        if !lane.open || lane.is_out(self.now) || !over(bucket.until, self.now) {
            return None;
        }
        let tenant = if lane.marked { Some(self.pool.seats.tenant(key)) } else { None };
        if tenant.is_some_and(|tenant| tenant.rest(&model.name, self.now).is_some()) {
            return None;
        }
        let permitted = |way: &&Way| {
            wanted(**way)
                && !self.closed.contains(way)
                && (self.ruled.is_empty() || !self.is_ruled_out(key, lane.project, **way))
                && tenant.is_none_or(|tenant| tenant.blocked_by(&self.egress(**way)).is_none())
        };
        self.ways[lane.ways as usize].iter().find(permitted).copied()
    }

    fn is_ruled_out(&self, key: u32, project: u32, way: Way) -> bool {
        self.ruled.iter().any(|one| match one.rules_out {
            RulesOut::Pair => one.key == key && one.way == Some(way),
            RulesOut::Key => one.key == key,
            RulesOut::Project => one.project == project,
            RulesOut::Egress => false,
        })
    }

    // --- why not ---

    /// What stands against this key; `None`: nothing.
    pub fn hindrance(&self, key: u32) -> Option<Hindrance> {
        let tenant = self.pool.seats.tenant(key);
        if !tenant.enabled {
            return Some(Hindrance::Disabled);
        }
        if let Some(out) = self.pool.seats.quarantine(key, self.now) {
            return Some(Hindrance::Out(out.reason, out.until));
        }
        let lane = &self.pool.seats.lanes[key as usize];
        let ways = &self.ways[lane.ways as usize];
        let blocked = |way: &Way| tenant.blocked_by(&self.egress(*way));
        let permitted: Cow<'_, [Way]> = if tenant.blocked.is_empty() {
            ways.into()
        } else {
            ways.iter().copied().filter(|way| blocked(way).is_none()).collect()
        };
        if permitted.is_empty() {
            return Some(match ways.iter().find_map(blocked) {
                Some(blocked) => Hindrance::Out(blocked.reason, None),
                None => Hindrance::NoEgress,
            });
        }
        if let Some(rest) = self.rest(tenant, &permitted) {
            return Some(rest);
        }
        let left = |way: &Way| !self.closed.contains(way) && !self.is_ruled_out(key, lane.project, *way);
        if permitted.iter().any(left) { None } else { Some(Hindrance::Tried) }
    }

    /// The last rest to end of all that keep this key from the model.
    fn rest(&self, tenant: &Tenant, permitted: &[Way]) -> Option<Hindrance> {
        let model = self.model?;
        let live = |until: &Ms| !over(*until, self.now);
        let bucket = &model.buckets[tenant.project as usize];
        let burst = match &model.burst[..] {
            [] => None,
            _ => self.burst(model, permitted),
        };
        [
            Some(bucket.until).filter(live).map(|until| (until, Hindrance::Cooling(bucket.reason, until))),
            tenant
                .rest(&model.name, self.now)
                .map(|until| (until, Hindrance::Cooling(Reason::Denied, until))),
            Some(model.overload)
                .filter(live)
                .map(|until| (until, Hindrance::ModelResting { until, quota: false })),
            burst.map(|until| (until, Hindrance::ModelResting { until, quota: true })),
        ]
        .into_iter()
        .flatten()
        .max_by_key(|(until, _)| *until)
        .map(|(_, rest)| rest)
    }

    /// The first of these ways to be open again, if the model rests by all of them.
    fn burst(&self, model: &Model, permitted: &[Way]) -> Option<Ms> {
        let ends: Option<Vec<Ms>> =
            permitted.iter().map(|way| model.rest_by(&self.egress(*way), self.now)).collect();
        ends?.into_iter().min()
    }

    fn all(&self) -> impl Iterator<Item = (u32, Option<Hindrance>)> {
        self.pool.seats.iter().map(|(key, _)| (key, self.hindrance(key)))
    }

    /// Why nothing could be chosen.
    pub fn refusal(&self) -> NoRoute {
        let (mut enabled, mut out, mut first) = (0, Vec::new(), None);
        for (key, hindrance) in self.all() {
            match hindrance {
                Some(Hindrance::Disabled) => continue,
                Some(Hindrance::Out(reason, until)) => {
                    out.push((key, reason));
                    first = earlier(first, Hindrance::Out(reason, until));
                }
                Some(Hindrance::Tried) => return NoRoute::Exhausted,
                Some(rest) => first = earlier(first, rest),
                None => {}
            }
            enabled += 1;
        }
        if enabled == 0 {
            return NoRoute::NoKeys;
        }
        if out.len() == enabled {
            let named = out.into_iter().take(MAX_NAMED);
            let named = named.map(|(key, reason)| (self.pool.seats.tenant(key).id.clone(), reason));
            return NoRoute::AllQuarantined(named.collect());
        }
        match first {
            Some(Hindrance::Cooling(reason, until) | Hindrance::Out(reason, Some(until))) => {
                NoRoute::Cooling { until, reason }
            }
            Some(Hindrance::ModelResting { until, quota }) => NoRoute::ModelResting { until, quota },
            _ => {
                let enabled = |relay: &&super::relays::Relay| relay.instance.enabled;
                NoRoute::NoRelay { configured: self.pool.relays.iter().filter(enabled).count() }
            }
        }
    }

    /// The earliest time at which any key can serve the model.
    pub fn earliest(&self) -> Option<Ms> {
        let ready = |hindrance| match hindrance {
            None | Some(Hindrance::Tried) => Some(self.now),
            Some(hindrance) => ends(hindrance),
        };
        self.all().filter_map(|(_, hindrance)| ready(hindrance)).min()
    }

    /// The keys that are left out, and why.
    pub fn skipped(&self) -> Vec<Skipped> {
        if self.all_ready() {
            return Vec::new();
        }
        let skipped = self.all().filter_map(|(key, hindrance)| {
            let (rule, until) = match hindrance? {
                Hindrance::Disabled => ("disabled", None),
                Hindrance::Out(reason, until) => (word(reason), until),
                Hindrance::NoEgress => ("noEgress", None),
                Hindrance::Cooling(reason, until) => (word(reason), Some(until)),
                Hindrance::ModelResting { until, .. } => ("modelResting", Some(until)),
                Hindrance::Tried => ("tried", None),
            };
            Some(Skipped { key: self.pool.seats.tenant(key).id.clone(), rule, until })
        });
        skipped.take(MAX_SKIPPED).collect()
    }

    /// The usual case, told by what is packed: everybody sits, is switched on, and rests in no way.
    fn all_ready(&self) -> bool {
        let Some(model) = self.model else { return false };
        let calm = model.burst.is_empty() && over(model.overload, self.now) && self.closed.is_empty();
        let ready = |lane: &Lane| {
            lane.open
                && !lane.marked
                && !lane.is_out(self.now)
                && over(model.buckets[lane.project as usize].until, self.now)
                && !self.ways[lane.ways as usize].is_empty()
        };
        calm && self.ruled.is_empty() && self.pool.seats.lanes.iter().all(ready)
    }

    // --- names ---

    fn way_of(&self, egress: &Egress) -> Option<Way> {
        match egress {
            Egress::Direct => Some(Way::Direct),
            Egress::Relay(id) => {
                let place = self.pool.relays.iter().position(|relay| relay.instance.id == *id);
                place.map(|place| Way::Relay(place as u32))
            }
        }
    }

    fn egress(&self, way: Way) -> Egress {
        self.pool.egress(way)
    }
}

/// The end of a rest; `None` for what does not end by itself.
fn ends(hindrance: Hindrance) -> Option<Ms> {
    match hindrance {
        Hindrance::Cooling(_, until) | Hindrance::ModelResting { until, .. } => Some(until),
        Hindrance::Out(_, until) => until,
        Hindrance::Disabled | Hindrance::NoEgress | Hindrance::Tried => None,
    }
}

fn earlier(first: Option<Hindrance>, other: Hindrance) -> Option<Hindrance> {
    let Some(until) = ends(other) else { return first };
    match first.and_then(ends) {
        Some(former) if former <= until => first,
        _ => Some(other),
    }
}

/// A reason as JSON names it.
fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::PerMinute => "perMinute",
        Reason::PerDay => "perDay",
        Reason::NotEntitled => "notEntitled",
        Reason::Bare429 => "bare429",
        Reason::Rejected => "rejected",
        Reason::Leaked => "leaked",
        Reason::Suspended => "suspended",
        Reason::ServiceDisabled => "serviceDisabled",
        Reason::Billing => "billing",
        Reason::SpendCap => "spendCap",
        Reason::Denied => "denied",
        Reason::Restricted => "restricted",
    }
}
