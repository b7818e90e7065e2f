//! P8: whether callers notice that one attempt in ten fails before its first byte.
//!
//! What the row "10 % injected 429/503/reset and 3 healthy keys" is taken to mean: the pool has three keys that are well, each of
//! a project of its own, one that Google calls invalid and one whose daily quota is spent; the last two must cost nobody an answer.
//! The fake fails one *attempt* in ten on a good key, by a fixed seed, in equal shares: 503 overloaded, a reset, and a minute's
//! 429 with RetryInfo of 0–1 s (see `script`). A second try may be hit as well; the proxy makes three at most that may reach
//! the model, so one request in some 1,500 must fail by chance alone, and the must of 99.9 % leaves little else.
//!
//! A 429 rests a key for one model for a second or two, which no speed-up of the benchmark shortens: a model that is asked often
//! enough finds all three keys resting. So the load is spread over 120 models, each asked at a human pace, twice a second.
//! What still meets only resting keys is refused with a 429 of our own; the second row leaves it out, since no key could serve.
//!
//! The third row has its faults at relays and none at Google: hybrid mode, three good keys, 150 fake relays (`relays`) that keys
//! take in turn. One attempt in ten fails there: a refused connection, a reset, the relay's own 502, or its platform's 429 (see
//! `script`). A relay that failed is left out for a second, after a 429 for five minutes, hence so many of them. The row says how
//! many attempts did fail: `X-Attempts` of the answers, less one each.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::client::{self, Connection};
use crate::ours::{self, Ours};
use crate::relays::{Manner, Relays};
use crate::script::{INVALID, SHORT, SMALL, SPENT, Say};
use crate::stats::short;
use crate::table::{Bound, Row};
use crate::world::World;

const HEALTHY: usize = 3;
/// Each with buckets of its own.
const MODELS: usize = 120;
/// As many as go out after a 429 in a full run, and then some.
const RELAYS: usize = 150;
/// All models together, in a full run.
const REQUESTS: usize = 7_200;
/// Between two requests for a model.
const EVERY: Duration = Duration::from_millis(500);
/// Stands in the proxy's own refusal, not in the fake's.
const OURS: &[u8] = b"Every API key of the pool rests";
/// How requests end that were refused because every key rests.
const RESTING: &str = "all keys resting";
/// How all others shall end.
const ANSWERED: &str = "answered";

/// How requests ended.
#[derive(Default)]
struct Tally {
    /// And how many did so.
    ends: BTreeMap<String, usize>,
    /// Attempts that failed before the one that was answered.
    failed: usize,
}

/// Both runs, and their rows.
pub async fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let mut keys = ours::keys(HEALTHY);
    keys.push(bad(INVALID));
    keys.push(bad(SPENT));
    let ours = Ours::start(&world.binary, world.upstream.port, &keys)?;
    let mut rows = rows(&load(world, ours.port, faulty).await?);
    drop(ours);
    rows.push(relayed_row(&by_relays(world).await?));
    Ok(rows)
}

async fn by_relays(world: &World) -> anyhow::Result<Tally> {
    let relays = Relays::start(RELAYS, &Manner::Dice).await?;
    let (keys, instances) = (ours::keys(HEALTHY), relays.instances());
    let upstream = world.upstream.port;
    let ours = Ours::start_by_relays(&world.binary, upstream, &keys, "hybrid", &instances).await?;
    load(world, ours.port, well).await
}

/// What the callers of a place ask for: an answer, and a stream.
type Wish = fn(usize) -> [String; 2];

/// Google fails now and then.
fn faulty(at: usize) -> [String; 2] {
    let model = format!("faulty-{at}");
    [model.clone(), model]
}

/// Google does not fail.
fn well(_: usize) -> [String; 2] {
    let Say::Events { count, every } = SHORT else { return Default::default() };
    [format!("answer-{SMALL}"), format!("events-{count}-{}", every.as_millis())]
}

async fn load(world: &World, port: u16, wish: Wish) -> anyhow::Result<Tally> {
    let each = (world.scale.count(REQUESTS) / MODELS).max(4);
    let mut models = JoinSet::new();
    for model in 0..MODELS {
        models.spawn(ask(port, wish(model), each));
    }
    let mut tally = Tally::default();
    while let Some(model) = models.join_next().await {
        let model = model?;
        tally.failed += model.failed;
        for (end, count) in model.ends {
            *tally.ends.entry(end).or_default() += count;
        }
    }
    Ok(tally)
}

fn bad(kind: &str) -> Value {
    json!({ "id": kind, "secret": format!("{kind}-bench") })
}

/// One model: answers and streams in turn.
async fn ask(port: u16, models: [String; 2], count: usize) -> Tally {
    let (mut tally, mut connection) = (Tally::default(), None);
    let begun = Instant::now();
    for at in 0..count {
        sleep_until(begun + EVERY * at as u32).await;
        let stream = at % 2 == 1;
        let end = match exchange(&mut connection, port, &models[usize::from(stream)], stream).await {
            Ok((end, attempts)) => {
                tally.failed += attempts.saturating_sub(1) as usize;
                end
            }
            Err(_) => {
                connection = None;
                "broken off".into()
            }
        };
        *tally.ends.entry(end).or_default() += 1;
    }
    tally
}

async fn exchange(
    kept: &mut Option<Connection>,
    port: u16,
    model: &str,
    stream: bool,
) -> anyhow::Result<(String, u32)> {
    let connection = match kept {
        Some(connection) => connection,
        None => kept.insert(Connection::open(port).await?),
    };
    let request = if stream { client::stream(model) } else { client::unary(model, SMALL) };
    let status = connection.exchange(&request).await?;
    let end = match status {
        200 if is_whole(&connection.payload, stream) => ANSWERED.into(),
        200 => "not whole".into(),
        429 if connection.payload.windows(OURS.len()).any(|window| window == OURS) => RESTING.into(),
        status => status.to_string(),
    };
    Ok((end, connection.attempts.unwrap_or(0)))
}

fn is_whole(answer: &[u8], stream: bool) -> bool {
    if !stream {
        return answer.len() == SMALL;
    }
    let Say::Events { count, .. } = SHORT else { return false };
    let text = String::from_utf8_lossy(answer);
    text.matches("data: ").count() == count
        && text.contains(r#""finishReason": "STOP""#)
        && !text.contains("\"error\"")
}

impl Tally {
    fn of(&self, end: &str) -> usize {
        self.ends.get(end).copied().unwrap_or(0)
    }

    fn all(&self) -> usize {
        self.ends.values().sum()
    }

    /// `1 × 503, 2 × broken off`.
    fn unanswered(&self) -> String {
        let others = self.ends.iter().filter(|(end, _)| *end != ANSWERED);
        others.map(|(end, count)| format!("{count} × {end}")).collect::<Vec<_>>().join(", ")
    }

    fn row(&self, figure: String, all: usize, note: &str) -> Row {
        let share = self.of(ANSWERED) as f64 / all as f64 * 100.0;
        Row {
            id: "P8",
            figure,
            ours: if note.is_empty() { format!("{share:.3}") } else { format!("{share:.3} ({note})") },
            judged: Some(share),
            bound: Bound::at_least(99.9, 100.0),
            ..Row::default()
        }
    }
}

fn rows(tally: &Tally) -> Vec<Row> {
    let all = tally.all();
    let asked = format!("answered of {} requests, 10 % faults, 3 good keys and 2 bad, %", short(all as f64));
    let servable = "the same, where a key was left, %".to_owned();
    vec![tally.row(asked, all, &tally.unanswered()), tally.row(servable, all - tally.of(RESTING), "")]
}

fn relayed_row(tally: &Tally) -> Row {
    let (all, failed) = (tally.all(), tally.failed);
    let asked = format!(
        "answered of {} requests, 10 % faults at relays ({failed} attempts failed), hybrid, 3 good keys, %",
        short(all as f64)
    );
    tally.row(asked, all, &tally.unanswered())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_whole_with_all_its_events_and_no_error() {
        let mut stream: String = (1..=4).map(|at| crate::script::event(1, at == 4)).collect();
        assert!(is_whole(stream.as_bytes(), true));
        stream.push_str("data: {\"error\": {}}\r\n\r\n");
        assert!(!is_whole(stream.as_bytes(), true) && !is_whole(b"", false));
    }

    #[test]
    fn what_was_not_answered_is_named_and_left_out_where_no_key_could_serve() {
        let ends = [(ANSWERED, 998), ("503", 1), (RESTING, 1)].map(|(end, count)| (end.to_owned(), count));
        let tally = Tally { ends: BTreeMap::from(ends), failed: 7 };
        let rows = rows(&tally);
        assert_eq!(rows[0].ours, "99.800 (1 × 503, 1 × all keys resting)");
        assert_eq!((rows[1].ours.as_str(), rows[0].judged), ("99.900", Some(99.8)));
        let row = relayed_row(&tally);
        assert!(
            row.figure.contains("1,000 requests") && row.figure.contains("(7 attempts"),
            "{}",
            row.figure
        );
    }
}
