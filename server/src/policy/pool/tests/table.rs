//! R1 and R2 in full: mode × fallback × binding × what happens, through the verdicts, as a call goes from attempt to attempt.

use super::*;
use crate::gemini::error::{self, ApiError};
use crate::policy::outcome::{Circumstances, Outcome};
use crate::policy::verdict::judge;
use serde_json::json;

/// What happens; to relays only, unless it is Google who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// Nothing goes wrong.
    Well,
    /// No connection.
    Refused,
    /// Neither an answer nor a sign of life.
    Hung,
    /// The platform's 502, as a page.
    Page502,
    /// The worker's own error.
    OwnError,
    /// A request error of Google's.
    BadRequest,
    /// Google's per-minute limit on k1.
    Quota,
}

use Event::*;

/// Who answers this attempt, and how.
fn outcome<'a>(event: Event, route: &Route, bad: &'a ApiError, quota: &'a ApiError) -> Outcome<'a> {
    let relayed = matches!(route.egress, Egress::Relay(_));
    match event {
        Refused if relayed => Outcome::Unreachable,
        Hung if relayed => Outcome::Hung,
        Page502 if relayed => Outcome::Foreign { status: 502 },
        OwnError if relayed => Outcome::RelayError { status: 502, code: "1" },
        BadRequest => Outcome::Refused { status: 400, error: bad },
        Quota if &*route.key == "k1" => Outcome::Refused { status: 429, error: quota },
        _ => Outcome::Content,
    }
}

/// One call from its first attempt to its end: `key way, key way` and, where nobody answered, why.
fn call(terms: Terms, keys: &str, instances: &str, event: Event) -> String {
    let mut world = World::new(terms, keys, instances);
    for id in world.config.instances.iter().map(|instance| instance.id.clone()).collect::<Vec<_>>() {
        let found = if instances.contains("down") { found_of("refused") } else { up("2.0.0") };
        world.probed(&id, found);
    }
    if instances.contains("down") {
        // Somebody finds out already whether it still is.
        world.model = "other".into();
        world.choose();
        if let Some(route) = world.route.take() {
            world.pool.release(&route);
        }
    }
    let bad =
        error::read(&json!({ "error": { "code": 400, "message": "no", "status": "INVALID_ARGUMENT" } }));
    let retry = json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "30s" });
    let quota = error::read(&json!({ "error": { "code": 429, "message": "quota",
        "status": "RESOURCE_EXHAUSTED", "details": [retry] } }));
    let (bad, quota) = (bad.unwrap(), quota.unwrap());
    (world.model, world.tried, world.prefer) = ("flash".into(), Vec::new(), None);
    let (mut steps, mut reached) = (Vec::new(), 0);
    loop {
        let chosen = world.choose();
        let Some(route) = world.route.take() else {
            steps.push(chosen);
            return steps.join(", ");
        };
        let outcome = outcome(event, &route, &bad, &quota);
        reached += u32::from(!matches!(outcome, Outcome::Unreachable));
        let verdict = judge(
            &outcome,
            &Circumstances {
                relayed: matches!(route.egress, Egress::Relay(_)),
                repeatable: true,
                names_resource: false,
                tries_on_route: 1,
                reached,
                unclear_rotated: false,
                empty_retried: false,
                retry_empty: true,
            },
        );
        note(&mut world.pool, &route, &verdict, None, world.now);
        world.pool.release(&route);
        let rules_out = match verdict.action {
            Action::Retry(Next::Rotate(rules_out) | Next::OtherEgress(rules_out)) => rules_out,
            Action::Retry(next) => panic!("{next:?} is not expected"),
            Action::Deliver => {
                steps.push(chosen);
                return steps.join(", ");
            }
            Action::Return => {
                steps.push(format!("{chosen} says no"));
                return steps.join(", ");
            }
        };
        steps.push(chosen);
        world.prefer = matches!(verdict.action, Action::Retry(Next::OtherEgress(_))).then_some(route.slot);
        world.tried.push(Tried { slot: route.slot, egress: route.egress, rules_out });
    }
}

#[test]
fn mode_fallback_binding_and_failure_say_how_a_call_goes() {
    let hybrid_only = Terms { fallback_to_local: false, ..HYBRID };
    let no_relay = |count| format!("no relay of {count}");
    let (none, one, two) = (&*no_relay(0), &*no_relay(1), &*no_relay(2));
    let (k1, k2) = ("k1 local", "k1 local, k2 local");
    // keys, instances, what happens: local | serverless | hybrid | hybrid without fallback
    for (keys, instances, event, expected) in [
        // No instance, none that is up.
        ("k1 k2", "", Well, [k1, none, k1, none]),
        ("k1 k2", "r1!", Well, [k1, none, k1, none]),
        ("k1 k2", "down", Well, [k1, one, k1, one]),
        ("k1@down k2", "down", Well, [k1, one, k1, one]),
        ("k1@down k2", "down", Quota, [k2, one, k2, one]),
        ("k1@local k2", "", Well, [k1, none, k1, k1]),
        ("k1@local k2", "down", Well, [k1, one, k1, k1]),
        // Unbound keys rotate over the instances; with one refused, the other, with the same key.
        ("k1 k2", "r1", Well, [k1, "k1 r1", "k1 r1", "k1 r1"]),
        ("k1 k2", "r1", Refused, [k1, "k1 r1, exhausted", "k1 r1, k1 local", "k1 r1, exhausted"]),
        ("k1 k2", "r1", Hung, [k1, "k1 r1, exhausted", "k1 r1, k1 local", "k1 r1, exhausted"]),
        ("k1 k2", "r1", Page502, [k1, "k1 r1, exhausted", "k1 r1, k1 local", "k1 r1, exhausted"]),
        ("k1 k2", "r1", OwnError, [k1, "k1 r1, exhausted", "k1 r1, k1 local", "k1 r1, exhausted"]),
        ("k1 k2", "r1", BadRequest, ["k1 local says no", "k1 r1 says no", "k1 r1 says no", "k1 r1 says no"]),
        ("k1 k2", "r1", Quota, [k2, "k1 r1, k2 r1", "k1 r1, k2 r1", "k1 r1, k2 r1"]),
        (
            "k1 k2",
            "r1 r2",
            Refused,
            [k1, "k1 r1, k1 r2, exhausted", "k1 r1, k1 r2, k1 local", "k1 r1, k1 r2, exhausted"],
        ),
        ("k1 k2", "r1 r2", Quota, [k2, "k1 r1, k2 r2", "k1 r1, k2 r2", "k1 r1, k2 r2"]),
        // A bound key takes no other instance; where it cannot, the next key does.
        ("k1@r2 k2", "r1 r2", Well, [k1, "k1 r2", "k1 r2", "k1 r2"]),
        (
            "k1@r2 k2",
            "r1 r2",
            Refused,
            [k1, "k1 r2, k2 r1, exhausted", "k1 r2, k1 local", "k1 r2, k2 r1, exhausted"],
        ),
        (
            "k1@r2 k2",
            "r1 r2",
            Hung,
            [k1, "k1 r2, k2 r1, exhausted", "k1 r2, k1 local", "k1 r2, k2 r1, exhausted"],
        ),
        (
            "k1@r2 k2",
            "r1 r2",
            Page502,
            [k1, "k1 r2, k2 r1, exhausted", "k1 r2, k1 local", "k1 r2, k2 r1, exhausted"],
        ),
        (
            "k1@r2 k2",
            "r1 r2",
            OwnError,
            [k1, "k1 r2, k2 r1, exhausted", "k1 r2, k1 local", "k1 r2, k2 r1, exhausted"],
        ),
        (
            "k1@r2 k2",
            "r1 r2",
            BadRequest,
            ["k1 local says no", "k1 r2 says no", "k1 r2 says no", "k1 r2 says no"],
        ),
        ("k1@r2 k2", "r1 r2", Quota, [k2, "k1 r2, k2 r1", "k1 r2, k2 r1", "k1 r2, k2 r1"]),
        ("k1@r2 k2@r2", "r1 r2", Refused, [k1, "k1 r2, exhausted", "k1 r2, k1 local", "k1 r2, exhausted"]),
        // A key that is bound to local takes no relay, and no part in serverless.
        ("k1@local k2", "r1", Well, [k1, "k2 r1", k1, k1]),
        ("k1@local k2", "r1", Refused, [k1, "k2 r1, exhausted", k1, k1]),
        ("k1@local k2", "r1", Quota, [k2, "k2 r1", "k1 local, k2 r1", "k1 local, k2 r1"]),
        ("k1@local", "r1 r2", Well, [k1, two, k1, k1]),
        (
            "k1@local k2",
            "r1",
            BadRequest,
            ["k1 local says no", "k2 r1 says no", "k1 local says no", "k1 local says no"],
        ),
    ] {
        for (terms, expected) in [LOCAL, SERVERLESS, HYBRID, hybrid_only].into_iter().zip(expected) {
            let seen = call(terms, keys, instances, event);
            assert_eq!(seen, expected, "{terms:?}, keys {keys}, instances {instances}, {event:?}");
        }
        for without in [LOCAL, SERVERLESS] {
            let off = Terms { fallback_to_local: false, ..without };
            let (on, off) = (call(without, keys, instances, event), call(off, keys, instances, event));
            assert_eq!(on, off, "fallback means nothing but in hybrid");
        }
    }
}
