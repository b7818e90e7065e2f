//! What an answer to `/health` says of a relay, and how often relays are asked. `relay.md`, the worker's contract 7, is the
//! table. Never sends anything.

use aggregator_protocol::{DownReason, Fault, RelayDetail};
use serde::Deserialize;

use super::{MINUTE, Ms, SECOND};

/// What our worker calls itself.
const OURS: &str = "gemini-aggregator";
/// The protocol of the worker that this program speaks.
pub const RELAY_PROTOCOL: u32 = 1;
/// An instance that is up, or wants another token, is asked this often …
pub const EVERY: Ms = 30 * SECOND;
/// … and one without a health path, which is asked by a call to Gemini with a key of the pool.
pub const RARELY: Ms = 5 * MINUTE;

/// What came back from `/health`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// It works.
    Up(Relay),
    /// It runs, and will not work with this token.
    Token(Fault),
    /// Nothing there says how it is: no such path, or another program answers it.
    NoHealth,
    /// It does not work.
    Down(DownReason),
}

/// What a relay says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relay {
    /// Version, runtime, region, whether it is the original's.
    pub detail: RelayDetail,
    /// Ours, and it accepts the token that was sent.
    pub token_accepted: bool,
    /// Its protocol, where it is ours.
    pub protocol: Option<u32>,
}

/// What was found out of an instance by asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It works.
    Up {
        /// How long the answer took.
        latency_ms: u32,
        /// What it says of itself.
        relay: Relay,
        /// By a call to Gemini: it has no health path.
        by_call: bool,
    },
    /// It runs, and will not work with this token.
    Token(Fault),
    /// It does not work.
    Down(DownReason),
    /// Nothing: our own settings keep us from asking, or there is neither a health path nor a key to ask with.
    Nothing,
}

/// How far [`pace`] may be spread, so that many windows and instances do not ask in step.
pub const SPREAD: Ms = 6 * SECOND;

/// After how long an instance of which this was found is asked again, if nothing happens before. `spread`: by chance, below
/// [`SPREAD`].
pub fn pace(found: &Found, spread: Ms) -> Ms {
    let (pace, spread) = match found {
        Found::Up { by_call: true, .. } => (RARELY, spread * 10),
        _ => (EVERY, spread),
    };
    (pace + spread).saturating_sub(pace * SPREAD / EVERY / 2)
}

/// Reads an answer to `/health`. `token`: one was sent.
pub fn read(status: u16, content_type: &str, body: &[u8], token: bool) -> Reading {
    match status {
        200..300 => {}
        500.. => return Reading::Down(DownReason::ServerError),
        _ => return Reading::NoHealth,
    }
    if is_html(content_type, body) {
        return Reading::NoHealth;
    }
    match serde_json::from_slice::<Health>(body) {
        Ok(health) if health.relay.as_deref() == Some(OURS) => ours(health, token),
        _ if body.trim_ascii() == b"OK" => {
            let detail = RelayDetail { legacy: true, ..RelayDetail::default() };
            Reading::Up(Relay { detail, ..Relay::default() })
        }
        _ => Reading::Up(Relay::default()),
    }
}

/// Of all that it may hold, what is shown is short and printable.
fn ours(health: Health, token: bool) -> Reading {
    match health.auth.as_deref() {
        Some("unset") => return Reading::Token(Fault::TokenUnset),
        Some("required") if token => return Reading::Token(Fault::TokenRejected),
        Some("required") => return Reading::Token(Fault::TokenMissing),
        _ => {}
    }
    let detail = RelayDetail {
        version: health.version.and_then(shown),
        runtime: health.runtime.and_then(shown),
        region: health.region.and_then(shown),
        legacy: false,
    };
    let token_accepted = token && health.auth.as_deref() == Some("ok");
    Reading::Up(Relay { detail, token_accepted, protocol: health.protocol })
}

fn shown(text: String) -> Option<String> {
    let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    (plain && (1..=40).contains(&text.len())).then_some(text)
}

/// A web page in place of an answer.
pub fn is_html(content_type: &str, body: &[u8]) -> bool {
    content_type.to_ascii_lowercase().contains("html") || body.trim_ascii_start().starts_with(b"<")
}

#[derive(Deserialize)]
struct Health {
    relay: Option<String>,
    protocol: Option<u32>,
    auth: Option<String>,
    version: Option<String>,
    runtime: Option<String>,
    region: Option<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JSON: &str = "application/json";

    fn reads(status: u16, content_type: &str, body: &str, token: bool) -> String {
        match read(status, content_type, body.as_bytes(), token) {
            Reading::Up(Relay { detail, token_accepted, .. }) => {
                let version = detail.version.unwrap_or("-".into());
                let token = if token_accepted { ", token ok" } else { "" };
                format!("up {version}{}{token}", if detail.legacy { " legacy" } else { "" })
            }
            Reading::Token(fault) => format!("{fault:?}"),
            Reading::NoHealth => "no health".into(),
            Reading::Down(reason) => format!("{reason:?}"),
        }
    }

    #[test]
    fn every_answer_to_health_has_its_meaning() {
        let ours = |auth: &str| {
            format!(
                r#"{{"status":"ok","relay":"gemini-aggregator","protocol":1,"auth":"{auth}","version":"2.0.0"}}"#
            )
        };
        for (status, content_type, body, token, meaning) in [
            (200, JSON, ours("ok"), true, "up 2.0.0, token ok"),
            (200, JSON, ours("required"), true, "TokenRejected"),
            (200, JSON, ours("required"), false, "TokenMissing"),
            (200, JSON, ours("unset"), true, "TokenUnset"),
            (200, JSON, ours("unset"), false, "TokenUnset"),
            // Nobody accepts a token that was not sent.
            (200, JSON, ours("ok"), false, "up 2.0.0"),
            (200, "text/plain", "OK".into(), false, "up - legacy"),
            (200, "text/plain;charset=UTF-8", " OK\n".into(), true, "up - legacy"),
            (200, JSON, r#"{"status":"healthy"}"#.into(), true, "up -"),
            (204, "", String::new(), true, "up -"),
            (200, JSON, r#"{"relay":"gemini-aggregator","version":7}"#.into(), true, "up -"),
            (200, "text/html; charset=utf-8", "welcome".into(), true, "no health"),
            (200, "", "\n <!doctype html>".into(), true, "no health"),
            (404, JSON, "{}".into(), true, "no health"),
            (405, JSON, "{}".into(), true, "no health"),
            (301, "", String::new(), true, "no health"),
            (403, "", String::new(), true, "no health"),
            (429, "", String::new(), true, "no health"),
            (500, "", String::new(), true, "ServerError"),
            (530, "text/html", "<html>".into(), true, "ServerError"),
        ] {
            assert_eq!(reads(status, content_type, &body, token), meaning, "{status} {content_type} {body}");
        }
    }

    #[test]
    fn what_a_relay_says_of_itself_is_shown_only_if_it_is_short_and_printable() {
        for (version, seen) in
            [("2.1.0", "up 2.1.0"), ("", "up -"), ("\\u001b[31m", "up -"), (&*"9".repeat(41), "up -")]
        {
            let body = format!(r#"{{"relay":"gemini-aggregator","auth":"ok","version":"{version}"}}"#);
            assert_eq!(reads(200, JSON, &body, false), seen);
        }
    }

    #[test]
    fn instances_are_asked_every_thirty_seconds_or_five_minutes_a_tenth_more_or_less() {
        let up = |by_call| Found::Up { latency_ms: 1, relay: Relay::default(), by_call };
        for (found, spread, seconds) in [
            (up(false), 0, 27),
            (up(false), SPREAD, 33),
            (Found::Nothing, SPREAD / 2, 30),
            (up(true), 0, 270),
            (up(true), SPREAD, 330),
        ] {
            assert_eq!(pace(&found, spread), seconds * SECOND);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(status in 100u16..700, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            read(status, "", &body, true);
        }
    }
}
