//! P3: as many requests as 64 connections can make, and what one of them costs in processor time.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::{Connection, unary};
use crate::figures::Figures;
use crate::machine;
use crate::script::SMALL;
use crate::table::{Bound, Row};
use crate::world::{ALL, World};

/// At a time.
pub const CONNECTIONS: usize = 64;
/// Before it counts, in parts of a second.
const WARM: f64 = 0.3;
/// While it counts.
const SECONDS: f64 = 3.0;

const RATE: &str = "requests a second";
const COST: &str = "time a request";

/// One round.
pub async fn round(world: &World, round: usize, figures: &mut Figures) -> anyhow::Result<()> {
    for (target, port) in world.in_turn(round, &ALL) {
        let pids = world.pids(target);
        let second = world.scale.second;
        let (rate, cost) = world
            .step(async || {
                load(port, SMALL, second.mul_f64(WARM)).await?;
                let (used, begun) = (machine::time_used(&pids), Instant::now());
                let requests = load(port, SMALL, second.mul_f64(SECONDS)).await? as f64;
                let (used, took) = (machine::time_used(&pids) - used, begun.elapsed().as_secs_f64());
                Ok((requests / took, used / requests * 1e6))
            })
            .await?;
        figures.push(RATE, target, Some(rate));
        figures.push(COST, target, Some(cost));
    }
    Ok(())
}

/// Requests and answers of this size, on all connections at once, for so long; how many.
pub async fn load(port: u16, bytes: usize, time: Duration) -> anyhow::Result<usize> {
    let end = Instant::now() + time;
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        connections.spawn(async move {
            let request = unary(&format!("answer-{bytes}"), bytes);
            let mut connection = Connection::open(port).await?;
            let mut count = 0;
            while Instant::now() < end {
                connection.expect(&request, bytes).await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut all = 0;
    while let Some(count) = connections.join_next().await {
        all += count??;
    }
    Ok(all)
}

/// In the table.
pub fn rows(figures: &Figures) -> Vec<Row> {
    let rate = format!("2 KB requests a second, {CONNECTIONS} connections");
    vec![
        figures.plain_row("P3", &rate, RATE, Bound::at_least(0.7, 0.9)),
        figures.plain_row("P3", "processor time a request, µs", COST, Bound::at_most(2.0, 1.4)),
    ]
}
