//! Records and states as lines that a person can read. Pure: values in, text out.

use std::time::Duration;

use aggregator_protocol::{Health, KeyState, Mode, Record, Role, Status};
use serde::Serialize;

use super::client::Answer;

/// One state in one line: mode and port, which relays are up, how many keys are how, what is in flight, what is wrong.
pub fn status(status: &Status, now: u64) -> String {
    let mode = match status.mode {
        Mode::Local => "local",
        Mode::Serverless => "serverless",
        Mode::Hybrid => "hybrid",
    };
    let role = match &status.role {
        Role::Starting => "starting".to_owned(),
        Role::Leader { port } => format!("port {port}"),
        Role::Follower { port, .. } => format!("port {port} is another window's"),
        Role::Blocked { port, by } => format!("port {port} is not ours ({})", name(by)),
    };
    let mut parts = vec![format!("{mode}, {role}")];
    parts.extend(relays(status));
    parts.push(keys(status, now));
    let busy: Vec<String> = status
        .keys
        .iter()
        .filter(|key| key.in_flight > 0)
        .map(|key| if key.in_flight == 1 { key.id.clone() } else { format!("{} x{}", key.id, key.in_flight) })
        .collect();
    let in_flight: u32 = status.keys.iter().map(|key| key.in_flight).sum();
    parts.push(match in_flight {
        0 => "idle".into(),
        _ => format!("{in_flight} in flight ({})", busy.join(", ")),
    });
    for problem in &status.problems {
        let subject = problem.subject.as_deref().unwrap_or_default();
        parts.push(format!("problem: {} {subject}", name(&problem.code)).trim_end().to_owned());
    }
    parts.join(" | ")
}

/// `1 of 2 relays up (relay-a unreachable)`; nothing where there are none.
fn relays(status: &Status) -> Option<String> {
    let down = status.instances.iter().filter_map(|instance| match &instance.health {
        Health::Down { reason, .. } => Some(format!("{} {}", instance.id, name(reason))),
        Health::Up { .. } | Health::Unknown => None,
    });
    let down: Vec<String> = down.collect();
    let down = if down.is_empty() { String::new() } else { format!(" ({})", down.join(", ")) };
    let all = status.instances.len();
    (all > 0).then(|| format!("{} of {} up{down}", status.active_instances, counted(all, "relay")))
}

/// `2 ready, 1 cooling (key1 perDay 3 h 10 min)`.
fn keys(status: &Status, now: u64) -> String {
    let (mut ready, mut off) = (0, 0);
    let (mut cooling, mut out) = (Vec::new(), Vec::new());
    for key in &status.keys {
        match &key.state {
            KeyState::Ready => ready += 1,
            KeyState::Disabled => off += 1,
            KeyState::CoolingDown { models } => {
                let why = match models.as_slice() {
                    [only] => format!(" {} {}", name(&only.reason), rest(only.until_ms, now)),
                    several => format!(" {} models", several.len()),
                };
                cooling.push(format!("{}{why}", key.id));
            }
            KeyState::Quarantined { reason, until_ms, .. } => {
                let rest = until_ms.map_or_else(String::new, |until| format!(" {}", rest(until, now)));
                out.push(format!("{} {}{rest}", key.id, name(reason)));
            }
        }
    }
    let mut parts = vec![format!("{ready} ready")];
    for (word, keys) in [("cooling", cooling), ("quarantined", out)] {
        if !keys.is_empty() {
            parts.push(format!("{} {word} ({})", keys.len(), keys.join(", ")));
        }
    }
    if off > 0 {
        parts.push(format!("{off} off"));
    }
    parts.join(", ")
}

/// A decision record: every attempt in a row of a table, below it who was left out.
pub fn record(record: &Record, now: u64) -> Vec<String> {
    let head =
        ["try", "key", "egress", "outcome", "verdict", "rule", "took", "until"].map(String::from).to_vec();
    let until =
        |until: Option<u64>| until.map_or_else(|| "-".to_owned(), |until| format!("in {}", rest(until, now)));
    let attempts = record.attempts.iter().enumerate().map(|(at, attempt)| {
        vec![
            (at + 1).to_string(),
            attempt.key.clone(),
            attempt.egress.clone(),
            attempt.outcome.clone(),
            attempt.verdict.clone(),
            attempt.rule.clone(),
            took(Duration::from_millis(attempt.ms)),
            until(attempt.until_ms),
        ]
    });
    let skipped = record.skipped.iter().map(|skipped| {
        let key = skipped.key.clone();
        let dash = || "-".to_owned();
        vec![
            "-".into(),
            key,
            dash(),
            "skipped".into(),
            dash(),
            skipped.rule.clone(),
            dash(),
            until(skipped.until_ms),
        ]
    });
    let mut lines = vec![format!("  Decision record {}: {}", record.id, summary(record))];
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(skipped).chain(attempts).collect();
    lines.extend(table(&rows).into_iter().map(|row| format!("    {row}")));
    lines
}

/// How it ended, in a few words.
fn summary(record: &Record) -> String {
    let status = record.status.map_or_else(|| "no answer".into(), |status| status.to_string());
    let tokens = record.tokens.map_or_else(String::new, |tokens| format!(", {tokens} tokens"));
    let tries = counted(record.attempts.len(), "attempt");
    format!("{status} after {tries}, {}{tokens}", took(Duration::from_millis(record.total_ms)))
}

/// How an answer came, in one line.
pub fn answer(answer: &Answer) -> String {
    let whole = took(answer.whole);
    match answer.first {
        // In one piece there is no first word to speak of.
        Some(first) if answer.whole > first + Duration::from_millis(10) => {
            format!("  Answer: {}, first word after {}, whole after {whole}", answer.status, took(first))
        }
        _ => format!("  Answer: {}, after {whole}", answer.status),
    }
}

/// Why there was no answer, and what to do about it; `error` is Google's status and sentence.
pub fn refusal(status: u16, error: Option<(String, String)>) -> Vec<String> {
    let (name, sentence) = error.unwrap_or_default();
    let mut lines = vec![format!("  Refused: {status} {name}").trim_end().to_owned()];
    lines.extend(sentence.lines().map(|line| format!("  {line}")));
    let hint = match status {
        400 if sentence.starts_with("API key") => "Look at your keys at https://aistudio.google.com/apikey.",
        401 | 403 => "Look at your keys at https://aistudio.google.com/apikey.",
        404 => "Choose a model that your keys may use with --model.",
        429 => "The quota of every key is used up for this model. Wait, or choose another with --model.",
        500.. => "Google is overloaded or cannot be reached. A proxy is taken from HTTPS_PROXY.",
        _ => return lines,
    };
    lines.push(format!("  {hint}"));
    lines
}

/// A request in one line, for the log of a long session.
pub fn request(record: &Record) -> String {
    let attempt = |attempt: &aggregator_protocol::AttemptRecord| {
        let way = if attempt.egress == "local" { String::new() } else { format!(" by {}", attempt.egress) };
        format!("{}{way} {} {}", attempt.key, attempt.outcome, attempt.rule)
    };
    let tries: Vec<String> = record.attempts.iter().map(attempt).collect();
    format!("{} {}: {} ({})", record.model, record.operation, summary(record), tries.join(", "))
}

/// Rows with their columns under each other.
fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &Vec<String>, at: usize| row.get(at).map_or(0, |cell| cell.chars().count());
    let widths: Vec<usize> =
        (0..columns).map(|at| rows.iter().map(|row| cell(row, at)).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// How long something still rests.
fn rest(until: u64, now: u64) -> String {
    let seconds = until.saturating_sub(now).div_ceil(1000);
    match seconds {
        0 => "0 s".into(),
        1..=99 => format!("{seconds} s"),
        100..=3599 => format!("{} min", seconds.div_ceil(60)),
        _ if seconds % 3600 < 60 => format!("{} h", seconds / 3600),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `0.31 s`, for what is counted from the start.
pub fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// `310 ms` or `3.10 s`, for how long something took.
fn took(time: Duration) -> String {
    if time < Duration::from_secs(1) { format!("{} ms", time.as_millis()) } else { seconds(time) }
}

/// `1 attempt`, `2 attempts`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// As the protocol spells it.
pub fn name(word: &impl Serialize) -> String {
    match serde_json::to_value(word) {
        Ok(serde_json::Value::String(name)) => name,
        _ => "?".into(),
    }
}

#[cfg(test)]
mod tests {
    use aggregator_protocol::{AttemptRecord, Record};
    use serde_json::json;

    use super::*;

    fn told(role: serde_json::Value, keys: serde_json::Value, problems: serde_json::Value) -> String {
        let keys: Vec<serde_json::Value> = keys
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
            .map(|(at, key)| {
                json!({ "id": format!("key{}", at + 1), "inFlight": key[0], "usedToday": 0, "tokensToday": 0,
                    "project": null, "models": [], "state": key[1] })
            })
            .collect();
        let value = json!({ "appliedRevision": 1, "rejectedRevision": null, "version": "2", "mode": "hybrid",
            "activeInstances": 0, "role": role, "instances": [], "keys": keys, "problems": problems });
        status(&serde_json::from_value(value).unwrap(), 1_000)
    }

    fn relayed() -> Status {
        let up = json!({ "kind": "up", "latencyMs": 1, "version": null, "legacy": false });
        let down = json!({ "kind": "down", "sinceMs": 1, "nextTryMs": 2, "reason": "unreachable" });
        let value = json!({ "appliedRevision": 1, "rejectedRevision": null, "version": "2", "mode": "hybrid",
            "activeInstances": 1, "role": { "kind": "leader", "port": 1 }, "keys": [], "problems": [],
            "instances": [{ "id": "a", "health": up }, { "id": "b", "health": down }] });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_status_is_one_line() {
        let ready = json!({ "kind": "ready" });
        let cooling = |models: serde_json::Value| json!({ "kind": "coolingDown", "models": models });
        let model = json!({ "model": "m", "untilMs": 31_000, "reason": "perMinute" });
        let leader = json!({ "kind": "leader", "port": 3145 });
        assert_eq!(
            told(json!({ "kind": "starting" }), json!([[0, ready]]), json!([])),
            "hybrid, starting | 1 ready | idle"
        );
        assert_eq!(
            told(leader.clone(), json!([[2, ready], [1, ready], [0, cooling(json!([model]))]]), json!([])),
            "hybrid, port 3145 | 2 ready, 1 cooling (key3 perMinute 30 s) | 3 in flight (key1 x2, key2)"
        );
        let out = json!({ "kind": "quarantined", "reason": "leaked", "sinceMs": 0, "untilMs": null });
        let later = json!({ "kind": "quarantined", "reason": "billing", "sinceMs": 0, "untilMs": 3_601_000 });
        assert_eq!(
            told(
                leader,
                json!([[0, out], [0, later], [0, cooling(json!([model, model]))], [0, { "kind": "disabled" }]]),
                json!([])
            ),
            "hybrid, port 3145 | 0 ready, 1 cooling (key3 2 models), 2 quarantined (key1 leaked, key2 billing 1 h), 1 off | idle"
        );
        let mut value = relayed();
        assert_eq!(status(&value, 0), "hybrid, port 1 | 1 of 2 relays up (b unreachable) | 0 ready | idle");
        value.instances.truncate(1);
        assert_eq!(status(&value, 0), "hybrid, port 1 | 1 of 1 relay up | 0 ready | idle");
        let problem = json!({ "code": "portTaken", "subject": "3145", "severity": "error" });
        let blocked = json!({ "kind": "blocked", "port": 3145, "by": "portTaken" });
        assert_eq!(
            told(blocked, json!([]), json!([problem])),
            "hybrid, port 3145 is not ours (portTaken) | 0 ready | idle | problem: portTaken 3145"
        );
    }

    fn recorded() -> Record {
        let attempt = |key: &str, outcome: &str, verdict: &str, rule: &str, until_ms| AttemptRecord {
            key: key.into(),
            egress: "local".into(),
            outcome: outcome.into(),
            verdict: verdict.into(),
            rule: rule.into(),
            until_ms,
            ms: 12,
        };
        Record {
            id: "r-1".into(),
            started_ms: 0,
            front: "gemini".into(),
            model: "m".into(),
            operation: "generateContent".into(),
            status: Some(200),
            waited_ms: None,
            first_byte_ms: Some(30),
            total_ms: 1_230,
            tokens: Some(17),
            end: aggregator_protocol::End::Complete,
            attempts: vec![
                attempt("key2", "429", "coolBucket", "perDay", Some(7_200_000)),
                attempt("key3", "200", "deliver", "ok", None),
            ],
            skipped: vec![aggregator_protocol::SkippedRecord {
                key: "key1".into(),
                rule: "leaked".into(),
                until_ms: None,
            }],
        }
    }

    #[test]
    fn a_record_is_a_table() {
        let expected = "  Decision record r-1: 200 after 2 attempts, 1.23 s, 17 tokens
    try  key   egress  outcome  verdict     rule    took   until
    -    key1  -       skipped  -           leaked  -      -
    1    key2  local   429      coolBucket  perDay  12 ms  in 2 h
    2    key3  local   200      deliver     ok      12 ms  -";
        assert_eq!(record(&recorded(), 0).join("\n"), expected);
        assert_eq!(
            request(&recorded()),
            "m generateContent: 200 after 2 attempts, 1.23 s, 17 tokens (key2 429 perDay, key3 200 ok)"
        );
    }

    #[test]
    fn a_rest_is_told_in_units_a_person_thinks_in() {
        let rests = [0, 1, 1_000, 36_200, 99_000, 100_000, 3_599_000, 3_600_000, 3_660_000, 55_000_000];
        assert_eq!(
            rests.map(|until| rest(until, 0)),
            ["0 s", "1 s", "1 s", "37 s", "99 s", "2 min", "60 min", "1 h", "1 h 1 min", "15 h 16 min"]
        );
        assert_eq!(rest(5, 9_999), "0 s");
    }
}
