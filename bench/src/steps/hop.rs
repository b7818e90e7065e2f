//! What a relay between us and the upstream costs: the real worker on Node, asked by a proxy of ours in serverless mode. Direct,
//! nginx, ours without a relay and ours by one take turns in every round, as in P1 and P2. For information: no bound holds, the
//! hop is Node's. The network between a user and a relay elsewhere is not in it.

use anyhow::Context;

use super::{latency, streams};
use crate::figures::Figures;
use crate::machine;
use crate::ours::{self, Ours};
use crate::script::SMALL;
use crate::stats::{percentile, sorted};
use crate::table::Row;
use crate::worker::{self, Worker};
use crate::world::{ALL, Target, World};

/// Requests a step.
const REQUESTS: usize = 3_000;
/// Streams one after another a step, events a stream.
const STREAMS: (usize, usize) = (15, 10);

const ANSWER: &str = "a hop, answer";
const EVENT: &str = "a hop, event";

/// One round; nothing without Node.
pub async fn round(world: &World, round: usize, figures: &mut Figures) -> anyhow::Result<()> {
    if !worker::is_possible() {
        return Ok(());
    }
    // The worker and its proxy run where they like, we on our core.
    machine::unpin();
    let worker = Worker::start(world.upstream.port)?;
    let (keys, instances) = (ours::keys(8), [worker.instance()]);
    let ours =
        Ours::start_by_relays(&world.binary, world.upstream.port, &keys, "serverless", &instances).await?;
    machine::pin(0);
    let mut targets = world.in_turn(0, &ALL);
    targets.push((Target::Relayed, ours.port));
    let places = targets.len();
    targets.rotate_left(round % places);
    let (guests, count) = ([worker.pid(), ours.pid()], world.scale.count(REQUESTS));
    for (target, port) in &targets {
        let times =
            world.step_with(&guests, async || latency::times(*port, SMALL, SMALL, count).await).await?;
        figures.push(ANSWER, *target, percentile(&times, 50.0));
    }
    let (waves, events) = (world.scale.count(STREAMS.0), STREAMS.1);
    for (target, port) in &targets {
        let work = async || streams::many(*port, 1, waves, events).await;
        let delays = world.step_with(&guests, work).await.context("a stream by a relay")?;
        figures.push(EVENT, *target, percentile(&sorted(delays.event), 50.0));
    }
    Ok(())
}

/// In the table: ours by a relay beside nginx, and what of it the relay adds to ours.
pub fn rows(figures: &Figures) -> Vec<Row> {
    if figures.of(ANSWER, Target::Relayed).is_empty() {
        return Vec::new();
    }
    let rows = [(ANSWER, "2 KB request and answer"), (EVENT, "an event, 1 stream")].map(|(name, label)| {
        [
            figures.more_row(
                &format!("{label}, by a relay on Node, p50, µs"),
                name,
                Target::Direct,
                Target::Relayed,
            ),
            figures.more_row(
                &format!("{label}, the relay alone, p50, µs"),
                name,
                Target::Ours,
                Target::Relayed,
            ),
        ]
    });
    rows.into_iter().flatten().collect()
}
