//! Tests one key by its own way out, with a call that costs no quota; only a key whose project was denied access is tested by a
//! one-token answer, because listing models proves nothing there (`gemini-wire.md` 3.4).

use std::time::Duration;

use aggregator_protocol::{KeyState, Reason, RetestAnswer, RetestDetail};
use tokio::time::Instant;

use crate::gemini::error;
use crate::headers::sensitive;
use crate::live::Live;
use crate::policy::outcome::{Circumstances, Outcome};
use crate::policy::route::{Egress, Route};
use crate::policy::verdict::{Action, Verdict, judge};
use crate::shared::{Shared, stopping, wall_clock};

/// For the whole test.
const PATIENCE: Duration = Duration::from_secs(30);
/// Read of the answer at most.
const LARGEST: usize = 256 * 1024;
/// A small model that every tier has; only the status of its answer matters.
const SMALLEST_MODEL: &str = "gemini-flash-lite-latest";

/// Tests a key; `None` if there is no such key.
pub async fn retest(shared: &Shared, key: &str) -> Option<RetestAnswer> {
    let live = shared.live();
    live.config.keys.iter().find(|known| *known.id == *key)?;
    let started = Instant::now();
    let counted = matches!(shared.key_state(key)?, KeyState::Quarantined { reason: Reason::Denied, .. });
    let detail = |ok, egress: &str, status, rule: &str, message| RetestDetail {
        ok,
        egress: egress.to_owned(),
        status,
        rule: rule.to_owned(),
        message,
        counted,
        ms: started.elapsed().as_millis() as u64,
    };
    let Some(route) = shared.test_route(key, wall_clock()) else {
        return Some(RetestAnswer {
            key_id: key.into(),
            state: shared.key_state(key)?,
            detail: detail(false, "-", None, "noRoute", None),
        });
    };
    let egress = route.egress.name().to_owned();
    let mut stop = shared.watch_stop();
    let asked = tokio::select! {
        asked = tokio::time::timeout(PATIENCE, ask(&live, &route, counted)) => asked.map_err(|_| "timeout"),
        // Nobody waits for it any more, and the end must not either.
        () = stopping(&mut stop) => Err("stopped"),
    };
    let found = match asked {
        Err(rule) => detail(false, &egress, None, rule, None),
        Ok(None) => detail(false, &egress, None, "unreachable", None),
        Ok(Some((status, body))) => {
            let error = error::parse(&body);
            let verdict = verdict(status, error.as_ref(), &route);
            let project = error.as_ref().and_then(|error| error.project.as_deref());
            shared.retested(&route, &verdict, project, wall_clock());
            let message = error.as_ref().map(|error| live.redactor.text(&error.message));
            detail(verdict.action == Action::Deliver, &egress, Some(status), verdict.rule, message)
        }
    };
    tracing::info!(key, rule = %found.rule, status = found.status, "key re-tested");
    Some(RetestAnswer { key_id: key.into(), state: shared.key_state(key)?, detail: found })
}

fn verdict(status: u16, error: Option<&error::ApiError>, route: &Route) -> Verdict {
    let outcome = match error {
        _ if status < 400 => Outcome::Content,
        Some(error) => Outcome::Refused { status, error },
        None => Outcome::Foreign { status },
    };
    let at = Circumstances {
        relayed: matches!(route.egress, Egress::Relay(_)),
        repeatable: true,
        names_resource: false,
        tries_on_route: 1,
        reached: 1,
        unclear_rotated: false,
        empty_retried: true,
        retry_empty: false,
    };
    judge(&outcome, &at)
}

/// Status and body; `None` if nothing answered.
async fn ask(live: &Live, route: &Route, counted: bool) -> Option<(u16, Vec<u8>)> {
    let client = live.clients.aside(&route.egress).ok()?;
    let instance = match &route.egress {
        Egress::Direct => None,
        Egress::Relay(id) => live.config.instances.iter().find(|instance| instance.id == *id),
    };
    let base = match instance {
        Some(instance) => &instance.base,
        None => live.config.upstream.as_ref()?,
    };
    let mut request = if counted {
        let body = serde_json::json!({ "contents": [{ "role": "user", "parts": [{ "text": "." }] }],
            "generationConfig": { "maxOutputTokens": 1 } });
        client.post(format!("{}/v1beta/models/{SMALLEST_MODEL}:generateContent", base.url())).json(&body)
    } else {
        client.get(format!("{}/v1beta/models?pageSize=1", base.url()))
    };
    request = request.header("x-goog-api-key", sensitive(&route.secret)?);
    for (name, value) in instance.iter().flat_map(|instance| &instance.headers) {
        request = request.header(name, sensitive(value)?);
    }
    if let Some(token) = instance.and_then(|instance| instance.token.as_ref()) {
        request = request.header("x-relay-token", sensitive(token)?);
    }
    let mut response = request.send().await.ok()?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST {
            break;
        }
    }
    Some((status, body))
}
