//! P1 and P11: how long one caller waits for an answer, on one connection that is kept.

use std::time::Instant;

use crate::client::{Connection, unary};
use crate::figures::Figures;
use crate::script::SMALL;
use crate::stats::{percentile, sorted};
use crate::table::{Bound, Row};
use crate::world::{ALL, Target, World};

/// Request and answer have this size.
const ANSWERS: [(&str, usize); 2] = [("2 KB", 2_048), ("20 KB", 20_480)];
/// The request has this size, the answer is small.
const BODIES: [(&str, usize, usize); 2] = [("2 MB", 2_000_000, 40), ("10 MB", 10_000_000, 12)];
/// Requests a step.
const REQUESTS: usize = 3_000;

/// P1, one round.
pub async fn answers(world: &World, round: usize, figures: &mut Figures) -> anyhow::Result<()> {
    for (name, bytes) in ANSWERS {
        let count = world.scale.count(REQUESTS);
        for (target, port) in world.in_turn(round, &ALL) {
            let times = world.step(async || times(port, bytes, bytes, count).await).await?;
            figures.push(name, target, percentile(&times, 50.0));
            figures.push(format!("{name} p99"), target, percentile(&times, 99.0));
        }
    }
    Ok(())
}

/// P11, one round.
pub async fn bodies(world: &World, round: usize, figures: &mut Figures) -> anyhow::Result<()> {
    for (name, bytes, count) in BODIES {
        let targets = [Target::Direct, Target::Nginx, Target::Buffered, Target::Ours];
        for (target, port) in world.in_turn(round, &targets) {
            let count = world.scale.count(count);
            let times = world.step(async || times(port, bytes, SMALL, count).await).await?;
            figures.push(name, target, percentile(&times, 50.0).map(|micros| micros / 1000.0));
        }
    }
    Ok(())
}

/// How long each of `count` exchanges took, in microseconds, in order of length.
pub async fn times(port: u16, sent: usize, answered: usize, count: usize) -> anyhow::Result<Vec<f64>> {
    let request = unary(&format!("answer-{answered}"), sent);
    let mut connection = Connection::open(port).await?;
    for _ in 0..count / 10 + 2 {
        connection.expect(&request, answered).await?;
    }
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        connection.expect(&request, answered).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(sorted(times))
}

/// P1 in the table.
pub fn answer_rows(figures: &Figures) -> Vec<Row> {
    let rows = ANSWERS.iter().flat_map(|(name, _)| {
        let label = |percent: &str| format!("{name} request and answer, {percent}, µs");
        let p99 = format!("{name} p99");
        [
            figures.added_row("P1", &label("p50"), name, Target::Nginx, Bound::at_most(2.0, 1.4)),
            figures.added_row("", &label("p99"), &p99, Target::Nginx, None),
        ]
    });
    rows.collect()
}

/// P11 in the table.
pub fn body_rows(figures: &Figures) -> Vec<Row> {
    let rows = BODIES.iter().flat_map(|(name, ..)| {
        let buffered = format!("{name} body, p50, ms (nginx buffers requests)");
        let plain = format!("{name} body, p50, ms (nginx buffers nothing)");
        [
            figures.added_row("P11", &buffered, name, Target::Buffered, Bound::at_most(0.5, 0.15)),
            figures.added_row("", &plain, name, Target::Nginx, None),
        ]
    });
    rows.collect()
}
