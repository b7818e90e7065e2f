//! P2: how long an event takes from the fake's socket to ours, and how long the first one lets us wait. Events are 20 ms apart,
//! so each finds an idle machine or, with 50 streams, a fairly busy one.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::task::JoinSet;

use crate::client::{self, Connection};
use crate::figures::Figures;
use crate::machine;
use crate::script::sent_at;
use crate::stats::{percentile, sorted};
use crate::table::{Bound, Row};
use crate::world::{ALL, Target, World};

/// Between two events.
const EVERY: Duration = Duration::from_millis(20);
/// Streams at a time, streams one after another, events a stream.
const SHAPES: [(usize, usize, usize); 2] = [(1, 15, 10), (50, 4, 20)];

/// One round.
pub async fn round(world: &World, round: usize, figures: &mut Figures) -> anyhow::Result<()> {
    for (width, waves, events) in SHAPES {
        let waves = world.scale.count(waves);
        for (target, port) in world.in_turn(round, &ALL) {
            let delays = world.step(async || many(port, width, waves, events).await).await?;
            let first = sorted(delays.first);
            let event = sorted(delays.event);
            figures.push(name("first", width), target, percentile(&first, 50.0));
            figures.push(name("event", width), target, percentile(&event, 50.0));
            figures.push(name("event p99", width), target, percentile(&event, 99.0));
        }
    }
    Ok(())
}

fn name(what: &str, width: usize) -> String {
    format!("{what}, {width} streams")
}

/// In microseconds.
#[derive(Default)]
pub struct Delays {
    /// From the request to the first event.
    pub first: Vec<f64>,
    /// From the sending of every other event.
    pub event: Vec<f64>,
}

impl Delays {
    fn extend(&mut self, other: Self) {
        self.first.extend(other.first);
        self.event.extend(other.event);
    }
}

/// `width` connections, each with one stream after another, set apart so that their events do not come all at once.
pub async fn many(port: u16, width: usize, waves: usize, events: usize) -> anyhow::Result<Delays> {
    let request = client::stream(&format!("events-{events}-{}", EVERY.as_millis()));
    let mut streams = JoinSet::new();
    for at in 0..width {
        let request = request.clone();
        streams.spawn(async move {
            let mut connection = Connection::open(port).await?;
            // The connection behind the proxy shall be there as well.
            connection.expect(&client::unary("answer-512", 512), 512).await?;
            tokio::time::sleep(EVERY * at as u32 / width as u32).await;
            let mut delays = Delays::default();
            for _ in 0..waves {
                delays.extend(one(&mut connection, &request, events).await?);
            }
            anyhow::Ok(delays)
        });
    }
    let mut delays = Delays::default();
    while let Some(stream) = streams.join_next().await {
        delays.extend(stream??);
    }
    Ok(delays)
}

async fn one(connection: &mut Connection, request: &[u8], events: usize) -> anyhow::Result<Delays> {
    let (begun, mut delays, mut seen) = (Instant::now(), Delays::default(), 0);
    connection.send(request).await?;
    let status = connection.head().await?;
    ensure!(status == 200, "{status}");
    while connection.piece().await? {
        let now = machine::nanos();
        while let Some(end) = connection.payload.windows(4).position(|window| window == b"\r\n\r\n") {
            let event: Vec<u8> = connection.payload.drain(..end + 4).collect();
            if seen == 0 {
                delays.first.push(begun.elapsed().as_secs_f64() * 1e6);
            } else if let Some(sent) = sent_at(&event) {
                delays.event.push(now.saturating_sub(sent) as f64 / 1e3);
            }
            seen += 1;
        }
    }
    ensure!(seen == events && delays.event.len() + 1 == events, "a stream of {seen} events");
    Ok(delays)
}

/// In the table.
pub fn rows(figures: &Figures) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |id, label: &str, name: &str, bound| {
        rows.push(figures.added_row(id, label, name, Target::Nginx, bound));
    };
    for (width, ..) in SHAPES {
        let label = if width == 1 { "1 stream".to_owned() } else { format!("{width} streams") };
        let at_most = Bound::at_most(2.0, 1.4);
        row("P2", &format!("an event, {label}, p50, µs"), &name("event", width), at_most);
        row("", &format!("an event, {label}, p99, µs"), &name("event p99", width), None);
        let first = Bound::at_most(2.5, 1.6).filter(|_| width > 1);
        let id = if width > 1 { "P2" } else { "" };
        row(id, &format!("the first event, {label}, p50, µs"), &name("first", width), first);
    }
    rows
}
