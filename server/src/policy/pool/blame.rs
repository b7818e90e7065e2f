//! What an attempt changes: the blamed one rests, a success forgives. The verdict says who is to blame; here stands for how
//! long, and what several failures mean together.

use aggregator_protocol::{DownReason, Reason};

use super::Pool;
use super::models::BareHit;
use super::news::{Effect, News};
use super::seats::{Blocked, Quarantine, Unclear, longer, project_name};
use crate::policy::cooldown::{BURST_REST, OVERLOAD_REST, out_until, over, reason, until};
use crate::policy::route::{Egress, Route};
use crate::policy::verdict::{Action, Blame, Out, Rest, Scope, Verdict};
use crate::policy::{HOUR, MINUTE, Ms, SECOND};

/// So many projects that fail alike speak against the model or the way, not against the projects.
const BURST_PROJECTS: usize = 3;
/// Within this time, for 429s without details.
const BARE_WINDOW: Ms = 10 * SECOND;
/// Within this time, for an overloaded model.
const FAULT_WINDOW: Ms = 30 * SECOND;
/// So many keys, and all there are, called invalid …
const ALARM_KEYS: usize = 3;
/// … within this time speak against the way, not against the keys.
const ALARM_WINDOW: Ms = MINUTE;
/// So many unclear refusals of a model …
const UNCLEAR_HITS: usize = 3;
/// … within this time rest the key for it …
const UNCLEAR_WINDOW: Ms = 10 * MINUTE;
/// … so long.
const UNCLEAR_REST: Ms = HOUR;
/// Models a key remembers unclear refusals of: callers may name models at will.
const MAX_UNCLEAR: usize = 32;

impl Pool {
    /// Takes note of an attempt that is over, or whose first content is at hand. `answered`: with 2xx or otherwise; `None`: not
    /// counted. `error_project`: the project that Google named in its error.
    pub fn apply(
        &mut self,
        route: &Route,
        verdict: &Verdict,
        answered: Option<bool>,
        error_project: Option<&str>,
        now: Ms,
    ) -> Effect {
        if let Some(well) = answered {
            self.count(route, now, |usage, day| usage.answered(well, day));
        }
        self.judge(route, verdict, error_project, now)
    }

    /// Takes note of a re-test: a key that was accepted is no longer out, and with it its project.
    pub fn retested(
        &mut self,
        route: &Route,
        verdict: &Verdict,
        error_project: Option<&str>,
        now: Ms,
    ) -> Effect {
        // Only a key that is accepted meets a quota.
        let accepted = verdict.action == Action::Deliver || matches!(verdict.blame, Blame::Bucket(_));
        if let Some(key) = self.seats.index(route.slot).filter(|_| accepted) {
            let tenant = self.seats.tenant_mut(key);
            (tenant.out, tenant.rejected) = (None, None);
            tenant.unclear.clear();
            tenant.blocked.retain(|blocked| blocked.egress != route.egress);
            self.seats.project_mut(key).out = None;
            self.seats.refresh();
        }
        self.judge(route, verdict, error_project, now)
    }

    fn judge(&mut self, route: &Route, verdict: &Verdict, error_project: Option<&str>, now: Ms) -> Effect {
        let mut effect = Effect::default();
        let key = self.seats.index(route.slot);
        if let (Some(key), Some(project)) = (key, error_project) {
            self.learn(key, project, &mut effect);
        }
        if verdict.action == Action::Deliver {
            self.succeeded(route, key, now, &mut effect);
            return effect;
        }
        // Google refused, so the relay works.
        if matches!(verdict.blame, Blame::Bucket(_) | Blame::Model | Blame::Unclear) {
            self.heard_through(&route.egress, &mut effect);
        }
        match (&verdict.blame, key) {
            (Blame::Egress(reason), _) => self.egress_failed(route, *reason, now, &mut effect),
            (Blame::Nobody, _) | (_, None) => {}
            (Blame::Bucket(rest), Some(key)) => self.cool(route, key, *rest, now, &mut effect),
            (Blame::Quarantine { reason, scope, rest }, Some(key)) => {
                self.quarantine(route, key, *reason, *scope, *rest, now, &mut effect);
            }
            (Blame::Pair(reason), Some(key)) => self.block_pair(route, key, *reason, now, &mut effect),
            (Blame::Model, Some(key)) => self.overloaded(route, key, now, &mut effect),
            (Blame::Unclear, Some(key)) => self.unclear(route, key, now, &mut effect),
        }
        effect
    }

    fn learn(&mut self, key: u32, project: &str, effect: &mut Effect) {
        let Some(project) = project_name(project) else { return };
        let tenant = self.seats.tenant_mut(key);
        if tenant.learnt.as_ref() != Some(&project) {
            tenant.learnt = Some(project.clone());
            effect.news.push(News::ProjectLearnt { key: tenant.id.clone(), project });
            self.seats.regroup(key, &mut self.models);
        }
    }

    // --- success ---

    fn succeeded(&mut self, route: &Route, key: Option<u32>, now: Ms, effect: &mut Effect) {
        self.heard_through(&route.egress, effect);
        if let Some(model) = self.models.find_mut(&route.model) {
            model.forgive(&route.egress);
        }
        let Some(key) = key else { return };
        if self.alarm {
            self.alarm = false;
            for tenant in self.seats.iter_mut() {
                tenant.rejected = None;
            }
        }
        let tenant = self.seats.tenant_mut(key);
        let project = tenant.project;
        tenant.rejected = None;
        tenant.unclear.retain(|one| *one.model != *route.model || !over(one.until, now));
        // The strikes of a quarantine that is over. One that still holds was earned by a later request than this.
        let key_back = tenant.out.take_if(|out| !out.holds(now)).is_some();
        let project_back = self.seats.project_mut(key).out.take_if(|out| !out.holds(now)).is_some();
        if key_back || project_back {
            self.seats.refresh();
        }
        if let Some(model) = self.models.find_mut(&route.model) {
            model.buckets[project as usize].strikes = 0;
        }
    }

    /// Gemini was heard through a relay.
    fn heard_through(&mut self, egress: &Egress, effect: &mut Effect) {
        if let Egress::Relay(id) = egress
            && self.relay_mut(id).is_some_and(super::relays::Relay::answered)
        {
            effect.news.push(News::InstanceUp { id: id.clone() });
        }
    }

    /// The keys are others now: what speaks against all of them is forgotten.
    pub(super) fn calm(&mut self) {
        self.alarm = false;
        for relay in &mut self.relays {
            relay.suspect = false;
        }
        for tenant in self.seats.iter_mut() {
            tenant.rejected = None;
        }
    }

    // --- quota ---

    fn cool(&mut self, route: &Route, key: u32, rest: Rest, now: Ms, effect: &mut Effect) {
        let project = self.seats.tenant(key).project;
        let model = self.models.intern(&route.model, now);
        if rest == Rest::Bare
            && let Some(end) = model.rest_by(&route.egress, now)
        {
            // Was under way when the burst was noticed, and is part of it.
            effect.until = Some(end);
            return;
        }
        let bucket = &mut model.buckets[project as usize];
        let before = *bucket;
        let live = !over(before.until, now);
        // Requests under way together are one strike, not several.
        let strike = rest == Rest::Bare && !(live && before.reason == Reason::Bare429);
        bucket.strikes = before.strikes.saturating_add(u16::from(strike));
        let end = until(rest, bucket.strikes.into(), now);
        if !live || end > before.until {
            (bucket.until, bucket.reason) = (end, reason(rest));
            // A model that the tier does not include is skipped quietly.
            if !live && rest != Rest::NotEntitled {
                let (key, model) = (self.seats.tenant(key).id.clone(), model.name.clone());
                effect.news.push(News::Cooling { key, model, reason: reason(rest), until: end });
            }
        }
        effect.until = Some(bucket.until);
        if rest != Rest::Bare {
            return;
        }
        model.bare.retain(|hit| !over(hit.at + BARE_WINDOW, now));
        if !model.bare.iter().any(|hit| hit.project == project && hit.egress == route.egress) {
            model.bare.push(BareHit { project, at: now, egress: route.egress.clone(), before });
        }
        if model.bare.iter().filter(|hit| hit.egress == route.egress).count() < BURST_PROJECTS {
            return;
        }
        for hit in model.bare.extract_if(.., |hit| hit.egress == route.egress) {
            let bucket = &mut model.buckets[hit.project as usize];
            if bucket.reason == Reason::Bare429 {
                (bucket.until, bucket.reason) = (hit.before.until, hit.before.reason);
                bucket.strikes = hit.before.strikes;
            }
        }
        let end = now + BURST_REST;
        model.burst.retain(|(egress, until)| *egress != route.egress && !over(*until, now));
        model.burst.push((route.egress.clone(), end));
        effect.until = Some(end);
        // None of the keys rests after all.
        effect.news.retain(|news| !matches!(news, News::Cooling { .. }));
        effect.news.push(News::ModelResting { model: model.name.clone(), until: end });
    }

    // --- key and project ---

    #[expect(clippy::too_many_arguments, reason = "the parts of one blame, taken apart by its only caller")]
    fn quarantine(
        &mut self,
        route: &Route,
        key: u32,
        reason: Reason,
        scope: Scope,
        out: Out,
        now: Ms,
        effect: &mut Effect,
    ) {
        if reason == Reason::Rejected {
            self.seats.tenant_mut(key).rejected = Some((now, route.egress.clone()));
            if self.alarm {
                return;
            }
        }
        let place = match scope {
            Scope::Key => &mut self.seats.tenant_mut(key).out,
            Scope::Project => &mut self.seats.project_mut(key).out,
        };
        let former = *place;
        let holds = former.is_some_and(|former| former.holds(now));
        let alike = former.filter(|former| former.reason == reason);
        let strikes = alike.map_or(1, |former| former.strikes.saturating_add(u32::from(!holds)));
        let until = out_until(out, strikes, now);
        let since = former.filter(|_| holds).map_or(now, |former| former.since);
        let next = Quarantine { reason, since, until, strikes };
        *place = if holds { longer(former, Some(next)) } else { Some(next) };
        effect.until = place.and_then(|out| out.until);
        self.seats.refresh();
        if reason == Reason::Rejected && self.all_rejected(now) {
            self.raise_alarm(now, effect);
        } else if !holds {
            let (key, whole_project) = (self.seats.tenant(key).id.clone(), scope == Scope::Project);
            effect.news.push(News::KeyOut { key, reason, whole_project, until });
        }
    }

    /// Whether every key that was of use a minute ago has been called invalid since, and there are enough of them.
    fn all_rejected(&self, now: Ms) -> bool {
        let mut rejected = 0;
        for (key, tenant) in self.seats.iter().filter(|(_, tenant)| tenant.enabled) {
            if tenant.rejected.as_ref().is_some_and(|(at, _)| !over(at + ALARM_WINDOW, now)) {
                rejected += 1;
            } else if self.seats.quarantine(key, now).is_none() {
                return false;
            }
        }
        rejected >= ALARM_KEYS
    }

    /// Takes the quarantines of the burst back. A relay that all of them went through is to blame: it may drop the header.
    fn raise_alarm(&mut self, now: Ms, effect: &mut Effect) {
        self.alarm = true;
        let mut ways: Vec<Egress> = Vec::new();
        for tenant in self.seats.iter_mut() {
            let Some((_, egress)) = tenant.rejected.take_if(|(at, _)| !over(*at + ALARM_WINDOW, now)) else {
                continue;
            };
            tenant.out.take_if(|out| out.reason == Reason::Rejected);
            if !ways.contains(&egress) {
                ways.push(egress);
            }
        }
        self.seats.refresh();
        if let [Egress::Relay(id)] = &ways[..]
            && let Some(relay) = self.relay_mut(id)
        {
            relay.suspect = true;
        }
        effect.until = None;
        effect.news.push(News::AllKeysInvalid);
    }

    fn block_pair(&mut self, route: &Route, key: u32, reason: Reason, now: Ms, effect: &mut Effect) {
        let tenant = self.seats.tenant_mut(key);
        if tenant.blocked_by(&route.egress).is_none() {
            tenant.blocked.push(Blocked { egress: route.egress.clone(), reason, since: now });
            let (key, egress) = (tenant.id.clone(), route.egress.name().to_owned());
            effect.news.push(News::PairBlocked { key, egress, reason });
            self.seats.refresh();
        }
    }

    fn unclear(&mut self, route: &Route, key: u32, now: Ms, effect: &mut Effect) {
        let tenant = self.seats.tenant_mut(key);
        let id = tenant.id.clone();
        tenant.unclear.retain(|one| {
            !over(one.until, now) || one.hits.iter().any(|hit| !over(hit + UNCLEAR_WINDOW, now))
        });
        let place = tenant.unclear.iter().position(|one| *one.model == *route.model).unwrap_or_else(|| {
            if tenant.unclear.len() >= MAX_UNCLEAR {
                tenant.unclear.remove(0);
            }
            tenant.unclear.push(Unclear { model: route.model.clone(), hits: Vec::new(), until: 0 });
            tenant.unclear.len() - 1
        });
        let one = &mut tenant.unclear[place];
        one.hits.retain(|hit| !over(hit + UNCLEAR_WINDOW, now));
        one.hits.push(now);
        if one.hits.len() >= UNCLEAR_HITS {
            one.hits.clear();
            one.until = now + UNCLEAR_REST;
            effect.until = Some(one.until);
            effect.news.push(News::Cooling {
                key: id,
                model: route.model.clone(),
                reason: Reason::Denied,
                until: one.until,
            });
        }
        self.seats.refresh();
    }

    // --- model and egress ---

    fn overloaded(&mut self, route: &Route, key: u32, now: Ms, effect: &mut Effect) {
        let project = self.seats.tenant(key).project;
        let model = self.models.intern(&route.model, now);
        model.faults.retain(|(other, at)| *other != project && !over(at + FAULT_WINDOW, now));
        model.faults.push((project, now));
        if model.faults.len() >= BURST_PROJECTS {
            let end = now + OVERLOAD_REST;
            if over(model.overload, now) {
                effect.news.push(News::ModelResting { model: model.name.clone(), until: end });
            }
            model.overload = end;
            effect.until = Some(end);
        }
    }

    /// Only relays are put down: Direct is the last way out.
    fn egress_failed(&mut self, route: &Route, reason: DownReason, now: Ms, effect: &mut Effect) {
        let Egress::Relay(id) = &route.egress else { return };
        let Some(relay) = self.relay_mut(id) else { return };
        let (until, new) = relay.failed(reason, now);
        effect.until = Some(until);
        if new {
            effect.news.push(News::InstanceDown { id: id.clone(), reason, until });
        }
    }
}
