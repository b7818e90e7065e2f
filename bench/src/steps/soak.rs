//! P9: many short streams, three in ten given up by the caller. Memory and descriptors must be afterwards what they were after
//! the first few hundred.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::task::JoinSet;

use crate::client::{self, Connection};
use crate::machine;
use crate::ours::{self, Ours};
use crate::stats::short;
use crate::table::{Bound, Row};
use crate::world::World;

/// At a time.
const WIDTH: usize = 50;
/// Before memory and descriptors are looked at for the first time.
const WARM: usize = 500;
const EVENTS: usize = 10;
/// A stream takes 45 ms.
const EVERY: Duration = Duration::from_millis(5);
/// Of ten streams, so many are given up, each after another number of events.
const GIVEN_UP: usize = 3;
/// For the last connections to end, in seconds.
const CALM: u32 = 5;

/// The whole run, and its rows.
pub async fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let ours = Ours::start(&world.binary, world.upstream.port, &ours::keys(8))?;
    let count = world.scale.streams;
    many(ours.port, WARM.min(count)).await?;
    let calm = world.scale.second * CALM;
    let before = State::calm(ours.pid(), calm, None).await?;
    let cut = many(ours.port, count).await?;
    let after = State::calm(ours.pid(), calm, Some(before)).await?;

    let soak = format!("{} streams, 30 % given up", short(count as f64));
    let row = |figure: String, ours: String, judged: f64, bound| Row {
        id: "P9",
        figure,
        ours,
        judged: Some(judged),
        bound,
        ..Row::default()
    };
    let descriptors = after.descriptors as f64 - before.descriptors as f64;
    Ok(vec![
        row(
            format!("memory gained by {soak}, MB"),
            format!("{} → {}", short(before.memory), short(after.memory)),
            after.memory - before.memory,
            Bound::at_most(2.0, 1.0),
        ),
        row(
            format!("descriptors gained by {soak}"),
            format!("{} → {}", before.descriptors, after.descriptors),
            descriptors,
            Bound::at_most(4.0, 0.0),
        ),
        row(format!("of {soak}, cut short"), cut.to_string(), cut as f64, Bound::at_most(0.0, 0.0)),
    ])
}

#[derive(Debug, Clone, Copy)]
struct State {
    memory: f64,
    descriptors: usize,
}

impl State {
    /// Once no more descriptors are open than before, or after a while.
    async fn calm(pid: u32, patience: Duration, before: Option<Self>) -> anyhow::Result<Self> {
        let begun = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let descriptors = machine::descriptors(pid).context("descriptors cannot be counted")?;
            let calm = before.is_some_and(|before| descriptors <= before.descriptors);
            if calm || begun.elapsed() > patience {
                let memory = machine::memory(&[pid]).context("memory cannot be told")?;
                return Ok(Self { memory, descriptors });
            }
        }
    }
}

/// So many streams, a few at a time; how many of those that were not given up did not come whole.
async fn many(port: u16, count: usize) -> anyhow::Result<usize> {
    let request = client::stream(&format!("events-{EVENTS}-{}", EVERY.as_millis()));
    let mut callers = JoinSet::new();
    for caller in 0..WIDTH {
        let request = request.clone();
        callers.spawn(async move {
            let mut cut = 0;
            for at in (caller..count).step_by(WIDTH) {
                let patience = if at % 10 < GIVEN_UP { Some(at / 10 % EVENTS) } else { None };
                cut += usize::from(one(port, &request, patience).await.is_err());
            }
            cut
        });
    }
    let mut cut = 0;
    while let Some(caller) = callers.join_next().await {
        cut += caller?;
    }
    Ok(cut)
}

/// One stream on a connection of its own, up to its end or until so many events have come.
async fn one(port: u16, request: &[u8], patience: Option<usize>) -> anyhow::Result<()> {
    let mut connection = Connection::open(port).await?;
    connection.send(request).await?;
    if patience == Some(0) {
        return Ok(());
    }
    ensure!(connection.head().await? == 200, "no stream");
    let mut seen = 0;
    while connection.piece().await? {
        seen += connection.payload.windows(4).filter(|window| *window == b"\r\n\r\n").count();
        connection.payload.clear();
        if patience.is_some_and(|patience| seen >= patience) {
            return Ok(());
        }
    }
    ensure!(seen == EVENTS, "{seen} events");
    Ok(())
}
