//! A demo that cannot fail shows nothing: each check is given something wrong.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;

const MODEL: &str = "m";

fn record(attempts: &[&str], skipped: &[&str]) -> Record {
    let attempts: Vec<Value> = attempts
        .iter()
        .map(|words| {
            let words: Vec<&str> = words.split(' ').collect();
            json!({ "key": words[0], "egress": "local", "outcome": words[1], "verdict": words[2], "rule": words[3],
                "untilMs": words.get(4).map(|until| until.parse::<u64>().unwrap()), "ms": 1 })
        })
        .collect();
    let skipped: Vec<Value> =
        skipped.iter().map(|key| json!({ "key": key, "rule": "perDay", "untilMs": 99 })).collect();
    serde_json::from_value(json!({ "id": "1", "startedMs": 1, "front": "gemini", "model": MODEL, "operation": "generateContent",
        "status": 200, "firstByteMs": 1, "totalMs": 2, "tokens": 3, "end": "complete", "attempts": attempts, "skipped": skipped }))
    .unwrap()
}

fn status(in_flight: u32, first: Value, used: [u32; 3]) -> Status {
    let ready = json!({ "kind": "ready" });
    let key = |at: usize, in_flight: u32, state: &Value| {
        json!({ "id": format!("key{at}"), "inFlight": in_flight, "usedToday": used[at - 1], "tokensToday": 0,
            "project": null, "models": [], "state": state })
    };
    serde_json::from_value(
        json!({ "appliedRevision": 1, "rejectedRevision": null, "version": "2", "mode": "local",
        "activeInstances": 0, "role": { "kind": "leader", "port": 1 }, "instances": [], "problems": [],
        "keys": [key(1, 0, &first), key(2, in_flight, &ready), key(3, 0, &ready)] }),
    )
    .unwrap()
}

fn cooling(reason: &str) -> Value {
    json!({ "kind": "coolingDown", "models": [{ "model": MODEL, "untilMs": 99, "reason": reason }] })
}

fn told(body: Vec<u8>, record: Record) -> Told {
    let (first, whole) = (Some(Duration::from_millis(300)), Duration::from_secs(4));
    let answer = Answer { status: 200, body, text: "words".into(), first, whole, ..Answer::default() };
    Told { answer, record: Some(record) }
}

fn seen(key: usize) -> Seen {
    let secret = stage::KEYS[key].1.to_owned();
    Seen {
        number: 1,
        connection: 1,
        method: "POST".into(),
        target: "/".into(),
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        key: Some(secret.clone()),
        credentials: vec![("x-goog-api-key".into(), secret)],
        state: fake_gemini::State::Finished,
    }
}

/// As it should be.
fn good() -> Requests {
    let attempts = ["key1 429 coolBucket perDay 99", "key2 503 blameModel overloaded", "key2 200 deliver ok"];
    Requests {
        stream: told(stage::stream(), record(&attempts, &[])),
        unary: Some(told(fixtures::unary().into(), record(&["key3 200 deliver ok"], &["key1"]))),
        statuses: vec![
            status(0, json!({ "kind": "ready" }), [0, 0, 0]),
            status(1, cooling("perDay"), [0, 0, 0]),
            status(0, cooling("perDay"), [0, 1, 1]),
        ],
        seen: [0, 1, 1, 2].map(seen).into(),
    }
}

fn complaints(checks: &[Check]) -> Vec<&str> {
    checks.iter().filter(|check| check.complaint.is_some()).map(|check| check.name.as_str()).collect()
}

/// The names of the checks that complain once this is wrong.
fn wrong(spoil: impl FnOnce(&mut Requests)) -> String {
    let mut requests = good();
    spoil(&mut requests);
    complaints(&with_fake(&requests, MODEL)).join("; ")
}

#[test]
fn nothing_is_wrong_with_a_good_run() {
    assert_eq!(with_fake(&good(), MODEL).len(), 8);
    assert_eq!(complaints(&with_fake(&good(), MODEL)), Vec::<&str>::new());
    assert_eq!(complaints(&with_google(&good())), Vec::<&str>::new());
}

#[test]
fn a_byte_too_few_or_another_one_is_noticed() {
    for spoil in [
        |body: &mut Vec<u8>| body.truncate(body.len() - 1),
        |body: &mut Vec<u8>| body.push(b'\n'),
        |body: &mut Vec<u8>| body[40] ^= 1,
        |body: &mut Vec<u8>| body.clear(),
    ] {
        assert!(wrong(|requests| spoil(&mut requests.stream.answer.body)).starts_with("the stream is what"));
        let unary = wrong(|requests| spoil(&mut requests.unary.as_mut().unwrap().answer.body));
        assert_eq!(unary, "the unary answer is what the fake sent");
    }
    assert!(wrong(|requests| requests.stream.answer.status = 503).starts_with("the stream is what"));
    assert!(wrong(|requests| requests.unary = None).starts_with("the unary answer"));
}

#[test]
fn a_stream_that_was_held_back_is_noticed() {
    for first in [Some(Duration::from_millis(3_990)), None] {
        assert_eq!(wrong(|requests| requests.stream.answer.first = first), "it came word by word");
    }
}

#[test]
fn another_decision_is_noticed() {
    for attempts in [
        &["key2 503 blameModel overloaded", "key2 200 deliver ok"][..],
        &["key1 429 coolBucket perMinute 99", "key2 503 blameModel overloaded", "key2 200 deliver ok"],
        &["key1 429 coolBucket perDay", "key2 503 blameModel overloaded", "key2 200 deliver ok"],
        &["key1 429 coolBucket perDay 99", "key2 503 blameModel overloaded", "key3 200 deliver ok"],
        &["key1 429 coolBucket perDay 99", "key2 503 return overloaded"],
        &[],
    ] {
        let other = wrong(|requests| requests.stream.record = Some(record(attempts, &[])));
        assert!(other.starts_with("its record: 429"), "{attempts:?}: {other}");
    }
    assert!(wrong(|requests| requests.stream.record = None).starts_with("its record: 429"));
    for (attempts, skipped) in [
        (&["key3 200 deliver ok"][..], &[][..]),
        (&["key3 200 deliver ok"], &["key2"]),
        (&["key2 200 deliver ok"], &["key1"]),
        (&["key1 429 coolBucket perDay 99", "key3 200 deliver ok"], &[]),
    ] {
        let unary = Some(record(attempts, skipped));
        let other = wrong(|requests| requests.unary.as_mut().unwrap().record = unary);
        assert!(other.starts_with("its record: key1 skipped"), "{attempts:?}: {other}");
    }
}

#[test]
fn a_key_that_travels_elsewhere_or_not_at_all_is_noticed() {
    let all = "the fake met all three keys, each alone and in its header";
    assert_eq!(wrong(|requests| drop(requests.seen.pop())), all);
    assert_eq!(wrong(|requests| requests.seen[0].credentials.push(("?key".into(), "x".into()))), all);
    assert_eq!(wrong(|requests| requests.seen[3].credentials[0].0 = "authorization".into()), all);
    assert_eq!(wrong(|requests| requests.seen[3].key = Some("anything".into())), all);
}

#[test]
fn a_status_that_does_not_tell_is_noticed() {
    let last = "the last status: key1 cools until its day is over, key2 and key3 are ready";
    for status in [
        status(0, json!({ "kind": "ready" }), [0, 1, 1]),
        status(0, cooling("perMinute"), [0, 1, 1]),
        status(1, cooling("perDay"), [0, 1, 1]),
        status(0, cooling("perDay"), [0, 2, 0]),
    ] {
        assert_eq!(wrong(|requests| requests.statuses.push(status)), last);
    }
    let in_flight = "a status showed the stream in flight";
    assert_eq!(wrong(|requests| drop(requests.statuses.remove(1))), in_flight);
    assert_eq!(wrong(|requests| requests.statuses.clear()), format!("{in_flight}; {last}"));
}

#[test]
fn with_google_text_a_record_and_a_count_are_wanted() {
    let wrong = |spoil: fn(&mut Requests)| {
        let mut requests = good();
        spoil(&mut requests);
        complaints(&with_google(&requests)).join("; ")
    };
    assert_eq!(wrong(|requests| requests.stream.answer.status = 429), "the streaming request brought text");
    assert_eq!(wrong(|requests| requests.stream.answer.text.clear()), "the streaming request brought text");
    assert_eq!(
        wrong(|requests| requests.stream.record = Some(record(&["key1 429 coolBucket perDay"], &[]))),
        "the record of the streaming request ends in a delivery"
    );
    assert_eq!(
        wrong(|requests| requests.unary = None),
        "the unary request brought text; the record of the unary request ends in a delivery"
    );
    assert_eq!(wrong(|requests| drop(requests.statuses.pop())), "the status counts both");
}

#[test]
fn an_end_that_is_none_and_a_key_that_shows_are_noticed() {
    let good = Ending { leaks: Vec::new(), looked_at: 9, exit: Some(0), closed: true };
    assert_eq!(complaints(&at_the_end(&good)), Vec::<&str>::new());
    for ending in [
        Ending { leaks: vec!["key1 in the log".into()], ..good.clone() },
        Ending { looked_at: 0, ..good.clone() },
        Ending { exit: Some(1), ..good.clone() },
        Ending { exit: None, ..good.clone() },
        Ending { closed: false, ..good },
    ] {
        assert_eq!(complaints(&at_the_end(&ending)).len(), 1, "{ending:?}");
    }
}
