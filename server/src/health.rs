//! Asks the instances how they are: at the start, when one is added, after failures, and every half minute. What follows from
//! the answers is decided in `policy/pool/relays.rs`. Never touches a request, and never asks while another window leads.

use std::sync::Arc;
use std::time::Duration;

use aggregator_protocol::{DownReason, Role};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::aside::{self, Question, Unanswered, Way};
use crate::live::Live;
use crate::policy::health::{self, Found, Reading};
use crate::policy::pool::{Probe, Pulse};
use crate::policy::route::Egress;
use crate::policy::verdict::{Action, Blame};
use crate::policy::{Ms, SECOND};
use crate::shared::{Shared, stopping, wall_clock};

/// For one question: an instance may sleep, and wake only when it is asked.
const PATIENCE: Duration = Duration::from_secs(5);
/// For all that is asked while a request waits for the answer (R7).
const URGENT: Duration = Duration::from_secs(2);
/// What was heard so lately needs not be asked again: many requests may wait by one relay.
const FRESH: Ms = 2 * SECOND;
/// A request that has waited so long for its first byte has its relay asked (R7), and again each time it has passed.
const SILENCE: Duration = Duration::from_secs(5);

/// Asks until the process is asked to end.
pub async fn run(shared: Arc<Shared>) {
    let (mut stop, mut role) = (shared.watch_stop(), shared.watch_role());
    let (mut relays, mut config) = (shared.watch_relays(), shared.watch_config());
    let mut asking = JoinSet::new();
    while stop.borrow().is_none() {
        let leads = !matches!(*role.borrow_and_update(), Role::Follower { .. } | Role::Starting);
        relays.mark_unchanged();
        config.mark_unchanged();
        let next = if leads { ask_those_due(&shared, &mut asking) } else { None };
        tokio::select! {
            () = stopping(&mut stop) => return,
            () = pause(next) => {}
            _ = role.changed() => {}
            _ = relays.changed() => {}
            _ = config.changed() => {}
            Some(_) = asking.join_next() => {}
        }
    }
}

fn ask_those_due(shared: &Arc<Shared>, asking: &mut JoinSet<()>) -> Option<Ms> {
    let now = wall_clock();
    let (due, next) = shared.probes(now);
    for probe in due {
        let shared = shared.clone();
        asking.spawn(async move {
            let live = shared.live();
            let found = ask(&live, &probe).await;
            tracing::debug!(instance = &*probe.instance.id, ?found, "instance asked");
            shared.probed(&probe.instance, found, wall_clock());
        });
    }
    next.map(|at| at.saturating_sub(now))
}

async fn pause(length: Option<Ms>) {
    match length {
        Some(length) => sleep(Duration::from_millis(length)).await,
        None => std::future::pending().await,
    }
}

/// How an instance is: by its `/health`, or where it has none by a call that costs no quota.
async fn ask(live: &Live, probe: &Probe) -> Found {
    let asked = Instant::now();
    let patience = if probe.urgent { URGENT } else { PATIENCE };
    match aside::health(&live.clients, &probe.instance, patience).await {
        Ok((Reading::Up(relay), _)) => {
            Found::Up { latency_ms: ms(asked), relay: without_secrets(relay, live), by_call: false }
        }
        Ok((Reading::Token(fault), _)) => Found::Token(fault),
        Ok((Reading::Down(reason), _)) => Found::Down(reason),
        Ok((Reading::NoHealth, _)) if probe.urgent => {
            match call(live, probe, URGENT.saturating_sub(asked.elapsed())).await {
                // It has answered. That Gemini is slow behind it is what the request waits for, too.
                Found::Down(DownReason::Hung) => Found::Nothing,
                found => found,
            }
        }
        Ok((Reading::NoHealth, _)) => call(live, probe, PATIENCE).await,
        Err(unanswered) => unheard(&unanswered),
    }
}

/// What it says of itself is shown, and it has seen keys.
fn without_secrets(mut relay: health::Relay, live: &Live) -> health::Relay {
    let detail = &mut relay.detail;
    for text in [&mut detail.version, &mut detail.runtime, &mut detail.region] {
        *text = text.take().map(|text| live.redactor.name(text));
    }
    relay
}

async fn call(live: &Live, probe: &Probe, patience: Duration) -> Found {
    let Some(route) = &probe.route else { return Found::Nothing };
    let asked = Instant::now();
    let (way, key) = (Way::Relay(&probe.instance), Some(&route.secret));
    let answer = match aside::gemini(&live.clients, way, key, Question::Models, patience).await {
        Ok(answer) => answer,
        Err(unanswered) => return unheard(&unanswered),
    };
    let error = aside::error(&answer);
    let verdict = aside::verdict(&answer, error.as_ref(), true);
    match verdict.blame {
        Blame::Egress(reason) => Found::Down(reason),
        // Google has spoken, whatever it said of the key.
        _ if verdict.action == Action::Deliver || error.is_some() => Found::Up {
            latency_ms: u32::try_from(asked.elapsed().as_millis()).unwrap_or(u32::MAX),
            relay: health::Relay::default(),
            by_call: true,
        },
        _ => Found::Nothing,
    }
}

fn ms(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_millis()).unwrap_or(u32::MAX)
}

fn unheard(unanswered: &Unanswered) -> Found {
    unanswered.down().map_or(Found::Nothing, Found::Down)
}

/// Comes back when the relay that a request waits for turns out to be dead; a model that thinks, or another way out, is waited
/// for without end.
pub async fn dies(shared: &Shared, egress: &Egress) {
    let Egress::Relay(id) = egress else { return std::future::pending().await };
    loop {
        sleep(SILENCE).await;
        let (mut relays, since) = (shared.watch_relays(), wall_clock().saturating_sub(FRESH));
        if shared.pulse(id, since) == Pulse::Unheard {
            shared.doubt(id);
        }
        loop {
            match shared.pulse(id, since) {
                Pulse::Alive => break,
                Pulse::Dead => return,
                Pulse::Unheard if relays.changed().await.is_err() => return std::future::pending().await,
                Pulse::Unheard => {}
            }
        }
    }
}
