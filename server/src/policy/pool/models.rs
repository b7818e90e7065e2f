//! What is remembered of each model: its buckets, whose turn it is, and who failed lately. Bounded: callers may name models
//! at will.

use std::collections::HashMap;
use std::sync::Arc;

use aggregator_protocol::Reason;

use crate::policy::Ms;
use crate::policy::cooldown::over;
use crate::policy::ledger::Use;
use crate::policy::route::Egress;

/// Models remembered; Google serves about 60.
pub const MAX_MODELS: usize = 128;
/// A longer name is no model of Google's; its requests use the bucket `-`.
const MAX_NAME: usize = 128;

/// Project × model: what Google counts quota on.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    /// Rests until then.
    pub until: Ms,
    /// Requests that use it now.
    pub in_flight: u32,
    /// 429s without details in a row.
    pub strikes: u16,
    /// Why it rests.
    pub reason: Reason,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { until: 0, in_flight: 0, strikes: 0, reason: Reason::PerMinute }
    }
}

/// Key × model.
#[derive(Debug, Clone, Default)]
pub struct Seat {
    /// Requests of this key that use the model now.
    pub in_flight: u32,
    /// What was counted; boxed because most keys never use most models.
    pub usage: Option<Box<Use>>,
}

/// A 429 without details, remembered so that it can be taken back.
#[derive(Debug, Clone)]
pub struct BareHit {
    /// Whose bucket.
    pub project: u32,
    /// When.
    pub at: Ms,
    /// By which way.
    pub egress: Egress,
    /// The bucket as it was before; its count in flight is not restored.
    pub before: Bucket,
}

/// One model.
#[derive(Debug)]
pub struct Model {
    /// Without `models/`.
    pub name: Arc<str>,
    /// Keys, the least recently used first.
    pub order: Vec<u32>,
    /// By project.
    pub buckets: Vec<Bucket>,
    /// By key.
    pub seats: Vec<Seat>,
    /// Rests everywhere until then: overloaded.
    pub overload: Ms,
    /// Projects on which it was overloaded lately.
    pub faults: Vec<(u32, Ms)>,
    /// Rests by these ways until then.
    pub burst: Vec<(Egress, Ms)>,
    /// 429s without details, lately.
    pub bare: Vec<BareHit>,
    /// Grows with each use.
    pub used: u64,
}

impl Model {
    /// Nobody failed here lately: answered by this way.
    pub fn forgive(&mut self, egress: &Egress) {
        self.faults.clear();
        self.overload = 0;
        self.bare.retain(|hit| hit.egress != *egress);
        self.burst.retain(|(way, _)| way != egress);
    }

    /// Puts the key last in turn.
    pub fn took_turn(&mut self, position: usize) {
        self.order[position..].rotate_left(1);
    }

    /// The end of its rest by this way, if it rests there.
    pub fn rest_by(&self, egress: &Egress, now: Ms) -> Option<Ms> {
        self.burst.iter().find(|(way, until)| way == egress && !over(*until, now)).map(|(_, until)| *until)
    }

    fn in_flight(&self) -> bool {
        self.buckets.iter().any(|bucket| bucket.in_flight > 0)
    }

    /// What would be lost without it: cooldowns first, then counts, then how lately it was used.
    fn worth(&self, now: Ms) -> (bool, u32, u64) {
        let cools = self.buckets.iter().any(|bucket| !over(bucket.until, now));
        let busy =
            self.seats.iter().filter_map(|seat| seat.usage.as_ref()).map(|usage| usage.requests_today).sum();
        (cools, busy, self.used)
    }
}

/// All models.
#[derive(Debug, Default)]
pub struct Models {
    list: Vec<Model>,
    by_name: HashMap<Arc<str>, usize>,
    /// Keys in the order of the configuration: the first turn of a new model.
    first_turn: Vec<u32>,
    keys: usize,
    projects: usize,
}

impl Models {
    /// The name a model is remembered by.
    fn bucket_name(name: &str) -> &str {
        if name.len() > MAX_NAME { "-" } else { name }
    }

    /// The model with this name, if it is remembered.
    pub fn find(&self, name: &str) -> Option<&Model> {
        self.by_name.get(Self::bucket_name(name)).map(|index| &self.list[*index])
    }

    /// The model with this name, if it is remembered.
    pub fn find_mut(&mut self, name: &str) -> Option<&mut Model> {
        self.by_name.get(Self::bucket_name(name)).map(|index| &mut self.list[*index])
    }

    /// The model with this name. Forgets the one that is worth least when there are too many; one in use is never forgotten,
    /// so there may be more for a moment, as many as there are requests.
    pub fn intern(&mut self, name: &str, now: Ms) -> &mut Model {
        let name = Self::bucket_name(name);
        let index = match self.by_name.get(name) {
            Some(index) => *index,
            None => self.add(name, now),
        };
        &mut self.list[index]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.list.iter()
    }

    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Model> {
        self.list.iter_mut()
    }

    /// Makes room for this many keys and projects.
    pub fn widen(&mut self, keys: usize, projects: usize) {
        (self.keys, self.projects) = (self.keys.max(keys), self.projects.max(projects));
        for model in &mut self.list {
            model.seats.resize(self.keys, Seat::default());
            model.buckets.resize(self.projects, Bucket::default());
        }
    }

    /// Another set of keys: those that stay keep their turn, the new ones come first.
    pub fn reorder(&mut self, order: Vec<u32>, new: &[u32]) {
        let mut kept = vec![false; self.keys];
        for key in &order {
            kept[*key as usize] = true;
        }
        for key in new {
            kept[*key as usize] = false;
        }
        for model in &mut self.list {
            model.order.retain(|key| kept[*key as usize]);
            model.order.splice(0..0, new.iter().copied());
        }
        self.first_turn = order;
    }

    /// Forgets a project that has no key any more.
    pub fn forget_project(&mut self, project: u32) {
        for model in &mut self.list {
            model.buckets[project as usize] = Bucket::default();
            model.faults.retain(|(other, _)| *other != project);
            model.bare.retain(|hit| hit.project != project);
        }
    }

    fn add(&mut self, name: &str, now: Ms) -> usize {
        if self.list.len() >= MAX_MODELS {
            self.forget_one(now);
        }
        let name: Arc<str> = name.into();
        self.by_name.insert(name.clone(), self.list.len());
        self.list.push(Model {
            name,
            order: self.first_turn.clone(),
            buckets: vec![Bucket::default(); self.projects],
            seats: vec![Seat::default(); self.keys],
            overload: 0,
            faults: Vec::new(),
            burst: Vec::new(),
            bare: Vec::new(),
            used: 0,
        });
        self.list.len() - 1
    }

    fn forget_one(&mut self, now: Ms) {
        let idle = self.list.iter().enumerate().filter(|(_, model)| !model.in_flight());
        let Some((index, _)) = idle.min_by_key(|(_, model)| model.worth(now)) else { return };
        self.by_name.remove(&self.list[index].name);
        self.list.swap_remove(index);
        if let Some(moved) = self.list.get(index) {
            self.by_name.insert(moved.name.clone(), index);
        }
    }
}
