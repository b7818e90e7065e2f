//! Each check of the second act is given something wrong.

use serde_json::{Value, json};

use super::super::client::Answer;
use super::*;

fn told((wanted, body): (&str, Vec<u8>)) -> Told {
    let attempts: Vec<Value> = wanted
        .split(", ")
        .map(|attempt| {
            let words: Vec<&str> = attempt.split(' ').collect();
            json!({ "key": words[0], "egress": words[1], "outcome": "200", "verdict": words[2], "rule": "ok",
                "untilMs": null, "ms": 1 })
        })
        .collect();
    let way = attempts.last().unwrap()["egress"].as_str().unwrap().to_owned();
    let record = serde_json::from_value(json!({ "id": "1", "startedMs": 1, "front": "gemini", "model": "m",
        "operation": "generateContent", "status": 200, "firstByteMs": 1, "totalMs": 2, "tokens": 3, "end": "complete",
        "attempts": attempts, "skipped": [] }))
    .unwrap();
    Told { answer: Answer { status: 200, body, way, ..Answer::default() }, record: Some(record) }
}

/// On this connection; 0: directly.
fn seen(connection: usize) -> Seen {
    let agent = if connection == 0 { "curl/8" } else { "gemini-aggregator-relay/2.0.0" };
    Seen {
        number: 1,
        connection,
        method: "POST".into(),
        target: "/".into(),
        headers: vec![("User-Agent".into(), agent.into())],
        body: bytes::Bytes::new(),
        key: None,
        credentials: Vec::new(),
        state: fake_gemini::State::Finished,
    }
}

/// How each of two relays stands: up, down or not yet known.
fn status(relays: [&str; 2]) -> Status {
    let health = |how: &str| match how {
        "up" => json!({ "kind": "up", "latencyMs": 1, "version": null, "legacy": false }),
        "down" => json!({ "kind": "down", "sinceMs": 1, "nextTryMs": 2, "reason": "unreachable" }),
        _ => json!({ "kind": "unknown" }),
    };
    let [a, b] = relays.map(health);
    serde_json::from_value(json!({ "appliedRevision": 1, "rejectedRevision": null, "version": "2",
        "mode": "hybrid", "activeInstances": relays.iter().filter(|how| **how == "up").count(),
        "role": { "kind": "leader", "port": 1 }, "problems": [], "keys": [],
        "instances": [{ "id": "relay-a", "health": a }, { "id": "relay-b", "health": b }] }))
    .unwrap()
}

fn good() -> Outage {
    Outage {
        told: WANTED.into_iter().zip(sent()).map(told).collect(),
        statuses: [["", ""], ["up", ""], ["up", "up"], ["up", "up"], ["down", "up"], ["up", "up"]]
            .map(status)
            .into(),
        // The relay that was started again has a new connection.
        seen: [1, 2, 1, 3, 0, 0, 4].map(seen).into(),
    }
}

/// The names of the checks that complain once this is wrong.
fn wrong(spoil: impl FnOnce(&mut Outage)) -> String {
    let mut outage = good();
    spoil(&mut outage);
    let checks = with_relays(&outage);
    let complaints = checks.iter().filter(|check| check.complaint.is_some());
    complaints.map(|check| check.name.as_str()).collect::<Vec<_>>().join("; ")
}

const ANSWERS: &str = "all 7 answers are a clean 200, byte for byte";
const RECORDS: &str = "the records name every way, and the refused one went on directly with the same key";
const WAYS: &str = "X-Forwarded-To is the way by which the fake was reached";
const STATUSES: &str = "the statuses showed two relays up, then relay-a down, then two again";

#[test]
fn nothing_is_wrong_with_a_good_second_act() {
    assert_eq!(wrong(|_| ()), "");
}

#[test]
fn an_answer_that_is_not_clean_is_noticed() {
    assert_eq!(wrong(|outage| outage.told[4].answer.status = 503), ANSWERS);
    assert_eq!(wrong(|outage| outage.told[3].answer.body.truncate(900)), ANSWERS);
    assert_eq!(wrong(|outage| outage.told[6].answer.body[9] ^= 1), ANSWERS);
}

#[test]
fn another_way_or_key_is_noticed() {
    for other in [
        "key2 local deliver",
        "key2 relay-a blameEgress, key3 local deliver",
        "key2 relay-a blameEgress, key2 relay-b deliver",
    ] {
        let spoiled = wrong(|outage| outage.told[4].record = told((other, Vec::new())).record);
        assert_eq!(spoiled, RECORDS, "{other}");
    }
    assert_eq!(wrong(|outage| outage.told[0].record = None), RECORDS);
}

#[test]
fn a_header_that_names_another_way_than_was_taken_is_noticed() {
    assert_eq!(wrong(|outage| outage.told[4].answer.way = "relay-a".into()), WAYS);
    assert_eq!(wrong(|outage| outage.told[0].answer.way.clear()), WAYS);
    assert_eq!(wrong(|outage| outage.seen[4] = seen(5)), WAYS);
    assert_eq!(wrong(|outage| outage.seen[2] = seen(2)), WAYS, "by the connection of the other relay");
    assert_eq!(wrong(|outage| outage.seen[3] = seen(1)), WAYS);
    assert_eq!(wrong(|outage| drop(outage.seen.pop())), WAYS);
}

#[test]
fn statuses_out_of_order_are_noticed() {
    assert_eq!(wrong(|outage| outage.statuses.truncate(5)), STATUSES);
    assert_eq!(wrong(|outage| drop(outage.statuses.remove(4))), STATUSES);
    assert_eq!(wrong(|outage| outage.statuses[4] = status(["up", "down"])), STATUSES);
    assert_eq!(wrong(|outage| outage.statuses.push(status(["up", "down"]))), STATUSES);
}

#[test]
fn a_token_that_reaches_the_fake_is_noticed() {
    let token = ("X-Relay-Token".to_owned(), "t".to_owned());
    assert_eq!(wrong(|outage| outage.seen[1].headers.push(token)), "no relay showed its token to the fake");
}
