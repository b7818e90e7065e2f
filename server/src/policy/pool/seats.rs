//! Keys and their projects: who sits where in the pool, and who shares a quota with whom.

use std::collections::HashMap;
use std::sync::Arc;

use aggregator_protocol::{Reason, Secret};

use super::models::Models;
use crate::policy::Ms;
use crate::policy::config::{Bound, Key};
use crate::policy::cooldown::over;
use crate::policy::route::{Egress, KeySlot};

/// The end of a quarantine that has none.
const FOR_GOOD: Ms = Ms::MAX;

/// A key or a project is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quarantine {
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub since: Ms,
    /// Until when; `None`: for good.
    pub until: Option<Ms>,
    /// How often in a row for this reason, this time included.
    pub strikes: u32,
}

impl Quarantine {
    /// Whether it still holds. One that is over is kept for its strikes until a success.
    pub fn holds(&self, now: Ms) -> bool {
        self.until.is_none_or(|until| !over(until, now))
    }

    fn end(&self) -> Ms {
        self.until.unwrap_or(FOR_GOOD)
    }
}

/// The one that lasts longer.
pub fn longer(one: Option<Quarantine>, other: Option<Quarantine>) -> Option<Quarantine> {
    [one, other].into_iter().flatten().max_by_key(Quarantine::end)
}

/// A key that may not be used by one way.
#[derive(Debug, Clone)]
pub struct Blocked {
    /// The way.
    pub egress: Egress,
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub since: Ms,
}

/// Refusals of one model that say nothing about why.
#[derive(Debug, Clone)]
pub struct Unclear {
    /// Without `models/`.
    pub model: Arc<str>,
    /// The last ones, at most three.
    pub hits: Vec<Ms>,
    /// The key rests for this model until then.
    pub until: Ms,
}

/// One key of the pool.
#[derive(Debug)]
pub struct Tenant {
    /// Its id.
    pub id: Arc<str>,
    /// The credential.
    pub secret: Secret,
    /// Switched on.
    pub enabled: bool,
    /// The way it must prefer.
    pub bound: Option<Bound>,
    /// Its project as the user says.
    pub label: Option<String>,
    /// Its project as Google told.
    pub learnt: Option<String>,
    /// Index of its project.
    pub project: u32,
    /// Requests that use it now.
    pub in_flight: u32,
    /// It is out.
    pub out: Option<Quarantine>,
    /// When and by which way it was last called invalid.
    pub rejected: Option<(Ms, Egress)>,
    /// Ways it may not be used by.
    pub blocked: Vec<Blocked>,
    /// Unclear refusals.
    pub unclear: Vec<Unclear>,
}

impl Tenant {
    /// The end of its own rest for this model.
    pub fn rest(&self, model: &str, now: Ms) -> Option<Ms> {
        self.unclear.iter().find(|one| &*one.model == model && !over(one.until, now)).map(|one| one.until)
    }

    /// Why it may not be used by this way.
    pub fn blocked_by(&self, egress: &Egress) -> Option<&Blocked> {
        self.blocked.iter().find(|one| one.egress == *egress)
    }
}

/// What the hot path needs to know of a key, packed.
#[derive(Debug, Clone, Copy)]
pub struct Lane {
    /// Somebody sits here and is switched on.
    pub open: bool,
    /// There may be ways or models that are closed to this key alone: ask its [`Tenant`].
    pub marked: bool,
    /// Which list of ways it takes: 0 unbound, 1 bound to `local`, from 2 on bound to an instance.
    pub ways: u32,
    /// Its project.
    pub project: u32,
    /// The end of the quarantine of the key or its project; 0: none.
    pub out: Ms,
}

impl Lane {
    /// Whether key or project are out.
    pub fn is_out(&self, now: Ms) -> bool {
        self.out == FOR_GOOD || !over(self.out, now)
    }
}

/// Keys that share their quota; a key whose project is not known has one of its own without a name.
#[derive(Debug, Default)]
pub struct Project {
    /// As learnt, else as labelled.
    pub name: Option<String>,
    /// How many keys.
    pub members: u32,
    /// It is out.
    pub out: Option<Quarantine>,
}

/// All keys and projects. Indices stay; a place that is free may get another tenant, with another serial.
#[derive(Debug, Default)]
pub struct Seats {
    /// By index.
    pub lanes: Vec<Lane>,
    /// By index.
    pub projects: Vec<Project>,
    tenants: Vec<Option<Tenant>>,
    serials: Vec<u32>,
    by_id: HashMap<Arc<str>, u32>,
    by_name: HashMap<String, u32>,
    free_projects: Vec<u32>,
}

impl Seats {
    /// The index of the key that this slot names, if it is still there.
    pub fn index(&self, slot: KeySlot) -> Option<u32> {
        let current = self.serials.get(slot.index as usize) == Some(&slot.serial);
        (current && self.tenants[slot.index as usize].is_some()).then_some(slot.index)
    }

    /// The slot of the key at this index.
    pub fn slot(&self, index: u32) -> KeySlot {
        KeySlot { index, serial: self.serials[index as usize] }
    }

    /// The index of the key with this id.
    pub fn by_id(&self, id: &str) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// The key at this index.
    pub fn tenant(&self, index: u32) -> &Tenant {
        self.tenants[index as usize].as_ref().expect("an index is only kept while the key is there")
    }

    /// The key at this index.
    pub fn tenant_mut(&mut self, index: u32) -> &mut Tenant {
        self.tenants[index as usize].as_mut().expect("an index is only kept while the key is there")
    }

    /// All keys with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Tenant)> {
        (0..).zip(&self.tenants).filter_map(|(index, tenant)| Some((index, tenant.as_ref()?)))
    }

    /// All keys.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Tenant> {
        self.tenants.iter_mut().flatten()
    }

    /// The project of the key at this index.
    pub fn project(&self, index: u32) -> &Project {
        &self.projects[self.tenant(index).project as usize]
    }

    /// The project of the key at this index.
    pub fn project_mut(&mut self, index: u32) -> &mut Project {
        let project = self.tenant(index).project;
        &mut self.projects[project as usize]
    }

    /// Why the key at this index is out: the longer one of its own reason and its project's.
    pub fn quarantine(&self, index: u32, now: Ms) -> Option<Quarantine> {
        let holds = |out: &Quarantine| out.holds(now);
        longer(self.tenant(index).out.filter(holds), self.project(index).out.filter(holds))
    }

    /// Gives a new key a place.
    pub fn add(&mut self, key: &Key, models: &mut Models) -> u32 {
        let label = key.project.as_deref().and_then(project_name);
        let project = self.project_named(label.clone());
        self.projects[project as usize].members += 1;
        let tenant = Tenant {
            id: key.id.clone(),
            secret: key.secret.clone(),
            enabled: key.enabled,
            bound: key.binding.clone(),
            label,
            learnt: None,
            project,
            in_flight: 0,
            out: None,
            rejected: None,
            blocked: Vec::new(),
            unclear: Vec::new(),
        };
        let index = match self.tenants.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                self.tenants.push(None);
                self.serials.push(0);
                self.lanes.push(Lane { open: false, marked: false, ways: 0, project: 0, out: 0 });
                self.tenants.len() - 1
            }
        };
        self.tenants[index] = Some(tenant);
        self.by_id.insert(key.id.clone(), index as u32);
        models.widen(self.tenants.len(), self.projects.len());
        index as u32
    }

    /// Takes a key out, with everything that was known of it.
    pub fn remove(&mut self, index: u32, models: &mut Models) {
        let Some(tenant) = self.tenants[index as usize].take() else { return };
        self.serials[index as usize] = self.serials[index as usize].wrapping_add(1);
        self.lanes[index as usize].open = false;
        self.by_id.remove(&tenant.id);
        for model in models.iter_mut() {
            let seat = std::mem::take(&mut model.seats[index as usize]);
            model.buckets[tenant.project as usize].in_flight -= seat.in_flight;
        }
        self.leave(tenant.project, models);
    }

    /// Puts the key into the project it now belongs to: as learnt, else as labelled, else one of its own. What cools or is out
    /// goes with it where that is surely this key's: it was alone before, or is alone now.
    pub fn regroup(&mut self, index: u32, models: &mut Models) {
        let tenant = self.tenant(index);
        let (from, name) = (tenant.project, tenant.learnt.clone().or_else(|| tenant.label.clone()));
        if self.projects[from as usize].name == name {
            return;
        }
        let to = self.project_named(name);
        models.widen(self.tenants.len(), self.projects.len());
        let carries = self.projects[from as usize].members == 1 || self.projects[to as usize].members == 0;
        for model in models.iter_mut() {
            let moved = model.seats[index as usize].in_flight;
            let former = model.buckets[from as usize];
            model.buckets[from as usize].in_flight -= moved;
            let bucket = &mut model.buckets[to as usize];
            bucket.in_flight += moved;
            if carries && former.until > bucket.until {
                (bucket.until, bucket.reason) = (former.until, former.reason);
                bucket.strikes = bucket.strikes.max(former.strikes);
            }
        }
        if carries {
            self.projects[to as usize].out =
                longer(self.projects[from as usize].out, self.projects[to as usize].out);
        }
        self.projects[to as usize].members += 1;
        self.tenant_mut(index).project = to;
        self.leave(from, models);
        self.refresh();
    }

    /// Recomputes what the hot path looks at, of every key; ways are set by `reconcile`.
    pub fn refresh(&mut self) {
        for (lane, tenant) in self.lanes.iter_mut().zip(&self.tenants) {
            let Some(tenant) = tenant else { continue };
            lane.open = tenant.enabled;
            lane.marked = !tenant.blocked.is_empty() || !tenant.unclear.is_empty();
            lane.project = tenant.project;
            let out = longer(tenant.out, self.projects[tenant.project as usize].out);
            lane.out = out.map_or(0, |out| out.end());
        }
    }

    fn project_named(&mut self, name: Option<String>) -> u32 {
        if let Some(project) = name.as_ref().and_then(|name| self.by_name.get(name)) {
            return *project;
        }
        let project = self.free_projects.pop().unwrap_or_else(|| {
            self.projects.push(Project::default());
            self.projects.len() as u32 - 1
        });
        if let Some(name) = &name {
            self.by_name.insert(name.clone(), project);
        }
        self.projects[project as usize].name = name;
        project
    }

    fn leave(&mut self, project: u32, models: &mut Models) {
        let left = &mut self.projects[project as usize];
        left.members -= 1;
        if left.members == 0 {
            if let Some(name) = std::mem::take(left).name {
                self.by_name.remove(&name);
            }
            self.free_projects.push(project);
            models.forget_project(project);
        }
    }
}

/// One spelling for one project: Google tells `projects/123`, users write `123` as well.
pub fn project_name(label: &str) -> Option<String> {
    let label = label.trim();
    let number = !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit());
    if number { Some(format!("projects/{label}")) } else { (!label.is_empty()).then(|| label.to_owned()) }
}
