//! What happened to the last requests, and why: a ring of decision records, shown on demand, and the [`Story`] of a request
//! that is still being told. Holds key ids, never keys.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;

use aggregator_protocol::{AttemptRecord, End, Record, RecordsParams, SkippedRecord};
use http::StatusCode;
use tokio::time::Instant;

use crate::log;
use crate::policy::Ms;
use crate::policy::route::{Egress, Route, Skipped};
use crate::policy::verdict::{Action, Blame, Verdict};
use crate::shared::{Shared, wall_clock};

/// How many are remembered.
pub const CAPACITY: usize = 200;

/// The last [`CAPACITY`] records.
#[derive(Debug, Default)]
pub struct Ring(VecDeque<Arc<Record>>);

impl Ring {
    /// Adds one; the oldest gives way.
    pub fn push(&mut self, record: Record) {
        if self.0.len() == CAPACITY {
            self.0.pop_back();
        }
        self.0.push_front(Arc::new(record));
    }

    /// Those asked for, newest first.
    pub fn list(&self, params: &RecordsParams) -> Vec<Arc<Record>> {
        let wanted = |record: &&Arc<Record>| params.request_id.as_ref().is_none_or(|id| *id == record.id);
        let limit = params.limit.map_or(CAPACITY, |limit| limit as usize);
        self.0.iter().filter(wanted).take(limit).cloned().collect()
    }
}

/// One request, from its first byte to its last. Dropping it ends it: the record goes into the ring and one line into the
/// log, however the request ended. If nobody said how, the caller left.
pub struct Story {
    shared: Arc<Shared>,
    started: Instant,
    record: Record,
    /// The attempt that is under way, or whose answer is being delivered.
    current: Option<Current>,
    /// The key of the last attempt, masked, for the log.
    masked: String,
    /// Leaves no trace: a page of our own.
    forgotten: bool,
}

struct Current {
    key: Arc<str>,
    egress: Egress,
    since: Instant,
}

impl Story {
    /// Begins when a request has come; what it asks for is told by its method as long as nobody knows better.
    pub fn new(shared: Arc<Shared>, method: &str, started_ms: Ms) -> Self {
        let id = shared.chance().id();
        Self {
            shared,
            started: Instant::now(),
            record: Record { operation: method.to_owned(), ..blank(id, started_ms) },
            current: None,
            masked: String::new(),
            forgotten: false,
        }
    }

    /// Its id, as in `X-Request-ID`.
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// When it began.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// How many attempts are over.
    pub fn attempts(&self) -> usize {
        self.record.attempts.len()
    }

    /// What it asks for, and in which dialect.
    pub fn asks(&mut self, openai: bool, model: &str, operation: &str) {
        self.record.front = if openai { "openai".into() } else { "gemini".into() };
        model.clone_into(&mut self.record.model);
        operation.clone_into(&mut self.record.operation);
    }

    /// Who was left out at the first choice.
    pub fn skips(&mut self, skipped: Vec<Skipped>) {
        if !self.record.skipped.is_empty() {
            // After a wait nobody is left out any more; why it waited is what is asked for.
            return;
        }
        let named = |skip: Skipped| SkippedRecord {
            key: skip.key.to_string(),
            rule: skip.rule.into(),
            until_ms: skip.until,
        };
        self.record.skipped = skipped.into_iter().map(named).collect();
    }

    /// An attempt begins.
    pub fn tries(&mut self, route: &Route) {
        self.masked = route.secret.masked();
        self.current =
            Some(Current { key: route.key.clone(), egress: route.egress.clone(), since: Instant::now() });
    }

    /// The attempt under way was judged.
    pub fn judged(&mut self, outcome: String, verdict: &'static str, rule: &'static str, until: Option<Ms>) {
        let Some(current) = self.current.take() else { return };
        let ms = millis(current.since);
        tracing::debug!(
            id = %self.record.id, key = %current.key, egress = %current.egress.name(), %outcome, %verdict, %rule, ms,
            "attempt"
        );
        self.record.attempts.push(AttemptRecord {
            key: current.key.to_string(),
            egress: current.egress.name().to_owned(),
            outcome,
            verdict: verdict.into(),
            rule: rule.into(),
            until_ms: until,
            ms,
        });
    }

    /// It was held until the pool recovered, so long.
    pub fn waited(&mut self, ms: Ms) {
        self.record.waited_ms = Some(self.record.waited_ms.unwrap_or_default() + ms);
    }

    /// The caller is being answered with this status.
    pub fn answers(&mut self, status: StatusCode) {
        self.record.status = Some(status.as_u16());
        self.record.first_byte_ms = Some(millis(self.started));
    }

    /// The last count of tokens.
    pub fn counts(&mut self, tokens: Option<u64>) {
        self.record.tokens = tokens;
    }

    /// Not a request of a client's: leaves no record and no line.
    pub fn forget(&mut self) {
        self.forgotten = true;
    }

    /// How it ended.
    pub fn ends(&mut self, end: End) {
        self.record.end = end;
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if self.forgotten {
            return;
        }
        self.judged("left".into(), "none", "left", None);
        let record = &mut self.record;
        record.total_ms = millis(self.started);
        if tracing::enabled!(tracing::Level::INFO) {
            log::request(&line(record, &self.masked), wall_clock());
        }
        self.shared.keep(std::mem::replace(record, blank(String::new(), 0)));
    }
}

/// The one line a request, as tracing would write it, at a third of the cost. What is looked for first comes first, for lines are
/// cut or wrapped where they are read.
fn line(record: &Record, masked: &str) -> String {
    let mut line = String::with_capacity(256);
    let egress = record.attempts.last().map_or("-", |attempt| &attempt.egress);
    let key = if masked.is_empty() { "-" } else { masked };
    let end = match record.end {
        End::Complete => "complete",
        End::Broken => "broken",
        End::Left => "left",
    };
    line.push_str("request");
    number(&mut line, " status=", record.status.map(u64::from));
    word(&mut line, " key=", key);
    word(&mut line, " egress=", egress);
    number(&mut line, " first_ms=", record.first_byte_ms);
    number(&mut line, " ms=", Some(record.total_ms));
    number(&mut line, " attempts=", Some(record.attempts.len() as u64));
    word(&mut line, " model=", &record.model);
    number(&mut line, " waited_ms=", record.waited_ms);
    word(&mut line, " end=", end);
    word(&mut line, " id=", &record.id);
    word(&mut line, " front=", &record.front);
    word(&mut line, " operation=", &record.operation);
    number(&mut line, " tokens=", record.tokens);
    line
}

fn word(line: &mut String, name: &str, word: &str) {
    line.push_str(name);
    line.push_str(word);
}

fn number(line: &mut String, name: &str, number: Option<u64>) {
    if let Some(number) = number {
        // Writing to a string does not fail.
        let _ = write!(line, "{name}{number}");
    }
}

/// The verdict as a record names it: `deliver`, `return`, `retry` (if it `retries`), or whom it blames.
pub fn verdict_name(verdict: &Verdict, retries: bool) -> &'static str {
    match (&verdict.blame, verdict.action) {
        (Blame::Bucket(_), _) => "coolBucket",
        (Blame::Quarantine { .. }, _) => "quarantine",
        (Blame::Pair(_), _) => "blockPair",
        (Blame::Egress(_), _) => "blameEgress",
        (Blame::Model, _) => "blameModel",
        (Blame::Unclear | Blame::Nobody, Action::Retry(_)) if retries => "retry",
        (Blame::Unclear | Blame::Nobody, Action::Retry(_) | Action::Return) => "return",
        (Blame::Unclear | Blame::Nobody, Action::Deliver) => "deliver",
    }
}

fn blank(id: String, started_ms: Ms) -> Record {
    Record {
        id,
        started_ms,
        front: "gemini".into(),
        model: "-".into(),
        operation: String::new(),
        status: None,
        waited_ms: None,
        first_byte_ms: None,
        total_ms: 0,
        tokens: None,
        end: End::Left,
        attempts: Vec::new(),
        skipped: Vec::new(),
    }
}

fn millis(since: Instant) -> u64 {
    since.elapsed().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: usize) -> Record {
        blank(id.to_string(), 0)
    }

    #[test]
    fn the_line_of_a_request_begins_with_what_is_looked_for_first() {
        let told = Record {
            status: Some(200),
            first_byte_ms: Some(2),
            total_ms: 9,
            tokens: Some(17),
            model: "flash".into(),
            operation: "generateContent".into(),
            end: End::Complete,
            ..record(5)
        };
        assert_eq!(
            line(&told, "AIza…ghij"),
            "request status=200 key=AIza…ghij egress=- first_ms=2 ms=9 attempts=0 model=flash end=complete id=5 \
             front=gemini operation=generateContent tokens=17"
        );
        assert_eq!(
            line(&Record { waited_ms: Some(3), ..record(6) }, ""),
            "request key=- egress=- ms=0 attempts=0 model=- waited_ms=3 end=left id=6 front=gemini operation="
        );
    }

    #[test]
    fn the_newest_come_first_and_the_oldest_give_way() {
        let mut ring = Ring::default();
        (0..CAPACITY + 3).for_each(|id| ring.push(record(id)));
        let all = ring.list(&RecordsParams::default());
        assert_eq!((all.len(), all[0].id.as_str(), all[CAPACITY - 1].id.as_str()), (200, "202", "3"));
    }

    #[test]
    fn one_request_or_a_few_can_be_asked_for() {
        let mut ring = Ring::default();
        (0..5).for_each(|id| ring.push(record(id)));
        let one = ring.list(&RecordsParams { limit: None, request_id: Some("3".into()) });
        assert_eq!(one.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["3"]);
        let two = ring.list(&RecordsParams { limit: Some(2), request_id: None });
        assert_eq!(two.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["4", "3"]);
    }
}
