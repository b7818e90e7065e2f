//! Ten thousand random scripts.

use super::*;
use crate::policy::cooldown::is_refusing;

/// A small generator: the same scripts each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}

const VERDICTS: &[&str] = &[
    "ok",
    "ok",
    "ok",
    "ok",
    "empty",
    "bad",
    "minute",
    "day",
    "limit0",
    "bare",
    "bare",
    "invalid",
    "leaked",
    "restricted",
    "suspended",
    "service",
    "address",
    "refused",
    "hung",
    "5xx",
    "location",
    "busy",
    "overload",
    "unclear",
];
const KEYS: &[&str] = &[
    "k1 k2 k3 k4",
    "k1=p k2=p k3@r1 k4@local",
    "k1 k2#2 k3",
    "k2 k4! k5@r2 k6=9",
    "k1 k2 k3 k4 k5 k6 k7 k8",
    "",
];
const INSTANCES: &[&str] = &["", "r1", "r1 r2", "r1! r2", "r2#2 r1", "r1 r2 r3"];

/// What must hold of a route, told from the status alone: as it was before for instances, as it is now for keys.
fn assert_permitted(world: &World, before: &View, route: &Route) {
    let key = world.config.keys.iter().find(|key| key.id == route.key).expect("a key of the configuration");
    assert!(key.enabled && key.secret == route.secret);
    match (&key.binding, &route.egress, world.terms.mode) {
        (_, Egress::Direct, mode) => assert_ne!(mode, Mode::Serverless, "direct in serverless"),
        (_, Egress::Relay(_), Mode::Local) => panic!("a relay in local"),
        (Some(Bound::Instance(bound)), Egress::Relay(id), _) => {
            let exists = world.config.instances.iter().any(|instance| instance.id == *bound);
            assert!(bound == id || !exists, "bound to {bound}, sent by {id}");
        }
        (Some(Bound::Local), Egress::Relay(_), _) => panic!("bound to local, sent by a relay"),
        (None, Egress::Relay(_), _) => {}
    }
    if let Egress::Relay(id) = &route.egress {
        let status = before.instances.iter().find(|status| status.id == **id).expect("in the view");
        if let Health::Down { next_try_ms, reason, .. } = status.health {
            assert!(next_try_ms <= world.now || !is_refusing(reason), "{id} refuses to work");
        }
        assert!(world.config.instances.iter().any(|instance| instance.id == *id && instance.enabled));
    }
    let view = world.pool.view(&world.config, world.now);
    match &view.keys.iter().find(|status| *status.id == *route.key).expect("in the view").state {
        KeyState::Ready => {}
        KeyState::CoolingDown { models } => {
            assert!(
                models.iter().all(|one| one.model != *route.model),
                "{} cools for {}",
                route.key,
                route.model
            );
        }
        state => panic!("{} is {state:?}", route.key),
    }
}

fn random_script(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1);
    let mode = [Mode::Local, Mode::Serverless, Mode::Hybrid][dice.roll(3)];
    let terms = Terms { mode, fallback_to_local: dice.roll(2) == 0 };
    let mut world = World::new(terms, dice.pick(KEYS), dice.pick(INSTANCES));
    world.step("restart");
    let (mut held, mut tried): (Vec<Route>, Vec<Tried>) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        match dice.roll(12) {
            0..=4 => {
                let model = dice.pick(&["flash", "pro", "-"]);
                let prefer = tried.last().map(|one| one.slot).filter(|_| dice.roll(2) == 0);
                if dice.roll(2) == 0 {
                    tried.clear();
                }
                let before = world.pool.view(&world.config, world.now);
                match world.pool.choose(terms, model, &tried, prefer, world.now) {
                    Ok(route) => {
                        assert_permitted(&world, &before, &route);
                        assert!(
                            !tried.iter().any(|one| one.slot == route.slot && one.egress == route.egress)
                        );
                        held.push(route);
                    }
                    Err(NoRoute::Cooling { until, .. } | NoRoute::ModelResting { until, .. }) => {
                        assert!(until > world.now);
                        assert_eq!(world.pool.earliest(terms, model, world.now), Some(until));
                    }
                    Err(_) => {}
                }
            }
            5..=8 if !held.is_empty() => {
                let route = held.swap_remove(dice.roll(held.len()));
                let project = [None, None, None, Some("projects/9"), Some("projects/8")][dice.roll(5)];
                let verdict = verdict(dice.pick(VERDICTS));
                note(&mut world.pool, &route, &verdict, project, world.now);
                world.pool.release(&route);
                let rules_out =
                    [RulesOut::Pair, RulesOut::Key, RulesOut::Project, RulesOut::Egress][dice.roll(4)];
                tried.push(Tried { slot: route.slot, egress: route.egress, rules_out });
            }
            9 => {
                world.now += [1, 5, 30, 600, 4_000, 90_000][dice.roll(6)] * SECOND;
            }
            10 => {
                let keys = dice.pick(KEYS);
                world.reconcile(keys, dice.pick(INSTANCES));
            }
            11 => match dice.roll(4) {
                0 => {
                    let found = ["up", "token", "call", "badtoken", "nothing", "hung", "refused", "page"];
                    let (probes, _) = world.pool.probes(terms, world.now);
                    for probe in probes {
                        let found = found_of(dice.pick(&found));
                        world.pool.probed(&probe.instance, found, dice.roll(6_000) as Ms, world.now);
                    }
                }
                1 => world.pool.doubt(dice.pick(&["r1", "r2", "r9"])),
                2 if dice.roll(8) == 0 => {
                    // A restart loses what is in flight; routes of before name nothing or nobody's business.
                    held.clear();
                    tried.clear();
                    world.step("restart");
                }
                _ => {
                    if let Some(route) = world.pool.test_route(terms, "k1", world.now) {
                        let word = dice.pick(VERDICTS);
                        world.pool.retested(&route, &verdict(word), None, world.now);
                    }
                }
            },
            _ => {}
        }
    }
    for route in &held {
        world.pool.release(route);
    }
    assert_all_given_back(&world.pool);
}

#[test]
fn ten_thousand_random_scripts_never_choose_what_they_must_not() {
    let failed = (0..10_000).find(|seed| std::panic::catch_unwind(|| random_script(*seed)).is_err());
    assert_eq!(failed, None, "the seed of a script that failed");
}
