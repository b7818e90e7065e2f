//! Looks at ways out one step after the other, for a user who wants to know what is wrong: name, connection, TLS, relay, Gemini,
//! key. `plan` says which ways and with which key, `walk` goes one of them, `reading` says what Gemini's answer means.
//!
//! Nothing here outlives the request, changes the state of a key, or sends a key where the mode would not.

mod plan;
mod reading;
mod walk;

use aggregator_protocol::{Candidate, DiagnoseParams, Diagnosis, Secret};
use futures_util::future::join_all;

use crate::redact::Redactor;
use crate::shared::{Shared, wall_clock};
use crate::windows;
use plan::{Scene, plan};
use walk::{Tools, walk};

/// Diagnoses; `None`: there is no such subject.
pub async fn diagnose(shared: &Shared, params: DiagnoseParams) -> Option<Diagnosis> {
    let live = shared.live();
    let secrets = secrets(params.candidate.as_ref());
    let targets = plan(params, &Scene::of(&live.config, &shared.status(wall_clock())))?;
    let redactor = Redactor::new(live.config.secrets().chain(secrets));
    let tools = Tools::new(&live, redactor);
    let walks = join_all(targets.iter().map(|target| walk(target, &tools))).await;
    let mut good = Vec::new();
    for (target, checks) in targets.iter().zip(&walks) {
        if let Some(instance) = target.configured()
            && checks.iter().all(|check| check.ok)
            && checks.iter().any(|check| check.code == aggregator_protocol::CheckCode::Reach)
        {
            shared.forgive(instance);
            good.push(&*instance.id);
        }
    }
    windows::tell_good(shared, &good).await;
    let checks: Vec<_> = walks.into_iter().flatten().collect();
    let failed = checks.iter().filter(|check| !check.ok).count();
    tracing::debug!(ways = targets.len(), checks = checks.len(), failed, "diagnosed");
    Some(Diagnosis { checks })
}

/// Those that are in no state.
fn secrets(candidate: Option<&Candidate>) -> Vec<Secret> {
    match candidate {
        None => Vec::new(),
        Some(Candidate::Key(key)) => vec![key.secret.clone()],
        Some(Candidate::Instance(instance)) => {
            instance.token.iter().chain(instance.headers.values()).cloned().collect()
        }
    }
}
