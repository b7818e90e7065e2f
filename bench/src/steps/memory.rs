//! P4: what a fresh process holds, idle, after load, with many streams open, and with a large body in its hands. nginx's figures,
//! of all its processes, stand beside it.

use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::task::JoinSet;

use super::throughput::load;
use crate::client::{self, Connection, unary};
use crate::figures::Figures;
use crate::machine;
use crate::nginx::Nginx;
use crate::ours::{self, Ours};
use crate::script::SMALL;
use crate::table::{Bound, Row};
use crate::world::{Target, World};

const STREAMS: usize = 200;
const BODY: usize = 10_000_000;
/// For what was freed to be given back.
const CALM: Duration = Duration::from_millis(500);
/// Between two looks at a body in flight.
const LOOK: Duration = Duration::from_millis(5);

const IDLE: &str = "memory idle";
const AFTER: &str = "memory after load";
const OPEN: &str = "memory with streams";
const HOLDING: &str = "memory with a body";

/// One round.
pub async fn round(world: &World, figures: &mut Figures) -> anyhow::Result<()> {
    let upstream = world.upstream.port;
    let ours = Ours::start(&world.binary, upstream, &ours::keys(8))?;
    look_at(world, Target::Ours, ours.port, &[ours.pid()], figures).await?;
    if world.nginx.is_some() {
        let nginx = Nginx::start(upstream).await?;
        look_at(world, Target::Nginx, nginx.port, &nginx.pids(), figures).await?;
    }
    Ok(())
}

async fn look_at(
    world: &World,
    target: Target,
    port: u16,
    pids: &[u32],
    figures: &mut Figures,
) -> anyhow::Result<()> {
    tokio::time::sleep(CALM).await;
    figures.push(IDLE, target, machine::memory(pids));

    load(port, SMALL, world.scale.second).await?;
    load(port, 20_480, world.scale.second).await?;
    tokio::time::sleep(CALM).await;
    figures.push(AFTER, target, machine::memory(pids));

    let streams = open_streams(port).await?;
    figures.push(OPEN, target, machine::memory(pids));
    drop(streams);
    tokio::time::sleep(CALM).await;

    figures.push(HOLDING, target, holding(port, pids).await?);
    Ok(())
}

/// Streams that have each brought an event and go on for longer than anybody looks.
async fn open_streams(port: u16) -> anyhow::Result<Vec<Connection>> {
    let request = client::stream("events-1000-100");
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        let request = request.clone();
        streams.spawn(async move {
            let mut connection = Connection::open(port).await?;
            connection.send(&request).await?;
            ensure!(connection.head().await? == 200 && connection.piece().await?, "no stream");
            anyhow::Ok(connection)
        });
    }
    let mut open = Vec::new();
    while let Some(stream) = streams.join_next().await {
        open.push(stream??);
    }
    tokio::time::sleep(CALM).await;
    Ok(open)
}

/// The most that was held while a large body was on its way and its answer was waited for.
async fn holding(port: u16, pids: &[u32]) -> anyhow::Result<Option<f64>> {
    let request = unary("slow-300", BODY);
    let exchange = tokio::spawn(async move { Connection::open(port).await?.exchange(&request).await });
    let mut most: Option<f64> = None;
    while !exchange.is_finished() {
        most = machine::memory(pids).map(|now| most.map_or(now, |most| most.max(now))).or(most);
        tokio::time::sleep(LOOK).await;
    }
    let status = exchange.await?.context("a large body")?;
    ensure!(status == 200, "{status} for a large body");
    Ok(most)
}

/// In the table.
pub fn rows(figures: &Figures) -> Vec<Row> {
    let row = |label: &str, name, must, aim| figures.own_row("P4", label, name, Bound::at_most(must, aim));
    vec![
        row("memory idle, MB", IDLE, 15.0, 6.0),
        row("memory after load, MB", AFTER, 25.0, 12.0),
        row("memory with 200 open streams, MB", OPEN, 30.0, 15.0),
        row("memory with a 10 MB body in flight, MB", HOLDING, 30.0, 22.0),
    ]
}
