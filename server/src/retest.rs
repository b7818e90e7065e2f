//! Tests one key by its own way out, with a call that costs no quota; only a key whose project was denied access is tested by a
//! one-token answer, because listing models proves nothing there (`gemini-wire.md` 3.4).

use std::time::Duration;

use aggregator_protocol::{KeyState, Reason, RetestAnswer, RetestDetail};
use tokio::time::Instant;

use crate::aside::{self, Answer, Question, Unanswered, Way};
use crate::live::Live;
use crate::policy::pool::Facts;
use crate::policy::route::{Egress, Route};
use crate::policy::verdict::Action;
use crate::shared::{Shared, stopping, wall_clock};

/// For the whole test.
const PATIENCE: Duration = Duration::from_secs(30);

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
        asked = ask(&live, &route, counted) => asked.map_err(|unanswered| match unanswered {
            Unanswered::Settings => "settings",
            Unanswered::TimedOut => "timeout",
            Unanswered::Failed(_) => "unreachable",
        }),
        // Nobody waits for it any more, and the end must not either.
        () = stopping(&mut stop) => Err("stopped"),
    };
    let found = match asked {
        Err(rule) => detail(false, &egress, None, rule, None),
        Ok(answer) => {
            let error = aside::error(&answer);
            let verdict = aside::verdict(&answer, error.as_ref(), matches!(route.egress, Egress::Relay(_)));
            let project = error.as_ref().and_then(|error| error.project.as_deref());
            let facts = Facts { google_spoke: error.is_some(), project, ..Facts::default() };
            shared.retested(&live.config, &route, &verdict, facts, wall_clock());
            let message = error.as_ref().map(|error| live.redactor.text(&error.message));
            detail(verdict.action == Action::Deliver, &egress, Some(answer.status), verdict.rule, message)
        }
    };
    tracing::info!(%key, rule = %found.rule, status = found.status, "key re-tested");
    Some(RetestAnswer { key_id: key.into(), state: shared.key_state(key)?, detail: found })
}

async fn ask(live: &Live, route: &Route, counted: bool) -> Result<Answer, Unanswered> {
    let way = match &route.egress {
        Egress::Direct => Way::Direct(live.config.upstream.as_ref()),
        Egress::Relay(id) => {
            let instance = live.config.instances.iter().find(|instance| instance.id == *id);
            Way::Relay(instance.ok_or(Unanswered::Settings)?)
        }
    };
    let question = if counted { Question::OneToken } else { Question::Models };
    aside::gemini(&live.clients, way, Some(&route.secret), question, PATIENCE).await
}
