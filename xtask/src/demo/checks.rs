//! Whether it all came out right. Pure: what was observed in, a list of checks out, each with its complaint if it has one.

use aggregator_protocol::{AttemptRecord, KeyState, Reason, Record, Role, Status};
use fake_gemini::{Seen, fixtures};

use super::client::Answer;
use super::show::counted;
use super::stage;

/// One thing that must be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    /// What was seen instead.
    pub complaint: Option<String>,
}

/// What the two requests showed.
#[derive(Debug, Clone)]
pub struct Requests {
    pub stream: Told,
    /// Not sent if the first was refused.
    pub unary: Option<Told>,
    /// Oldest first.
    pub statuses: Vec<Status>,
    /// What reached the fake.
    pub seen: Vec<Seen>,
}

/// A request, and what the sidecar says about it.
#[derive(Debug, Clone)]
pub struct Told {
    pub answer: Answer,
    pub record: Option<Record>,
}

/// How it ended.
#[derive(Debug, Clone)]
pub struct Ending {
    /// Whose secret showed where.
    pub leaks: Vec<String>,
    /// Bytes that were looked through for secrets.
    pub looked_at: usize,
    pub exit: Option<i32>,
    /// Nobody listens at the endpoint any more.
    pub closed: bool,
}

/// With the fake every byte and every decision is known beforehand.
pub fn with_fake(requests: &Requests, model: &str) -> Vec<Check> {
    let Requests { stream, unary, statuses, seen } = requests;
    let (sent, told) = (stage::stream(), &stream.answer);
    let attempts: Vec<String> =
        stream.record.iter().flat_map(|record| &record.attempts).map(attempt).collect();
    let spread = told.whole.saturating_sub(told.first.unwrap_or(told.whole));
    let mut checks = vec![
        check(
            &format!("the stream is what the fake sent, byte for byte ({} bytes)", sent.len()),
            told.status == 200 && told.body == sent,
            || format!("status {}, {}", told.status, differs(&told.body, &sent)),
        ),
        // Half the time that the fake takes for it: a stream that was held back comes at once.
        check("it came word by word", spread >= stage::PACE * stage::words() as u32 / 2, || {
            format!("{} ms from its first word to its last", spread.as_millis())
        }),
        compare(
            "its record: 429 on key1, 503 on key2, key2 again, delivered",
            &attempts,
            &[
                "key1 local 429 coolBucket perDay, rests",
                "key2 local 503 blameModel overloaded",
                "key2 local 200 deliver ok",
            ],
        ),
    ];
    let unary = unary.as_ref();
    let told = unary.map(|told| &told.answer);
    let sent = fixtures::unary();
    checks.push(check(
        "the unary answer is what the fake sent",
        told.is_some_and(|told| told.status == 200 && told.body == sent),
        || {
            told.map_or("not sent".into(), |told| {
                format!("status {}, {}", told.status, differs(&told.body, &sent))
            })
        },
    ));
    let record = unary.and_then(|told| told.record.as_ref());
    let skipped = record
        .iter()
        .flat_map(|record| &record.skipped)
        .map(|skip| format!("{} skipped {}", skip.key, skip.rule));
    let attempts = record.iter().flat_map(|record| &record.attempts).map(attempt);
    checks.push(compare(
        "its record: key1 skipped, delivered by key3 at the first attempt",
        &skipped.chain(attempts).collect::<Vec<_>>(),
        &["key1 skipped perDay", "key3 local 200 deliver ok"],
    ));
    let [first, second, third] = stage::KEYS;
    let key_of = |secret: Option<&str>| {
        stage::KEYS.iter().find(|(_, known, _)| secret == Some(*known)).map_or("a stranger", |(id, ..)| id)
    };
    let credentials = |seen: &Seen| {
        let places: Vec<&str> = seen.credentials.iter().map(|(place, _)| place.as_str()).collect();
        format!("{} in {}", key_of(seen.key.as_deref()), places.join("+"))
    };
    let header = |(id, ..): (&str, &str, &str)| format!("{id} in x-goog-api-key");
    checks.push(compare(
        "the fake met all three keys, each alone and in its header",
        &seen.iter().map(credentials).collect::<Vec<_>>(),
        &[&*header(first), &*header(second), &*header(second), &*header(third)],
    ));
    checks.push(check(
        "a status showed the stream in flight",
        statuses.iter().any(|status| status.keys.iter().any(|key| key.id == second.0 && key.in_flight == 1)),
        || format!("none of {} did", counted(statuses.len(), "status event")),
    ));
    let states = |status: &Status| -> Vec<String> {
        status
            .keys
            .iter()
            .map(|key| {
                format!("{} {} {} used {}", key.id, state(&key.state, model), key.in_flight, key.used_today)
            })
            .collect()
    };
    checks.push(compare(
        "the last status: key1 cools until its day is over, key2 and key3 are ready",
        &statuses.last().map(states).unwrap_or_default(),
        &["key1 cools perDay 0 used 0", "key2 ready 0 used 1", "key3 ready 0 used 1"],
    ));
    checks
}

/// With Google nobody knows beforehand which key will answer what.
pub fn with_google(requests: &Requests) -> Vec<Check> {
    let told = |name: &str, told: Option<&Told>| {
        let answer = told.map(|told| &told.answer);
        let good = |answer: &Answer| answer.status == 200 && !answer.text.is_empty();
        let record = told.and_then(|told| told.record.as_ref());
        let delivered =
            |record: &Record| record.attempts.last().is_some_and(|last| last.verdict == "deliver");
        [
            check(&format!("the {name} brought text"), answer.is_some_and(good), || {
                answer.map_or("not sent".into(), |answer| {
                    format!("status {}, {} characters", answer.status, answer.text.chars().count())
                })
            }),
            check(
                &format!("the record of the {name} ends in a delivery"),
                record.is_some_and(delivered),
                || {
                    let attempts: Vec<String> =
                        record.iter().flat_map(|record| &record.attempts).map(attempt).collect();
                    if attempts.is_empty() { "it has no attempt".into() } else { attempts.join("; ") }
                },
            ),
        ]
    };
    let mut checks = Vec::from(told("streaming request", Some(&requests.stream)));
    if requests.stream.answer.status != 200 {
        // The first says it all.
        checks.truncate(1);
        return checks;
    }
    checks.extend(told("unary request", requests.unary.as_ref()));
    let last = requests.statuses.last();
    let used = last.map_or(0, |status| status.keys.iter().map(|key| key.used_today).sum());
    let leads = last.is_some_and(|status| matches!(status.role, Role::Leader { .. }));
    checks.push(check("the status counts both", leads && used == 2, || format!("it counts {used}")));
    checks
}

/// Whoever answered.
pub fn at_the_end(ending: &Ending) -> Vec<Check> {
    vec![
        check(
            &format!("no key or token in {} bytes of messages, logs, answers and ledger", ending.looked_at),
            ending.leaks.is_empty() && ending.looked_at > 0,
            || if ending.leaks.is_empty() { "nothing was looked at".into() } else { ending.leaks.join(", ") },
        ),
        check(
            "the sidecar left with exit code 0 and closed the endpoint",
            ending.exit == Some(0) && ending.closed,
            || {
                let code = ending.exit.map_or("no code".into(), |code| format!("code {code}"));
                format!("{code}, endpoint {}", if ending.closed { "closed" } else { "open" })
            },
        ),
    ]
}

/// One check; `otherwise` says what was seen instead.
pub fn check(name: &str, good: bool, otherwise: impl FnOnce() -> String) -> Check {
    Check { name: name.into(), complaint: (!good).then(otherwise) }
}

/// One that wants exactly these.
pub fn compare(name: &str, seen: &[String], wanted: &[&str]) -> Check {
    check(name, seen == wanted, || format!("[{}] in place of [{}]", seen.join("; "), wanted.join("; ")))
}

fn attempt(attempt: &AttemptRecord) -> String {
    let AttemptRecord { key, egress, outcome, verdict, rule, until_ms, .. } = attempt;
    let rests = if until_ms.is_some() && verdict == "coolBucket" { ", rests" } else { "" };
    format!("{key} {egress} {outcome} {verdict} {rule}{rests}")
}

fn state(state: &KeyState, model: &str) -> String {
    match state {
        KeyState::Ready => "ready".into(),
        KeyState::CoolingDown { models } => match models.as_slice() {
            [only] if only.model == model && only.reason == Reason::PerDay => "cools perDay".into(),
            others => format!("cools {others:?}"),
        },
        other => format!("{other:?}"),
    }
}

/// Where two answers part, in words.
pub fn differs(seen: &[u8], sent: &[u8]) -> String {
    let at = seen.iter().zip(sent).take_while(|(seen, sent)| seen == sent).count();
    format!("{} of {} bytes, the same up to byte {at}", seen.len(), sent.len())
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
