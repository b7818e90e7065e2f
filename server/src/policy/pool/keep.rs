//! The ledger's file: what the pool puts into it and takes back from it.

use super::Pool;
use super::seats::{Quarantine, Unclear, longer};
use crate::policy::cooldown::{over, pacific_day};
use crate::policy::ledger::{KeyRow, LedgerFile, ModelRow, OutRow, RestRow, fingerprint};
use crate::policy::{HOUR, Ms};

/// Rows of keys that are not in the pool are kept this long: longer than any cooldown.
const KEPT_ASIDE: Ms = 8 * 24 * HOUR;
/// And at most so many of them.
const MAX_ASIDE: usize = 1_000;

/// What the file holds beyond the pool.
#[derive(Debug, Default)]
pub struct Keep {
    /// Of the file; empty: none was loaded.
    salt: String,
    /// Rows of keys that are not in the pool (yet).
    aside: Vec<KeyRow>,
}

impl Pool {
    /// Takes a file over, once, at start; a new one where there was none. Keys may come before or after.
    pub fn load(&mut self, file: LedgerFile, now: Ms) {
        let mut aside = file.keys;
        aside.retain(|row| is_recent(row, now));
        aside.sort_by_key(|row| std::cmp::Reverse(row.seen_ms));
        self.keep = Keep { salt: file.salt, aside };
        let present: Vec<u32> = self.seats.iter().map(|(index, _)| index).collect();
        for index in present {
            self.welcome_back(index, now);
        }
        self.keep.aside.truncate(MAX_ASIDE);
    }

    /// What to write; `None` before [`Pool::load`] gave it a file.
    pub fn save(&self, now: Ms) -> Option<LedgerFile> {
        let salt = &self.keep.salt;
        if salt.is_empty() {
            return None;
        }
        let mut file = LedgerFile { keys: Vec::new(), ..LedgerFile::new(&[]) };
        file.salt.clone_from(salt);
        let day = pacific_day(now);
        file.keys.extend(self.seats.iter().filter_map(|(index, _)| self.row(index, day, now)));
        file.keys.extend(self.keep.aside.iter().filter(|row| is_recent(row, now)).cloned());
        Some(file)
    }

    fn row(&self, index: u32, day: i32, now: Ms) -> Option<KeyRow> {
        let tenant = self.seats.tenant(index);
        let models: Vec<ModelRow> = (self.models.iter())
            .filter_map(|model| {
                let usage = model.seats[index as usize].usage.as_deref().filter(|usage| usage.is_of(day));
                let bucket = &model.buckets[tenant.project as usize];
                let live = !over(bucket.until, now);
                let rest = RestRow { until_ms: bucket.until, reason: bucket.reason, strikes: bucket.strikes };
                let key_rest_ms = tenant.rest(&model.name, now);
                (usage.is_some() || live || key_rest_ms.is_some()).then(|| ModelRow {
                    model: model.name.to_string(),
                    day,
                    requests: usage.map_or(0, |usage| usage.requests_today),
                    errors: usage.map_or(0, |usage| usage.errors_today),
                    tokens: usage.map_or(0, |usage| usage.tokens_today),
                    rest: live.then_some(rest),
                    key_rest_ms,
                })
            })
            .collect();
        let live = |out: Option<Quarantine>| out.filter(|out| out.holds(now)).map(out_row);
        let row = KeyRow {
            id: tenant.id.to_string(),
            fingerprint: fingerprint(&self.keep.salt, &tenant.secret),
            seen_ms: now,
            project: tenant.learnt.clone(),
            out: live(tenant.out),
            project_out: live(self.seats.project(index).out),
            models,
        };
        let empty =
            row.models.is_empty() && row.project.is_none() && row.out.is_none() && row.project_out.is_none();
        (!empty).then_some(row)
    }

    /// Gives a key that came into the pool what the file knows of it. A row with its id and another fingerprint is another
    /// key's, and dropped.
    pub(super) fn welcome_back(&mut self, index: u32, now: Ms) {
        let tenant = self.seats.tenant_mut(index);
        let Some(place) = self.keep.aside.iter().position(|row| row.id == *tenant.id) else { return };
        let row = self.keep.aside.swap_remove(place);
        if row.fingerprint != fingerprint(&self.keep.salt, &tenant.secret) {
            return;
        }
        tenant.out = longer(tenant.out, row.out.map(quarantine));
        if tenant.learnt.is_none() && row.project.is_some() {
            tenant.learnt = row.project;
            self.seats.regroup(index, &mut self.models);
        }
        let project = self.seats.project_mut(index);
        project.out = longer(project.out, row.project_out.map(quarantine));
        let day = pacific_day(now);
        for one in row.models {
            self.restore(index, &one, day, now);
        }
        self.seats.refresh();
    }

    fn restore(&mut self, index: u32, row: &ModelRow, day: i32, now: Ms) {
        let rest = row.rest.filter(|rest| !over(rest.until_ms, now));
        let own = row.key_rest_ms.filter(|until| !over(*until, now));
        if row.day != day && rest.is_none() && own.is_none() {
            return;
        }
        let model = self.models.intern(&row.model, now);
        model.seats[index as usize].usage.get_or_insert_default().add(row, day);
        let (name, tenant) = (model.name.clone(), self.seats.tenant_mut(index));
        if let Some(rest) = rest {
            let bucket = &mut model.buckets[tenant.project as usize];
            if rest.until_ms > bucket.until {
                (bucket.until, bucket.reason) = (rest.until_ms, rest.reason);
                bucket.strikes = bucket.strikes.max(rest.strikes);
            }
        }
        if let Some(until) = own {
            tenant.unclear.push(Unclear { model: name, hits: Vec::new(), until });
        }
    }
}

fn is_recent(row: &KeyRow, now: Ms) -> bool {
    now.saturating_sub(row.seen_ms) < KEPT_ASIDE
}

fn out_row(out: Quarantine) -> OutRow {
    let Quarantine { reason, since, until, strikes } = out;
    OutRow { reason, since_ms: since, until_ms: until, strikes }
}

fn quarantine(row: OutRow) -> Quarantine {
    let OutRow { reason, since_ms, until_ms, strikes } = row;
    Quarantine { reason, since: since_ms, until: until_ms, strikes }
}
