//! Whether the second act came out right. Pure: what was observed in, a list of checks out.

use aggregator_protocol::{Health, Status};
use fake_gemini::{Seen, fixtures};

use super::checks::{Check, Told, check, compare, differs};
use super::stage;

/// What the requests, sent in this order, must come to: by key, way and verdict of each attempt.
pub const WANTED: [&str; 7] = [
    "key2 relay-a deliver",
    "key3 relay-b deliver",
    "key2 relay-a deliver",
    "key3 relay-b deliver",
    // The relay is dead; the caller does not see it.
    "key2 relay-a blameEgress, key2 local deliver",
    "key2 local deliver",
    "key2 relay-a deliver",
];

/// What the second act showed.
#[derive(Debug, Clone)]
pub struct Outage {
    /// As they were sent.
    pub told: Vec<Told>,
    /// From the new state on, oldest first.
    pub statuses: Vec<Status>,
    /// What reached the fake.
    pub seen: Vec<Seen>,
}

/// What must be so.
pub fn with_relays(outage: &Outage) -> Vec<Check> {
    let Outage { told, statuses, seen } = outage;
    let wrong: Vec<String> = told
        .iter()
        .zip(sent())
        .enumerate()
        .filter_map(|(at, (told, sent))| spoiled(at, told, &sent))
        .collect();
    let count = told.len();
    vec![
        check(
            &format!("all {} answers are a clean 200, byte for byte", WANTED.len()),
            wrong.is_empty() && count == WANTED.len(),
            || if wrong.is_empty() { format!("there are {count}") } else { wrong.join("; ") },
        ),
        compare(
            "the records name every way, and the refused one went on directly with the same key",
            &told.iter().map(attempts).collect::<Vec<_>>(),
            &WANTED,
        ),
        compare(
            "X-Forwarded-To is the way by which the fake was reached",
            &told.iter().map(|told| told.answer.way.clone()).collect::<Vec<_>>(),
            &ways(seen).iter().map(String::as_str).collect::<Vec<_>>(),
        ),
        compare(
            "the statuses showed two relays up, then relay-a down, then two again",
            &health(statuses),
            &["2 up", "1 up, relay-a down", "2 up"],
        ),
        check("no relay showed its token to the fake", seen.iter().all(shows_no_token), || "one did".into()),
    ]
}

/// The bodies, in the order of [`WANTED`].
fn sent() -> [Vec<u8>; 7] {
    let unary = || fixtures::unary().to_vec();
    [stage::short(), stage::short(), unary(), stage::long(), stage::short(), unary(), unary()]
}

fn spoiled(at: usize, told: &Told, sent: &[u8]) -> Option<String> {
    let (status, body) = (told.answer.status, &told.answer.body);
    let good = status == 200 && body == sent;
    (!good).then(|| format!("number {}: status {status}, {}", at + 1, differs(body, sent)))
}

fn attempts(told: &Told) -> String {
    let attempts = told.record.iter().flat_map(|record| &record.attempts);
    let attempts: Vec<String> =
        attempts.map(|attempt| format!("{} {} {}", attempt.key, attempt.egress, attempt.verdict)).collect();
    attempts.join(", ")
}

/// By which way each request came, as the fake can tell without the sidecar: a relay names itself, and each keeps its own
/// connections. The first by a relay went by the first relay; a relay that was started again has new ones, so whoever is neither
/// known nor the second is the first.
fn ways(seen: &[Seen]) -> Vec<String> {
    let relayed = |seen: &&Seen| {
        seen.header("user-agent").is_some_and(|agent| agent.starts_with("gemini-aggregator-relay/"))
    };
    let second: Vec<usize> =
        [1, 3].iter().filter_map(|at| seen.get(*at).filter(relayed).map(|seen| seen.connection)).collect();
    let way = |seen: &Seen| match relayed(&seen) {
        false => "local",
        true if second.contains(&seen.connection) => stage::RELAYS[1],
        true => stage::RELAYS[0],
    };
    seen.iter().map(|seen| way(seen).to_owned()).collect()
}

fn shows_no_token(seen: &Seen) -> bool {
    seen.header("x-relay-token").is_none()
}

/// How the relays stood from when both were up for the first time, each time that changed.
fn health(statuses: &[Status]) -> Vec<String> {
    let mut changes: Vec<String> = Vec::new();
    for status in statuses.iter().skip_while(|status| status.active_instances < 2) {
        let down = status.instances.iter().filter(|one| matches!(one.health, Health::Down { .. }));
        let down: String = down.map(|instance| format!(", {} down", instance.id)).collect();
        let now = format!("{} up{down}", status.active_instances);
        if changes.last() != Some(&now) {
            changes.push(now);
        }
    }
    changes
}

#[cfg(test)]
#[path = "outage_checks_tests.rs"]
mod tests;
