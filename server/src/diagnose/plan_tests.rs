use std::collections::BTreeMap;

use aggregator_protocol::{
    Binding, DesiredState, InstanceStatus, KeyStatus, Problem, Reason, Role, Severity,
};
use serde_json::json;

use super::*;

/// A configuration of text: keys as `id>binding`, `!` in front of what is switched off.
fn config(mode: &str, fallback: bool, keys: &str, instances: &str) -> Config {
    let bare = |name: &str| name.trim_start_matches('!').to_owned();
    let keys: Vec<_> = keys
        .split_whitespace()
        .map(|key| {
            let (id, bound) = key.split_once('>').unwrap_or((key, ""));
            let binding = match bound {
                "" => json!(null),
                "local" => json!({ "kind": "local" }),
                id => json!({ "kind": "instance", "id": id }),
            };
            json!({ "id": bare(id), "secret": format!("secret-{id}"), "enabled": !id.starts_with('!'), "binding": binding })
        })
        .collect();
    let instances: Vec<_> = instances
        .split_whitespace()
        .map(|id| json!({ "id": bare(id), "url": "https://relay.example", "enabled": !id.starts_with('!') }))
        .collect();
    let state = json!({ "revision": 1, "mode": mode, "fallbackToLocal": fallback, "keys": keys, "instances": instances });
    let state: DesiredState = serde_json::from_value(state).unwrap();
    Config::from_desired(state, &Config::empty()).0
}

/// A status in which these instances are up, these down, and these keys quarantined.
fn status(up: &str, down: &str, out: &str) -> Status {
    let instance =
        |health: fn() -> Health| move |id: &str| InstanceStatus { id: id.to_owned(), health: health() };
    let is_up = || Health::Up { latency_ms: 1, version: None, legacy: false };
    let is_down =
        || Health::Down { since_ms: 1, next_try_ms: 2, reason: aggregator_protocol::DownReason::Location };
    let state = || KeyState::Quarantined { reason: Reason::Rejected, since_ms: 1, until_ms: None };
    let key = |id: &str| KeyStatus {
        id: id.to_owned(),
        in_flight: 0,
        used_today: 0,
        tokens_today: 0,
        project: None,
        models: Vec::new(),
        state: state(),
    };
    Status {
        applied_revision: 1,
        rejected_revision: None,
        version: String::new(),
        mode: Mode::Local,
        active_instances: 0,
        role: Role::Starting,
        instances: (up.split_whitespace().map(instance(is_up)))
            .chain(down.split_whitespace().map(instance(is_down)))
            .collect(),
        keys: out.split_whitespace().map(key).collect(),
        problems: Vec::new(),
    }
}

/// Targets as `subject:key`; `-`: nothing is asked of a key, `?`: there is none.
fn text(targets: Option<Vec<Target>>) -> String {
    let Some(targets) = targets else { return "unknown".into() };
    let key = |asked: &Asked| match asked {
        Asked::Key { id: Some(id), .. } => id.clone(),
        Asked::Key { id: None, secret } => secret.expose().to_owned(),
        Asked::Nothing => "-".into(),
        Asked::NoKey { .. } => "?".into(),
        Asked::Refused(rule) => rule.clone(),
    };
    let route = |route: &Route| match route {
        Route::Direct | Route::Relay(_) => String::new(),
        Route::Refused(rule) => format!("!{rule}"),
        Route::NoWay => "!".into(),
    };
    targets
        .iter()
        .map(|target| format!("{}{}:{}", target.subject, route(&target.route), key(&target.key)))
        .collect::<Vec<_>>()
        .join(" ")
}

fn all(config: &Config) -> String {
    text(plan(DiagnoseParams::default(), &Scene::of(config, &status("", "", ""))))
}

fn one(config: &Config, status: &Status, subject: &str) -> String {
    let params = DiagnoseParams { subject: Some(subject.into()), candidate: None };
    text(plan(params, &Scene::of(config, status)))
}

#[test]
fn without_a_subject_every_way_of_the_mode_is_looked_at_and_every_instance() {
    for (mode, fallback, keys, instances, targets) in [
        ("local", true, "a b", "", "local:a"),
        ("local", true, "", "", "local:?"),
        // Relays are tested before the mode is changed, but no key goes there.
        ("local", true, "a>r1", "r1 !r2", "local:a r1:-"),
        ("serverless", true, "a b>r2", "r1 r2", "r1:a r2:b"),
        ("serverless", true, "a>r2", "r1 r2", "r1:? r2:a"),
        ("serverless", true, "a>local", "r1", "r1:?"),
        ("serverless", true, "", "r1", "r1:?"),
        ("hybrid", true, "a>r1 b", "r1 r2", "local:a r1:a r2:b"),
        ("hybrid", true, "a b>local", "r1", "local:b r1:a"),
        ("hybrid", false, "a", "r1", "r1:a"),
        ("hybrid", false, "a b>local", "r1", "local:b r1:a"),
        ("hybrid", false, "a !b>local", "r1", "r1:a"),
        ("hybrid", true, "!a", "!r1", "local:?"),
    ] {
        assert_eq!(all(&config(mode, fallback, keys, instances)), targets, "{mode} {keys} {instances}");
    }
}

#[test]
fn no_key_is_planned_where_the_mode_would_not_send_it() {
    let subjects = ["local", "r1", "r2"];
    for mode in ["local", "serverless", "hybrid"] {
        for fallback in [true, false] {
            let config = config(mode, fallback, "a b>r1 c>local !d", "r1 r2");
            for subject in subjects {
                let planned = one(&config, &status("", "", ""), subject);
                let (_, key) = planned.split_once(':').unwrap();
                let permitted = match (mode, subject, key) {
                    (_, _, "-" | "?") => true,
                    ("local", subject, _) => subject == "local",
                    ("serverless", "local", _) => false,
                    ("hybrid", "local", key) => fallback || key == "c",
                    (_, relay, key) => key == "a" || (key == "b" && relay == "r1"),
                };
                assert!(permitted, "{mode} {fallback}: {planned}");
            }
        }
    }
}

#[test]
fn a_subject_is_a_way_or_a_key_by_its_own_way() {
    let hybrid = config("hybrid", true, "a b>r2 c>local !d", "r1 r2 !r3");
    let fresh = status("", "", "");
    for (subject, up, down, targets) in [
        ("local", "", "", "local:c"),
        ("r1", "", "", "r1:a"),
        // Also one that is switched off.
        ("r3", "", "", "r3:a"),
        ("a", "", "", "r1:a"),
        ("a", "r2", "", "r2:a"),
        ("a", "", "r1", "r2:a"),
        ("a", "", "r1 r2", "local:a"),
        ("b", "r1", "r2", "r2:b"),
        ("c", "r1", "", "local:c"),
        ("d", "", "", "r1:d"),
        ("nobody", "", "", "unknown"),
        ("", "", "", "unknown"),
    ] {
        assert_eq!(one(&hybrid, &status(up, down, ""), subject), targets, "{subject} up {up} down {down}");
    }
    let serverless = config("serverless", true, "a c>local", "r1");
    assert_eq!(one(&serverless, &fresh, "local"), "local:-");
    assert_eq!(one(&serverless, &fresh, "c"), "local!:?", "it takes no part");
    assert_eq!(one(&serverless, &status("", "r1", ""), "a"), "r1:a", "there is no other");
    assert_eq!(one(&config("local", true, "b>r1", "r1"), &fresh, "b"), "local:b");
}

#[test]
fn a_key_that_is_out_is_taken_only_where_there_is_no_other() {
    let local = config("local", true, "a b", "");
    assert_eq!(one(&local, &status("", "", "a"), "local"), "local:b");
    assert_eq!(one(&local, &status("", "", "a b"), "local"), "local:a");
    assert_eq!(one(&local, &status("", "", "a"), "a"), "local:a");
}

#[test]
fn an_instance_that_the_state_holds_and_nobody_can_use_is_told_of() {
    let config = config("hybrid", true, "a", "r1");
    let mut status = status("", "", "");
    for (code, subject) in [
        (ProblemCode::InstanceRetired, Some("old")),
        // A header of it was refused; it is there.
        (ProblemCode::InstanceUrl, Some("r1")),
        (ProblemCode::InstanceUrl, Some("local")),
        (ProblemCode::NoKeys, None),
    ] {
        let subject = subject.map(str::to_owned);
        status.problems.push(Problem { code, subject, severity: Severity::Warning });
    }
    let targets = text(plan(DiagnoseParams::default(), &Scene::of(&config, &status)));
    assert_eq!(targets, "local:a r1:a old!instanceRetired:-");
    assert_eq!(one(&config, &status, "old"), "old!instanceRetired:-");
}

fn candidate(config: &Config, candidate: Candidate) -> Vec<Target> {
    let params = DiagnoseParams { subject: Some("nobody".into()), candidate: Some(candidate) };
    plan(params, &Scene::of(config, &status("", "", ""))).unwrap()
}

fn instance(id: &str, url: &str) -> Candidate {
    let headers = BTreeMap::new();
    let (id, url) = (id.to_owned(), url.to_owned());
    let (name, region, token) = (None, None, Some(Secret::new(" token ")));
    Candidate::Instance(Box::new(aggregator_protocol::Instance {
        id,
        name,
        url,
        token,
        headers,
        region,
        enabled: false,
    }))
}

#[test]
fn a_candidate_instance_is_checked_as_one_of_the_state_is_and_never_counts_as_one() {
    let serverless = config("serverless", true, "a", "r1");
    for (url, rule) in [
        ("https://relay.example", ""),
        ("http://relay.example", "!instanceUrl"),
        ("https://me:secret@relay.example", "!instanceUrl"),
        ("https://mine.deno.dev", "!instanceRetired"),
    ] {
        let targets = candidate(&serverless, instance("new", url));
        let key = if rule.is_empty() { "a" } else { "-" };
        assert_eq!(text(Some(targets)), format!("new{rule}:{key}"));
    }
    // Also under the name of one that is edited.
    let target = candidate(&serverless, instance("r1", "https://other.example")).pop().unwrap();
    assert_eq!(target.configured(), None);
    let Route::Relay(relay) = &target.route else { panic!("{target:?}") };
    assert_eq!((&*relay.base.authority, &relay.token), ("other.example", &Some(Secret::new("token"))));
    let none = candidate(&config("serverless", true, "", ""), instance("new", "https://relay.example"));
    assert_eq!(text(Some(none)), "new:-", "that there is no key is not its fault");
    let local = candidate(&config("local", true, "a", ""), instance("new", "https://relay.example"));
    assert_eq!(text(Some(local)), "new:-");
    let headers = [("host".to_owned(), Secret::new("x"))];
    let Candidate::Instance(mut odd) = instance("new", "https://relay.example") else { panic!() };
    odd.headers.extend(headers);
    assert_eq!(text(Some(candidate(&serverless, Candidate::Instance(odd)))), "new!instanceUrl:-");
}

#[test]
fn a_candidate_key_goes_by_its_binding_or_the_first_way_of_the_mode() {
    let key = |secret: &str, binding: Option<Binding>| {
        Candidate::Key(CandidateKey { secret: Secret::new(secret), binding })
    };
    let to = |id: &str| Some(Binding::Instance { id: id.to_owned() });
    for (mode, candidate_key, targets) in [
        ("local", key(" new ", None), "local:new"),
        ("hybrid", key("new", None), "r1:new"),
        ("hybrid", key("new", to("r2")), "r2:new"),
        ("hybrid", key("new", to("gone")), "r1:new"),
        ("hybrid", key("new", Some(Binding::Local)), "local:new"),
        ("serverless", key("new", Some(Binding::Local)), "local!:?"),
        ("local", key("  ", None), "local!:emptySecret"),
        ("local", key("n\u{e9}w", None), "local!:invalidSecret"),
    ] {
        let config = config(mode, true, "a", "r1 r2");
        assert_eq!(text(Some(candidate(&config, candidate_key))), targets, "{mode}");
    }
}
