//! Scripts: a pool, what happens to it, and what it answered, as text.

mod kept;
mod quarantine;
mod quota;
mod random;
mod table;
mod turns;
mod ways;

use std::collections::{BTreeMap, HashMap};

use aggregator_protocol::{
    DownReason, Fault, Health, KeyState, Mode, ProblemCode, Reason, RelayDetail, Secret,
};

use super::*;
use crate::policy::base::Base;
use crate::policy::config::{Instance, Key};
use crate::policy::cooldown::next_pacific_midnight;
use crate::policy::health::{self, Found, SPREAD};
use crate::policy::ledger::{LedgerFile, MAX_FILE};
use crate::policy::route::RulesOut;
use crate::policy::verdict::{Action, Blame, Next, Out, Rest, Scope, Verdict};
use crate::policy::{HOUR, MINUTE, SECOND};

/// 2026-01-15 in the afternoon, Pacific.
const NOW: Ms = 1_768_519_200_000;

const SERVERLESS: Terms = Terms { mode: Mode::Serverless, fallback_to_local: true };
const HYBRID: Terms = Terms { mode: Mode::Hybrid, fallback_to_local: true };
const LOCAL: Terms = Terms { mode: Mode::Local, fallback_to_local: true };

/// `k1 k2=project k3@r1 k4@local k5! k6#2`: label, binding, disabled, another secret. Instances: `r1 r2! r3#2`.
fn config(terms: Terms, keys: &str, instances: &str) -> Config {
    let flag = |word: &str| (word.replace('!', ""), !word.contains('!'));
    let split = |word: &str, at: char| match word.split_once(at) {
        Some((before, after)) => (before.to_owned(), Some(after.to_owned())),
        None => (word.to_owned(), None),
    };
    let keys = keys.split_whitespace().map(|word| {
        let (word, enabled) = flag(word);
        let (word, edition) = split(&word, '#');
        let (word, project) = split(&word, '=');
        let (id, binding) = split(&word, '@');
        Key {
            secret: Secret::new(format!("secret of {id} {}", edition.unwrap_or_default())),
            id: id.into(),
            label: None,
            project,
            enabled,
            binding: binding.map(|to| if to == "local" { Bound::Local } else { Bound::Instance(to.into()) }),
        }
    });
    let instances = instances.split_whitespace().map(|word| {
        let (word, enabled) = flag(word);
        let (id, edition) = split(&word, '#');
        let base = Base { https: true, authority: format!("{id}.example"), prefix: String::new() };
        Instance { id: id.into(), base, token: edition.map(Secret::new), headers: Vec::new(), enabled }
    });
    Config {
        mode: terms.mode,
        fallback_to_local: terms.fallback_to_local,
        keys: keys.collect(),
        instances: instances.collect(),
        ..Config::empty()
    }
}

fn verdict(word: &str) -> Verdict {
    let out = |reason, scope, rest| Blame::Quarantine { reason, scope, rest };
    let rotate_project = Action::Retry(Next::Rotate(RulesOut::Project));
    let rotate_key = Action::Retry(Next::Rotate(RulesOut::Key));
    let leave = Action::Retry(Next::OtherEgress(RulesOut::Egress));
    let (action, blame) = match word {
        "ok" => (Action::Deliver, Blame::Nobody),
        "empty" => (Action::Retry(Next::Elsewhere), Blame::Nobody),
        "bad" => (Action::Return, Blame::Nobody),
        "minute" => (rotate_project, Blame::Bucket(Rest::PerMinute { retry_after: Some(36_000) })),
        "day" => (rotate_project, Blame::Bucket(Rest::PerDay)),
        "limit0" => (rotate_project, Blame::Bucket(Rest::NotEntitled)),
        "bare" => (rotate_project, Blame::Bucket(Rest::Bare)),
        "invalid" => (rotate_key, out(Reason::Rejected, Scope::Key, Out::ForGood)),
        "leaked" => (rotate_key, out(Reason::Leaked, Scope::Key, Out::ForGood)),
        "restricted" => (rotate_key, out(Reason::Restricted, Scope::Key, Out::For(6 * HOUR))),
        "suspended" => (rotate_project, out(Reason::Suspended, Scope::Project, Out::ForGood)),
        "service" => {
            let rest = Out::Doubling(10 * MINUTE, 6 * HOUR);
            (rotate_project, out(Reason::ServiceDisabled, Scope::Project, rest))
        }
        "address" => (Action::Retry(Next::OtherEgress(RulesOut::Pair)), Blame::Pair(Reason::Restricted)),
        "refused" => (leave, Blame::Egress(DownReason::Unreachable)),
        "hung" => (leave, Blame::Egress(DownReason::Hung)),
        "5xx" => (leave, Blame::Egress(DownReason::ServerError)),
        "location" => (leave, Blame::Egress(DownReason::Location)),
        "busy" => (leave, Blame::Egress(DownReason::RateLimited)),
        "closed" => (leave, Blame::Egress(DownReason::Unauthorized)),
        "overload" => (Action::Retry(Next::OtherKey), Blame::Model),
        "unclear" => (rotate_key, Blame::Unclear),
        other => panic!("no such verdict: {other}"),
    };
    Verdict { action, blame, rule: "test" }
}

fn up(version: &str) -> Found {
    let detail = RelayDetail { version: Some(version.into()), ..RelayDetail::default() };
    Found::Up { latency_ms: 84, relay: health::Relay { detail, ..health::Relay::default() }, by_call: false }
}

fn found_of(word: &str) -> Found {
    let relay = health::Relay { token_accepted: word == "token", ..health::Relay::default() };
    match word {
        "up" => up("2.0.0"),
        "token" | "call" => Found::Up { latency_ms: 9, relay, by_call: word == "call" },
        "badtoken" => Found::Token(Fault::TokenRejected),
        "nothing" => Found::Nothing,
        "hung" => Found::Down(DownReason::Hung),
        "refused" => Found::Down(DownReason::Unreachable),
        "page" => Found::Down(DownReason::NotGemini),
        other => panic!("nothing like {other} is found"),
    }
}

/// Takes note of a verdict; answers that are delivered, or empty, came with 2xx.
fn note(pool: &mut Pool, route: &Route, verdict: &Verdict, project: Option<&str>, now: Ms) -> Effect {
    let well = matches!(verdict.action, Action::Deliver | Action::Retry(Next::Elsewhere));
    pool.apply(route, verdict, Some(well), project, now)
}

struct World {
    pool: Pool,
    terms: Terms,
    config: Config,
    now: Ms,
    route: Option<Route>,
    tried: Vec<Tried>,
    prefer: Option<KeySlot>,
    model: String,
}

impl World {
    fn new(terms: Terms, keys: &str, instances: &str) -> Self {
        let config = config(terms, keys, instances);
        let mut pool = Pool::new();
        pool.reconcile(&config, NOW);
        let (tried, model) = (Vec::new(), String::new());
        Self { pool, terms, config, now: NOW, route: None, tried, prefer: None, model }
    }

    fn reconcile(&mut self, keys: &str, instances: &str) {
        self.config = config(self.terms, keys, instances);
        self.pool.reconcile(&self.config, self.now);
    }

    fn choose(&mut self) -> String {
        match self.pool.choose(self.terms, &self.model, &self.tried, self.prefer, self.now) {
            Ok(route) => {
                let line = format!("{} {}", route.key, route.egress.name());
                self.route = Some(route);
                line
            }
            Err(refusal) => self.word(&refusal),
        }
    }

    fn word(&self, refusal: &NoRoute) -> String {
        match refusal {
            NoRoute::NoKeys => "no keys".into(),
            NoRoute::AllQuarantined(keys) => {
                let keys: Vec<_> = keys.iter().map(|(key, reason)| format!("{key} {reason:?}")).collect();
                format!("out: {}", keys.join(", "))
            }
            NoRoute::Cooling { until, reason } => format!("{reason:?} {}", (until - self.now) / SECOND),
            NoRoute::ModelResting { until, quota } => {
                format!("model {} {}", if *quota { "429" } else { "503" }, (until - self.now) / SECOND)
            }
            NoRoute::NoRelay { configured } => format!("no relay of {configured}"),
            NoRoute::Exhausted => "exhausted".into(),
        }
    }

    fn end(&mut self, word: &str) {
        let (word, project) = word.split_once('@').map_or((word, None), |(word, name)| (word, Some(name)));
        let verdict = verdict(word);
        let route = self.route.take().expect("an attempt is under way");
        self.pool.sent(&route, self.now);
        note(&mut self.pool, &route, &verdict, project, self.now);
        self.pool.release(&route);
        let rules_out = match verdict.action {
            Action::Retry(Next::Rotate(rules_out) | Next::OtherEgress(rules_out)) => rules_out,
            Action::Retry(Next::OtherKey) => RulesOut::Key,
            _ => RulesOut::Pair,
        };
        self.prefer = matches!(rules_out, RulesOut::Egress | RulesOut::Pair).then_some(route.slot);
        self.tried.push(Tried { slot: route.slot, egress: route.egress, rules_out });
    }

    /// One step of a script; a step that chooses or looks answers a line.
    fn step(&mut self, step: &str) -> Option<String> {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        match verb {
            // A call with its verdicts, one an attempt, until one is not chosen any more.
            "call" => {
                let mut words = rest.split_whitespace();
                self.model = words.next().expect("a model").into();
                (self.tried, self.prefer) = (Vec::new(), None);
                let mut lines = vec![self.choose()];
                for word in words {
                    if self.route.is_none() {
                        break;
                    }
                    self.end(word);
                    if !word.starts_with("ok") && !word.starts_with("bad") {
                        lines.push(self.choose());
                    }
                }
                if let Some(route) = self.route.take() {
                    self.pool.release(&route);
                }
                Some(lines.join(", "))
            }
            "hold" => {
                self.model = rest.into();
                (self.tried, self.prefer) = (Vec::new(), None);
                let line = self.choose();
                self.route = None;
                Some(line)
            }
            "wait" => {
                self.now += rest.parse::<Ms>().unwrap() * SECOND;
                None
            }
            "midnight" => {
                self.now = next_pacific_midnight(self.now);
                None
            }
            "keys" => {
                self.config.keys = config(self.terms, rest, "").keys;
                self.pool.reconcile(&self.config, self.now);
                None
            }
            "instances" => {
                self.config.instances = config(self.terms, "", rest).instances;
                self.pool.reconcile(&self.config, self.now);
                None
            }
            // `/health` answered well.
            "up" => {
                self.probed(rest, up("2.0.0"));
                None
            }
            "asked" => {
                let (instance, found) = rest.split_once(' ').unwrap();
                self.probed(instance, found_of(found));
                None
            }
            // Whom to ask now, and when the next is due.
            "ask" => {
                let (due, next) = self.pool.probes(self.terms, self.now);
                let one = |probe: &Probe| {
                    let urgent = if probe.urgent { "!" } else { "" };
                    let key = probe.route.as_ref().map(|route| format!(" {}", route.key));
                    format!("{}{urgent}{}", probe.instance.id, key.unwrap_or_default())
                };
                let next = next.map(|at| format!("next {}", (at - self.now) / SECOND));
                Some(due.iter().map(one).chain(next).collect::<Vec<_>>().join(", "))
            }
            "doubt" => {
                self.pool.doubt(rest);
                None
            }
            // By what was heard of it so many seconds ago or later.
            "pulse" => {
                let (instance, ago) = rest.split_once(' ').unwrap();
                Some(format!(
                    "{:?}",
                    self.pool.pulse(instance, self.now - ago.parse::<Ms>().unwrap() * SECOND)
                ))
            }
            "diagnosed" => {
                let instance = self.instance(rest);
                self.pool.instance_forgiven(&instance);
                None
            }
            "retest" => {
                let (key, word) = rest.split_once(' ').unwrap();
                let route = self.pool.test_route(self.terms, key, self.now).unwrap();
                self.pool.retested(&route, &verdict(word), None, self.now);
                None
            }
            "state" => Some(self.state(rest)),
            "relay" => Some(self.health(rest)),
            "earliest" => {
                let earliest = self.pool.earliest(self.terms, rest, self.now);
                Some(earliest.map_or("never".into(), |at| ((at - self.now) / SECOND).to_string()))
            }
            "skipped" => {
                let skipped = self.pool.skipped(self.terms, rest, &[], self.now);
                let lines = skipped.iter().map(|one| {
                    let until = one.until.map(|until| format!(" {}", (until - self.now) / SECOND));
                    format!("{} {}{}", one.key, one.rule, until.unwrap_or_default())
                });
                Some(lines.collect::<Vec<_>>().join(", "))
            }
            "problems" => {
                let view = self.pool.view(&self.config, self.now);
                Some(view.problems.iter().map(|problem| format!("{:?}", problem.code)).collect())
            }
            "restart" => {
                let file = self.pool.save(self.now).unwrap_or_else(|| LedgerFile::new(&[7; 16]));
                let file = LedgerFile::decode(&file.encode()).unwrap();
                self.pool = Pool::new();
                self.pool.load(file, self.now);
                self.pool.reconcile(&Config::empty(), self.now);
                self.pool.reconcile(&self.config, self.now);
                None
            }
            other => panic!("no such step: {other}"),
        }
    }

    fn instance(&self, id: &str) -> Instance {
        self.config.instances.iter().find(|instance| &*instance.id == id).expect("an instance").clone()
    }

    fn probed(&mut self, id: &str, found: Found) -> Option<News> {
        let instance = self.instance(id);
        self.pool.probed(&instance, found, SPREAD / 2, self.now)
    }

    fn state(&self, key: &str) -> String {
        let view = self.pool.view(&self.config, self.now);
        let status = view.keys.iter().find(|status| status.id == key).expect("a key of the configuration");
        let rest = |until: u64| (until - self.now) / SECOND;
        match &status.state {
            KeyState::Ready => "ready".into(),
            KeyState::Disabled => "disabled".into(),
            KeyState::Quarantined { reason, until_ms, .. } => match until_ms {
                Some(until) => format!("{reason:?} {}", rest(*until)),
                None => format!("{reason:?} for good"),
            },
            KeyState::CoolingDown { models } => {
                let one = |model: &aggregator_protocol::CoolingModel| {
                    format!("{} {:?} {}", model.model, model.reason, rest(model.until_ms))
                };
                models.iter().map(one).collect::<Vec<_>>().join(", ")
            }
        }
    }

    fn health(&self, id: &str) -> String {
        let view = self.pool.view(&self.config, self.now);
        let status = view.instances.iter().find(|status| status.id == id).expect("an instance");
        match &status.health {
            Health::Unknown => "unknown".into(),
            Health::Up { .. } => "up".into(),
            Health::Down { next_try_ms, reason, .. } => {
                format!("{reason:?} {}", next_try_ms.saturating_sub(self.now) / SECOND)
            }
        }
    }
}

/// A step and its answer a line, with `->` between them; a step without one answers nothing, or is not looked at.
fn check(terms: Terms, keys: &str, instances: &str, script: &str) {
    let mut world = World::new(terms, keys, instances);
    for (number, line) in script.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
        let (step, expected) =
            line.split_once("->").map_or((line, None), |(step, answer)| (step, Some(answer)));
        let answer = world.step(step.trim());
        if let Some(expected) = expected {
            assert_eq!(answer.as_deref(), Some(expected.trim()), "line {number}: {line}");
        }
    }
}

fn assert_all_given_back(pool: &Pool) {
    for model in pool.models.iter() {
        assert!(
            model.buckets.iter().all(|bucket| bucket.in_flight == 0),
            "{}: {:?}",
            model.name,
            model.buckets
        );
        assert!(model.seats.iter().all(|seat| seat.in_flight == 0), "{}", model.name);
    }
    assert!(pool.seats.iter().all(|(_, tenant)| tenant.in_flight == 0));
}
