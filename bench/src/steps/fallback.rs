//! P7: how long a caller waits beyond the failure itself when its key's relay fails and the request goes on directly.
//!
//! A batch is a fresh proxy in hybrid mode with as many keys as relays, each key bound to a relay of its own, and a few keys bound
//! to the direct way. The relays are fakes in this process that say they are well (`relays`). Keys take turns, so the first requests
//! go directly and warm the proxy up; then each request meets another relay, one that the proxy believes to be up:
//!
//! - *refused*: all listeners and connections were closed a moment before, so the connection is refused;
//! - *reset*: the relay takes the request and resets the connection;
//! - *its own 502*: the relay answers by itself, as our worker does where it cannot reach Google.
//!
//! A sample is the time from the request to the head of the answer, less the median of direct requests of the same batch, less the
//! median of the failure alone, taken by this client against the same relays. It counts only if `X-Attempts` says 2: the relay was
//! tried, failed, and the direct way answered. Others are thrown away and counted. A relay that failed is asked for its health
//! after a second at the earliest, when a batch is over.
//!
//! Samples of all rounds are taken together: percentiles of rare events want many. Batches are too short to tell from `/proc` whether
//! somebody else was busy, so none is repeated: the largest figures hold the machine's bad moments, too.

use std::time::Instant;

use anyhow::ensure;
use serde_json::{Value, json};

use crate::client::{Connection, unary};
use crate::figures::Figures;
use crate::machine;
use crate::ours::{self, Ours};
use crate::relays::{self, Manner, Relays};
use crate::script::{RelayFault, SMALL};
use crate::stats::{median, percentile, short, sorted};
use crate::table::{Bound, Row};
use crate::world::{Target, World};

/// Relays of a batch, in a full run: few, for what a choice costs grows with them.
const RELAYS: usize = 50;
/// Keys that go directly: the first requests of a batch.
const WARM: usize = 10;
/// Batches a round, of each way to fail.
const BATCHES: usize = 4;

/// What the acceptance list asks for.
const REFUSED: &str = "refused";

/// One round.
pub async fn round(world: &World, figures: &mut Figures) -> anyhow::Result<()> {
    for _ in 0..BATCHES {
        for (name, fault) in failures() {
            let batch = batch(world, &fault).await?;
            let bag = |what: &str| format!("fallback, {name}, {what}");
            let (direct, alone) = (median(batch.direct), median(batch.alone));
            for took in &batch.took {
                let beyond = took - direct.unwrap_or(0.0) - alone.unwrap_or(0.0);
                figures.push(bag("beyond"), Target::Ours, Some(beyond));
            }
            figures.push(bag("direct"), Target::Ours, direct);
            figures.push(bag("alone"), Target::Ours, alone);
            figures.push(bag("others"), Target::Ours, Some(batch.others as f64));
        }
    }
    Ok(())
}

fn failures() -> [(&'static str, RelayFault); 3] {
    [(REFUSED, RelayFault::Refused), ("reset", RelayFault::Reset), ("its own 502", RelayFault::bad_gateway())]
}

/// In milliseconds.
#[derive(Default)]
struct Batch {
    /// Requests whose relay failed.
    took: Vec<f64>,
    /// Requests that went directly.
    direct: Vec<f64>,
    /// The failure by itself.
    alone: Vec<f64>,
    /// Requests that did not meet what they should have met.
    others: usize,
}

async fn batch(world: &World, fault: &RelayFault) -> anyhow::Result<Batch> {
    // The proxy runs where it likes, we on our core.
    machine::unpin();
    let count = world.scale.count(RELAYS);
    let mut relays = Relays::start(count, &Manner::Always(fault.clone())).await?;
    let (keys, instances) = (keys(count), relays.instances());
    let upstream = world.upstream.port;
    let ours = Ours::start_by_relays(&world.binary, upstream, &keys, "hybrid", &instances).await?;
    machine::pin(0);

    let (mut batch, mut connection) = (Batch::default(), Connection::open(ours.port).await?);
    for _ in 0..WARM {
        let (_, attempts) = first_byte(&mut connection).await?;
        ensure!(attempts == Some(1), "a key that is bound to the direct way takes another");
    }
    if *fault == RelayFault::Refused {
        relays.close().await;
    }
    for _ in 0..count {
        match first_byte(&mut connection).await? {
            (took, Some(2)) => batch.took.push(took),
            _ => batch.others += 1,
        }
    }
    // Now every relay is known to be down.
    for _ in 0..WARM + count {
        match first_byte(&mut connection).await? {
            (took, Some(1)) => batch.direct.push(took),
            _ => batch.others += 1,
        }
    }
    for port in &relays.ports {
        batch.alone.push(alone(*port).await?);
    }
    Ok(batch)
}

/// Those that go directly first: keys take turns in this order.
fn keys(count: usize) -> Vec<Value> {
    let mut keys = ours::keys(WARM + count);
    for (at, key) in keys.iter_mut().enumerate() {
        key["binding"] = match at.checked_sub(WARM) {
            None => json!({ "kind": "local" }),
            Some(at) => json!({ "kind": "instance", "id": relays::id(at) }),
        };
    }
    keys
}

/// One whole request: the time to the head of its answer, and how many attempts it says it took.
async fn first_byte(connection: &mut Connection) -> anyhow::Result<(f64, Option<u32>)> {
    let request = unary(&format!("answer-{SMALL}"), SMALL);
    let begun = Instant::now();
    connection.send(&request).await?;
    let status = connection.head().await?;
    let took = millis(begun);
    let attempts = connection.attempts;
    while connection.piece().await? {}
    ensure!(status == 200 && connection.payload.len() == SMALL, "{status}");
    Ok((took, attempts))
}

/// How long it takes to learn that this relay fails.
async fn alone(port: u16) -> anyhow::Result<f64> {
    let request = unary(&format!("answer-{SMALL}"), SMALL);
    let begun = Instant::now();
    let asked = async {
        let mut connection = Connection::open(port).await?;
        connection.send(&request).await?;
        connection.head().await
    };
    let failed = asked.await.map_or(true, |status| status >= 500);
    let took = millis(begun);
    ensure!(failed, "a relay that does not fail");
    Ok(took)
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// In the table.
pub fn rows(figures: &Figures) -> Vec<Row> {
    failures().iter().flat_map(|(name, _)| rows_of(figures, name)).collect()
}

fn rows_of(figures: &Figures, name: &str) -> [Row; 2] {
    let bag = |what: &str| figures.of(&format!("fallback, {name}, {what}"), Target::Ours);
    let beyond = sorted(bag("beyond").iter().copied());
    let at = |percent: f64| percentile(&beyond, percent);
    let shown = |figure: Option<f64>| figure.map(short).unwrap_or_default();
    let [p50, p90, p99, max] = [50.0, 90.0, 99.0, 100.0].map(at);
    let direct = shown(median(bag("direct").iter().copied()));
    let alone = shown(median(bag("alone").iter().copied()));
    let (count, others) = (beyond.len(), bag("others").iter().sum::<f64>());
    let is_bound = name == REFUSED;
    [
        Row {
            id: if is_bound { "P7" } else { "" },
            figure: format!("fallback after a relay failed ({name}), beyond the failure, p99, ms"),
            direct,
            ours: shown(p99),
            judged: p99,
            bound: Bound::at_most(20.0, 2.0).filter(|_| is_bound),
            ..Row::default()
        },
        Row {
            figure: format!(
                "the same, p50 / p90 / max of {count}, {others} thrown away; the failure alone {alone}"
            ),
            ours: [p50, p90, max].map(shown).join(" / "),
            ..Row::default()
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direct_keys_come_first_and_every_other_key_has_a_relay_of_its_own() {
        let keys = keys(3);
        assert_eq!(keys.len(), WARM + 3);
        assert_eq!(keys[WARM - 1]["binding"], json!({ "kind": "local" }));
        assert_eq!(keys[WARM]["binding"], json!({ "kind": "instance", "id": "relay0" }));
        assert_eq!(keys[WARM + 2]["binding"]["id"], "relay2");
    }

    #[test]
    fn the_p99_is_judged_where_the_list_has_a_bound_and_shown_elsewhere() {
        let mut figures = Figures::default();
        for beyond in 0..=100 {
            figures.push("fallback, refused, beyond", Target::Ours, Some(f64::from(beyond) / 10.0));
        }
        figures.push("fallback, refused, others", Target::Ours, Some(2.0));
        let rows = rows(&figures);
        assert_eq!((rows[0].id, rows[0].judged), ("P7", Some(9.9)));
        assert_eq!((rows[0].verdict().map(|verdict| verdict.to_string()).as_deref()), Some("ok"));
        assert_eq!(rows[1].ours, "5.00 / 9.00 / 10.0");
        assert!(rows[1].figure.contains("of 101, 2 thrown away"), "{}", rows[1].figure);
        assert_eq!((rows.len(), rows[2].id, rows[2].verdict()), (6, "", None));
    }
}
