//! P6: the pool's choice by itself, 1,000 keys × 20 models, each choice given back. In the library, without sockets or locks.

use std::hint::black_box;
use std::time::Instant;

use aggregator_protocol::{DesiredState, Mode};
use anyhow::anyhow;
use gemini_aggregator::policy::Ms;
use gemini_aggregator::policy::config::Config;
use gemini_aggregator::policy::pool::{Facts, Pool};
use gemini_aggregator::policy::route::{Route, RulesOut, Terms};
use gemini_aggregator::policy::verdict::{Action, Blame, Next, Rest, Verdict};
use serde_json::json;

use crate::figures::Figures;
use crate::ours;
use crate::table::{Bound, Row};
use crate::world::{Target, World};

const KEYS: usize = 1_000;
const MODELS: usize = 20;
/// Choices a step.
const CHOICES: usize = 100_000;
/// 2026-01-15 in the afternoon, Pacific.
const NOW: Ms = 1_768_519_200_000;
const TERMS: Terms = Terms { mode: Mode::Local, fallback_to_local: true };

/// How the pool stands, from the easiest choice to the hardest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scene {
    /// Every key could be used.
    Ready,
    /// One key in three rests for the model.
    Cooling,
    /// One in three rests, and every key has a request in flight for every model, so that all must be looked at.
    Busy,
    /// Nobody rests; beside the choice, what it left out is listed, as every request does.
    Listed,
}

const SCENES: [(Scene, &str); 4] = [
    (Scene::Ready, "all ready"),
    (Scene::Cooling, "a third cooling"),
    (Scene::Busy, "a third cooling, all busy"),
    (Scene::Listed, "all ready, and the list of the skipped"),
];

/// One round.
pub async fn round(world: &World, figures: &mut Figures) -> anyhow::Result<()> {
    let choices = world.scale.count(CHOICES);
    for (scene, name) in SCENES {
        let micros = world.step(async || measure(scene, choices)).await?;
        figures.push(name, Target::Ours, Some(micros));
    }
    Ok(())
}

/// Microseconds a choice.
fn measure(scene: Scene, choices: usize) -> anyhow::Result<f64> {
    let models: Vec<String> = (0..MODELS).map(|at| format!("gemini-bench-{at}")).collect();
    let mut pool = pool(scene, &models)?;
    let mut run = |count: usize| -> anyhow::Result<()> {
        for at in 0..count {
            // A thousand choices a second.
            let (model, now) = (&models[at % MODELS], NOW + at as Ms);
            let route = choose(&mut pool, model, now)?;
            if scene == Scene::Listed {
                black_box(pool.skipped(TERMS, model, &[], now));
            }
            pool.release(black_box(&route));
        }
        Ok(())
    };
    run(choices / 10)?;
    let begun = Instant::now();
    run(choices)?;
    Ok(begun.elapsed().as_secs_f64() * 1e6 / choices as f64)
}

fn choose(pool: &mut Pool, model: &str, now: Ms) -> anyhow::Result<Route> {
    pool.choose(TERMS, model, &[], None, now).map_err(|why| anyhow!("no route: {why:?}"))
}

/// A pool that stands as the scene says.
fn pool(scene: Scene, models: &[String]) -> anyhow::Result<Pool> {
    let desired = json!({ "revision": 1, "keys": ours::keys(KEYS) });
    let desired: DesiredState = serde_json::from_value(desired)?;
    let (config, _) = Config::from_desired(desired, &Config::empty());
    let mut pool = Pool::new();
    pool.reconcile(&config, NOW);
    for model in models {
        let routes: Result<Vec<Route>, _> = (0..KEYS).map(|_| choose(&mut pool, model, NOW)).collect();
        for (at, route) in routes?.iter().enumerate() {
            if matches!(scene, Scene::Cooling | Scene::Busy) && at % 3 == 0 {
                pool.apply(route, &minute_limit(), Facts { answered: Some(false), ..Facts::default() }, NOW);
            }
            if scene != Scene::Busy {
                pool.release(route);
            }
        }
    }
    Ok(pool)
}

/// A 429 that rests a key for a model longer than the step takes.
fn minute_limit() -> Verdict {
    Verdict {
        action: Action::Retry(Next::Rotate(RulesOut::Project)),
        blame: Blame::Bucket(Rest::PerMinute { retry_after: Some(120_000) }),
        rule: "perMinute",
    }
}

/// In the table.
pub fn rows(figures: &Figures) -> Vec<Row> {
    let rows = SCENES.iter().map(|(scene, name)| {
        let bound = Bound::at_most(5.0, 1.0).filter(|_| *scene != Scene::Listed);
        let id = if bound.is_some() { "P6" } else { "" };
        figures.own_row(id, &format!("route choice, {name}, µs"), name, bound)
    });
    rows.collect()
}
