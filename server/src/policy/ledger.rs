//! What is counted for each key × model, and the file that outlives the process. Holds fingerprints, never secrets. Never
//! reads or writes a disk: `store` does.

use std::cmp::Reverse;

use aggregator_protocol::{Reason, Secret};
use serde::{Deserialize, Serialize};

use super::{Ms, SECOND};

/// The minute is kept in slices of 5 s, so "the last 60 s" is the last 55 to 60.
const SLICES: usize = 12;
const SLICE: Ms = 5 * SECOND;

/// The format this build writes and reads.
const VERSION: u32 = 1;
/// Largest file, in bytes.
pub const MAX_FILE: usize = 1_000_000;

/// What one key did with one model. The day is Pacific; counts of another day read as 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Use {
    /// As [`super::cooldown::pacific_day`] numbers it.
    pub day: i32,
    /// Answered with 2xx.
    pub requests_today: u32,
    /// Not answered with 2xx.
    pub errors_today: u32,
    /// Sum of each request's last `totalTokenCount`.
    pub tokens_today: u64,
    /// The slice that `requests` and `tokens` were last written in.
    latest: u64,
    requests: [u32; SLICES],
    tokens: [u32; SLICES],
}

impl Use {
    /// A request was sent.
    pub fn sent(&mut self, now: Ms) {
        let slice = self.slice(now);
        self.requests[slice] = self.requests[slice].saturating_add(1);
    }

    /// An attempt was answered: with 2xx or otherwise.
    pub fn answered(&mut self, well: bool, day: i32) {
        self.turn_to(day);
        let count = if well { &mut self.requests_today } else { &mut self.errors_today };
        *count = count.saturating_add(1);
    }

    /// A request is over that used this many tokens.
    pub fn spent(&mut self, tokens: u64, day: i32, now: Ms) {
        self.turn_to(day);
        self.tokens_today = self.tokens_today.saturating_add(tokens);
        let slice = self.slice(now);
        self.tokens[slice] = self.tokens[slice].saturating_add(tokens.try_into().unwrap_or(u32::MAX));
    }

    /// Requests sent and tokens counted in the last minute.
    pub fn minute(&self, now: Ms) -> (u32, u64) {
        let age =
            (now / SLICE).checked_sub(self.latest).map_or(SLICES, |age| age.min(SLICES as u64) as usize);
        let newest = (self.latest % SLICES as u64) as usize + SLICES;
        let live = (0..SLICES - age).map(|back| (newest - back) % SLICES);
        live.fold((0, 0), |(requests, tokens), slice| {
            (requests + self.requests[slice], tokens + u64::from(self.tokens[slice]))
        })
    }

    /// Whether there is anything to tell of this day.
    pub fn is_of(&self, day: i32) -> bool {
        self.day == day && (self.requests_today > 0 || self.errors_today > 0 || self.tokens_today > 0)
    }

    /// Adds what was counted on the same day before a restart; counts of another day are dropped.
    pub fn add(&mut self, row: &ModelRow, day: i32) {
        if row.day == day {
            self.turn_to(day);
            self.requests_today = self.requests_today.saturating_add(row.requests);
            self.errors_today = self.errors_today.saturating_add(row.errors);
            self.tokens_today = self.tokens_today.saturating_add(row.tokens);
        }
    }

    fn turn_to(&mut self, day: i32) {
        if self.day != day {
            (self.day, self.requests_today, self.errors_today, self.tokens_today) = (day, 0, 0, 0);
        }
    }

    /// The place of the current slice, with those in between wiped.
    fn slice(&mut self, now: Ms) -> usize {
        let current = now / SLICE;
        // A clock that was set back starts the minute anew.
        let stale =
            if current < self.latest { SLICES as u64 } else { (current - self.latest).min(SLICES as u64) };
        for back in 0..stale {
            let slice = (current.wrapping_sub(back) % SLICES as u64) as usize;
            (self.requests[slice], self.tokens[slice]) = (0, 0);
        }
        self.latest = current;
        (current % SLICES as u64) as usize
    }
}

// --- the file ---

/// The file, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerFile {
    /// Of the format.
    pub version: u32,
    /// Random, made once a file: the same key has other fingerprints elsewhere.
    pub salt: String,
    /// One a key.
    pub keys: Vec<KeyRow>,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRow {
    /// Its id.
    pub id: String,
    /// [`fingerprint`] of its secret.
    pub fingerprint: String,
    /// When it was last part of the pool.
    pub seen_ms: Ms,
    /// As Google told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// It is out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out: Option<OutRow>,
    /// Its whole project is out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_out: Option<OutRow>,
    /// What it did with models, and which of them rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelRow>,
}

/// A quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutRow {
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub since_ms: Ms,
    /// Until when; absent: for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<Ms>,
    /// How often in a row for this reason, this time included.
    #[serde(default)]
    pub strikes: u32,
}

/// Key × model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelRow {
    /// Without `models/`.
    pub model: String,
    /// Day of the counts, as [`super::cooldown::pacific_day`] numbers it.
    pub day: i32,
    /// Answered with 2xx on that day.
    pub requests: u32,
    /// Not answered with 2xx on that day.
    pub errors: u32,
    /// Tokens on that day.
    pub tokens: u64,
    /// The bucket rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<RestRow>,
    /// This key alone rests for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_rest_ms: Option<Ms>,
}

/// A cooldown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestRow {
    /// Until when.
    pub until_ms: Ms,
    /// Why.
    pub reason: Reason,
    /// 429s without details in a row.
    #[serde(default)]
    pub strikes: u16,
}

impl LedgerFile {
    /// A new file. The salt is 16 random bytes or more, made by the caller.
    pub fn new(salt: &[u8]) -> Self {
        Self { version: VERSION, salt: hex(salt), keys: Vec::new() }
    }

    /// Reads a file; `None` if it is none of ours, is too large, or is of another format.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let file: Self = (bytes.len() <= MAX_FILE).then(|| serde_json::from_slice(bytes).ok())??;
        (file.version == VERSION && !file.salt.is_empty()).then_some(file)
    }

    /// The bytes to write, at most [`MAX_FILE`]: what neither rests nor was busy is dropped first.
    pub fn encode(mut self) -> Vec<u8> {
        let whole = to_json(&self);
        if whole.len() <= MAX_FILE {
            return whole;
        }
        let mut keys = std::mem::take(&mut self.keys);
        let mut rows = Vec::new();
        for (place, key) in keys.iter_mut().enumerate() {
            rows.push((key.worth(), place, None));
            rows.extend(
                std::mem::take(&mut key.models).into_iter().map(|row| (row.worth(), place, Some(row))),
            );
        }
        rows.sort_by_key(|(worth, ..)| Reverse(*worth));
        let mut size = to_json(&self).len();
        let mut kept = vec![false; keys.len()];
        for (_, place, row) in rows {
            let head = if kept[place] { 0 } else { to_json(&keys[place]).len() + r#","models":[],"#.len() };
            let cost = head + row.as_ref().map_or(0, |row| to_json(row).len() + 1);
            if size + cost <= MAX_FILE {
                size += cost;
                kept[place] = true;
                keys[place].models.extend(row);
            }
        }
        self.keys = keys.into_iter().zip(kept).filter_map(|(key, kept)| kept.then_some(key)).collect();
        to_json(&self)
    }
}

/// What would be lost with a row: whether something rests or was learnt, then how much was counted.
type Worth = (bool, u64);

impl KeyRow {
    fn worth(&self) -> Worth {
        (self.out.is_some() || self.project_out.is_some() || self.project.is_some(), 0)
    }
}

impl ModelRow {
    fn worth(&self) -> Worth {
        (self.rest.is_some() || self.key_rest_ms.is_some(), u64::from(self.requests) + u64::from(self.errors))
    }
}

/// 8 bytes of SHA-256(salt ‖ secret), in hex: enough to tell another key, useless to find one.
pub fn fingerprint(salt: &str, secret: &Secret) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(salt.as_bytes());
    context.update(secret.expose().as_bytes());
    hex(&context.finish().as_ref()[..8])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings and numbers only")
}
